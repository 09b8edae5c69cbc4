//! Audit proofs as immutable files, laid out as their URLs, so that any file server or object store can serve them.

use std::io;
use std::path::{Path, PathBuf};

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{Epoch, RootHash};

use crate::files;

/// Name of one audit proof: the step into an epoch, from one root to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditName {
    /// The epoch that the step leads into.
    pub epoch: Epoch,
    /// The tree's root before.
    pub previous_root: RootHash,
    /// The tree's root after.
    pub root: RootHash,
}

impl AuditName {
    /// The proof that a leaf states.
    pub fn of(leaf: &Leaf) -> Self {
        Self {
            epoch: leaf.epoch,
            previous_root: leaf.previous_root,
            root: leaf.root,
        }
    }
}

/// The folder of artefacts.
#[derive(Debug, Clone)]
pub struct Artefacts(PathBuf);

impl Artefacts {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir.join("log").join("audit"))?;
        Ok(Self(dir.to_owned()))
    }

    /// Where one audit proof lies.
    pub fn audit_path(&self, name: &AuditName) -> PathBuf {
        let mut path = self.0.join("log").join("audit");
        path.extend([
            name.epoch.to_string(),
            name.previous_root.to_string(),
            name.root.to_string(),
        ]);
        path
    }

    /// Stores an audit proof durably. Blocking.
    ///
    /// # Errors
    /// Writing or syncing failed.
    pub fn put_audit(&self, name: &AuditName, proof: &[u8]) -> io::Result<()> {
        let path = self.audit_path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
            // Two levels are new: their entries must survive as well.
            files::sync_parent(folder)?;
            folder.parent().map_or(Ok(()), files::sync_parent)?;
        }
        files::replace(&path, proof, files::PUBLIC)
    }

    /// Reads an audit proof. Blocking.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn audit(&self, name: &AuditName) -> io::Result<Vec<u8>> {
        std::fs::read(self.audit_path(name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_proof_lies_where_its_url_says() {
        let dir = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(dir.path()).unwrap();
        let name = AuditName {
            epoch: Epoch::new(7),
            previous_root: RootHash::new([0xaa; 32]),
            root: RootHash::new([0xbb; 32]),
        };
        artefacts.put_audit(&name, b"first").unwrap();
        artefacts.put_audit(&name, b"again").unwrap();
        assert_eq!(artefacts.audit(&name).unwrap(), b"again");
        let expected = format!("log/audit/7/{}/{}", "aa".repeat(32), "bb".repeat(32));
        assert!(dir.path().join(expected).is_file());
    }
}
