//! What the tests of records share: fixed keys, an encoder of its own, and vectors as files.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod account;
pub mod alias;
pub mod history;
pub mod vectors;

use ed25519_dalek::{Signer as _, SigningKey};

pub const ORIGIN: &str = "keyglass.example/log";

/// Key whose seed is 32 times the same byte.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(seed: u8) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

/// X25519 public key whose secret is 32 times the same byte.
pub fn dh(seed: u8) -> [u8; 32] {
    curve25519_dalek::MontgomeryPoint::mul_base_clamped([seed; 32]).0
}

/// Seeds of the platform's keys and of the people.
pub const IMPORT: u8 = 0x11;
pub const RECOVERY: u8 = 0x12;
pub const ALICE: u8 = 0xa1;
pub const ALICE_2: u8 = 0xa2;
pub const BOB: u8 = 0xb1;
pub const MALLORY: u8 = 0x66;

/// Points of low order, encodings that are not canonical, and no points at all.
pub const ED25519_LOW_ORDER: &str = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
pub const ED25519_NOT_A_POINT: &str = "0200000000000000000000000000000000000000000000000000000000000000";
pub const X25519_LOW_ORDER: &str = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
pub const X25519_HIGH_BIT: &str = "0900000000000000000000000000000000000000000000000000000000000080";
pub const X25519_NOT_REDUCED: &str = "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";

pub fn bytes32(hex_text: &str) -> [u8; 32] {
    hex::decode(hex_text).unwrap().try_into().unwrap()
}

/// The first y >= 2^255 - 19 that is a point of large order: not canonical, and accepted by lenient decoders.
pub fn ed25519_not_canonical() -> [u8; 32] {
    (0u8..19)
        .map(|k| {
            let mut y = [0xff; 32];
            y[0] = 0xed + k;
            y[31] = 0x7f;
            y
        })
        .find(|y| ed25519_dalek::VerifyingKey::from_bytes(y).is_ok_and(|key| !key.is_weak()))
        .unwrap()
}

/// How a signature is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    No,
    FlipBit,
    /// s + L: the same signature to a lenient verifier.
    AddGroupOrder,
}

pub fn sign(seed: u8, message: &[u8], spoil: Spoil) -> [u8; 64] {
    let mut signature = key(seed).sign(message).to_bytes();
    match spoil {
        Spoil::No => {}
        Spoil::FlipBit => signature[3] ^= 1,
        Spoil::AddGroupOrder => add_group_order(&mut signature[32..]),
    }
    signature
}

fn add_group_order(s: &mut [u8]) {
    let order = bytes32("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0u16;
    for (a, b) in s.iter_mut().zip(order) {
        let sum = u16::from(*a) + u16::from(b) + carry;
        *a = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

pub fn put_str8(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).unwrap());
    out.extend_from_slice(bytes);
}

pub fn put_bytes16(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Signatures as they stand in a record: the number of the role, the seed that really signs, how it is spoiled.
pub type Signers = Vec<(u8, u8, Spoil)>;

pub fn put_signatures(out: &mut Vec<u8>, context: &str, signers: &Signers) {
    let message = [context.as_bytes(), out.as_slice()].concat();
    out.push(u8::try_from(signers.len()).unwrap());
    for (role, seed, spoil) in signers {
        out.push(*role);
        out.extend_from_slice(&sign(*seed, &message, *spoil));
    }
}
