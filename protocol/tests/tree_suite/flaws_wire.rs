//! Flaws of the protobuf encoding, one per rule.

use super::case::Case;
use super::forge::*;
use super::message::{Kind, Msg, Val};
use super::vectors::{Flaw, flaw};

fn base() -> Case {
    let user = User::new("account:user", &[1]);
    let tree = Node::honest([user.leaves(), filler(6)].concat());
    user.lookup_case(&tree, 1, 3)
}

pub fn flaws() -> Vec<Flaw> {
    let base = base();
    let edited = |edit: &dyn Fn(&mut Msg)| {
        let mut whole = Msg::parse(Kind::Lookup, &base.proof);
        edit(&mut whole);
        base.with_proof(whole.encode())
    };
    let raw = |bytes: &[u8]| edited(&|m| m.fields[0].1 = Val::Raw(bytes.to_vec()));
    let appended = |bytes: &[u8]| base.with_proof([&base.proof, bytes].concat());
    let truncated = base.with_proof(base.proof[..base.proof.len() - 1].to_vec());
    let twice = edited(&|m| {
        let last = m.fields.last().unwrap().clone();
        m.fields.push(last);
    });
    let missing = edited(&|m| drop(m.fields.pop()));
    let wide_length = edited(&|m| {
        *m.message(5, 0).message(3, 0).message(1, 0).field(2, 0) = Val::Varint(1 << 32);
    });
    vec![
        flaw(
            "protobuf",
            "protobuf-truncated",
            "the last byte is missing",
            truncated,
        ),
        flaw("protobuf", "protobuf-duplicate-field", "a field twice", twice),
        flaw(
            "protobuf",
            "protobuf-missing-field",
            "a field is missing",
            missing,
        ),
        flaw(
            "protobuf",
            "protobuf-unknown-field",
            "a field that the message does not have",
            appended(&[0x58, 0]),
        ),
        flaw(
            "protobuf",
            "protobuf-bad-wire-type",
            "a fixed 32-bit field",
            appended(&[0x5d, 0, 0, 0, 0]),
        ),
        flaw(
            "protobuf",
            "protobuf-bad-field-number",
            "field number 0",
            appended(&[0x00, 0]),
        ),
        flaw(
            "protobuf",
            "protobuf-varint-not-minimal",
            "the epoch with a needless byte",
            raw(&[0x08, 0x81, 0x00]),
        ),
        flaw(
            "protobuf",
            "protobuf-varint-too-large",
            "a label length of 2^32",
            wide_length,
        ),
        flaw(
            "protobuf",
            "protobuf-wrong-type",
            "the epoch as bytes",
            raw(&[0x0a, 0x01, 0x01]),
        ),
    ]
}
