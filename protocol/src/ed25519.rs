//! The one way in which Ed25519 signatures are verified.
//!
//! A library of the tree switches on ed25519-dalek's feature `legacy_compatibility`, which cargo then unifies
//! into every program that links both: from then on `verify_strict` accepts a signature whose scalar is s + L.
//! So the scalar is checked here, before any verification.

use core::fmt;
use std::sync::Arc;

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::EdwardsBasepointTable;
use curve25519_dalek::traits::BasepointTable as _;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

/// Whether a signature verifies: s reduced (RFC 8032 section 5.1.7), R and the key of large order, no cofactor.
pub fn verify_strict(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    let reduced = Scalar::from_canonical_bytes(*signature.s_bytes())
        .into_option()
        .is_some();
    reduced && key.verify_strict(message, &signature).is_ok()
}

/// A key of large order with multiples of it, 30 KiB, which make verifying about a third cheaper: for one key that has signed
/// very much, such as that of imports. Verdicts are those of [`verify_strict`].
#[derive(Clone)]
pub struct PreparedKey {
    bytes: [u8; 32],
    /// Of the negated point.
    multiples: Arc<EdwardsBasepointTable>,
}

impl PreparedKey {
    /// Computes the multiples; none for a key of low order, whose signatures are no signatures.
    pub fn new(key: &VerifyingKey) -> Option<Self> {
        let negated = -key.to_edwards();
        (!key.is_weak()).then(|| Self {
            bytes: key.to_bytes(),
            multiples: Arc::new(EdwardsBasepointTable::create(&negated)),
        })
    }

    /// The key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether a signature verifies: R is s*B - H(R, key, message)*key, s is reduced, and R has large order (RFC 8032 section
    /// 5.1.7, without the cofactor). R is compared as bytes, so that only its one canonical encoding is accepted.
    pub fn verify_strict(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        let Some(s) = Scalar::from_canonical_bytes(*signature.s_bytes()).into_option() else {
            return false;
        };
        let hash = Sha512::new_with_prefix(signature.r_bytes())
            .chain_update(self.bytes)
            .chain_update(message);
        let k = Scalar::from_hash(hash);
        let r = ED25519_BASEPOINT_TABLE * &s + &*self.multiples * &k;
        r.compress().as_bytes() == signature.r_bytes() && !r.is_small_order()
    }
}

/// The multiples follow from the bytes.
impl PartialEq for PreparedKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PreparedKey {}

impl fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PreparedKey").field(&self.bytes).finish()
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests"
)]
mod tests {
    use super::*;
    use curve25519_dalek::EdwardsPoint;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};

    #[test]
    fn a_scalar_that_is_not_reduced_is_refused() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let signature = key.sign(b"message").to_bytes();
        assert!(verify_strict(&key.verifying_key(), b"message", &signature));
        assert!(!verify_strict(&key.verifying_key(), b"massage", &signature));

        let malleable = plus_order(signature);
        assert_ne!(malleable, signature);
        assert!(!verify_strict(&key.verifying_key(), b"message", &malleable));
    }

    /// The signature with the order of the group added to its scalar.
    fn plus_order(mut signature: [u8; 64]) -> [u8; 64] {
        let order_minus_one = (-Scalar::ONE).to_bytes();
        let mut carry = 1u16;
        for (byte, order) in signature[32..].iter_mut().zip(order_minus_one) {
            let [high, low] = (u16::from(*byte) + u16::from(order) + carry).to_be_bytes();
            (*byte, carry) = (low, u16::from(high));
        }
        signature
    }

    /// What one says, and that the other says the same.
    fn verdict(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
        let verdict = verify_strict(key, message, signature);
        let prepared = PreparedKey::new(key).map(|key| key.verify_strict(message, signature));
        assert_eq!(prepared.unwrap_or(false), verdict, "{key:?} {signature:?}");
        verdict
    }

    /// A signature of `message` by `secret`, with what `twist` adds to R and to the key.
    fn twisted(
        secret: Scalar,
        twist: (EdwardsPoint, EdwardsPoint),
        nonce: Scalar,
    ) -> (VerifyingKey, [u8; 64]) {
        let key = EdwardsPoint::mul_base(&secret) + twist.1;
        let key = VerifyingKey::from_bytes(&key.compress().to_bytes()).unwrap();
        let r = (EdwardsPoint::mul_base(&nonce) + twist.0).compress();
        let hash = Sha512::new_with_prefix(r.as_bytes())
            .chain_update(key.as_bytes())
            .chain_update(b"message");
        let s = nonce + Scalar::from_hash(hash) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(r.as_bytes());
        signature[32..].copy_from_slice(s.as_bytes());
        (key, signature)
    }

    #[test]
    fn a_prepared_key_says_the_same() {
        let mut accepted = 0;
        for seed in 0..64_u8 {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let signature = key.sign(b"message").to_bytes();
            assert!(verdict(&key.verifying_key(), b"message", &signature));
            assert!(!verdict(&key.verifying_key(), b"massage", &signature));
            assert!(!verdict(&key.verifying_key(), b"message", &plus_order(signature)));
            for at in 0..64 {
                let mut other = signature;
                other[at] ^= 1 << (seed % 8);
                assert!(!verdict(&key.verifying_key(), b"message", &other));
            }
            // Points of low order in R, in the key and in both: some of the sums are right by chance.
            let (low, high) = (usize::from(seed % 8), usize::from(seed / 8));
            let twist = (EIGHT_TORSION[low], EIGHT_TORSION[high]);
            let secret = Scalar::from(u64::from(seed) + 2);
            for nonce in [
                Scalar::ZERO,
                Scalar::from(7u8),
                Scalar::from(8u8),
                Scalar::from(9u8),
            ] {
                let (key, signature) = twisted(secret, twist, nonce);
                accepted += usize::from(verdict(&key, b"message", &signature));
            }
            let (weak, signature) = twisted(Scalar::ZERO, twist, Scalar::from(7u8));
            assert!(!verdict(&weak, b"message", &signature));
        }
        assert!(accepted > 3, "{accepted}");
    }

    #[test]
    fn an_r_of_low_order_is_refused_although_the_sum_is_right() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let secret = key.to_scalar();
        let (key, signature) = twisted(secret, (EIGHT_TORSION[0], EIGHT_TORSION[0]), Scalar::ZERO);
        assert!(key.verify(b"message", &Signature::from_bytes(&signature)).is_ok());
        assert!(!verdict(&key, b"message", &signature));
    }

    #[test]
    fn it_is_its_bytes() {
        let [one, two] = [1, 2].map(|seed| {
            let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
            PreparedKey::new(&key).unwrap()
        });
        assert_eq!(one, one.clone());
        assert_ne!(one, two);
        assert!(format!("{one:?}").starts_with("PreparedKey(["));
    }
}
