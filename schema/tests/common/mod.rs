//! What several tests need: an akd directory over a store, labels, receipts, leaves.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use akd::directory::Directory;
use akd::ecvrf::HardCodedAkdVRF;
use akd::storage::{Database, StorageManager};
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, EpochHash, WhatsAppV1Configuration};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{
    AuditHash, Commitment, ConfigHash, Epoch, KeyVersion, LeafLabel, Millis, Nonce, RootHash,
};
use keyglass_protocol::tree::empty_root;
use keyglass_schema::{Conditions, NewUpdate, ReceiptRow};

pub type Config = WhatsAppV1Configuration;
pub type Akd<S> = Directory<Config, S, HardCodedAkdVRF>;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// An akd directory without a cache, as the server uses it.
pub async fn akd<S: Database + 'static>(storage: S) -> Akd<S> {
    let manager = StorageManager::new_no_cache(storage);
    Directory::new(manager, HardCodedAkdVRF {}, AzksParallelismConfig::disabled())
        .await
        .unwrap()
}

/// `count` updates of the accounts 0.. with values that name `round`.
pub fn updates(count: usize, round: usize) -> Vec<(AkdLabel, AkdValue)> {
    (0..count)
        .map(|i| {
            let value = format!("value {i} of round {round}");
            (
                AkdLabel(format!("account:{i}").into_bytes()),
                AkdValue(value.into_bytes()),
            )
        })
        .collect()
}

pub async fn publish<S: Database + 'static>(akd: &Akd<S>, count: usize, round: usize) -> EpochHash {
    akd.publish(updates(count, round)).await.unwrap()
}

pub fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

pub fn version(number: u64) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

pub fn receipt(number: u8) -> ReceiptRow {
    ReceiptRow {
        id: [number; 32],
        note: format!("receipt {number}\n").into_bytes(),
        vrf_proof: vec![number; 80],
        nonce: Nonce::new([number; 32]),
        leaf_label: LeafLabel::new([number; 32]),
        commitment: Commitment::new([number; 32]),
        accepted: Millis::new(1_000 + u64::from(number)),
        deadline: Millis::new(61_000 + u64::from(number)),
    }
}

pub fn update<'a>(label: &'a Label, record: &'a [u8], number: u64, receipt: &'a ReceiptRow) -> NewUpdate<'a> {
    NewUpdate {
        label,
        record,
        version: version(number),
        holder: None,
        previous_holder: None,
        changes_identity: false,
        receipt,
        conditions: Conditions::default(),
    }
}

/// Leaves 0..count that follow each other.
pub fn leaves(count: u64) -> Vec<Leaf> {
    let root = |epoch: u64| match epoch {
        0 => empty_root(),
        _ => RootHash::new([u8::try_from(epoch % 251).unwrap() + 1; 32]),
    };
    (0..count)
        .map(|epoch| Leaf {
            epoch: Epoch::new(epoch),
            time: Millis::new(1_000 * (epoch + 1)),
            previous_root: if epoch == 0 {
                RootHash::ZERO
            } else {
                root(epoch - 1)
            },
            root: root(epoch),
            config: ConfigHash::new([9; 32]),
            inserted: if epoch == 0 { 0 } else { 3 },
            audit_hash: if epoch == 0 {
                AuditHash::ZERO
            } else {
                AuditHash::new([8; 32])
            },
            audit_length: if epoch == 0 { 0 } else { 500 },
        })
        .collect()
}
