//! Bytes of records: golden vectors with every field distinct, round trips, and bytes that are no record.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod kit;

use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis, RecordHash};
use keyglass_protocol::record::*;
use kit::account::{RawAccount, RawDevice};
use kit::alias::RawAlias;
use kit::history::{alice, read_rules};
use kit::{Spoil, bytes32, dh, key, public, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};

const ACCOUNT_KINDS: [(&str, u8, &[u8]); 7] = [
    ("created", 1, &[1]),
    ("imported", 2, &[3]),
    ("owner", 3, &[1]),
    ("owner-rotated", 3, &[1, 2]),
    ("notice", 4, &[4]),
    ("recovery", 5, &[1, 4]),
    ("closed", 6, &[4]),
];
const ALIAS_KINDS: [(&str, u8, &[u8]); 5] = [
    ("claim", 1, &[1]),
    ("release", 2, &[2]),
    ("transfer", 3, &[1, 2]),
    ("reassign", 4, &[1, 4]),
    ("imported", 5, &[3]),
];

/// No two bytes of these fields are alike, so that no two can be exchanged unseen.
fn account_fields(kind: u8) -> Value {
    let device = |id: u32, uses: u8, seed: u8| {
        json!({
            "id": id, "uses": uses,
            "x25519": hex::encode(dh(seed)), "ed25519": hex::encode(public(seed + 1)), "opaque": hex::encode([seed + 2; 5]),
        })
    };
    let devices = if kind == 6 {
        vec![]
    } else {
        vec![
            device(0x01020304, 1, 0x31),
            device(0x01020305, 2, 0x41),
            device(0xfffefdfc, 3, 0x51),
        ]
    };
    json!({
        "kind": kind,
        "origin": "golden.example/log",
        "label": "account:golden-1",
        "version": if kind <= 2 { 1 } else { 0x0203 },
        "previous": hex::encode(if kind <= 2 { [0; 32] } else { [0x0c; 32] }),
        "identity": hex::encode(public(0x61)),
        "recovery_delay": 0x0001_5180 + u32::from(kind),
        "announced": hex::encode(if kind == 4 { [0x0d; 32] } else { [0; 32] }),
        "devices": devices,
        "extension": hex::encode([0x0e; 7]),
    })
}

fn alias_fields(kind: u8) -> Value {
    let released = kind == 2;
    let named = kind == 2 || kind == 3;
    json!({
        "kind": kind,
        "origin": "golden.example/log",
        "label": if kind == 5 { "phone:+4915112345678" } else { "handle:g\u{f6}lden" },
        "version": if kind == 1 || kind == 5 { 1 } else { 0x0102 },
        "previous": hex::encode(if kind == 1 || kind == 5 { [0; 32] } else { [0x0c; 32] }),
        "account": if released { "" } else { "account:golden-2" },
        "holder_version": if released { 0 } else { 0x0304 },
        "holder_key": hex::encode(if released { [0; 32] } else { public(0x61) }),
        "previous_holder_version": if named { 0x0506 } else { 0 },
        "previous_holder_key": hex::encode(if named { public(0x62) } else { [0; 32] }),
    })
}

/// Seed of each role's key in the golden vectors.
fn role_seed(role: u8) -> u8 {
    0x60 + role
}

fn raw_account(f: &Value, roles: &[u8]) -> RawAccount {
    let devices = f["devices"].as_array().unwrap().iter().map(|d| RawDevice {
        id: u32::try_from(d["id"].as_u64().unwrap()).unwrap(),
        uses: u8::try_from(d["uses"].as_u64().unwrap()).unwrap(),
        dh: bytes32(vectors::text(d, "x25519")),
        signing: bytes32(vectors::text(d, "ed25519")),
        opaque: vectors::bytes(d, "opaque"),
    });
    RawAccount {
        kind: u8::try_from(f["kind"].as_u64().unwrap()).unwrap(),
        origin: vectors::text(f, "origin").into(),
        label: vectors::text(f, "label").into(),
        version: f["version"].as_u64().unwrap(),
        previous: bytes32(vectors::text(f, "previous")),
        identity: bytes32(vectors::text(f, "identity")),
        delay: u32::try_from(f["recovery_delay"].as_u64().unwrap()).unwrap(),
        announced: bytes32(vectors::text(f, "announced")),
        devices: devices.collect(),
        extension: vectors::bytes(f, "extension"),
        signers: roles.iter().map(|r| (*r, role_seed(*r), Spoil::No)).collect(),
        ..RawAccount::first()
    }
}

fn raw_alias(f: &Value, roles: &[u8]) -> RawAlias {
    RawAlias {
        kind: u8::try_from(f["kind"].as_u64().unwrap()).unwrap(),
        origin: vectors::text(f, "origin").into(),
        label: vectors::text(f, "label").into(),
        version: f["version"].as_u64().unwrap(),
        previous: bytes32(vectors::text(f, "previous")),
        account: vectors::text(f, "account").into(),
        holder_version: f["holder_version"].as_u64().unwrap(),
        holder_key: bytes32(vectors::text(f, "holder_key")),
        before_version: f["previous_holder_version"].as_u64().unwrap(),
        before_key: bytes32(vectors::text(f, "previous_holder_key")),
        signers: roles.iter().map(|r| (*r, role_seed(*r), Spoil::No)).collect(),
        ..RawAlias::first()
    }
}

/// The vector of a record: fields, seeds, and what must come out.
fn golden(fields: Value, roles: &[u8], record: &[u8]) -> Value {
    let signature = |i: usize| {
        let end = record.len() - 65 * (roles.len() - 1 - i);
        json!({"role": roles[i], "seed": hex::encode([role_seed(roles[i]); 32]), "signature": hex::encode(&record[end - 64..end])})
    };
    json!({
        "fields": fields,
        "signatures": (0..roles.len()).map(signature).collect::<Vec<_>>(),
        "bytes": hex::encode(record),
        "hash": hex::encode(kit::sha256(record)),
    })
}

#[test]
fn the_golden_records_are_frozen() {
    let accounts = ACCOUNT_KINDS.iter().map(|(name, kind, roles)| {
        let fields = account_fields(*kind);
        let record = raw_account(&fields, roles).encode();
        (format!("golden-account-{name}"), golden(fields, roles, &record))
    });
    let aliases = ALIAS_KINDS.iter().map(|(name, kind, roles)| {
        let fields = alias_fields(*kind);
        let record = raw_alias(&fields, roles).encode();
        (format!("golden-alias-{name}"), golden(fields, roles, &record))
    });
    vectors::demand("record", "golden-", &accounts.chain(aliases).collect::<Vec<_>>());
}

fn keys_of(case: &Value) -> Vec<(Role, ed25519_dalek::SigningKey)> {
    let roles = [
        Role::Identity,
        Role::PreviousIdentity,
        Role::Import,
        Role::Recovery,
    ];
    let one = |s: &Value| {
        let role = roles[usize::try_from(s["role"].as_u64().unwrap()).unwrap() - 1];
        assert_eq!(u64::from(role.number()), s["role"].as_u64().unwrap());
        (
            role,
            ed25519_dalek::SigningKey::from_bytes(&bytes32(vectors::text(s, "seed"))),
        )
    };
    case["signatures"].as_array().unwrap().iter().map(one).collect()
}

fn number(f: &Value, name: &str) -> u64 {
    f[name].as_u64().unwrap()
}

fn hash_of(f: &Value, name: &str) -> RecordHash {
    vectors::text(f, name).parse().unwrap()
}

/// From the named fields alone, through the public types, to the same bytes and back.
#[test]
fn the_golden_accounts_are_made_and_read() {
    for (name, case) in vectors::read("record", "golden-account-") {
        let f = &case["fields"];
        let record = AccountRecord::decode(&vectors::bytes(&case, "bytes")).unwrap();
        assert_eq!(u64::from(record.kind.number()), number(f, "kind"), "{name}");
        assert!(name.contains(record.kind.as_str()));
        assert_eq!(record.origin.as_str(), vectors::text(f, "origin"));
        assert_eq!(record.label().as_str(), vectors::text(f, "label"));
        assert_eq!(record.version.get(), number(f, "version"));
        assert_eq!(record.previous, hash_of(f, "previous"));
        assert_eq!(record.identity.to_string(), vectors::text(f, "identity"));
        assert_eq!(u64::from(record.recovery_delay), number(f, "recovery_delay"));
        assert_eq!(
            record.announced.as_bytes().as_slice(),
            vectors::bytes(f, "announced")
        );
        assert_eq!(record.extension, vectors::bytes(f, "extension"));
        let devices = f["devices"].as_array().unwrap();
        assert_eq!(record.devices.len(), devices.len());
        for (device, expected) in record.devices.iter().zip(devices) {
            assert_eq!(u64::from(device.id), number(expected, "id"));
            assert_eq!(u64::from(device.uses.bits()), number(expected, "uses"));
            assert_eq!(device.uses.dm(), number(expected, "uses") != 2);
            assert_eq!(device.uses.call(), number(expected, "uses") != 1);
            assert_eq!(device.dh_key.to_string(), vectors::text(expected, "x25519"));
            assert_eq!(device.signing_key.to_string(), vectors::text(expected, "ed25519"));
            assert_eq!(device.opaque, vectors::bytes(expected, "opaque"));
            assert_eq!(record.device(device.id), Some(device));
        }
        assert_eq!(record.hash(), hash_of(&case, "hash"));
        check_signatures(&case, record.signatures());
        let keys = keys_of(&case);
        let reversed: Vec<_> = keys.iter().rev().map(|(role, key)| (*role, key)).collect();
        assert_eq!(record.body().sign(&reversed).unwrap(), record, "{name}");
        assert_eq!(record.bytes(), vectors::bytes(&case, "bytes"));
    }
}

#[test]
fn the_golden_aliases_are_made_and_read() {
    for (name, case) in vectors::read("record", "golden-alias-") {
        let f = &case["fields"];
        let record = AliasRecord::decode(&vectors::bytes(&case, "bytes")).unwrap();
        assert_eq!(u64::from(record.kind.number()), number(f, "kind"), "{name}");
        assert!(name.contains(record.kind.as_str()));
        assert_eq!(record.origin.as_str(), vectors::text(f, "origin"));
        assert_eq!(record.label().as_str(), vectors::text(f, "label"));
        assert_eq!(record.version.get(), number(f, "version"));
        assert_eq!(record.previous, hash_of(f, "previous"));
        let holder = record.holder.as_ref();
        assert_eq!(
            holder.map_or("", |h| h.account.label()),
            vectors::text(f, "account")
        );
        assert_eq!(holder.map_or(0, |h| h.version.get()), number(f, "holder_version"));
        let zero = "00".repeat(32);
        assert_eq!(
            holder.map_or(zero.clone(), |h| h.key.to_string()),
            vectors::text(f, "holder_key")
        );
        let before = record.previous_holder;
        assert_eq!(
            before.map_or(0, |h| h.version.get()),
            number(f, "previous_holder_version")
        );
        assert_eq!(
            before.map_or(zero, |h| h.key.to_string()),
            vectors::text(f, "previous_holder_key")
        );
        assert_eq!(record.hash(), hash_of(&case, "hash"));
        check_signatures(&case, record.signatures());
        let keys = keys_of(&case);
        let reversed: Vec<_> = keys.iter().rev().map(|(role, key)| (*role, key)).collect();
        assert_eq!(record.body().sign(&reversed).unwrap(), record, "{name}");
    }
}

fn check_signatures(case: &Value, signatures: &[RoleSignature]) {
    let expected = case["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), expected.len());
    for (signature, expected) in signatures.iter().zip(expected) {
        assert_eq!(u64::from(signature.role.number()), number(expected, "role"));
        assert_eq!(
            signature.signature.as_slice(),
            vectors::bytes(expected, "signature")
        );
    }
}

/// The steps as a server asks for them, where no history has checked label and version before.
#[test]
fn a_step_checks_label_and_version_by_itself() {
    let rules = read_rules(&kit::history::rules());
    let decode = |raw: &RawAccount| AccountRecord::decode(&raw.encode()).unwrap();
    let (one, at) = (alice(), Epoch::new(1));
    assert_eq!(check_first(&rules, &decode(&one), at), Ok(()));
    let expected = |expected: u64, found: u64| {
        let version = |n| KeyVersion::new(n).unwrap();
        Err(RecordError::Version {
            expected: version(expected),
            found: version(found),
        })
    };
    assert_eq!(
        check_first(&rules, &decode(&one.with(|r| r.version = 2)), at),
        expected(1, 2)
    );
    let step = AccountStep {
        epoch: Epoch::new(2),
        time: None,
        previous_time: None,
    };
    let next = |change: fn(&mut RawAccount)| {
        check_successor(&rules, &decode(&one), &decode(&one.then().with(change)), &step)
    };
    assert_eq!(next(|_| {}), Ok(()));
    assert_eq!(next(|r| r.version = 3), expected(2, 3));
    assert_eq!(next(|r| r.version = 1), expected(2, 1));
    assert_eq!(
        next(|r| r.label = b"account:124".to_vec()),
        Err(RecordError::OtherLabel)
    );
}

#[test]
fn an_alias_step_checks_label_version_and_account_by_itself() {
    let rules = read_rules(&kit::history::rules());
    let decode = |raw: &RawAlias| AliasRecord::decode(&raw.encode()).unwrap();
    let account = |raw: &RawAccount| AccountRecord::decode(&raw.encode()).unwrap();
    let (alice, bob) = (account(&alice()), account(&kit::history::bob()));
    let one = RawAlias::first();
    let first = AliasStep {
        epoch: Epoch::new(2),
        holder: Some(&alice),
        previous_holder: None,
    };
    assert_eq!(check_first_alias(&rules, &decode(&one), &first), Ok(()));
    let absent = AliasStep {
        holder: None,
        ..first
    };
    assert_eq!(
        check_first_alias(&rules, &decode(&one), &absent),
        Err(RecordError::AccountAbsent)
    );
    let other = AliasStep {
        holder: Some(&bob),
        ..first
    };
    assert_eq!(
        check_first_alias(&rules, &decode(&one), &other),
        Err(RecordError::AccountAbsent)
    );
    let version = |expected: u64, found: u64| {
        let v = |n| KeyVersion::new(n).unwrap();
        Err(RecordError::Version {
            expected: v(expected),
            found: v(found),
        })
    };
    assert_eq!(
        check_first_alias(&rules, &decode(&one.with(|r| r.version = 2)), &first),
        version(1, 2)
    );
    let step = AliasStep {
        epoch: Epoch::new(3),
        holder: Some(&bob),
        previous_holder: Some(&alice),
    };
    let next = |change: fn(&mut RawAlias)| {
        check_alias_successor(
            &rules,
            &decode(&one),
            &decode(&one.transfer().with(change)),
            &step,
        )
    };
    assert_eq!(next(|_| {}), Ok(()));
    assert_eq!(next(|r| r.version = 3), version(2, 3));
    assert_eq!(
        next(|r| r.label = b"handle:bob".to_vec()),
        Err(RecordError::OtherLabel)
    );
}

#[test]
fn a_history_has_no_more_entries_than_versions() {
    let rules = read_rules(&kit::history::rules());
    let id = AccountId::parse("123").unwrap();
    let entry = |n: u64| ChainEntry {
        version: KeyVersion::new(n).unwrap(),
        epoch: Epoch::new(n),
        value: None,
        leaf_time: None,
    };
    let entries: Vec<_> = (1..=1025).map(entry).collect();
    let verify = |n: usize| AccountChain::verify(&rules, &id, &entries[..n], None).unwrap_err();
    assert_eq!(verify(1025), RecordError::HistoryTooLong { found: 1025 });
    assert_eq!(verify(1024), RecordError::BlankValue);
}

/// The caps hold while decoding, before any rules are known.
#[test]
fn decoding_has_its_own_caps() {
    let many = alice().with(|r| r.devices = (1..=65).map(kit::account::device).collect());
    let found = AccountRecord::decode(&many.encode());
    assert_eq!(found, Err(RecordError::TooManyDevices { max: 64, found: 65 }));
    let large = alice().with(|r| {
        r.devices = (1..=16).map(kit::account::device).collect();
        r.devices.iter_mut().for_each(|d| d.opaque = vec![5; 1000]);
    });
    let found = large.encode().len();
    assert_eq!(
        AccountRecord::decode(&large.encode()),
        Err(RecordError::TooLong { max: 16_384, found })
    );
}

/// Neither are there bytes to sign of a body that no record can have.
#[test]
fn a_body_beyond_a_cap_has_no_bytes() {
    let good = AccountRecord::decode(&alice().encode()).unwrap().body().clone();
    assert!(good.signed_bytes().is_ok());
    let mut body = good.clone();
    body.devices[0].opaque = vec![5; 1025];
    assert_eq!(body.signed_bytes().unwrap_err().reason(), "too-long");
    assert_eq!(body.device_set_bytes().unwrap_err().reason(), "too-long");
    let mut body = good.clone();
    body.extension = vec![5; AccountBody::MAX_EXTENSION_BYTES + 1];
    assert_eq!(body.signed_bytes().unwrap_err().reason(), "too-long");
    let mut body = good;
    body.devices = vec![body.devices[0].clone(); 256];
    let found = body.signed_bytes();
    assert_eq!(found, Err(RecordError::TooManyDevices { max: 64, found: 256 }));
}

/// What a chain says about the past.
#[test]
fn a_chain_knows_the_key_of_every_epoch() {
    let rules = read_rules(&kit::history::rules());
    let id = AccountId::parse("123").unwrap();
    let (one, two) = (alice().encode(), alice().rotated().encode());
    let entry = |version: u64, epoch: u64, value| ChainEntry {
        version: KeyVersion::new(version).unwrap(),
        epoch: Epoch::new(epoch),
        value: Some(value),
        leaf_time: Some(Millis::new(0)),
    };
    let entries = [entry(1, 5, one.as_slice()), entry(2, 9, two.as_slice())];
    let chain = AccountChain::verify(&rules, &id, &entries, None).unwrap();
    let at = |epoch| chain.identity_at(Epoch::new(epoch)).map(|k| *k.as_bytes());
    assert_eq!(
        (at(4), at(5), at(8)),
        (None, Some(public(kit::ALICE)), Some(public(kit::ALICE)))
    );
    assert_eq!(
        (at(9), at(99)),
        (Some(public(kit::ALICE_2)), Some(public(kit::ALICE_2)))
    );
    assert_eq!(chain.at(Epoch::new(4)), Err(RecordError::AccountAbsent));
    assert_eq!(chain.live().map(|r| r.version.get()), Some(2));
    assert_eq!(chain.records().len(), 2);
    let pin = AccountRecord::decode(&two).unwrap();
    let later = AccountChain::verify(&rules, &id, &entries[1..], Some(&pin)).unwrap();
    assert_eq!(later.at(Epoch::new(8)), Err(RecordError::AccountUnproven));
    assert_eq!(later.newest(), &pin);
    let closed = alice().closed().encode();
    let entries = [entry(1, 5, one.as_slice()), entry(2, 9, closed.as_slice())];
    let chain = AccountChain::verify(&rules, &id, &entries, None).unwrap();
    assert_eq!((chain.state(), chain.live()), (AccountState::Closed, None));
}

#[test]
fn keys_that_are_made_from_secrets_are_good() {
    for seed in [1, 2, 0x77] {
        assert_eq!(
            IdentityKey::from(&key(seed)),
            IdentityKey::new(&public(seed)).unwrap()
        );
        assert_eq!(
            IdentityKey::from(key(seed).verifying_key()),
            IdentityKey::new(&public(seed)).unwrap()
        );
        assert_eq!(
            DeviceSigningKey::from(&key(seed)),
            DeviceSigningKey::new(&public(seed)).unwrap()
        );
        assert_eq!(DeviceDhKey::new(&dh(seed)).unwrap().as_bytes(), &dh(seed));
        let text = IdentityKey::from(&key(seed)).to_string();
        assert_eq!(text.parse::<IdentityKey>(), Ok(IdentityKey::from(&key(seed))));
    }
    assert_eq!(
        "00".repeat(32).parse::<IdentityKey>().unwrap_err().reason(),
        "ed25519-key-low-order"
    );
    assert_eq!("zz".parse::<IdentityKey>().unwrap_err().reason(), "bad-hex");
}

fn any_device() -> impl Strategy<Value = RawDevice> {
    (
        any::<u32>(),
        1..=3u8,
        1..=250u8,
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(id, uses, seed, opaque)| RawDevice {
            id,
            uses,
            dh: dh(seed),
            signing: public(seed),
            opaque,
        })
}

fn any_account() -> impl Strategy<Value = RawAccount> {
    let devices = prop::collection::vec(any_device(), 0..4).prop_map(|mut devices| {
        devices.sort_by_key(|d| d.id);
        devices.dedup_by_key(|d| d.id);
        devices
    });
    let roles = prop::sample::subsequence(vec![1u8, 2, 3, 4], 0..=4);
    let numbers = (1..=6u8, 1..=u64::MAX, any::<u32>(), 1..=250u8);
    (
        numbers,
        devices,
        roles,
        any::<[u8; 32]>(),
        prop::collection::vec(any::<u8>(), 0..60),
        "[!-$&-.0->@-~]{1,128}",
    )
        .prop_filter("no dots", |t| t.5 != "." && t.5 != "..")
        .prop_map(
            |((kind, version, delay, seed), devices, roles, hash, extension, id)| RawAccount {
                kind,
                label: format!("account:{}", id.replace('#', "_")).into(),
                version,
                previous: hash,
                identity: public(seed),
                delay,
                announced: hash.map(|b| !b),
                devices,
                extension,
                signers: roles.into_iter().map(|r| (r, seed, Spoil::No)).collect(),
                ..RawAccount::first()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn accounts_survive_the_round_trip(raw in any_account()) {
        let bytes = raw.encode();
        let record = AccountRecord::decode(&bytes).unwrap();
        prop_assert_eq!(record.bytes(), bytes.as_slice());
        let again = record.body().with_signatures(record.signatures()).unwrap();
        prop_assert_eq!(again.bytes(), bytes.as_slice());
        prop_assert_eq!(record.body().device_set_bytes().unwrap()[0] as usize, raw.devices.len());
    }

    #[test]
    fn a_changed_byte_is_another_record_or_none(raw in any_account(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut bytes = raw.encode();
        let original = AccountRecord::decode(&bytes).unwrap();
        let i = at.index(bytes.len());
        bytes[i] ^= flip;
        if let Ok(record) = AccountRecord::decode(&bytes) {
            prop_assert_ne!(&record, &original);
            let again = record.body().with_signatures(record.signatures()).unwrap();
            prop_assert_eq!(again.bytes(), bytes.as_slice());
        }
    }

    #[test]
    fn a_prefix_is_no_record(raw in any_account(), at in any::<prop::sample::Index>()) {
        let bytes = raw.encode();
        prop_assert!(AccountRecord::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_changed_alias_is_another_or_none(at in any::<prop::sample::Index>(), flip in 1..=255u8, kind in 0..4usize) {
        let one = RawAlias::first();
        let raw = [one.clone(), one.release(), one.transfer(), one.reassign()][kind].clone();
        let mut bytes = raw.encode();
        let original = AliasRecord::decode(&bytes).unwrap();
        let i = at.index(bytes.len());
        bytes[i] ^= flip;
        if let Ok(record) = AliasRecord::decode(&bytes) {
            prop_assert_ne!(&record, &original);
            let again = record.body().with_signatures(record.signatures()).unwrap();
            prop_assert_eq!(again.bytes(), bytes.as_slice());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), tag in 0..3usize) {
        let bytes = [[b"KGA1".as_slice(), b"KGH1", b""][tag], &bytes].concat();
        for error in [AccountRecord::decode(&bytes).err(), AliasRecord::decode(&bytes).err()].into_iter().flatten() {
            prop_assert!(!error.reason().is_empty());
        }
    }
}

/// What the public types let one write down but no record can hold.
#[test]
fn what_no_record_can_have_is_not_made() {
    let body = AccountRecord::decode(&alice().encode()).unwrap().body().clone();
    let signer = key(kit::ALICE);
    let twice = body.sign(&[(Role::Identity, &signer), (Role::Identity, &signer)]);
    assert_eq!(twice, Err(RecordError::SignatureOrder));
    let mut long = body.clone();
    long.extension = vec![0; 4097];
    assert_eq!(long.sign(&[]).unwrap_err().reason(), "too-long");
    let mut many = body.clone();
    many.devices = vec![body.devices[0].clone(); 300];
    assert_eq!(
        many.sign(&[]),
        Err(RecordError::TooManyDevices { max: 64, found: 300 })
    );
    let mut alias = AliasRecord::decode(&RawAlias::first().encode())
        .unwrap()
        .body()
        .clone();
    alias.alias = Label::parse("account:1").unwrap();
    assert_eq!(alias.sign(&[]), Err(RecordError::LabelKind));
}

/// The kind is asked of stored records without decoding them again; one of an alias is no account's.
#[test]
fn the_kind_is_that_of_an_accounts_record_only() {
    assert_eq!(
        AccountKind::of_record(&alice().encode()),
        Ok(AccountKind::Created)
    );
    let other = AccountKind::of_record(&RawAlias::first().encode());
    assert_eq!(other, Err(FormatError::BadMagic.into()));
    let unknown = AccountKind::of_record(b"KGA1\x07");
    assert_eq!(unknown, Err(FormatError::UnknownKind(7).into()));
    let short = AccountKind::of_record(b"KGA1");
    assert_eq!(short.unwrap_err().reason(), "truncated");
}

/// What was judged ahead of its epoch counts in another one only if the platform's keys do.
#[test]
fn keys_count_alike_within_a_period_until_the_import_ends() {
    let period = |from, import, recovery, closed: Option<u64>| RulesPeriod {
        from: Epoch::new(from),
        import_key: Some([import; 32]),
        import_closed_after: closed.map(Epoch::new),
        recovery_key: Some([recovery; 32]),
    };
    let periods = vec![
        period(1, 1, 1, None),
        period(10, 2, 1, None),
        period(20, 2, 2, Some(25)),
    ];
    let origin = "keyglass.test/rules".parse().unwrap();
    let rules = Rules::new(origin, Limits::default(), false, periods);
    let alike = |one, other| rules.same_keys(Epoch::new(one), Epoch::new(other));
    assert!(alike(1, 9) && alike(10, 19) && alike(20, 25) && alike(26, 27));
    assert!(!alike(9, 10) && !alike(19, 20) && !alike(25, 26) && !alike(0, 1));
}
