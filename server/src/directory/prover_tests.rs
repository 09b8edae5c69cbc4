//! Against plain akd in memory: the same bytes, at an epoch and after the tree has moved on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use akd::directory::Directory;
use akd::ecvrf::VRFKeyStorage as _;
use akd::proto::specs::types as pb;
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{
    AkdLabel, AkdValue, Azks, AzksParallelismConfig, HistoryParams, VersionFreshness, WhatsAppV1Configuration,
};
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree;
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_schema::{Store, TreeStore};
use protobuf::Message as _;

use super::*;
use crate::keys::{SystemRandom, Vrf};
use crate::settings::Settings;

type Akd<S> = Directory<WhatsAppV1Configuration, S, Vrf>;

/// Accounts that get a version in each of the epochs 1..=20; account 0 in all of them.
fn batch(epoch: usize) -> Vec<(AkdLabel, AkdValue)> {
    let chosen = (0..40_usize).filter(|i| *i == 0 || (i * 7 + epoch).is_multiple_of(i + 2));
    let value = |i| AkdValue(format!("value {i} of epoch {epoch}").into_bytes());
    chosen
        .map(|i| (AkdLabel(label(i).as_bytes().to_vec()), value(i)))
        .collect()
}

fn label(i: usize) -> Label {
    Label::parse(&format!("account:{i}")).unwrap()
}

/// Version, lookup proof, membership proofs of the markers.
type Looked = (KeyVersion, Vec<u8>, Vec<Vec<u8>>);

/// What akd answers at one epoch.
#[derive(Default)]
struct Expected {
    root: Option<RootHash>,
    lookups: BTreeMap<usize, Looked>,
    histories: BTreeMap<(usize, Option<usize>), Vec<u8>>,
    absences: BTreeMap<usize, Vec<u8>>,
}

struct Reference {
    akd: Akd<AsyncInMemoryDatabase>,
    storage: StorageManager<AsyncInMemoryDatabase>,
    vrf: Vrf,
}

impl Reference {
    async fn new(vrf: &Vrf) -> Self {
        let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
        let alone = AzksParallelismConfig::disabled();
        Self {
            akd: Directory::new(storage.clone(), vrf.clone(), alone).await.unwrap(),
            storage,
            vrf: vrf.clone(),
        }
    }

    async fn expected(&self, epoch: u64) -> Expected {
        let mut expected = Expected {
            root: Some(RootHash::new(self.akd.get_epoch_hash().await.unwrap().hash())),
            ..Expected::default()
        };
        let azks = Azks {
            latest_epoch: epoch,
            num_nodes: 0,
        };
        for i in 0..48 {
            let akd_label = AkdLabel(label(i).as_bytes().to_vec());
            let node = |version| self.vrf.node_label(&akd_label, VersionFreshness::Fresh, version);
            let Ok((proof, _)) = self.akd.lookup(akd_label.clone()).await else {
                let proof =
                    azks.get_non_membership_proof::<WhatsAppV1Configuration, _>(&self.storage, node(1));
                let bytes = pb::NonMembershipProof::from(&proof.await.unwrap()).write_to_bytes();
                expected.absences.insert(i, bytes.unwrap());
                continue;
            };
            let version = KeyVersion::new(proof.version).unwrap();
            let mut markers = Vec::new();
            for marker in tree::lookup_markers(version, Epoch::new(epoch)) {
                let proof = azks
                    .get_membership_proof::<WhatsAppV1Configuration, _>(&self.storage, node(marker.get()))
                    .await
                    .unwrap();
                markers.push(pb::MembershipProof::from(&proof).write_to_bytes().unwrap());
            }
            let bytes = pb::LookupProof::from(&proof).write_to_bytes().unwrap();
            expected.lookups.insert(i, (version, bytes, markers));
            for count in [None, Some(1), Some(3)] {
                let params = count.map_or(HistoryParams::Complete, HistoryParams::MostRecent);
                let (proof, _) = self.akd.key_history(&akd_label, params).await.unwrap();
                let bytes = pb::HistoryProof::from(&proof).write_to_bytes().unwrap();
                expected.histories.insert((i, count), bytes);
            }
        }
        expected
    }
}

impl Expected {
    async fn check(&self, source: &ProofSource, epoch: u64) {
        let prover = Prover::new(source, Epoch::new(epoch), self.root.unwrap())
            .await
            .unwrap();
        for (i, (version, bytes, markers)) in &self.lookups {
            // Twice: made anew, then from what was kept.
            for _ in 0..2 {
                let found = prover.lookup(&label(*i)).await.unwrap();
                assert_eq!(&found.proof.0, bytes, "account {i} at epoch {epoch}");
                let ours: Vec<_> = found.markers.iter().map(|m| m.proof.0.clone()).collect();
                assert_eq!(&ours, markers);
                assert_eq!(
                    prover.newest(&label(*i)).await.unwrap().unwrap().version,
                    *version
                );
                assert!(prover.absence(&label(*i)).is_err());
            }
        }
        for ((i, count), bytes) in &self.histories {
            let (newest, _, _) = self.lookups.get(i).unwrap();
            let below = |count: &usize| newest.get().saturating_sub(u64::try_from(*count).unwrap());
            let since = KeyVersion::new(count.as_ref().map_or(0, below) + 1).unwrap();
            let ours = prover.history(&label(*i), since).await.unwrap();
            assert!(&ours == bytes, "history of account {i} at epoch {epoch}");
        }
        for (i, bytes) in &self.absences {
            assert_eq!(prover.newest(&label(*i)).await.unwrap(), None);
            assert_eq!(&prover.absence(&label(*i)).unwrap().proof.0, bytes);
            assert!(prover.lookup(&label(*i)).await.is_err());
            assert!(prover.history(&label(*i), KeyVersion::FIRST).await.is_err());
        }
    }
}

fn key() -> Vrf {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::local(dir.path()).unwrap();
    crate::bootstrap::keys(&settings, &SystemRandom).unwrap().vrf
}

async fn ours(store: &Store, vrf: &Vrf) -> Akd<TreeStore> {
    let storage = StorageManager::new_no_cache(store.tree());
    Directory::new(storage, vrf.clone(), AzksParallelismConfig::default())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_akds_byte_for_byte() {
    let (vrf, database) = (key(), TestDatabase::new(Backend::Sqlite));
    let store = database.open();
    let source = ProofSource::new(&store, &vrf, 1 << 20, 0);
    let (writer, reference) = (ours(&store, &vrf).await, Reference::new(&vrf).await);
    let mut before = Expected::default();
    for epoch in 1..=20 {
        let batch = batch(usize::try_from(epoch).unwrap());
        assert_eq!(
            writer.publish(batch.clone()).await.unwrap(),
            reference.akd.publish(batch).await.unwrap()
        );
        let expected = reference.expected(epoch).await;
        if epoch % 5 == 0 {
            // Readers that still stand on the epoch before, then those that moved, then one who was late.
            before.check(&source, epoch - 1).await;
            expected.check(&source, epoch).await;
            before.check(&source, epoch - 1).await;
            // A process that has just started.
            let again = database.open();
            expected.check(&ProofSource::new(&again, &vrf, 0, 0), epoch).await;
        }
        before = expected;
    }
    assert_eq!((before.lookups.len(), before.absences.len()), (40, 8));
    assert!(before.lookups[&0].0.get() == 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_two_epochs_behind_is_told() {
    let (vrf, database) = (key(), TestDatabase::new(Backend::Sqlite));
    let store = database.open();
    let source = ProofSource::new(&store, &vrf, 1 << 20, 0);
    let writer = ours(&store, &vrf).await;
    let root = RootHash::new(writer.publish(batch(1)).await.unwrap().hash());
    let prover = Prover::new(&source, Epoch::new(1), root).await.unwrap();
    for (epoch, in_time) in [(2, true), (3, false)] {
        writer.publish(batch(epoch)).await.unwrap();
        assert_eq!(prover.check_in_time().is_ok(), in_time);
    }
    let other = Prover::new(&source, Epoch::new(1), RootHash::new([1; 32])).await;
    assert!(matches!(other, Err(ProveError::RootDiffers { .. })));
    assert!(Prover::new(&source, Epoch::new(4), root).await.is_err());
    assert!(vrf.get_vrf_public_key().await.is_ok());
}
