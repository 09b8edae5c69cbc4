//! The one way in which Ed25519 signatures are verified.
//!
//! A library of the tree switches on ed25519-dalek's feature `legacy_compatibility`, which cargo then unifies
//! into every program that links both: from then on `verify_strict` accepts a signature whose scalar is s + L.
//! So the scalar is checked here, before any verification.

use curve25519_dalek::Scalar;
use ed25519_dalek::{Signature, VerifyingKey};

/// Whether a signature verifies: s reduced (RFC 8032 section 5.1.7), R and the key of large order, no cofactor.
pub fn verify_strict(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    let reduced = Scalar::from_canonical_bytes(*signature.s_bytes())
        .into_option()
        .is_some();
    reduced && key.verify_strict(message, &signature).is_ok()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    #[test]
    fn a_scalar_that_is_not_reduced_is_refused() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let signature = key.sign(b"message").to_bytes();
        assert!(verify_strict(&key.verifying_key(), b"message", &signature));
        assert!(!verify_strict(&key.verifying_key(), b"massage", &signature));

        let order_minus_one = (-Scalar::ONE).to_bytes();
        let mut carry = 1u16;
        let mut malleable = signature;
        for (byte, order) in malleable[32..].iter_mut().zip(order_minus_one) {
            let [high, low] = (u16::from(*byte) + u16::from(order) + carry).to_be_bytes();
            (*byte, carry) = (low, u16::from(high));
        }
        assert_ne!(malleable, signature);
        assert!(!verify_strict(&key.verifying_key(), b"message", &malleable));
    }
}
