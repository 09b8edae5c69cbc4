//! As much of OpenPGP (RFC 9580, version 4 keys) as is needed to list the keys and user ids of a keyring.

use anyhow::{Context as _, Result, bail, ensure};
use sha1::{Digest as _, Sha1};

const PUBLIC_KEY: u8 = 6;
const USER_ID: u8 = 13;
const PUBLIC_SUBKEY: u8 = 14;
/// Public-key algorithms: EdDSA as GnuPG made it first, and as RFC 9580 has it.
const EDDSA_LEGACY: u8 = 22;
const ED25519: u8 = 27;
/// 1.3.6.1.4.1.11591.15.1.
const CURVE: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// A public key with its user ids and subkeys. Signatures in it are not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    primary: Vec<u8>,
    subkeys: Vec<Vec<u8>>,
    /// User ids that are UTF-8.
    pub user_ids: Vec<String>,
}

impl Certificate {
    /// Version 4 fingerprint of the primary key, lower-case hex.
    pub fn fingerprint(&self) -> String {
        let length = u16::try_from(self.primary.len()).unwrap_or(u16::MAX);
        let hash = Sha1::new()
            .chain_update([0x99])
            .chain_update(length.to_be_bytes())
            .chain_update(&self.primary)
            .finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The Ed25519 key: the primary one (then true), else the first subkey.
    pub fn ed25519(&self) -> Option<([u8; 32], bool)> {
        match ed25519(&self.primary) {
            Some(key) => Some((key, true)),
            None => self
                .subkeys
                .iter()
                .find_map(|k| ed25519(k))
                .map(|key| (key, false)),
        }
    }
}

/// The key in the body of a key packet: u8 4 | u32 time | u8 algorithm | its fields.
fn ed25519(body: &[u8]) -> Option<[u8; 32]> {
    let (head, rest) = body.split_at_checked(6)?;
    let plain = match *head.last()? {
        // u8 length and object identifier | u16 bits | 0x40 and 32 bytes.
        EDDSA_LEGACY => {
            let rest = rest.strip_prefix(&[9])?.strip_prefix(&CURVE)?;
            rest.strip_prefix(&[1, 7, 0x40])?
        }
        ED25519 => rest,
        _ => return None,
    };
    plain.try_into().ok()
}

/// All certificates of a binary keyring whose primary key has version 4.
///
/// # Errors
/// A packet does not fit, or stands where none may.
pub fn certificates(keyring: &[u8]) -> Result<Vec<Certificate>> {
    let mut found: Vec<Certificate> = Vec::new();
    let mut rest = keyring;
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest).context("not an OpenPGP keyring")?;
        rest = after;
        match tag {
            PUBLIC_KEY => found.push(Certificate {
                primary: body.to_vec(),
                ..Certificate::default()
            }),
            PUBLIC_SUBKEY | USER_ID => {
                let certificate = found.last_mut().context("it does not begin with a public key")?;
                if tag == PUBLIC_SUBKEY {
                    certificate.subkeys.push(body.to_vec());
                } else if let Ok(text) = String::from_utf8(body.to_vec()) {
                    certificate.user_ids.push(text);
                }
            }
            _ => {}
        }
    }
    found.retain(|certificate| certificate.primary.first() == Some(&4));
    Ok(found)
}

/// Tag, body and what follows.
fn packet(bytes: &[u8]) -> Result<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first().context("an empty packet")?;
    ensure!(first & 0x80 != 0, "not a packet");
    let (tag, (length, rest)) = if first & 0x40 != 0 {
        (first & 0x3f, new_length(rest)?)
    } else {
        ((first >> 2) & 0x0f, old_length(first & 3, rest)?)
    };
    let (body, after) = rest.split_at_checked(length).context("a packet is cut off")?;
    Ok((tag, body, after))
}

fn old_length(kind: u8, rest: &[u8]) -> Result<(usize, &[u8])> {
    match kind {
        0 => number::<1>(rest),
        1 => number::<2>(rest),
        2 => number::<4>(rest),
        _ => bail!("a packet of unknown length"),
    }
}

fn new_length(rest: &[u8]) -> Result<(usize, &[u8])> {
    let (first, after) = rest.split_first().context("a packet is cut off")?;
    match first {
        0..192 => Ok((usize::from(*first), after)),
        192..224 => {
            let (second, after) = after.split_first().context("a packet is cut off")?;
            Ok((
                (usize::from(*first) - 192) * 256 + usize::from(*second) + 192,
                after,
            ))
        }
        224..255 => bail!("a packet in parts"),
        255 => number::<4>(after),
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<N>().context("a packet is cut off")?;
    let value = digits
        .iter()
        .fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: u8, fields: &[u8]) -> Vec<u8> {
        [&[4, 0, 0, 0, 1, algorithm], fields].concat()
    }

    fn old(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[0x80 | tag << 2, body.len() as u8], body].concat()
    }

    fn new(tag: u8, body: &[u8]) -> Vec<u8> {
        [
            &[0xc0 | tag, 255],
            (body.len() as u32).to_be_bytes().as_slice(),
            body,
        ]
        .concat()
    }

    #[test]
    fn keys_and_user_ids_are_found_in_both_packet_forms() {
        let legacy = [&[9], CURVE.as_slice(), &[1, 7, 0x40], &[5; 32]].concat();
        let rsa = key(1, &[0, 1, 1]);
        let ring = [
            old(6, &key(22, &legacy)),
            new(13, b"A <a@debian.org>"),
            old(2, &[1, 2, 3]),
            new(6, &rsa),
            old(13, &[0xff]),
            new(14, &key(27, &[6; 32])),
            old(14, &key(22, &legacy)),
        ]
        .concat();
        let found = certificates(&ring).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].ed25519(), found[1].ed25519()),
            (Some(([5; 32], true)), Some(([6; 32], false)))
        );
        assert_eq!((found[0].user_ids.len(), found[1].user_ids.len()), (1, 0));
        let mut expected = Sha1::new();
        expected.update([&[0x99, 0, rsa.len() as u8], rsa.as_slice()].concat());
        assert_eq!(
            found[1].fingerprint(),
            expected
                .finalize()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
        );
    }

    #[test]
    fn what_is_no_keyring_is_refused() {
        let good = old(6, &key(27, &[6; 32]));
        for length in 1..good.len() {
            assert!(certificates(&good[..length]).is_err(), "{length}");
        }
        for bad in [&b"text"[..], &old(13, b"nobody"), &[0xc6, 224, 0], &[0x9b, 0]] {
            assert!(certificates(bad).is_err(), "{bad:?}");
        }
    }
}
