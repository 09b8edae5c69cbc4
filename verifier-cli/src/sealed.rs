//! Bytes sealed with a passphrase: Argon2id (RFC 9106) makes the key, XChaCha20-Poly1305 seals.
//!
//! `u8 1 | u32 memory KiB | u32 passes | u32 lanes | 16 salt | 24 nonce | sealed bytes`, big-endian.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::report::Failure;
use crate::secret::{Words, fill_random};

/// Memory in KiB, passes and lanes: the second recommendation of RFC 9106 section 4.
const COST: [u32; 3] = [64 * 1024, 3, 4];
/// What a file may demand at most: 1 GiB, 16 passes, 16 lanes.
const MOST: [u32; 3] = [1024 * 1024, 16, 16];
const VERSION: u8 = 1;
const HEAD: usize = 1 + 12 + 16 + 24;

/// Seals bytes; `bound` must be the same when they are opened.
pub(crate) fn seal(passphrase: &Words, bytes: &[u8], bound: &[u8]) -> Result<Vec<u8>, Failure> {
    seal_at(COST, passphrase, bytes, bound)
}

fn seal_at(cost: [u32; 3], passphrase: &Words, bytes: &[u8], bound: &[u8]) -> Result<Vec<u8>, Failure> {
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    fill_random(&mut salt)?;
    fill_random(&mut nonce)?;
    let mut out = vec![VERSION];
    cost.iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
    out.extend_from_slice(&salt);
    out.extend_from_slice(&nonce);
    let payload = Payload {
        msg: bytes,
        aad: &[&out, bound].concat(),
    };
    let sealed = cipher(cost, passphrase, &salt)?
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Failure::internal("seal", "the bytes cannot be sealed"))?;
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens what was sealed.
pub(crate) fn open(passphrase: &Words, sealed: &[u8], bound: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let malformed = || Failure::malformed("sealed-malformed", "these are no bytes that keyglass sealed");
    let (head, rest) = sealed.split_at_checked(HEAD).ok_or_else(malformed)?;
    let mut fields = head.iter().copied();
    let mut take = |n: usize| fields.by_ref().take(n).collect::<Vec<u8>>();
    if take(1) != [VERSION] {
        return Err(malformed());
    }
    let mut cost = [0; 3];
    for (at, most) in cost.iter_mut().zip(MOST) {
        *at = u32::from_be_bytes(take(4).try_into().map_err(|_| malformed())?);
        // A stranger's file must not make this machine work for hours.
        if *at == 0 || *at > most {
            return Err(malformed());
        }
    }
    let salt = take(16);
    let nonce: [u8; 24] = take(24).try_into().map_err(|_| malformed())?;
    let payload = Payload {
        msg: rest,
        aad: &[head, bound].concat(),
    };
    let opened = cipher(cost, passphrase, &salt)?.decrypt(&XNonce::from(nonce), payload);
    opened.map(Zeroizing::new).map_err(|_| {
        Failure::new(
            Exit::Unverifiable,
            "passphrase-wrong",
            "the passphrase does not open it",
        )
        .meaning("the passphrase is another one, or the file was changed")
        .next("give the right one with --passphrase-file FILE")
    })
}

fn cipher(
    [memory, passes, lanes]: [u32; 3],
    passphrase: &Words,
    salt: &[u8],
) -> Result<XChaCha20Poly1305, Failure> {
    let bad =
        |e: argon2::Error| Failure::malformed("sealed-malformed", format!("its key cannot be derived: {e}"));
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(bad)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(bad)?;
    Ok(XChaCha20Poly1305::new(Key::from_slice(key.as_slice())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    const CHEAP: [u32; 3] = [16, 1, 1];

    #[test]
    fn only_the_same_words_and_bytes_open_it() {
        let words = Words::new("correct horse".into());
        let sealed = seal_at(CHEAP, &words, b"secret", b"what").unwrap();
        assert_eq!(open(&words, &sealed, b"what").unwrap().as_slice(), b"secret");
        let reason = |words: &str, sealed: &[u8], bound: &[u8]| {
            open(&Words::new(words.into()), sealed, bound).unwrap_err().reason
        };
        assert_eq!(reason("wrong horse", &sealed, b"what"), "passphrase-wrong");
        assert_eq!(reason("correct horse", &sealed, b"other"), "passphrase-wrong");
        for at in [13, 30, HEAD, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(
                reason("correct horse", &changed, b"what"),
                "passphrase-wrong",
                "{at}"
            );
        }
    }

    #[test]
    fn a_strangers_file_does_not_decide_how_long_we_work() {
        let words = Words::new("w".into());
        let mut sealed = seal_at(CHEAP, &words, b"secret", b"").unwrap();
        let reason = |sealed: &[u8]| open(&words, sealed, b"").unwrap_err().reason;
        assert_eq!(reason(&sealed[..HEAD - 1]), "sealed-malformed");
        sealed[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(reason(&sealed), "sealed-malformed");
        sealed[0] = 2;
        assert_eq!(reason(&sealed), "sealed-malformed");
    }
}
