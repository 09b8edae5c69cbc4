//! Call bindings: exact bytes, and what a peer must not accept.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod kit;

use keyglass_protocol::call::*;
use keyglass_protocol::label::AccountId;
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{Epoch, KeyVersion, LogHash, Millis};
use keyglass_protocol::record::{AccountChain, ChainEntry};
use kit::account::{RawAccount, device};
use kit::history::{alice, bob, read_rules, rules};
use kit::{Spoil, dh, key, public, put_bytes16, put_str8, sign, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000_000;

/// An encoder of its own, from the layout alone.
#[derive(Clone)]
struct Raw {
    magic: [u8; 4],
    origin: Vec<u8>,
    call_id: [u8; 16],
    signer: (Vec<u8>, u64, u32),
    peer: (Vec<u8>, u64, u32),
    kind: u8,
    key: Vec<u8>,
    direction: u8,
    not_after: u64,
    epoch: u64,
    leaf_hash: [u8; 32],
    seed: u8,
    spoil: Spoil,
    context: &'static str,
    tail: Vec<u8>,
}

impl Raw {
    /// Alice's device 7 offers Bob's device 8 a DTLS call; device 7's signing key has seed 7.
    fn good() -> Self {
        Self {
            magic: *b"KGC1",
            origin: kit::ORIGIN.into(),
            call_id: [0xc1; 16],
            signer: (b"account:123".to_vec(), 1, 7),
            peer: (b"account:456".to_vec(), 1, 8),
            kind: 1,
            key: vec![0xf1; 32],
            direction: 1,
            not_after: NOW,
            epoch: 12,
            leaf_hash: [0x1e; 32],
            seed: 7,
            spoil: Spoil::No,
            context: "keyglass/call-binding/v1\0",
            tail: Vec::new(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        put_str8(&mut out, &self.origin);
        out.extend_from_slice(&self.call_id);
        for (label, version, device) in [&self.signer, &self.peer] {
            put_str8(&mut out, label);
            out.extend_from_slice(&version.to_be_bytes());
            out.extend_from_slice(&device.to_be_bytes());
        }
        out.push(self.kind);
        put_bytes16(&mut out, &self.key);
        out.push(self.direction);
        out.extend_from_slice(&self.not_after.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.leaf_hash);
        let signature = sign(self.seed, &[self.context.as_bytes(), &out].concat(), self.spoil);
        out.extend_from_slice(&signature);
        out.extend_from_slice(&self.tail);
        out
    }
}

fn chain(raw: &[RawAccount], id: &str) -> AccountChain {
    let bytes: Vec<_> = raw.iter().map(RawAccount::encode).collect();
    let entries: Vec<_> = (1u64..)
        .zip(&bytes)
        .map(|(n, value)| ChainEntry {
            version: KeyVersion::new(n).unwrap(),
            epoch: Epoch::new(n),
            value: Some(value),
            leaf_time: None,
        })
        .collect();
    AccountChain::verify(
        &read_rules(&rules()),
        &AccountId::parse(id).unwrap(),
        &entries,
        None,
    )
    .unwrap()
}

fn bobs() -> RawAccount {
    bob().with(|r| r.devices = vec![device(8)])
}

struct World {
    origin: Origin,
    alice: AccountChain,
    bob: AccountChain,
}

impl World {
    fn new() -> Self {
        Self {
            origin: kit::ORIGIN.parse().unwrap(),
            alice: chain(&[alice()], "123"),
            bob: chain(&[bobs()], "456"),
        }
    }

    fn expectation(&self) -> CallExpectation<'_> {
        CallExpectation {
            origin: &self.origin,
            call_id: &[0xc1; 16],
            direction: Direction::Offer,
            signer: &self.alice,
            peer: &self.bob,
            peer_device: 8,
            now: Millis::new(NOW),
        }
    }

    fn verdict(&self, bytes: &[u8]) -> Result<VerifiedCall, CallError> {
        CallBinding::decode(bytes)?.verify(&self.expectation())
    }
}

fn with(change: impl FnOnce(&mut Raw)) -> Vec<u8> {
    let mut raw = Raw::good();
    change(&mut raw);
    raw.encode()
}

fn allowed() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("ok-dtls", Raw::good().encode()),
        ("ok-x25519", with(|r| (r.kind, r.key) = (2, dh(9).to_vec()))),
        ("ok-mls", with(|r| (r.kind, r.key) = (3, vec![3; 64]))),
        ("ok-mls-short", with(|r| (r.kind, r.key) = (3, vec![3]))),
    ]
}

fn flaws() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = Raw::good().encode();
    vec![
        ("truncated", good[..good.len() - 1].to_vec(), "truncated"),
        ("trailing-byte", with(|r| r.tail = vec![0]), "trailing-bytes"),
        ("magic", with(|r| r.magic = *b"KGA1"), "bad-magic"),
        (
            "origin",
            with(|r| r.origin = b"a b".to_vec()),
            "call-origin-invalid",
        ),
        (
            "signer-is-a-handle",
            with(|r| r.signer.0 = b"handle:alice".to_vec()),
            "call-not-an-account",
        ),
        (
            "peer-is-a-handle",
            with(|r| r.peer.0 = b"handle:bob".to_vec()),
            "call-not-an-account",
        ),
        (
            "label-not-canonical",
            with(|r| r.peer.0 = b"account:a b".to_vec()),
            "account-character",
        ),
        ("version-zero", with(|r| r.signer.1 = 0), "version-zero"),
        ("kind", with(|r| r.kind = 4), "unknown-kind"),
        ("direction", with(|r| r.direction = 3), "unknown-kind"),
        ("direction-zero", with(|r| r.direction = 0), "unknown-kind"),
        ("dtls-short", with(|r| r.key = vec![1; 31]), "call-key-length"),
        (
            "x25519-long",
            with(|r| (r.kind, r.key) = (2, vec![1; 33])),
            "call-key-length",
        ),
        (
            "x25519-low-order",
            with(|r| (r.kind, r.key) = (2, vec![0; 32])),
            "x25519-key-low-order",
        ),
        (
            "mls-empty",
            with(|r| (r.kind, r.key) = (3, vec![])),
            "call-key-length",
        ),
        (
            "mls-long",
            with(|r| (r.kind, r.key) = (3, vec![1; 65])),
            "too-long",
        ),
        (
            "other-origin",
            with(|r| r.origin = b"other.example/log".to_vec()),
            "call-other-origin",
        ),
        ("other-call", with(|r| r.call_id[15] = 0), "call-other-call"),
        (
            "other-direction",
            with(|r| r.direction = 2),
            "call-other-direction",
        ),
        ("expired", with(|r| r.not_after = NOW - 1), "call-expired"),
        (
            "other-signer",
            with(|r| r.signer.0 = b"account:124".to_vec()),
            "call-other-account",
        ),
        (
            "other-peer",
            with(|r| r.peer.0 = b"account:457".to_vec()),
            "call-other-account",
        ),
        ("newer-signer", with(|r| r.signer.1 = 2), "call-newer-version"),
        ("newer-peer", with(|r| r.peer.1 = 2), "call-newer-version"),
        ("no-such-device", with(|r| r.signer.2 = 9), "call-no-device"),
        ("no-such-peer-device", with(|r| r.peer.2 = 9), "call-no-device"),
        ("other-device-key", with(|r| r.seed = 9), "call-bad-signature"),
        (
            "identity-key",
            with(|r| r.seed = kit::ALICE),
            "call-bad-signature",
        ),
        (
            "malleable-signature",
            with(|r| r.spoil = Spoil::AddGroupOrder),
            "call-bad-signature",
        ),
        (
            "other-context",
            with(|r| r.context = "keyglass/account-record/v1\0"),
            "call-bad-signature",
        ),
    ]
}

#[test]
fn the_vectors_are_frozen_and_hold() {
    let base = json!({
        "signer": hex::encode(alice().encode()),
        "peer": hex::encode(bobs().encode()),
        "origin": kit::ORIGIN,
        "call_id": hex::encode([0xc1; 16]),
        "direction": 1,
        "peer_device": 8,
        "now": NOW,
    });
    let case = |binding: &[u8], field: &str, value: Value| {
        let mut case = base.clone();
        case["binding"] = hex::encode(binding).into();
        case[field] = value;
        case
    };
    let good = allowed()
        .into_iter()
        .map(|(name, b)| (name.to_owned(), case(&b, "key", hex::encode(key_in(&b)).into())));
    let bad = flaws()
        .into_iter()
        .map(|(name, b, reason)| (name.to_owned(), case(&b, "reason", reason.into())));
    vectors::demand("call", "", &good.chain(bad).chain([golden()]).collect::<Vec<_>>());
    let world = World::new();
    for (name, case) in vectors::read("call", "")
        .into_iter()
        .filter(|(name, _)| name != "golden")
    {
        match (
            world.verdict(&vectors::bytes(&case, "binding")),
            case["reason"].as_str(),
        ) {
            (Ok(call), None) => assert_eq!(call.key().as_bytes(), vectors::bytes(&case, "key"), "{name}"),
            (Err(e), Some(reason)) => assert_eq!(e.reason(), reason, "{name}: {e}"),
            (got, expected) => panic!("{name}: {got:?}, expected {expected:?}"),
        }
    }
}

/// The key of a binding, at its place in the layout.
fn key_in(binding: &[u8]) -> &[u8] {
    let at = 4 + 1 + kit::ORIGIN.len() + 16 + 2 * (1 + 11 + 8 + 4) + 1;
    let len = usize::from(u16::from_be_bytes([binding[at], binding[at + 1]]));
    &binding[at + 2..at + 2 + len]
}

/// Every field distinct.
fn golden() -> (String, Value) {
    let terms = golden_terms();
    let binding = terms.sign(&key(0x71)).unwrap();
    let raw = Raw {
        origin: b"golden.example/log".to_vec(),
        call_id: [0x72; 16],
        signer: (b"account:golden-1".to_vec(), 0x0102, 0x0304_0506),
        peer: (b"account:golden-22".to_vec(), 0x0708, 0x090a_0b0c),
        kind: 3,
        key: (0x10..0x30).collect(),
        direction: 2,
        not_after: 0x0102_0304_0506,
        epoch: 0x0a0b,
        leaf_hash: [0x73; 32],
        seed: 0x71,
        ..Raw::good()
    };
    assert_eq!(binding.encode().unwrap(), raw.encode());
    assert_eq!(CallBinding::decode(&raw.encode()).unwrap().terms(), &terms);
    let value = json!({
        "seed": hex::encode([0x71; 32]),
        "signed_bytes": hex::encode(terms.signed_bytes().unwrap()),
        "binding": hex::encode(raw.encode()),
        "signature": hex::encode(&raw.encode()[raw.encode().len() - 64..]),
    });
    ("golden".to_owned(), value)
}

fn golden_terms() -> CallTerms {
    let party = |id: &str, version, device| CallParty {
        account: AccountId::parse(id).unwrap(),
        version: KeyVersion::new(version).unwrap(),
        device,
    };
    CallTerms {
        origin: "golden.example/log".parse().unwrap(),
        call_id: [0x72; 16],
        signer: party("golden-1", 0x0102, 0x0304_0506),
        peer: party("golden-22", 0x0708, 0x090a_0b0c),
        key: CallKey::MlsAuthenticator((0x10..0x30).collect()),
        direction: Direction::Answer,
        not_after: Millis::new(0x0102_0304_0506),
        epoch: Epoch::new(0x0a0b),
        leaf_hash: LogHash::new([0x73; 32]),
    }
}

/// What depends on the records and not on the binding.
#[test]
fn records_decide_too() {
    let good = Raw::good().encode();
    let world = |alice: &[RawAccount], bob: &[RawAccount]| World {
        alice: chain(alice, "123"),
        bob: chain(bob, "456"),
        ..World::new()
    };
    let verdict = |alice: &[RawAccount], bob: &[RawAccount]| world(alice, bob).verdict(&good).map(|_| ());
    assert_eq!(verdict(&[alice()], &[bobs()]), Ok(()));
    // A newer version that still has the device is fine; one that removed it is not.
    assert_eq!(verdict(&[alice(), alice().then()], &[bobs()]), Ok(()));
    let removed = alice().then().with(|r| r.devices.clear());
    assert_eq!(
        verdict(&[alice(), removed], &[bobs()]),
        Err(CallError::NoDevice(Party::Signer))
    );
    let rekeyed = alice().then().with(|r| r.devices[0].signing = public(0x55));
    assert_eq!(
        verdict(&[alice(), rekeyed], &[bobs()]),
        Err(CallError::BadSignature)
    );
    let dm_only = |r: RawAccount| r.with(|r| r.devices[0].uses = 1);
    assert_eq!(
        verdict(&[dm_only(alice())], &[bobs()]),
        Err(CallError::NotForCalls(Party::Signer))
    );
    assert_eq!(
        verdict(&[alice()], &[dm_only(bobs())]),
        Err(CallError::NotForCalls(Party::Peer))
    );
    assert_eq!(
        verdict(&[alice(), alice().closed()], &[bobs()]),
        Err(CallError::NoKey(Party::Signer))
    );
    let two = bobs().with(|r| r.devices.push(device(9)));
    let for_nine = with(|r| r.peer.2 = 9);
    assert_eq!(
        world(&[alice()], &[two]).verdict(&for_nine).map(|_| ()),
        Err(CallError::OtherDevice)
    );
}

#[test]
fn a_verified_call_says_what_was_signed() {
    let call = World::new().verdict(&Raw::good().encode()).unwrap();
    assert_eq!(call.key(), &CallKey::DtlsSha256([0xf1; 32]));
    assert_eq!(call.terms().epoch, Epoch::new(12));
    assert_eq!(Party::Signer.to_string(), "signer");
}

#[test]
fn terms_that_no_binding_can_have_are_not_signed() {
    let mut terms = golden_terms();
    terms.key = CallKey::MlsAuthenticator(vec![0; 65]);
    assert_eq!(terms.sign(&key(1)).unwrap_err().reason(), "too-long");
    assert_eq!(terms.signed_bytes().unwrap_err().reason(), "too-long");
    terms.key = CallKey::X25519([0; 32]);
    assert_eq!(terms.sign(&key(1)).unwrap_err().reason(), "x25519-key-low-order");
}

proptest! {
    #[test]
    fn a_changed_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut bytes = Raw::good().encode();
        let i = at.index(bytes.len());
        bytes[i] ^= flip;
        prop_assert!(World::new().verdict(&bytes).is_err());
        if let Ok(binding) = CallBinding::decode(&bytes) {
            prop_assert_eq!(binding.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [b"KGC1".as_slice(), &bytes].concat();
        if let Ok(binding) = CallBinding::decode(&bytes) {
            prop_assert_eq!(binding.encode().unwrap(), bytes);
        }
    }
}
