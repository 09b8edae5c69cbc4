//! Real directories, made by akd.

use akd::append_only_zks::DEFAULT_AZKS_KEY;
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::storage::types::DbRecord;
use akd::{Azks, AzksParallelismConfig, Directory, HistoryParams};
use akd_core::configuration::WhatsAppV1Configuration as Akd;
use akd_core::ecvrf::HardCodedAkdVRF;
use akd_core::{AkdLabel, AkdValue};

use super::akd_verdict::block_on;
use super::case::{Ask, Case, Head, MarkerBytes, demanded_markers};
use super::forge::{self, Fresh, leaf_label, public_key, vrf_proof};

type Storage = StorageManager<AsyncInMemoryDatabase>;

pub struct World {
    directory: Directory<Akd, AsyncInMemoryDatabase, HardCodedAkdVRF>,
    storage: Storage,
    pub roots: Vec<[u8; 32]>,
    pub audits: Vec<Case>,
}

impl World {
    pub fn new() -> Self {
        let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
        let parallelism = AzksParallelismConfig::disabled();
        let directory = block_on(Directory::new(storage.clone(), HardCodedAkdVRF, parallelism)).unwrap();
        let root = block_on(directory.get_epoch_hash()).unwrap().hash();
        Self {
            directory,
            storage,
            roots: vec![root],
            audits: Vec::new(),
        }
    }

    pub fn epoch(&self) -> u64 {
        self.roots.len() as u64 - 1
    }

    pub fn publish(&mut self, labels: &[String]) {
        let epoch = self.epoch() + 1;
        let update = |label: &String| {
            (
                AkdLabel::from(label),
                AkdValue(format!("{label} at {epoch}").into_bytes()),
            )
        };
        let updates = labels.iter().map(update).collect();
        let root = block_on(self.directory.publish(updates)).unwrap().hash();
        self.roots.push(root);
        let audit = self.audit(epoch);
        self.audits.push(audit);
    }

    /// A directory in which `account:busy` has `versions` versions among `others` users.
    pub fn busy(versions: u64, others: u64) -> Self {
        let mut world = Self::new();
        let user = |i: u64| format!("account:{i}");
        for round in 0..versions {
            let mut labels = vec!["account:busy".to_owned()];
            labels.extend(
                (0..others)
                    .filter(|i| i % versions == round || i % 7 == round)
                    .map(user),
            );
            world.publish(&labels);
        }
        world
    }

    pub fn head(&self) -> Head {
        Head {
            epoch: self.epoch(),
            root: *self.roots.last().unwrap(),
            vrf: public_key(),
        }
    }

    fn azks(&self) -> Azks {
        match block_on(self.storage.get::<Azks>(&DEFAULT_AZKS_KEY)).unwrap() {
            DbRecord::Azks(azks) => azks,
            _ => panic!("no azks"),
        }
    }

    pub fn lookup(&self, label: &str) -> Case {
        let (proof, _) = block_on(self.directory.lookup(AkdLabel::from(label))).unwrap();
        let markers = demanded_markers(proof.version, self.epoch());
        Case {
            head: self.head(),
            label: label.to_owned(),
            ask: Ask::Lookup {
                markers: markers.into_iter().map(|v| self.marker(label, v)).collect(),
            },
            proof: forge::lookup_bytes(&proof),
        }
    }

    fn marker(&self, label: &str, version: u64) -> MarkerBytes {
        let leaf = leaf_label(label, Fresh, version);
        let proof = block_on(self.azks().get_membership_proof::<Akd, _>(&self.storage, leaf)).unwrap();
        MarkerBytes {
            version,
            vrf_proof: vrf_proof(label, Fresh, version),
            proof: forge::membership_bytes(&proof),
        }
    }

    pub fn absence(&self, label: &str) -> Case {
        let leaf = leaf_label(label, Fresh, 1);
        let proof = block_on(
            self.azks()
                .get_non_membership_proof::<Akd, _>(&self.storage, leaf),
        )
        .unwrap();
        Case {
            head: self.head(),
            label: label.to_owned(),
            ask: Ask::Absence {
                vrf_proof: vrf_proof(label, Fresh, 1),
            },
            proof: forge::non_membership_bytes(&proof),
        }
    }

    pub fn history(&self, label: &str, since: u64, newest: u64) -> Case {
        let params = match since {
            1 => HistoryParams::Complete,
            _ => HistoryParams::MostRecent((newest + 1 - since) as usize),
        };
        let (proof, _) = block_on(self.directory.key_history(&AkdLabel::from(label), params)).unwrap();
        Case {
            head: self.head(),
            label: label.to_owned(),
            ask: Ask::History { since },
            proof: forge::history_bytes(&proof),
        }
    }

    /// The step into `epoch`, as the tree of now proves it.
    pub fn audit(&self, epoch: u64) -> Case {
        let proof = block_on(self.directory.audit(epoch - 1, epoch)).unwrap();
        let [previous, root] = [epoch - 1, epoch].map(|e| self.roots[e as usize]);
        Case {
            head: Head {
                epoch,
                root,
                vrf: public_key(),
            },
            label: String::new(),
            ask: Ask::AppendOnly { previous },
            proof: forge::append_only_bytes(&proof.proofs[0]),
        }
    }
}
