//! Names of audit proofs in the layout in which large deployments publish them: `<epoch>/<previous root>/<root>`.
//!
//! Deployments differ in which epoch they mean: akd's own tools name a step by the epoch that it starts from,
//! Keyglass by the epoch that it leads into.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use keyglass_protocol::quantity::{Epoch, RootHash};
use thiserror::Error;

use crate::step::Transition;

/// Most proofs in one directory.
pub const MAX_PROOFS: usize = 1 << 20;

/// Which epoch a name states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedEpoch {
    /// The one that the step starts from.
    Start,
    /// The one that it leads into.
    End,
}

impl NamedEpoch {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Start => Self::End,
            Self::End => Self::Start,
        }
    }

    /// `start` or `end`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

impl FromStr for NamedEpoch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            _ => Err("start or end"),
        }
    }
}

/// `<epoch>/<previous root>/<root>`: decimal without leading zeros, and two times 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProofName {
    /// The stated epoch.
    pub epoch: u64,
    /// akd root before.
    pub previous: RootHash,
    /// akd root after.
    pub root: RootHash,
}

/// Why a name or a directory of proofs cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Not such a name.
    #[error("{0}: not <epoch>/<previous root>/<root>")]
    Name(String),
    /// No epoch follows the stated one.
    #[error("epoch {0} has no step")]
    NoStep(u64),
    /// It cannot be read.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nothing is in it.
    #[error("{path}: no audit proofs in it", path = .0.display())]
    Empty(PathBuf),
    /// Too much is in it.
    #[error("{path}: more than {MAX_PROOFS} audit proofs", path = .0.display())]
    TooMany(PathBuf),
}

impl LayoutError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) => "proof-name",
            Self::NoStep(_) => "no-step",
            Self::Io { .. } => "unreadable-file",
            Self::Empty(_) => "no-proofs",
            Self::TooMany(_) => "too-many-proofs",
        }
    }
}

impl FromStr for ProofName {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let wrong = || LayoutError::Name(text.to_owned());
        let mut parts = text.split('/');
        let (Some(epoch), Some(previous), Some(root), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let name = Self {
            epoch: epoch.parse().map_err(|_| wrong())?,
            previous: previous.parse().map_err(|_| wrong())?,
            root: root.parse().map_err(|_| wrong())?,
        };
        if name.epoch.to_string() == epoch {
            Ok(name)
        } else {
            Err(wrong())
        }
    }
}

impl core::fmt::Display for ProofName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}/{}", self.epoch, self.previous, self.root)
    }
}

impl ProofName {
    /// The name at the end of a path.
    ///
    /// # Errors
    /// [`LayoutError::Name`].
    pub fn of_path(path: &Path) -> Result<Self, LayoutError> {
        let wrong = || LayoutError::Name(path.display().to_string());
        let mut parts = path.components().rev().map(|part| part.as_os_str().to_str());
        let (root, previous, epoch) = (parts.next(), parts.next(), parts.next());
        let (Some(Some(epoch)), Some(Some(previous)), Some(Some(root))) = (epoch, previous, root) else {
            return Err(wrong());
        };
        format!("{epoch}/{previous}/{root}").parse().map_err(|_| wrong())
    }

    /// The step.
    ///
    /// # Errors
    /// [`LayoutError::NoStep`] into epoch 0 or out of the last one.
    pub fn step(&self, named: NamedEpoch) -> Result<Transition, LayoutError> {
        let epoch = Epoch::new(self.epoch);
        let into = match named {
            NamedEpoch::Start => epoch.next(),
            NamedEpoch::End => (epoch != Epoch::ZERO).then_some(epoch),
        };
        Ok(Transition {
            epoch: into.ok_or(LayoutError::NoStep(self.epoch))?,
            previous: self.previous,
            root: self.root,
        })
    }
}

/// The proofs in a directory, by epoch. Everything in it must be one: a stray file is not silently left out.
///
/// # Errors
/// [`LayoutError`].
pub fn read_dir(dir: &Path) -> Result<Vec<(ProofName, PathBuf)>, LayoutError> {
    read_up_to(dir, MAX_PROOFS)
}

fn read_up_to(dir: &Path, max: usize) -> Result<Vec<(ProofName, PathBuf)>, LayoutError> {
    let mut proofs = Vec::new();
    for epoch in entries(dir, max)? {
        for previous in entries(&epoch, max)? {
            for file in entries(&previous, max)? {
                proofs.push((ProofName::of_path(&file)?, file));
                if proofs.len() > max {
                    return Err(LayoutError::TooMany(dir.to_owned()));
                }
            }
        }
    }
    if proofs.is_empty() {
        return Err(LayoutError::Empty(dir.to_owned()));
    }
    proofs.sort();
    Ok(proofs)
}

fn entries(dir: &Path, max: usize) -> Result<Vec<PathBuf>, LayoutError> {
    let failed = |error: io::Error| match error.kind() {
        // A file where a directory of the layout must be.
        io::ErrorKind::NotADirectory => LayoutError::Name(dir.display().to_string()),
        _ => LayoutError::Io {
            path: dir.to_owned(),
            error,
        },
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
        if found.len() > max {
            return Err(LayoutError::TooMany(dir.to_owned()));
        }
    }
    Ok(found)
}

/// Whether the steps of sorted names follow each other without a gap, and each begins where the one before ended.
///
/// # Errors
/// The name that does not follow, and the stable name of the flaw: `epoch-twice`, `epoch-missing` or
/// `root-chain-broken`.
pub fn linked<'n>(names: impl IntoIterator<Item = &'n ProofName>) -> Result<(), (ProofName, &'static str)> {
    let mut before: Option<&ProofName> = None;
    for name in names {
        if let Some(before) = before {
            if before.epoch == name.epoch {
                return Err((*name, "epoch-twice"));
            }
            if before.epoch.checked_add(1) != Some(name.epoch) {
                return Err((*name, "epoch-missing"));
            }
            if before.root != name.previous {
                return Err((*name, "root-chain-broken"));
            }
        }
        before = Some(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn name(epoch: u64, previous: u8, root: u8) -> ProofName {
        ProofName {
            epoch,
            previous: RootHash::new([previous; 32]),
            root: RootHash::new([root; 32]),
        }
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let seven = name(7, 1, 2);
        assert_eq!(seven.to_string().parse::<ProofName>().unwrap(), seven);
        let path = Path::new("/srv/proofs").join(seven.to_string());
        assert_eq!(ProofName::of_path(&path).unwrap(), seven);
        let hash = "01".repeat(32);
        for wrong in [
            "7",
            "7/1/2",
            &format!("07/{hash}/{hash}"),
            &format!("+7/{hash}/{hash}"),
            &format!("7/{hash}/{}", hash.replace('1', "A")),
            &format!("7/{hash}/{hash}/x"),
            &format!("7/{hash}/"),
        ] {
            assert!(wrong.parse::<ProofName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_stated_epoch_is_the_start_or_the_end() {
        let step = |epoch, named| name(epoch, 1, 2).step(named).map(|step| step.epoch.get()).ok();
        assert_eq!(step(7, NamedEpoch::End), Some(7));
        assert_eq!(step(7, NamedEpoch::Start), Some(8));
        assert_eq!(step(0, NamedEpoch::Start), Some(1));
        assert_eq!(step(0, NamedEpoch::End), None);
        assert_eq!(step(u64::MAX, NamedEpoch::Start), None);
    }

    #[test]
    fn links_are_demanded() {
        let flaw = |names: &[ProofName]| linked(names).err().map(|(_, flaw)| flaw);
        assert_eq!(flaw(&[name(1, 1, 2), name(2, 2, 3), name(3, 3, 4)]), None);
        assert_eq!(flaw(&[name(1, 1, 2), name(3, 2, 3)]), Some("epoch-missing"));
        assert_eq!(flaw(&[name(1, 1, 2), name(1, 1, 3)]), Some("epoch-twice"));
        assert_eq!(flaw(&[name(1, 1, 2), name(2, 1, 3)]), Some("root-chain-broken"));
    }

    #[test]
    fn more_than_fits_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        for proof in [name(2, 1, 2), name(3, 2, 3), name(3, 2, 4)] {
            let path = dir.path().join(proof.to_string());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        assert_eq!(read_up_to(dir.path(), 3).unwrap().len(), 3);
        assert_eq!(read_up_to(dir.path(), 2).unwrap_err().reason(), "too-many-proofs");
        // Nor are names collected without end.
        assert_eq!(entries(dir.path(), 2).unwrap().len(), 2);
        assert_eq!(entries(dir.path(), 1).unwrap_err().reason(), "too-many-proofs");
    }

    #[test]
    fn a_stray_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_dir(dir.path()).unwrap_err().reason(), "no-proofs");
        let good = dir.path().join(name(2, 1, 2).to_string());
        fs::create_dir_all(good.parent().unwrap()).unwrap();
        fs::write(&good, b"x").unwrap();
        assert_eq!(read_dir(dir.path()).unwrap().len(), 1);
        fs::write(dir.path().join("README"), b"x").unwrap();
        assert_eq!(read_dir(dir.path()).unwrap_err().reason(), "proof-name");
        assert_eq!(
            read_dir(&dir.path().join("nowhere")).unwrap_err().reason(),
            "unreadable-file"
        );
    }
}
