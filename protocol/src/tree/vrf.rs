//! ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381, suite 3) as akd 0.13 does it.
//!
//! akd's ways that differ from the letter of the RFC: the input is a BLAKE3 hash of label,
//! freshness and version; candidate points whose y is not reduced are skipped by a fixed list;
//! the output is cut to 32 bytes. Everything here is public, so variable time is fine.
//! Stricter than akd: a proof must be canonical (gamma, and s below the group order).

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use sha2::{Digest as _, Sha512};

use crate::quantity::{KeyVersion, LeafLabel};

use super::error::TreeError;
use super::hash;

/// Bytes of a VRF proof: 32 gamma, 16 c, 32 s.
pub const VRF_PROOF_BYTES: usize = 80;

const SUITE: u8 = 0x03;
/// Bytes of the challenge c.
const CHALLENGE_BYTES: usize = 16;

/// Whether a leaf says "this version exists" or "this version was replaced".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The version was replaced by the next one.
    Stale,
    /// The version exists.
    Fresh,
}

impl Freshness {
    const fn byte(self) -> u8 {
        match self {
            Self::Stale => 0,
            Self::Fresh => 1,
        }
    }
}

/// A directory's VRF public key: canonical, on the curve, not of small order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrfPublicKey {
    bytes: [u8; 32],
    negated: EdwardsPoint,
}

impl VrfPublicKey {
    /// Reads the 32 bytes of an Edwards point (RFC 8032 section 5.1.2).
    ///
    /// # Errors
    /// [`TreeError::VrfKey`] if they are not canonical, not on the curve or of small order.
    pub fn parse(bytes: &[u8; 32]) -> Result<Self, TreeError> {
        let point = canonical_point(bytes).ok_or(TreeError::VrfKey)?;
        if point.is_small_order() {
            return Err(TreeError::VrfKey);
        }
        Ok(Self {
            bytes: *bytes,
            negated: -point,
        })
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Hashes to the curve by trying counters (RFC 9381 section 5.4.1.1).
    fn encode_to_curve(&self, alpha: &[u8; 32]) -> Option<EdwardsPoint> {
        let mut prefix = Sha512::new();
        prefix.update([SUITE, 0x01]);
        prefix.update(self.bytes);
        prefix.update(alpha);
        (0..=u8::MAX).find_map(|counter| {
            let digest: [u8; 64] = prefix.clone().chain_update([counter, 0x00]).finalize().into();
            curve_point(digest.first_chunk()?)
        })
    }
}

/// Verifies that `proof` (80 bytes) is the VRF proof of (label, freshness, version) and returns
/// the leaf label that it names.
///
/// # Errors
/// [`TreeError::VrfProofLength`], [`TreeError::VrfGamma`], [`TreeError::VrfScalar`] or
/// [`TreeError::VrfMismatch`].
pub fn verify_vrf(
    key: &VrfPublicKey,
    label: &[u8],
    freshness: Freshness,
    version: KeyVersion,
    proof: &[u8],
) -> Result<LeafLabel, TreeError> {
    let proof = Proof::parse(proof)?;
    let alpha = alpha(label, freshness, version);
    let h = key.encode_to_curve(&alpha).ok_or(TreeError::VrfMismatch)?;
    // u = s*B - c*Y and v = s*H - c*gamma; c is short, so it multiplies the negated points. For s*B there is a table,
    // and c*(-Y) alone needs half the doublings that both together would.
    let u = ED25519_BASEPOINT_TABLE * &proof.s
        + EdwardsPoint::vartime_double_scalar_mul_basepoint(&proof.c, &key.negated, &Scalar::ZERO);
    let v = EdwardsPoint::vartime_multiscalar_mul([proof.s, proof.c], [h, -proof.gamma]);
    let challenge = Sha512::new()
        .chain_update([SUITE, 0x02])
        .chain_update(key.bytes)
        .chain_update(h.compress().as_bytes())
        .chain_update(proof.gamma_bytes)
        .chain_update(u.compress().as_bytes())
        .chain_update(v.compress().as_bytes())
        .chain_update([0x00])
        .finalize();
    if challenge.first_chunk::<CHALLENGE_BYTES>() != Some(&proof.c_bytes) {
        return Err(TreeError::VrfMismatch);
    }
    Ok(proof.output())
}

/// The VRF input: H(u64 length | label | freshness | u64 version).
fn alpha(label: &[u8], freshness: Freshness, version: KeyVersion) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hash::update_prefixed(&mut hasher, label);
    hasher.update(&[freshness.byte()]);
    hasher.update(&version.get().to_be_bytes());
    hasher.finalize().into()
}

struct Proof {
    gamma_bytes: [u8; 32],
    gamma: EdwardsPoint,
    c_bytes: [u8; CHALLENGE_BYTES],
    c: Scalar,
    s: Scalar,
}

impl Proof {
    fn parse(bytes: &[u8]) -> Result<Self, TreeError> {
        let wrong_length = TreeError::VrfProofLength(bytes.len());
        let bytes = <&[u8; VRF_PROOF_BYTES]>::try_from(bytes).map_err(|_| wrong_length)?;
        let (gamma_bytes, rest) = bytes.split_first_chunk::<32>().ok_or(wrong_length)?;
        let (c_bytes, s_bytes) = rest.split_first_chunk::<CHALLENGE_BYTES>().ok_or(wrong_length)?;
        let s_bytes = <[u8; 32]>::try_from(s_bytes).map_err(|_| wrong_length)?;
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes)).ok_or(TreeError::VrfScalar)?;
        Ok(Self {
            gamma_bytes: *gamma_bytes,
            gamma: canonical_point(gamma_bytes).ok_or(TreeError::VrfGamma)?,
            c_bytes: *c_bytes,
            c: Scalar::from(u128::from_le_bytes(*c_bytes)),
            s,
        })
    }

    /// The first 32 bytes of proof-to-hash (RFC 9381 section 5.2).
    fn output(&self) -> LeafLabel {
        let digest: [u8; 64] = Sha512::new()
            .chain_update([SUITE, 0x03])
            .chain_update(self.gamma.mul_by_cofactor().compress().as_bytes())
            .chain_update([0x00])
            .finalize()
            .into();
        LeafLabel::new(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// The point with this encoding, if the encoding is the canonical one: y below 2^255 - 19, and
/// no sign on x = 0. Saves the inversion that compressing again would cost.
fn canonical_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let [low, middle @ .., high] = bytes;
    let (y_high, sign) = (high & 0x7f, high >> 7 == 1);
    let all = |byte: u8| middle.iter().all(|b| *b == byte);
    let not_reduced = y_high == 0x7f && all(0xff) && *low >= 0xed;
    // x = 0 only for y = 1 and y = -1.
    let x_is_zero = (y_high == 0 && all(0) && *low == 1) || (y_high == 0x7f && all(0xff) && *low == 0xec);
    if not_reduced || (sign && x_is_zero) {
        return None;
    }
    CompressedEdwardsY(*bytes).decompress()
}

/// The point of prime order that a hash stands for, if akd takes it for one.
fn curve_point(candidate: &[u8; 32]) -> Option<EdwardsPoint> {
    if is_skipped_by_akd(candidate) {
        return None;
    }
    let point = CompressedEdwardsY(*candidate).decompress()?.mul_by_cofactor();
    (!point.is_identity()).then_some(point)
}

/// Candidates that akd does not take for points although the curve library would.
fn is_skipped_by_akd(candidate: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = candidate;
    high & 0x7f == 0x7f
        && middle.iter().all(|b| *b == 0xff)
        && [1, 3, 4, 5, 9, 10, 13, 14, 15, 16].contains(&low.wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No hash can be made to hit these by choice, so they are tried directly: all encodings
    /// whose y is not reduced, and the reduced ones of small order among the smallest.
    #[test]
    fn no_point_comes_from_an_unreduced_or_small_order_candidate() {
        let mut skipped = 0;
        for low in 0xed..=0xff_u8 {
            for high in [0x7f, 0xff] {
                let candidate = core::array::from_fn(|i| match i {
                    0 => low,
                    31 => high,
                    _ => 0xff,
                });
                assert_eq!(curve_point(&candidate), None, "{low:x} {high:x}");
                assert_eq!(canonical_point(&candidate), None, "{low:x} {high:x}");
                skipped += u8::from(is_skipped_by_akd(&candidate));
            }
        }
        assert_eq!(skipped, 20);
        let mut neutral = [0; 32];
        neutral.iter_mut().take(1).for_each(|byte| *byte = 1);
        assert!(canonical_point(&neutral).is_some());
        assert_eq!(curve_point(&neutral), None);
    }

    /// Only candidates near the prime are skipped: each byte counts.
    #[test]
    fn a_candidate_that_differs_in_one_byte_is_not_skipped() {
        let near = |at: usize, other: u8| {
            let bytes = core::array::from_fn(|i| match i {
                _ if i == at => other,
                31 => 0x7f,
                _ => 0xff,
            });
            is_skipped_by_akd(&bytes)
        };
        assert!(near(0, 0xff) && near(31, 0xff));
        assert!((1..31).all(|at| !near(at, 0xfe)));
        assert!(!near(31, 0x7e) && !near(31, 0x00) && !near(0, 0xfe));
    }

    /// Against the definition: what decompresses and compresses to the same bytes again.
    #[test]
    fn exactly_the_canonical_encodings_are_points() {
        let (mut points, mut refused) = (0, 0);
        let borders = [0x00, 0x01, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff];
        let all_lows = (0..=u8::MAX).flat_map(|low| borders.map(|high| (low, high)));
        let all_highs = (0..=u8::MAX).flat_map(|high| [0x01, 0xec, 0xed].map(|low| (low, high)));
        for (low, high) in all_lows.chain(all_highs) {
            for (all, one) in [(0x00, 0x00), (0x00, 0x40), (0xff, 0xff), (0xff, 0xfe)] {
                let bytes = core::array::from_fn(|i| match i {
                    0 => low,
                    15 => one,
                    31 => high,
                    _ => all,
                });
                let point = CompressedEdwardsY(bytes).decompress();
                let again = point.filter(|p| p.compress().0 == bytes);
                assert_eq!(canonical_point(&bytes), again, "{}", hex::encode(bytes));
                points += u32::from(again.is_some());
                refused += u32::from(again.is_none() && point.is_some());
            }
        }
        assert!(points > 1_000 && refused > 10, "{points} {refused}");
    }
}
