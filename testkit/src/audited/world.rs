//! A directory in memory, made with akd itself. Its operator has all keys and may sign whatever he likes.

use std::sync::Arc;

use akd::append_only_zks::AzksParallelismConfig;
use akd::ecvrf::{VRFKeyStorage, VrfError};
use akd::local_auditing::AuditBlob;
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, Directory, EpochHash, WhatsAppV1Configuration};
use ed25519_dalek::SigningKey;
use keyglass_auditor::source::MemorySource;
use keyglass_protocol::config::{ConfigDocument, ConfigValues};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{
    Frontier, TILE_WIDTH, TileKind, TilePath, bundle_entries, full_tiles, leaf_hash, partial_width,
    subtree_root, tile_levels,
};
use keyglass_protocol::note::{Checkpoint, Note, SignatureLine, VerifierKey, cosign, sign_note};
use keyglass_protocol::quantity::{
    AuditHash, ConfigHash, Epoch, LogHash, LogSize, Millis, RootHash, Seconds,
};
use keyglass_protocol::record::Limits;
use sha2::{Digest as _, Sha256};

type Akd = Directory<WhatsAppV1Configuration, AsyncInMemoryDatabase, Vrf>;

/// Name of the log.
pub const ORIGIN: &str = "log.example/1";
/// Time of epoch 0, ms.
pub const START: u64 = 1_700_000_000_000;

#[derive(Clone)]
struct Vrf;

#[async_trait::async_trait]
impl VRFKeyStorage for Vrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(vec![7; 32])
    }
}

/// The private key of a seed.
pub fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The verifier key of a seed.
pub fn vkey(name: &str, seed: u8) -> VerifierKey {
    VerifierKey::new_ed25519(name, signing_key(seed).verifying_key().as_bytes()).unwrap()
}

/// The first configuration.
pub fn config_values() -> ConfigValues {
    let heartbeat = signing_key(11).verifying_key();
    ConfigValues {
        origin: vkey(ORIGIN, 10).origin().clone(),
        vrf_public_key: *signing_key(9).verifying_key().as_bytes(),
        log_vkey: vkey(ORIGIN, 10),
        heartbeat_vkey: VerifierKey::new_cosignature("heartbeat.example", heartbeat.as_bytes()).unwrap(),
        receipt_vkey: vkey("receipt.example", 12),
        import_vkey: None,
        import_closed_after_epoch: None,
        recovery_vkey: None,
        merge_delay_seconds: 60,
        limits: Limits::default(),
        previous_config_sha256: None,
        predecessor: None,
        successor: None,
    }
}

/// An epoch that is made but not yet in the log.
#[derive(Clone)]
pub struct Staged {
    /// Its leaf.
    pub leaf: Leaf,
    /// Its audit proof.
    pub proof: Vec<u8>,
}

/// A directory with all its operator's keys.
pub struct World {
    akd: Akd,
    /// What it publishes.
    pub source: Arc<MemorySource>,
    /// The log.
    pub entries: Vec<Vec<u8>>,
    /// The newest honest leaf.
    pub newest: Leaf,
    /// The configuration that leaves name from now on.
    pub config: ConfigDocument,
    labels: u64,
    step_ms: u64,
}

impl World {
    /// Epoch 0 is signed.
    pub async fn new() -> Self {
        Self::starting_at(START, 1000).await
    }

    /// Epoch 0 is of this time, and every further one later by `step_ms`.
    pub async fn starting_at(start_ms: u64, step_ms: u64) -> Self {
        let akd = Akd::new(
            StorageManager::new_no_cache(AsyncInMemoryDatabase::new()),
            Vrf,
            AzksParallelismConfig::disabled(),
        );
        let akd = akd.await.unwrap();
        let EpochHash(_, root) = akd.get_epoch_hash().await.unwrap();
        let config = ConfigDocument::create(&config_values()).unwrap();
        let newest = Leaf {
            epoch: Epoch::ZERO,
            time: Millis::new(start_ms),
            previous_root: RootHash::ZERO,
            root: RootHash::new(root),
            config: config.hash(),
            inserted: 0,
            audit_hash: AuditHash::ZERO,
            audit_length: 0,
        };
        let mut world = Self {
            akd,
            source: Arc::default(),
            entries: Vec::new(),
            newest,
            config,
            labels: 0,
            step_ms,
        };
        world.serve_config(world.config.bytes());
        world.append(newest.encode());
        world.sign();
        world
    }

    /// The log's verifier key.
    pub fn log_key(&self) -> VerifierKey {
        vkey(ORIGIN, 10)
    }

    /// Number of entries.
    pub fn size(&self) -> LogSize {
        LogSize::new(self.entries.len() as u64)
    }

    /// An honest epoch with `labels` new labels, one second later.
    pub async fn stage(&mut self, labels: u64) -> Staged {
        let updates = (0..labels).map(|_| {
            self.labels += 1;
            (format!("account:{}", self.labels), vec![1; 40])
        });
        let updates: Vec<_> = updates.collect();
        self.stage_updates(updates).await
    }

    /// An honest epoch in which these labels get these values, one step later.
    pub async fn stage_updates(&mut self, updates: Vec<(String, Vec<u8>)>) -> Staged {
        let updates = updates
            .into_iter()
            .map(|(label, value)| (AkdLabel(label.into_bytes()), AkdValue(value)))
            .collect();
        let EpochHash(epoch, root) = self.akd.publish(updates).await.unwrap();
        let single = self.akd.audit(epoch - 1, epoch).await.unwrap().proofs.remove(0);
        let inserted = single.inserted.len() as u64;
        let blob = AuditBlob::new(*self.newest.root.as_bytes(), root, epoch - 1, &single).unwrap();
        let leaf = Leaf {
            epoch: Epoch::new(epoch),
            time: self.newest.time.plus(self.step_ms),
            previous_root: self.newest.root,
            root: RootHash::new(root),
            config: self.config.hash(),
            inserted,
            audit_hash: AuditHash::ZERO,
            audit_length: 0,
        };
        let mut staged = Staged {
            leaf,
            proof: blob.data,
        };
        staged.seal();
        staged
    }

    /// Serves the proof and puts the leaf into the log.
    pub fn put(&mut self, staged: &Staged) {
        self.serve_proof(staged);
        self.newest = staged.leaf;
        self.append(staged.leaf.encode());
    }

    /// Serves the audit proof.
    pub fn serve_proof(&self, staged: &Staged) {
        self.source.put(staged.path(), staged.proof.clone());
    }

    /// Any bytes as the next entry.
    pub fn append(&mut self, entry: Vec<u8>) {
        self.entries.push(entry);
    }

    /// An honest, signed epoch.
    pub async fn publish(&mut self, labels: u64) {
        let staged = self.stage(labels).await;
        self.put(&staged);
        self.sign();
    }

    /// Serves a configuration document; answers its hash.
    pub fn serve_config(&self, bytes: &[u8]) -> ConfigHash {
        let hash = ConfigHash::new(Sha256::digest(bytes).into());
        self.source.put(format!("/v1/config/{hash}"), bytes.to_vec());
        hash
    }

    /// Serves the readers' checkpoint: the newest one, with the operator's heartbeat at `seconds` and these lines.
    pub fn show_readers(&self, seconds: u64, more: Vec<SignatureLine>) -> Vec<u8> {
        let note = heartbeat(&self.checkpoint(10), seconds, more);
        self.source.put("/log/checkpoint", note.clone());
        note
    }

    /// Serves tiles, then the checkpoint over all entries.
    pub fn sign(&self) -> Vec<u8> {
        self.serve_tiles();
        let note = self.checkpoint(10);
        self.source.put("/log/pending", note.clone());
        note
    }

    /// The checkpoint, signed by the key of this seed.
    pub fn checkpoint(&self, seed: u8) -> Vec<u8> {
        note(seed, self.size(), self.root())
    }

    /// The checkpoint over the first entry only.
    pub fn first_checkpoint(&self) -> Vec<u8> {
        self.checkpoint_of(1)
    }

    /// The true checkpoint over the first `size` entries.
    pub fn checkpoint_of(&self, size: u64) -> Vec<u8> {
        note(10, LogSize::new(size), self.root_of(size))
    }

    /// Root over all entries.
    pub fn root(&self) -> LogHash {
        self.root_of(self.entries.len() as u64)
    }

    /// Root over the first `size` entries.
    pub fn root_of(&self, size: u64) -> LogHash {
        let mut frontier = Frontier::new();
        for entry in &self.entries[..size as usize] {
            frontier.push(leaf_hash(entry)).unwrap();
        }
        frontier.root()
    }

    /// Serves tiles and entries.
    pub fn serve_tiles(&self) {
        let size = self.size();
        let tiles = 0..full_tiles(0, size) + u64::from(partial_width(0, size) > 0);
        for tile in tiles {
            let first = tile as usize * 256;
            let entries: Vec<&[u8]> = self.entries[first..]
                .iter()
                .take(256)
                .map(Vec::as_slice)
                .collect();
            let path = TilePath::new(TileKind::Entries, tile, entries.len() as u16).unwrap();
            self.source
                .put(format!("/log/{path}"), bundle_entries(&entries).unwrap());
        }
        let mut row: Vec<LogHash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        for level in 0..tile_levels(size) {
            for (index, hashes) in row.chunks(256).enumerate() {
                let path = TilePath::new(TileKind::Hashes(level), index as u64, hashes.len() as u16).unwrap();
                let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                self.source.put(format!("/log/{path}"), bytes);
            }
            let full = row.chunks_exact(usize::from(TILE_WIDTH));
            row = full.map(|hashes| subtree_root(hashes).unwrap()).collect();
        }
    }
}

impl Staged {
    /// Makes the leaf state these proof bytes.
    pub fn seal(&mut self) {
        self.leaf.audit_hash = AuditHash::new(Sha256::digest(&self.proof).into());
        self.leaf.audit_length = self.proof.len() as u64;
    }

    /// Where the audit proof is served.
    pub fn path(&self) -> String {
        format!(
            "/log/audit/{}/{}/{}",
            self.leaf.epoch, self.leaf.previous_root, self.leaf.root
        )
    }
}

/// A checkpoint note of the log, signed by the key of this seed.
pub fn note(seed: u8, size: LogSize, root: LogHash) -> Vec<u8> {
    let origin = vkey(ORIGIN, 10).origin().clone();
    let text = Checkpoint { origin, size, root }.to_text();
    Note::new(&text, vec![sign_note(ORIGIN, &signing_key(seed), &text)])
        .unwrap()
        .to_bytes()
}

impl Staged {
    /// Changes the proof as akd sees it, and makes the leaf state the result.
    pub fn edit(&mut self, change: impl FnOnce(&mut akd::SingleAppendOnlyProof)) {
        let name = akd::local_auditing::AuditBlobName {
            epoch: 0,
            previous_hash: [0; 32],
            current_hash: [0; 32],
        };
        let blob = AuditBlob {
            name,
            data: self.proof.clone(),
        };
        let mut proof = blob.decode().unwrap().3;
        change(&mut proof);
        self.proof = AuditBlob::new([0; 32], [0; 32], 0, &proof).unwrap().data;
        self.seal();
    }
}

/// A checkpoint note with the operator's heartbeat and these lines.
pub fn heartbeat(checkpoint: &[u8], seconds: u64, more: Vec<SignatureLine>) -> Vec<u8> {
    let mut note = Note::parse(checkpoint).unwrap();
    let line = cosign(
        "heartbeat.example",
        &signing_key(11),
        note.text(),
        Seconds::new(seconds),
    );
    for line in std::iter::once(line).chain(more) {
        note = note.with_line(line).unwrap();
    }
    note.to_bytes()
}
