//! What a thief finds in the files of a database: no label, no key, no hash of either.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use common::{account, akd, label, receipt, runtime, update, version};
use keyglass_protocol::quantity::{Epoch, Nonce};
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_schema::{Enqueued, Holder, NewUpdate, Store};
use sha2::{Digest, Sha256};

const ACCOUNT: &str = "account:thief-must-not-find-me-1843";
const PENDING: &str = "account:nor-this-waiting-one-9921";
const HANDLE: &str = "handle:nor_my_secret_handle_55";
const PHONE: &str = "phone:+4915123456789";

/// Records with high entropy, as keys have: compression by the database cannot hide them.
fn key(number: u8) -> [u8; 32] {
    *blake3::hash(&[number]).as_bytes()
}

/// Raw, hex in both cases, base64 in both alphabets at all three alignments (its first and last characters may mix with
/// neighbours, so they are left out).
fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![
        bytes.to_vec(),
        hex::encode(bytes).into(),
        hex::encode_upper(bytes).into(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift][..], bytes].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            all.push(text.as_bytes()[if shift == 0 { 0 } else { 4 }..text.len() - 2].to_vec());
        }
    }
    all
}

/// A secret, its parts that would give it away, and unkeyed hashes of each.
fn needles(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec()];
    if let Some(colon) = secret.iter().position(|b| *b == b':') {
        forms.push(secret[colon + 1..].to_vec());
    }
    let hashes: Vec<Vec<u8>> = forms
        .iter()
        .flat_map(|form| {
            let (sha, blake) = (
                Sha256::digest(form).to_vec(),
                blake3::hash(form).as_bytes().to_vec(),
            );
            // Also cut to 16 bytes, as the store cuts its own keyed hash.
            [sha[..16].to_vec(), blake[..16].to_vec(), sha, blake]
        })
        .collect();
    forms
        .iter()
        .chain(&hashes)
        .flat_map(|form| spellings(form))
        .collect()
}

fn files(dir: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            found.push(bytes);
        }
    }
}

/// In how many files any of the needles occurs.
fn search(dir: &Path, needles: &[Vec<u8>]) -> usize {
    let mut contents = Vec::new();
    files(dir, &mut contents);
    // By their first bytes, so that one quick pass looks for all of them.
    let mut starts = vec![false; 1 << 16];
    let mut by_start: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for needle in needles {
        starts[usize::from(u16::from_be_bytes([needle[0], needle[1]]))] = true;
        by_start.entry(&needle[..4]).or_default().push(needle);
    }
    let hit = |bytes: &[u8]| {
        let mut pair = 0_u16;
        bytes.iter().enumerate().any(|(at, byte)| {
            pair = pair << 8 | u16::from(*byte);
            if at == 0 || !starts[usize::from(pair)] {
                return false;
            }
            let rest = &bytes[at - 1..];
            let candidates = rest.get(..4).and_then(|start| by_start.get(start));
            candidates.is_some_and(|candidates| candidates.iter().any(|needle| rest.starts_with(needle)))
        })
    };
    contents.iter().filter(|bytes| hit(bytes)).count()
}

/// A server for each test: what one plants, another would find.
fn on_both_alone(test: impl Fn(&TestDatabase)) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        test(&TestDatabase::on_own_server(backend));
    }
}

fn accept(store: &Store, update: &NewUpdate<'_>) {
    assert_eq!(store.enqueue(update).unwrap(), Enqueued::New);
}

/// Everything that the store keeps about people: versions, a finished batch with its receipt, a pending alias.
fn fill(store: &Store) -> Vec<Vec<u8>> {
    let (alice, pending, handle) = (label(ACCOUNT), label(PENDING), label(HANDLE));
    let mut given: Vec<_> = (1..=3).map(receipt).collect();
    for (number, receipt) in (10..).zip(&mut given) {
        receipt.note = format!("keyglass/receipt/v1\n{}\n", hex::encode(key(number + 10))).into_bytes();
        receipt.vrf_proof = [key(number + 20), key(number + 30)].concat();
        receipt.nonce = Nonce::new(key(number));
    }
    accept(store, &update(&alice, &key(1), 1, &given[0]));
    accept(store, &update(&pending, &key(2), 1, &given[1]));
    assert_eq!(store.freeze_batch(Epoch::new(1), 1).unwrap().len(), 1);
    runtime().block_on(async {
        let directory = akd(store.tree()).await;
        let more = [(PHONE, key(3)), (ACCOUNT, key(1))].map(|(l, v)| (l.into(), akd::AkdValue(v.to_vec())));
        directory.publish(more.to_vec()).await.unwrap();
    });
    store.finish_batch(Epoch::new(1)).unwrap();
    let id = account("thief-must-not-find-me-1843");
    let holder = Some(Holder {
        account: &id,
        newest: version(1),
    });
    accept(
        store,
        &NewUpdate {
            holder,
            ..update(&handle, &key(4), 1, &given[2])
        },
    );

    let mut secrets: Vec<Vec<u8>> = [ACCOUNT, PENDING, HANDLE, PHONE]
        .map(|l| l.as_bytes().to_vec())
        .to_vec();
    secrets.extend((1..=4).map(|number| key(number).to_vec()));
    for receipt in &given {
        secrets.extend([
            receipt.vrf_proof.clone(),
            receipt.nonce.as_bytes().to_vec(),
            receipt.id.to_vec(),
        ]);
        secrets.push(receipt.note.clone());
    }
    secrets
}

#[test]
fn no_label_key_or_unkeyed_hash_is_in_the_files() {
    on_both_alone(|database| {
        let store = database.open();
        let secrets = fill(&store);
        let needles: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| needles(secret)).collect();
        assert!(needles.len() > 500);
        assert_eq!(
            search(&database.directory(), &needles),
            0,
            "{:?}",
            database.backend()
        );
        // Still open, so that a WAL that was not yet checkpointed was searched as well.
        if database.backend() == Backend::Sqlite {
            assert!(
                fs::metadata(database.directory().join("test.sqlite-wal"))
                    .unwrap()
                    .len()
                    > 0
            );
        }
        drop(store);
        assert_eq!(
            search(&database.directory(), &needles),
            0,
            "{:?}",
            database.backend()
        );
    });
}

#[test]
fn the_search_finds_every_spelling_of_what_is_planted() {
    on_both_alone(|database| {
        let store = database.open();
        fill(&store);
        database.execute("CREATE TABLE planted (what TEXT)");
        for (number, spelling) in [
            ACCOUNT.to_owned(),
            hex::encode(key(1)),
            hex::encode_upper(Sha256::digest(HANDLE)),
            STANDARD_NO_PAD.encode([&[7][..], &key(2)].concat()),
            URL_SAFE_NO_PAD.encode(blake3::hash(PHONE.as_bytes()).as_bytes()),
            hex::encode(&Sha256::digest("+4915123456789")[..16]),
        ]
        .into_iter()
        .enumerate()
        {
            let secret: Vec<u8> = match number {
                0 => ACCOUNT.into(),
                1 => key(1).to_vec(),
                2 => HANDLE.into(),
                3 => key(2).to_vec(),
                _ => PHONE.into(),
            };
            database.execute("DELETE FROM planted");
            database.execute(&format!("INSERT INTO planted VALUES ('{spelling}')"));
            assert!(search(&database.directory(), &needles(&secret)) > 0, "{spelling}");
        }
    });
}

#[test]
fn databases_with_different_keys_have_nothing_in_common() {
    let hashes = |secret: [u8; 32]| {
        let database = TestDatabase::new(Backend::Sqlite);
        let store = Store::open(database.url(), keyglass_schema::StoreKeys::from_secret(&secret)).unwrap();
        fill(&store);
        ["label_states", "updates"]
            .iter()
            .flat_map(|t| database.lines(&format!("SELECT hex(label_hash) || hex(sealed) AS line FROM {t}")))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (one, other) = (hashes([1; 32]), hashes([2; 32]));
    assert_eq!((one.len(), one.intersection(&other).count()), (4, 0));
    assert_eq!(one, hashes([1; 32]));
}
