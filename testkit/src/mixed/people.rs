//! Any number of people, each made from her number alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ed25519_dalek::SigningKey;
use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::message::{Answer, from_json};
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, Millis, RecordHash};
use keyglass_protocol::record::{
    AccountBody, AccountKind, AliasBody, AliasKind, Device, DeviceDhKey, DeviceSigningKey, DeviceUses,
    Holder, IdentityKey, KeyAnnouncement, Role,
};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::client::{Client, Verified};
use crate::http::Http;
use crate::keyring::{ImportKey, line};
use crate::kill::Acknowledged;
use crate::world::ORIGIN;

/// Imported accounts that are looked up at the end.
const SAMPLE: u64 = 300;
/// Accounts whose lines are made at once.
const SIGNED_AT_ONCE: u64 = 20_000;

fn key(number: u64, role: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(format!("{role} {number}")).into())
}

pub(super) fn identity(number: u64) -> SigningKey {
    key(number, "identity")
}

/// The account of a person.
pub fn account(number: u64) -> Label {
    Label::parse(&format!("account:person-{number}")).unwrap()
}

pub(super) fn handle(number: u64) -> Label {
    Label::parse(&format!("handle:person{number}")).unwrap()
}

/// The record that is imported for a person, not signed.
pub(super) fn body(number: u64) -> AccountBody {
    let dh = key(number, "dh").verifying_key().to_montgomery().to_bytes();
    AccountBody {
        kind: AccountKind::Imported,
        origin: Origin::new(ORIGIN).unwrap(),
        account: AccountId::parse(&format!("person-{number}")).unwrap(),
        version: KeyVersion::FIRST,
        previous: RecordHash::ZERO,
        identity: IdentityKey::from(&identity(number)),
        recovery_delay: 0,
        announced: KeyAnnouncement::NONE,
        devices: vec![Device {
            id: 1,
            uses: DeviceUses::DM_AND_CALL,
            dh_key: DeviceDhKey::new(&dh).unwrap(),
            signing_key: DeviceSigningKey::from(&key(number, "device")),
            opaque: Vec::new(),
        }],
        extension: Vec::new(),
    }
}

/// Writes the import file: every account, then its handle.
pub(super) fn write_file(path: &Path, import: &ImportKey, accounts: u64) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    for number in 0..accounts {
        let body = body(number);
        let alias = AliasBody {
            kind: AliasKind::Imported,
            origin: body.origin.clone(),
            alias: handle(number),
            version: KeyVersion::FIRST,
            previous: RecordHash::ZERO,
            holder: Some(Holder {
                account: body.account.clone(),
                version: KeyVersion::FIRST,
                key: body.identity,
            }),
            previous_holder: None,
        };
        let keys = [(Role::Import, import.key())];
        let (record, alias) = (body.sign(&keys).unwrap(), alias.sign(&keys).unwrap());
        out.write_all(line(record.bytes()).as_bytes()).unwrap();
        out.write_all(line(alias.bytes()).as_bytes()).unwrap();
    }
    out.flush().unwrap();
}

/// Writes an import file of accounts alone, signed on all cores.
///
/// # Panics
/// The file cannot be written.
pub fn write_accounts(path: &Path, import: &ImportKey, accounts: u64) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    for start in (0..accounts).step_by(SIGNED_AT_ONCE as usize) {
        let end = accounts.min(start + SIGNED_AT_ONCE);
        let share = (end - start).div_ceil(threads);
        std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| scope.spawn(move || lines(import, start + part * share, share, end)))
                .collect();
            for part in parts {
                out.write_all(part.join().unwrap().as_bytes()).unwrap();
            }
        });
    }
    out.flush().unwrap();
}

fn lines(import: &ImportKey, start: u64, count: u64, end: u64) -> String {
    let numbers = start.min(end)..end.min(start + count);
    let signed = numbers.map(|number| body(number).sign(&[(Role::Import, import.key())]).unwrap());
    signed.map(|record| line(record.bytes())).collect()
}

/// Bytes of the record of a person with a number of seven digits, as it is imported.
pub fn record_bytes() -> usize {
    let key = identity(0);
    body(1_000_000)
        .sign(&[(Role::Import, &key)])
        .unwrap()
        .bytes()
        .len()
}

/// Looks up some of those who were imported and never changed, and verifies them as a client does. How many.
pub(super) fn check(http: &Http, trust: &Trust, plan: &Plan, acknowledged: &[Acknowledged]) -> usize {
    let changed: BTreeSet<&str> = acknowledged.iter().map(|a| a.label.as_str()).collect();
    let step = (plan.accounts / SAMPLE).max(1);
    let sample = (0..plan.accounts).step_by(step as usize);
    let unchanged = sample.filter(|number| !changed.contains(account(*number).as_str()));
    let mut count = 0;
    for number in unchanged {
        let label = if number % 2 == 0 {
            account(number)
        } else {
            handle(number)
        };
        let path = format!("/v1/{}s/{}?since=1", label.kind(), label.name());
        let answer: Answer = from_json(&http.body(&path)).unwrap();
        let client = Client {
            trust: trust.clone(),
            seen: None,
            now: now(),
        };
        let Verified::Account(record) = client.verify(&label, &answer).unwrap() else {
            panic!("{label:?} is not there");
        };
        assert_eq!(record.body(), &body(number), "{label:?}");
        count += 1;
    }
    count
}

pub(super) fn now() -> Millis {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Millis::new(since.as_millis() as u64)
}
