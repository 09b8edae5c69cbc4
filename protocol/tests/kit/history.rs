//! Histories as vectors: rules, entries, what is pinned, and the verdict.

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis};
use keyglass_protocol::record::{
    AccountChain, AccountRecord, AccountState, AliasChain, AliasRecord, ChainEntry, Limits, RecordError,
    Rules, RulesPeriod,
};
use serde_json::{Value, json};

use super::account::RawAccount;
use super::alias::RawAlias;
use super::*;

/// Time of an epoch's leaf in the vectors: an hour apart.
pub fn leaf_time(epoch: u64) -> u64 {
    1_700_000_000_000 + epoch * 3_600_000
}

/// One history in JSON. Epochs are 10, 20, 30, … unless changed.
pub fn entries(records: &[Option<Vec<u8>>], first_version: u64) -> Value {
    let entries = records.iter().zip(0u64..).map(|(record, i)| {
        let epoch = 10 * (i + 1);
        json!({
            "version": first_version + i,
            "epoch": epoch,
            "time": leaf_time(epoch),
            "record": record.as_ref().map(hex::encode),
        })
    });
    Value::Array(entries.collect())
}

pub fn rules() -> Value {
    json!({
        "origin": ORIGIN,
        "predecessor": false,
        "limits": {},
        "periods": [{
            "from": 0,
            "import_key": hex::encode(public(IMPORT)),
            "import_closed_after": null,
            "recovery_key": hex::encode(public(RECOVERY)),
        }],
    })
}

/// A history of account 123 from version 1.
pub fn account_case(about: &str, records: &[RawAccount]) -> Value {
    let first = records.first().map_or(1, |r| r.version.max(1));
    let records: Vec<_> = records.iter().map(|r| Some(r.encode())).collect();
    json!({
        "about": about,
        "label": "account:123",
        "rules": rules(),
        "pinned": null,
        "entries": entries(&records, first),
    })
}

/// A history of `handle:alice`, with those of account 123 (Alice) and 456 (Bob), who exist since epoch 1.
pub fn alias_case(about: &str, records: &[RawAlias]) -> Value {
    let first = records.first().map_or(1, |r| r.version.max(1));
    let records: Vec<_> = records.iter().map(|r| Some(r.encode())).collect();
    json!({
        "about": about,
        "label": "handle:alice",
        "rules": rules(),
        "pinned": null,
        "accounts": [holder("account:123", &[alice()]), holder("account:456", &[bob()])],
        "entries": entries(&records, first),
    })
}

pub fn alice() -> RawAccount {
    RawAccount::first()
}

pub fn bob() -> RawAccount {
    RawAccount::first().with(|r| {
        r.label = b"account:456".to_vec();
        r.identity = public(BOB);
        r.signers = vec![(1, BOB, Spoil::No)];
    })
}

/// An account's history whose versions stand in epochs 1, 15, 25, …: before, between and after the alias's.
pub fn holder(label: &str, records: &[RawAccount]) -> Value {
    let records: Vec<_> = records.iter().map(|r| Some(r.encode())).collect();
    let mut entries = entries(&records, 1);
    for (i, entry) in entries.as_array_mut().unwrap().iter_mut().enumerate() {
        entry["epoch"] = if i == 0 { json!(1) } else { json!(10 * i + 5) };
    }
    json!({"label": label, "pinned": null, "entries": entries})
}

fn optional(value: &Value) -> Option<u64> {
    value.as_u64()
}

fn key_of(value: &Value) -> Option<[u8; 32]> {
    value.as_str().map(bytes32)
}

pub fn read_rules(value: &Value) -> Rules {
    let mut limits = Limits::default();
    let number = |name: &str| value["limits"][name].as_u64();
    if let Some(n) = number("record_bytes") {
        limits.record_bytes = usize::try_from(n).unwrap();
    }
    if let Some(n) = number("devices") {
        limits.devices = usize::try_from(n).unwrap();
    }
    let periods = value["periods"].as_array().unwrap().iter().map(|p| RulesPeriod {
        from: Epoch::new(p["from"].as_u64().unwrap()),
        import_key: key_of(&p["import_key"]),
        import_closed_after: optional(&p["import_closed_after"]).map(Epoch::new),
        recovery_key: key_of(&p["recovery_key"]),
    });
    let origin = vectors::text(value, "origin").parse().unwrap();
    Rules::new(
        origin,
        limits,
        value["predecessor"].as_bool().unwrap(),
        periods.collect(),
    )
}

/// Entries with their values, which a [`ChainEntry`] borrows.
pub struct OwnedEntry {
    version: KeyVersion,
    epoch: Epoch,
    time: Option<Millis>,
    record: Option<Vec<u8>>,
}

pub fn read_entries(value: &Value) -> Vec<OwnedEntry> {
    let entry = |e: &Value| OwnedEntry {
        version: KeyVersion::new(e["version"].as_u64().unwrap()).unwrap(),
        epoch: Epoch::new(e["epoch"].as_u64().unwrap()),
        time: optional(&e["time"]).map(Millis::new),
        record: e["record"].as_str().map(|h| hex::decode(h).unwrap()),
    };
    value.as_array().unwrap().iter().map(entry).collect()
}

pub fn borrow(entries: &[OwnedEntry]) -> Vec<ChainEntry<'_>> {
    let entry = |e: &'_ OwnedEntry| (e.version, e.epoch, e.time);
    entries
        .iter()
        .map(|e| {
            let (version, epoch, leaf_time) = entry(e);
            ChainEntry {
                version,
                epoch,
                value: e.record.as_deref(),
                leaf_time,
            }
        })
        .collect()
}

pub fn read_account(rules: &Rules, case: &Value) -> Result<AccountChain, RecordError> {
    let id: AccountId = vectors::text(case, "label")
        .strip_prefix("account:")
        .unwrap()
        .parse()
        .unwrap();
    let entries = read_entries(&case["entries"]);
    let pinned = case["pinned"]
        .as_str()
        .map(|h| AccountRecord::decode(&hex::decode(h).unwrap()).unwrap());
    AccountChain::verify(rules, &id, &borrow(&entries), pinned.as_ref())
}

fn read_alias(rules: &Rules, case: &Value) -> Result<AliasChain, RecordError> {
    let accounts: Vec<_> = case["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            (
                vectors::text(a, "label").to_owned(),
                read_account(rules, a).unwrap(),
            )
        })
        .collect();
    let label = Label::parse(vectors::text(case, "label")).unwrap();
    let entries = read_entries(&case["entries"]);
    let pinned = case["pinned"]
        .as_str()
        .map(|h| AliasRecord::decode(&hex::decode(h).unwrap()).unwrap());
    let find = |id: &AccountId| {
        accounts
            .iter()
            .find(|(l, _)| l == id.label())
            .map(|(_, chain)| chain)
    };
    AliasChain::verify(rules, &label, &borrow(&entries), pinned.as_ref(), &find)
}

/// What a verifier says to a history: a state or the reason of refusal.
pub fn verdict(case: &Value) -> Result<&'static str, RecordError> {
    let rules = read_rules(&case["rules"]);
    if vectors::text(case, "label").starts_with("account:") {
        let chain = read_account(&rules, case)?;
        Ok(match (chain.state(), chain.is_imported()) {
            (AccountState::Live, false) => "live",
            (AccountState::Live, true) => "imported",
            (AccountState::Closed, _) => "closed",
            (AccountState::Erased, _) => "erased",
        })
    } else {
        let chain = read_alias(&rules, case)?;
        Ok(chain.holder().map_or("released", |_| "held"))
    }
}
