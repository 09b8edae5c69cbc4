//! Verifiers: none panics, and what they accept under fixed pins is the one thing that is true there.

use std::sync::OnceLock;

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{SeenHead, SignedEpoch, TimeBounds, Trust};
use keyglass_protocol::evidence::{Evidence, Finding};
use keyglass_protocol::label::Label;
use keyglass_protocol::log;
use keyglass_protocol::message::{Answer, from_json};
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::{Epoch, KeyVersion, LogHash, LogSize, Millis, RootHash};
use keyglass_protocol::record::AccountRecord;
use keyglass_protocol::tree::{self, Freshness, Marker, TreeHead, VrfPublicKey};
use keyglass_protocol::verify::{self, Found, Pinned, Refusal};
use serde_json::Value;

/// A true answer about `account:alice`, its pins, and the record in it.
struct Known {
    trust: Trust,
    seen: SeenHead,
    now: Millis,
    label: Label,
    record: AccountRecord,
    epoch: Epoch,
    root: RootHash,
    previous: RootHash,
    /// Version, VRF proof and path of each marker.
    markers: Vec<(KeyVersion, Vec<u8>, Vec<u8>)>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let text = include_str!("../../protocol/testdata/answer/honest_account_alice.json");
        let v: Value = serde_json::from_str(text).unwrap();
        let field = |name: &str| v[name].as_str().unwrap();
        let config = ConfigDocument::parse(field("config").as_bytes()).unwrap();
        let chain = ConfigChain::start(config).unwrap();
        let key = field("log_vkey").parse().unwrap();
        let policy = field("policy").parse().unwrap();
        let trust = Trust::new(key, chain, Some(policy), TimeBounds::default()).unwrap();
        let answer: Answer = serde_json::from_value(v["answers"][0].clone()).unwrap();
        let now = Millis::new(v["now_ms"].as_u64().unwrap());
        let epoch = SignedEpoch::of_answer(&answer)
            .unwrap()
            .verify(&trust, now)
            .unwrap();
        let label = Label::parse(field("label")).unwrap();
        let Found::Account(found) = verify::lookup(&epoch, &trust, &label, &answer).unwrap() else {
            panic!("alice is an account")
        };
        Known {
            seen: SeenHead {
                size: LogSize::new(v["seen"]["size"].as_u64().unwrap()),
                root: v["seen"]["root"].as_str().unwrap().parse().unwrap(),
            },
            record: found.record().clone(),
            epoch: epoch.epoch(),
            root: *epoch.root(),
            previous: epoch.leaf().previous_root,
            markers: answer.lookups[0]
                .markers
                .iter()
                .map(|m| {
                    (
                        KeyVersion::new(m.version).unwrap(),
                        m.vrf_proof.0.clone(),
                        m.proof.0.clone(),
                    )
                })
                .collect(),
            trust,
            now,
            label,
        }
    })
}

fn head(known: &Known) -> TreeHead<'_> {
    TreeHead {
        epoch: known.epoch,
        root: &known.root,
        vrf: known.trust.vrf(),
    }
}

/// Whatever is believed of alice is her record.
pub(crate) fn answer(data: &[u8]) {
    let known = known();
    let Ok(answer) = from_json::<Answer>(data) else {
        return;
    };
    if let Ok(record) = believed(known, &answer) {
        assert_eq!(record, known.record);
    }
}

fn believed(known: &Known, answer: &Answer) -> Result<AccountRecord, Refusal> {
    let epoch = SignedEpoch::of_answer(answer)?.verify(&known.trust, known.now)?;
    epoch.extends(&known.seen, answer.consistency_proof.as_ref())?;
    epoch.standing().check(false)?;
    let Found::Account(shown) = verify::lookup(&epoch, &known.trust, &known.label, answer)? else {
        panic!("alice is not absent, and no alias")
    };
    let history = verify::history(&epoch, &known.trust, &known.label, KeyVersion::FIRST, answer)?;
    let account = verify::authorise_account(&known.trust, &history, Pinned::Nothing)?;
    account.matches(&shown)?;
    Ok(account.newest().clone())
}

pub(crate) fn lookup(data: &[u8]) {
    let known = known();
    let marker = |(version, vrf_proof, proof): &'static (KeyVersion, Vec<u8>, Vec<u8>)| Marker {
        version: *version,
        vrf_proof,
        proof,
    };
    let markers: Vec<_> = known.markers.iter().map(marker).collect();
    if let Ok(value) = tree::verify_lookup(&head(known), known.label.as_bytes(), data, &markers) {
        assert_eq!(value.value(), known.record.bytes());
    }
}

pub(crate) fn history(data: &[u8]) {
    let known = known();
    let label = known.label.as_bytes();
    if let Ok(versions) = tree::verify_history(&head(known), label, KeyVersion::FIRST, data) {
        assert_eq!(versions.len(), 2);
        assert_eq!(versions[1].value(), Some(known.record.bytes()));
    }
}

pub(crate) fn absence(data: &[u8]) {
    let known = known();
    let (vrf_proof, proof) = data.split_at(data.len().min(80));
    // Alice exists.
    assert!(tree::verify_absence(&head(known), known.label.as_bytes(), vrf_proof, proof).is_err());
}

pub(crate) fn append_only(data: &[u8]) {
    let known = known();
    if let Ok(step) = tree::verify_append_only(data, known.epoch, &known.previous, &known.root) {
        assert!(step.inserted() > 0);
    }
}

pub(crate) fn vrf(data: &[u8]) {
    let known = known();
    let verify = |proof| {
        tree::verify_vrf(
            known.trust.vrf(),
            known.label.as_bytes(),
            Freshness::Fresh,
            KeyVersion::FIRST,
            proof,
        )
    };
    if let Ok(leaf) = verify(data) {
        // One place in the tree, and no proof has a second spelling of its scalar.
        static LEAF: OnceLock<[u8; 32]> = OnceLock::new();
        assert_eq!(LEAF.get_or_init(|| *leaf.as_bytes()), leaf.as_bytes());
    }
    if let Ok(key) = data.try_into() {
        drop(VrfPublicKey::parse(key));
    }
}

/// 8 bytes size, 8 bytes index, a leaf hash, then the proof: at most one index fits a root.
pub(crate) fn inclusion(data: &[u8]) {
    let Some((numbers, hashes)) = data.split_first_chunk::<16>() else {
        return;
    };
    let (size, index) = numbers.split_at(8);
    let number = |b: &[u8]| u64::from_be_bytes(b.try_into().unwrap());
    let hashes: Vec<LogHash> = hashes
        .as_chunks::<32>()
        .0
        .iter()
        .map(|h| LogHash::new(*h))
        .collect();
    let [leaf, root, proof @ ..] = hashes.as_slice() else {
        return;
    };
    let size = LogSize::new(number(size));
    if log::verify_inclusion(leaf, number(index), size, proof, root).is_ok() {
        let other = number(index) ^ 1;
        assert!(proof.is_empty() || log::verify_inclusion(leaf, other, size, proof, root).is_err());
    }
}

/// 8 bytes from, 8 bytes to, two roots, then the proof.
pub(crate) fn consistency(data: &[u8]) {
    let Some((numbers, hashes)) = data.split_first_chunk::<16>() else {
        return;
    };
    let (from, to) = numbers.split_at(8);
    let number = |b: &[u8]| LogSize::new(u64::from_be_bytes(b.try_into().unwrap()));
    let hashes: Vec<LogHash> = hashes
        .as_chunks::<32>()
        .0
        .iter()
        .map(|h| LogHash::new(*h))
        .collect();
    let [old, new, proof @ ..] = hashes.as_slice() else {
        return;
    };
    if log::verify_consistency(number(from), old, number(to), new, proof).is_ok() {
        assert!(number(from) <= number(to));
    }
}

/// Evidence against an operator who did nothing: only what the vectors prove is proven.
pub(crate) fn evidence(data: &[u8]) {
    let Ok(evidence) = Evidence::parse(data) else {
        return;
    };
    // A log whose operator never lied: alice's.
    let honest: &VerifierKey = known().trust.log_key();
    if let Ok(Finding::Proven { reason }) = evidence.verify(honest) {
        panic!("an honest operator was accused: {reason}");
    }
    assert_eq!(Evidence::parse(&evidence.to_bytes().unwrap()).unwrap(), evidence);
}
