//! A whole directory in memory, with all its operator's keys: plain akd, our records, our log.
//!
//! It answers honestly. [`crate::lies`] changes its answers and signs them again with every key it holds.
//! Everything is derived from a seed, so the same world is the same bytes.

mod answers;
mod crooked;
mod export;
mod keys;
mod person;

use akd::append_only_zks::AzksParallelismConfig;
use akd::ecvrf::VRFKeyStorage as _;
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, Directory, EpochHash, WhatsAppV1Configuration};
use keyglass_protocol::config::{ConfigChain, ConfigDocument, ConfigValues, Predecessor, Successor};
use keyglass_protocol::epoch::{Leaf, TimeBounds, Trust};
use keyglass_protocol::label::Label;
use keyglass_protocol::log::{self, SubtreeHashes};
use keyglass_protocol::note::{Checkpoint, Note, Origin, Policy, VerifierKey, cosign, sign_note};
use keyglass_protocol::quantity::{AuditHash, ConfigHash, Epoch, LogHash, LogSize, Millis, RootHash};
use keyglass_protocol::record::Limits;
use protobuf::Message as _;
use sha2::{Digest as _, Sha256};

pub use answers::tree_value;
pub use crooked::{Planted, Shown};
pub use keys::{FixedVrf, OperatorKeys};
pub use person::{Person, device, device_key};

/// Name of every world's log.
pub const ORIGIN: &str = "keyglass.test/world";
/// Name of every world's auditor.
pub const AUDITOR: &str = "auditor.test/a";
/// Name of every world's witness, which checks consistency only.
pub const WITNESS: &str = "witness.test/w";
/// Time of the first leaf: 2026-01-01T00:00:00Z in milliseconds.
pub const FIRST_TIME: Millis = Millis::new(1_767_225_600_000);

type Tree = Directory<WhatsAppV1Configuration, AsyncInMemoryDatabase, FixedVrf>;

/// A directory in memory with all its operator's keys and its auditor's.
pub struct World {
    runtime: tokio::runtime::Runtime,
    /// All keys of the operator, and the auditor's.
    pub keys: OperatorKeys,
    /// The configuration document in force.
    pub config: ConfigDocument,
    /// Hash that new leaves name instead of the document's.
    pub named: Option<ConfigHash>,
    /// Time of the next leaf, less a second.
    pub now: Millis,
    /// Time of the signatures on a checkpoint, if it is not `now`.
    pub signed_at: Option<Millis>,
    /// Whether a witness cosigns too, and must.
    pub witnessed: bool,
    tree: Tree,
    storage: StorageManager<AsyncInMemoryDatabase>,
    leaves: Vec<Leaf>,
    audits: Vec<Vec<u8>>,
}

impl World {
    /// An empty directory at epoch 0, long ago.
    pub fn new(seed: u8) -> Self {
        Self::at(seed, FIRST_TIME)
    }

    /// An empty directory at epoch 0 whose first leaf has this time.
    pub fn at(seed: u8, first: Millis) -> Self {
        Self::beginning(OperatorKeys::from_seed(seed, ORIGIN), first, None)
    }

    /// An empty directory under another name; it continues a log that has ended, or another state that is stated.
    pub fn continuing(seed: u8, first: Millis, origin: &str, predecessor: Option<Predecessor>) -> Self {
        Self::beginning(OperatorKeys::from_seed(seed, origin), first, predecessor)
    }

    fn beginning(keys: OperatorKeys, first: Millis, predecessor: Option<Predecessor>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let vrf = runtime.block_on(keys.vrf.get_vrf_public_key()).unwrap();
        let config = configuration(&keys, *vrf.as_bytes(), predecessor);
        let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
        let tree = Tree::new(
            storage.clone(),
            keys.vrf.clone(),
            AzksParallelismConfig::disabled(),
        );
        let tree = runtime.block_on(tree).unwrap();
        let mut world = Self {
            runtime,
            keys,
            config,
            named: None,
            now: first,
            signed_at: None,
            witnessed: false,
            tree,
            storage,
            leaves: Vec::new(),
            audits: Vec::new(),
        };
        let EpochHash(_, root) = world.runtime.block_on(world.tree.get_epoch_hash()).unwrap();
        world.append(RootHash::ZERO, RootHash::new(root), 0, Vec::new());
        world
    }

    /// Publishes records as one epoch, one second after the last.
    pub fn publish(&mut self, batch: &[(Label, Vec<u8>)]) -> Epoch {
        let updates = batch
            .iter()
            .map(|(l, v)| (AkdLabel(l.as_bytes().to_vec()), AkdValue(v.clone())))
            .collect();
        self.runtime.block_on(self.tree.publish(updates)).unwrap();
        self.took_place()
    }

    /// Ends the log for the one of this key: the last leaf names a configuration with the successor.
    ///
    /// Returns the final state, as the successor has to state it.
    pub fn end(&mut self, next: VerifierKey) -> Predecessor {
        let values = ConfigValues {
            previous_config_sha256: Some(self.config.hash()),
            successor: Some(Successor {
                origin: next.origin().clone(),
                log_vkey: next,
            }),
            ..self.config.values().clone()
        };
        self.config = ConfigDocument::create(&values).unwrap();
        self.publish(&[(Label::parse("account:filler").unwrap(), vec![0])]);
        Predecessor {
            origin: values.origin,
            log_vkey: values.log_vkey,
            vrf_public_key: values.vrf_public_key,
            size: self.size(),
            log_root: log::root(self, self.size()).unwrap(),
            akd_root: self.root(),
        }
    }

    /// Logs the epoch that the tree has just got.
    fn took_place(&mut self) -> Epoch {
        let before = self.root();
        let EpochHash(epoch, root) = self.runtime.block_on(self.tree.get_epoch_hash()).unwrap();
        let proof = self.runtime.block_on(self.tree.audit(epoch - 1, epoch)).unwrap();
        let step = akd::proto::specs::types::SingleAppendOnlyProof::from(&proof.proofs[0]);
        let inserted = step.inserted.len() as u64;
        self.now = self.now.plus(1000);
        self.append(
            before,
            RootHash::new(root),
            inserted,
            step.write_to_bytes().unwrap(),
        );
        Epoch::new(epoch)
    }

    fn append(&mut self, before: RootHash, root: RootHash, inserted: u64, audit: Vec<u8>) {
        let epoch = Epoch::new(self.leaves.len() as u64);
        let audit_hash = match epoch {
            Epoch::ZERO => AuditHash::ZERO,
            _ => AuditHash::new(Sha256::digest(&audit).into()),
        };
        self.leaves.push(Leaf {
            epoch,
            time: self.now,
            previous_root: before,
            root,
            config: self.named.unwrap_or_else(|| self.config.hash()),
            inserted,
            audit_hash,
            audit_length: audit.len() as u64,
        });
        self.audits.push(audit);
    }

    /// Root of the tree at the newest epoch.
    pub fn root(&self) -> RootHash {
        self.leaves.last().unwrap().root
    }

    /// The newest epoch.
    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.leaves.len() as u64 - 1)
    }

    /// Number of leaves.
    pub fn size(&self) -> LogSize {
        self.epoch().log_size().unwrap()
    }

    /// The leaf of an epoch.
    pub fn leaf(&self, epoch: Epoch) -> &Leaf {
        &self.leaves[epoch.get() as usize]
    }

    /// The audit proof of the step into an epoch.
    pub fn audit_proof(&self, epoch: Epoch) -> &[u8] {
        &self.audits[epoch.get() as usize]
    }

    /// Replaces a leaf as only the operator can, before it is signed.
    pub fn replace_leaf(&mut self, epoch: Epoch, leaf: Leaf) {
        self.leaves[epoch.get() as usize] = leaf;
    }

    /// Replaces an audit proof, and states it in its leaf.
    pub fn replace_audit(&mut self, epoch: Epoch, inserted: u64, audit: Vec<u8>) {
        let leaf = &mut self.leaves[epoch.get() as usize];
        leaf.inserted = inserted;
        leaf.audit_hash = AuditHash::new(Sha256::digest(&audit).into());
        leaf.audit_length = audit.len() as u64;
        self.audits[epoch.get() as usize] = audit;
    }

    /// The time at which checkpoints are signed and clients ask.
    pub fn time(&self) -> Millis {
        self.signed_at.unwrap_or(self.now)
    }

    /// The checkpoint of a size with the log's signature, the heartbeat and the cosignatures.
    pub fn checkpoint(&self, size: LogSize) -> Note {
        self.sign_checkpoint(size, log::root(self, size).unwrap())
    }

    /// The same over any root: what an operator can sign is not what is true.
    pub fn sign_checkpoint(&self, size: LogSize, root: LogHash) -> Note {
        let text = Checkpoint {
            origin: self.config.origin.clone(),
            size,
            root,
        }
        .to_text();
        let time = self.time().seconds();
        let mut lines = vec![
            sign_note(&self.keys.origin, &self.keys.log, &text),
            cosign(&self.keys.heartbeat_name(), &self.keys.heartbeat, &text, time),
            cosign(AUDITOR, &self.keys.auditor, &text, time),
        ];
        if self.witnessed {
            lines.push(cosign(WITNESS, &self.keys.witness, &text, time));
        }
        Note::new(&text, lines).unwrap()
    }

    /// The pins of a client of this directory: its key, its configuration, a quorum of its cosigners.
    pub fn trust(&self) -> Trust {
        let chain = ConfigChain::start(self.config.clone()).unwrap();
        Trust::new(
            self.keys.log_vkey(),
            chain,
            Some(self.policy()),
            TimeBounds::default(),
        )
        .unwrap()
    }

    /// The policy: the log, a group `auditors` with one auditor, and the witness if there is one; all must cosign.
    pub fn policy(&self) -> Policy {
        let (log, auditor) = (self.keys.log_vkey(), self.keys.auditor_vkey());
        let mut text = format!("log {log}\nwitness a {auditor}\n");
        if self.witnessed {
            let witness = self.keys.witness_vkey();
            text.push_str(&format!(
                "witness w {witness}\ngroup auditors any a\ngroup both all auditors w\nquorum both\n"
            ));
        } else {
            text.push_str("group auditors any a\nquorum auditors\n");
        }
        text.parse().unwrap()
    }
}

impl SubtreeHashes for World {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, Self::Error> {
        if level == 0 {
            return Ok(log::leaf_hash(&self.leaves[index as usize].encode()));
        }
        let (left, right) = (
            self.subtree(level - 1, index * 2)?,
            self.subtree(level - 1, index * 2 + 1)?,
        );
        Ok(log::node_hash(&left, &right))
    }
}

fn configuration(
    keys: &OperatorKeys,
    vrf_public_key: [u8; 32],
    predecessor: Option<Predecessor>,
) -> ConfigDocument {
    ConfigDocument::create(&ConfigValues {
        origin: Origin::new(&keys.origin).unwrap(),
        vrf_public_key,
        log_vkey: keys.log_vkey(),
        heartbeat_vkey: keys.heartbeat_vkey(),
        receipt_vkey: keys.receipt_vkey(),
        import_vkey: Some(keys.import_vkey()),
        import_closed_after_epoch: None,
        recovery_vkey: Some(keys.recovery_vkey()),
        merge_delay_seconds: 60,
        limits: Limits::default(),
        previous_config_sha256: None,
        predecessor,
        successor: None,
    })
    .unwrap()
}
