//! The log: leaves, hashes, checkpoints, cosignatures, head, guard, configuration documents.

use std::collections::{BTreeMap, BTreeSet};

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{Frontier, TILE_WIDTH, subtree_root};
use keyglass_protocol::note::{SignatureLine, SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize};
use keyglass_protocol::tree;

use super::{Run, VerifyError, of_epoch};

/// The computed root of every size.
type Roots = BTreeMap<LogSize, LogHash>;

impl Run<'_> {
    /// Checks the log; answers its leaves up to the first one that is missing.
    pub(super) fn log(&mut self) -> Result<Vec<Leaf>, VerifyError> {
        let documents = self.documents()?;
        let size = self.store.log_size()?;
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut whole = true;
        for epoch in (0..size.get()).map(Epoch::new) {
            self.report.progress("log", epoch.get(), size.get());
            match self.store.leaf(epoch) {
                Ok(Some(leaf)) => {
                    self.leaf(epoch, &leaf, leaves.last().filter(|_| whole), &documents);
                    if whole {
                        leaves.push(leaf);
                    }
                }
                Ok(None) => {
                    whole = false;
                    self.found(of_epoch("epochs", epoch), "the leaf is missing");
                }
                Err(error) => {
                    whole = false;
                    self.found(of_epoch("epochs", epoch), error.to_string());
                }
            }
        }
        self.checked.leaves = super::count(leaves.len());
        let roots = self.hashes(&leaves);
        self.checkpoints(&roots)?;
        self.head(&roots);
        self.guard(&roots, size)?;
        self.tree_epoch(size)?;
        Ok(leaves)
    }

    fn documents(&mut self) -> Result<BTreeSet<ConfigHash>, VerifyError> {
        let mut good = BTreeSet::new();
        for (hash, bytes) in self.store.configs()? {
            let place = format!("configs, {hash}");
            match ConfigDocument::parse(&bytes) {
                Ok(document) if document.hash() == hash => {
                    good.insert(hash);
                }
                Ok(_) => self.found(place, "the document has another hash"),
                Err(error) => self.found(place, error.to_string()),
            }
        }
        Ok(good)
    }

    fn leaf(&mut self, epoch: Epoch, leaf: &Leaf, before: Option<&Leaf>, documents: &BTreeSet<ConfigHash>) {
        let place = of_epoch("epochs", epoch);
        self.demand(leaf.epoch == epoch, &place, "the leaf is of another epoch");
        if epoch == Epoch::ZERO {
            self.demand(
                leaf.root == tree::empty_root(),
                &place,
                "the root is not that of the empty tree",
            );
        }
        if let Some(before) = before
            && let Err(error) = Leaf::check_successor(before, leaf)
        {
            self.found(&place, error.to_string());
        }
        self.demand(
            documents.contains(&leaf.config),
            &place,
            "the configuration document that it names is not stored",
        );
    }

    /// Computes every stored hash of the log again, and the root of every size.
    fn hashes(&mut self, leaves: &[Leaf]) -> Roots {
        let mut roots = Roots::new();
        let mut frontier = Frontier::new();
        let mut levels: Vec<Vec<LogHash>> = Vec::new();
        for leaf in leaves {
            if frontier.push(leaf.hash()).is_err() {
                break;
            }
            roots.insert(frontier.size(), frontier.root());
            let (mut level, mut index, mut hash) = (0_u8, leaf.epoch.get(), leaf.hash());
            loop {
                self.hash(level, index, &hash);
                let row = usize::from(level);
                if levels.len() <= row {
                    levels.push(Vec::new());
                }
                let Some(tile) = levels.get_mut(row) else { break };
                tile.push(hash);
                if tile.len() < usize::from(TILE_WIDTH) {
                    break;
                }
                let Ok(above) = subtree_root(tile) else { break };
                tile.clear();
                hash = above;
                level = level.saturating_add(1);
                index /= u64::from(TILE_WIDTH);
            }
        }
        roots
    }

    fn hash(&mut self, level: u8, index: u64, expected: &LogHash) {
        let place = format!("log_hashes, level {level}, index {index}");
        match self.store.inspect_log_hash(level, index) {
            Ok(Some(found)) => self.demand(found == *expected, &place, "not the hash of what is below it"),
            Ok(None) => self.found(place, "the hash is missing"),
            Err(error) => self.found(place, error.to_string()),
        }
    }

    fn checkpoints(&mut self, roots: &Roots) -> Result<(), VerifyError> {
        for epoch in self.store.inspect_checkpoints()? {
            let place = of_epoch("checkpoints", epoch);
            let Some(size) = epoch.log_size() else { continue };
            self.checked.checkpoints = self.checked.checkpoints.saturating_add(1);
            let note = self.store.checkpoint(size)?.unwrap_or_default();
            let Some(signed) = self.note(&place, &note, size, roots) else {
                continue;
            };
            for cosignature in self.store.cosignatures(size)? {
                self.checked.cosignatures = self.checked.cosignatures.saturating_add(1);
                let place = format!("cosignatures, epoch {epoch}, {}", cosignature.vkey);
                let key: Result<VerifierKey, _> = cosignature.vkey.parse();
                let line = SignatureLine::parse_line(&cosignature.line);
                let good = key.and_then(|key| signed.with_cosignature(&key, line?));
                if let Err(error) = good {
                    self.found(place, error.to_string());
                }
            }
        }
        Ok(())
    }

    /// A note of ours over the computed root of a size.
    fn note(&mut self, place: &str, note: &[u8], size: LogSize, roots: &Roots) -> Option<SignedCheckpoint> {
        let signed = match SignedCheckpoint::open(note, self.keys.log.verifier()) {
            Ok(signed) => signed,
            Err(error) => {
                self.found(place, error.to_string());
                return None;
            }
        };
        let checkpoint = signed.checkpoint();
        self.demand(checkpoint.size == size, place, "the note is of another size");
        let root = roots.get(&checkpoint.size);
        self.demand(
            root == Some(&checkpoint.root),
            place,
            "the root is not that of the leaves",
        );
        Some(signed)
    }

    fn head(&mut self, roots: &Roots) {
        match self.store.head() {
            Ok(Some((size, note))) => {
                let _checked = self.note("head", &note, size, roots);
            }
            Ok(None) => {}
            Err(error) => self.found("head", error.to_string()),
        }
    }

    fn guard(&mut self, roots: &Roots, size: LogSize) -> Result<(), VerifyError> {
        let signed = self
            .store
            .newest_checkpoint()?
            .map(|(size, _)| size)
            .unwrap_or_default();
        self.demand(
            size.get() <= signed.get().saturating_add(1),
            "checkpoints",
            "the newest leaves are not signed: checkpoints are missing",
        );
        let Some(guarded) = self.guarded else {
            return Ok(());
        };
        if guarded.size > size {
            let what = format!("at size {}, the log ends at {size}: an old backup", guarded.size);
            self.found("guard", what);
        } else {
            let same = roots.get(&guarded.size) == Some(&guarded.root);
            self.demand(same, "guard", "another root than that of the leaves");
            self.demand(guarded.size >= signed, "guard", "behind what was signed");
        }
        Ok(())
    }

    /// The tree is where the log is, or one epoch further.
    fn tree_epoch(&mut self, size: LogSize) -> Result<(), VerifyError> {
        let Some(last) = size.last_epoch() else {
            return Ok(());
        };
        let tree = self.store.tree_epoch()?;
        let fits = tree == Some(last) || tree == last.next();
        self.demand(fits, "tree_head", "the tree is at another epoch than the log");
        Ok(())
    }
}
