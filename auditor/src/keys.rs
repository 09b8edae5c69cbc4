//! The auditor's own keys: Ed25519 and ML-DSA-44, so that a checkpoint stays trustworthy when one of the two falls.
//!
//! An auditor's key means more than a witness's: everything up to this size was verified. So they are made here,
//! for this alone, and each lives in a file that only its owner may read. A file is one line in the form that Go's
//! note tools use: `PRIVATE+KEY+<name>+<key id>+<base64 of type and 32-byte seed>`. Both keys have one name:
//! quorums count names, so the two are one cosigner.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::note::{
    Checkpoint, KeyKind, MlDsa44Key, NoteError, SignatureLine, SignedCheckpoint, VerifierKey, cosign,
    cosign_ml_dsa_44,
};
use keyglass_protocol::quantity::Seconds;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::durable::{self, Readers};

/// File of the Ed25519 cosignature key in the data directory.
pub const ED25519_FILE: &str = "cosigner-ed25519.key";
/// File of the ML-DSA-44 cosignature key in the data directory.
pub const ML_DSA_44_FILE: &str = "cosigner-ml-dsa-44.key";
/// Name of an auditor whose owner chose none.
pub const DEFAULT_NAME: &str = "keyglass-auditor";

const PREFIX: &str = "PRIVATE+KEY+";
const MAX_FILE_BYTES: u64 = 1024;

/// Source of randomness: fills the whole slice.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]) -> io::Result<()>;

/// Why the keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Others may read the file.
    #[error("{path}: others may read this key; make it 0600", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold a key of this kind.
    #[error("{path}: not a cosignature key of this kind", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The ML-DSA-44 key is there and the Ed25519 key is not: a part of the data directory is lost. A new key would
    /// be another auditor's.
    #[error("{path}: missing beside the other key; restore it", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There is a key, under another name. Renaming it would make it another key for everyone.
    #[error("the key's name is {found}, not {asked}")]
    OtherName {
        /// The name in the file.
        found: String,
        /// The name asked for.
        asked: String,
    },
    /// The name cannot stand in a vkey.
    #[error("name: {0}")]
    Name(#[from] NoteError),
    /// No randomness.
    #[error("no randomness: {0}")]
    Entropy(io::Error),
}

impl KeyError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "key-file",
            Self::Exposed { .. } => "key-exposed",
            Self::Malformed { .. } => "key-malformed",
            Self::Missing { .. } => "key-missing",
            Self::OtherName { .. } => "key-other-name",
            Self::Name(e) => e.reason(),
            Self::Entropy(_) => "no-randomness",
        }
    }
}

/// What the auditor signs with. `Debug` shows the public halves only.
pub struct Keys {
    ed25519: SigningKey,
    ml_dsa: MlDsa44Key,
    /// Public halves: Ed25519, ML-DSA-44.
    verifiers: [VerifierKey; 2],
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [ed25519, ml_dsa] = &self.verifiers;
        write!(
            f,
            "Keys({}, {}, {})",
            self.name(),
            ed25519.key_id(),
            ml_dsa.key_id()
        )
    }
}

impl Keys {
    /// The keys of two seeds.
    ///
    /// # Errors
    /// [`KeyError::Name`] if the name cannot stand in a vkey.
    pub fn from_seeds(name: &str, ed25519: &[u8; 32], ml_dsa: &[u8; 32]) -> Result<Self, KeyError> {
        let ed25519 = SigningKey::from_bytes(ed25519);
        let ml_dsa = MlDsa44Key::from_seed(ml_dsa);
        let verifiers = [
            VerifierKey::new_cosignature(name, ed25519.verifying_key().as_bytes())?,
            VerifierKey::new_ml_dsa_44(name, ml_dsa.public_key())?,
        ];
        Ok(Self {
            ed25519,
            ml_dsa,
            verifiers,
        })
    }

    /// The keys in `dir`; `None` if there are none yet, or not both.
    ///
    /// # Errors
    /// [`KeyError`] if a file is unreadable, readable to others, malformed, or has another name than `name`.
    pub fn load(dir: &Path, name: Option<&str>) -> Result<Option<Self>, KeyError> {
        let Some(ed25519) = Secret::load(dir, KeyKind::CosignatureV1, name)? else {
            return Ok(None);
        };
        let ml_dsa = Secret::load(dir, KeyKind::MlDsa44Cosignature, Some(&ed25519.name))?;
        ml_dsa.map(|ml_dsa| ed25519.keys(&ml_dsa)).transpose()
    }

    /// The keys in `dir`; what is missing is made and stored durably. The caller holds the directory's lock.
    ///
    /// # Errors
    /// As [`Self::load`], [`KeyError::Missing`], or a file cannot be written.
    pub fn load_or_create(dir: &Path, name: Option<&str>, entropy: Entropy<'_>) -> Result<Self, KeyError> {
        let ed25519 = match Secret::load(dir, KeyKind::CosignatureV1, name)? {
            Some(known) => known,
            None => {
                let path = dir.join(ED25519_FILE);
                if dir.join(ML_DSA_44_FILE).exists() {
                    return Err(KeyError::Missing { path });
                }
                Secret::create(dir, KeyKind::CosignatureV1, name.unwrap_or(DEFAULT_NAME), entropy)?
            }
        };
        let name = &ed25519.name;
        let ml_dsa = match Secret::load(dir, KeyKind::MlDsa44Cosignature, Some(name))? {
            Some(known) => known,
            None => Secret::create(dir, KeyKind::MlDsa44Cosignature, name, entropy)?,
        };
        ed25519.keys(&ml_dsa)
    }

    /// The name in the vkeys.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier().name()
    }

    /// The public half of the key that signs `cosignature/v1`.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        let [ed25519, _] = &self.verifiers;
        ed25519
    }

    /// The public halves: Ed25519, ML-DSA-44.
    #[must_use]
    pub fn verifiers(&self) -> &[VerifierKey; 2] {
        &self.verifiers
    }

    /// The public halves as vkeys, Ed25519 first.
    #[must_use]
    pub fn vkeys(&self) -> Vec<String> {
        self.verifiers.iter().map(VerifierKey::to_string).collect()
    }

    /// Cosignature lines over a checkpoint, one per key. Only for what is stored as signed.
    ///
    /// Both are deterministic (ML-DSA in the variant of FIPS 204 section 3.4 without fresh randomness): after a
    /// crash between storing and showing, the very same bytes are signed again.
    pub(crate) fn cosign(
        &self,
        text: &str,
        checkpoint: &Checkpoint,
        time: Seconds,
    ) -> Result<[SignatureLine; 2], NoteError> {
        Ok([
            cosign(self.name(), &self.ed25519, text, time),
            cosign_ml_dsa_44(self.name(), &self.ml_dsa, checkpoint, time, &[0; 32])?,
        ])
    }

    /// The newest time in a good cosignature of ours under a checkpoint. A line that only claims to be ours proves
    /// nothing.
    #[must_use]
    pub fn newest_on(&self, head: &SignedCheckpoint) -> Option<Seconds> {
        self.verifiers
            .iter()
            .filter_map(|key| head.cosignature(key).ok().flatten())
            .max()
    }
}

/// One key file.
struct Secret {
    kind: KeyKind,
    name: String,
    seed: Zeroizing<[u8; 32]>,
}

impl Secret {
    fn path(dir: &Path, kind: KeyKind) -> PathBuf {
        dir.join(match kind {
            KeyKind::MlDsa44Cosignature => ML_DSA_44_FILE,
            KeyKind::Ed25519 | KeyKind::CosignatureV1 => ED25519_FILE,
        })
    }

    fn load(dir: &Path, kind: KeyKind, name: Option<&str>) -> Result<Option<Self>, KeyError> {
        let path = Self::path(dir, kind);
        let Some(text) = read(&path)? else { return Ok(None) };
        let secret = Self::parse(text.trim_end_matches('\n'), kind).ok_or(KeyError::Malformed { path })?;
        match name {
            Some(asked) if asked != secret.name => Err(KeyError::OtherName {
                found: secret.name,
                asked: asked.to_owned(),
            }),
            _ => Ok(Some(secret)),
        }
    }

    fn create(dir: &Path, kind: KeyKind, name: &str, entropy: Entropy<'_>) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy(seed.as_mut_slice()).map_err(KeyError::Entropy)?;
        let secret = Self {
            kind,
            name: name.to_owned(),
            seed,
        };
        let line = secret.to_line()?;
        let path = Self::path(dir, kind);
        // A torn key file would lock the auditor out of its name.
        match durable::write(&path, line.as_bytes(), Readers::Owner) {
            Ok(()) => Ok(secret),
            Err(error) => Err(KeyError::Io { path, error }),
        }
    }

    /// The auditor's keys, of which this is the Ed25519 one.
    fn keys(&self, ml_dsa: &Self) -> Result<Keys, KeyError> {
        Keys::from_seeds(&self.name, &self.seed, &ml_dsa.seed)
    }

    fn verifier(&self) -> Result<VerifierKey, NoteError> {
        match self.kind {
            KeyKind::MlDsa44Cosignature => {
                VerifierKey::new_ml_dsa_44(&self.name, MlDsa44Key::from_seed(&self.seed).public_key())
            }
            KeyKind::Ed25519 | KeyKind::CosignatureV1 => {
                let key = SigningKey::from_bytes(&self.seed).verifying_key();
                VerifierKey::new_cosignature(&self.name, key.as_bytes())
            }
        }
    }

    fn to_line(&self) -> Result<Zeroizing<String>, NoteError> {
        let mut typed = Zeroizing::new(vec![self.kind.byte()]);
        typed.extend_from_slice(self.seed.as_slice());
        let secret = Zeroizing::new(base64_encode(&typed));
        let id = self.verifier()?.key_id();
        Ok(Zeroizing::new(format!(
            "{PREFIX}{}+{id}+{}\n",
            self.name,
            secret.as_str()
        )))
    }

    fn parse(line: &str, kind: KeyKind) -> Option<Self> {
        let (name, rest) = line.strip_prefix(PREFIX)?.split_once('+')?;
        let (id, secret) = rest.split_once('+')?;
        let typed = Zeroizing::new(base64_decode(secret).ok()?);
        let (found, seed) = typed.split_first()?;
        let secret = Self {
            kind,
            name: name.to_owned(),
            seed: Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?),
        };
        let same_id = secret.verifier().ok()?.key_id().to_string() == id;
        (*found == kind.byte() && same_id).then_some(secret)
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    let io = |error| KeyError::Io {
        path: path.to_owned(),
        error,
    };
    let meta = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(io)?,
    };
    if exposed(&meta) {
        return Err(KeyError::Exposed {
            path: path.to_owned(),
        });
    }
    if meta.len() > MAX_FILE_BYTES {
        return Err(KeyError::Malformed {
            path: path.to_owned(),
        });
    }
    fs::read_to_string(path)
        .map(|text| Some(Zeroizing::new(text)))
        .map_err(io)
}

#[cfg(unix)]
fn exposed(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn exposed(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn make(dir: &Path, name: Option<&str>) -> Result<Keys, KeyError> {
        Keys::load_or_create(dir, name, &mut |bytes| {
            bytes.fill(7);
            Ok(())
        })
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Keys::load(dir.path(), None).unwrap().is_none());
        let made = make(dir.path(), Some("auditor.example")).unwrap();
        let kept =
            Keys::load_or_create(dir.path(), None, &mut |_| Err(io::Error::other("asked twice"))).unwrap();
        assert_eq!(made.vkeys(), kept.vkeys());
        assert!(
            kept.vkeys()
                .iter()
                .all(|vkey| vkey.starts_with("auditor.example+"))
        );
        assert_eq!(kept.vkeys().len(), 2);
    }

    #[test]
    fn no_key_is_made_without_randomness() {
        let dir = tempfile::tempdir().unwrap();
        let error = Keys::load_or_create(dir.path(), None, &mut |_| Err(io::Error::other("none")));
        assert_eq!(error.unwrap_err().reason(), "no-randomness");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_auditor_from_before_gets_its_second_key() {
        let dir = tempfile::tempdir().unwrap();
        let made = make(dir.path(), Some("auditor.example")).unwrap();
        fs::remove_file(dir.path().join(ML_DSA_44_FILE)).unwrap();
        assert!(Keys::load(dir.path(), None).unwrap().is_none());
        let again = make(dir.path(), None).unwrap();
        assert_eq!(again.verifier(), made.verifier());
        // The other way round something is lost, and a new key would be another auditor's.
        fs::remove_file(dir.path().join(ED25519_FILE)).unwrap();
        assert_eq!(make(dir.path(), None).unwrap_err().reason(), "key-missing");
    }

    #[test]
    fn another_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), Some("a.example")).unwrap();
        assert_eq!(
            make(dir.path(), Some("b.example")).unwrap_err().reason(),
            "key-other-name"
        );
    }

    #[test]
    fn a_damaged_or_exposed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), None).unwrap();
        for (file, kind, other) in [(ED25519_FILE, "BAcH", "AQcH"), (ML_DSA_44_FILE, "BgcH", "BAcH")] {
            let path = dir.path().join(file);
            let line = fs::read_to_string(&path).unwrap();
            let renamed = line.replace(DEFAULT_NAME, "someone-else");
            assert!(line.contains(kind));
            for bad in [
                &line[..line.len() / 2],
                "",
                renamed.as_str(),
                line.replace(kind, other).as_str(),
                (line.clone() + &"\n".repeat(2000)).as_str(),
            ] {
                fs::write(&path, bad).unwrap();
                assert_eq!(
                    Keys::load(dir.path(), None).unwrap_err().reason(),
                    "key-malformed",
                    "{bad}"
                );
            }
            fs::write(&path, &line).unwrap();
            assert!(Keys::load(dir.path(), None).unwrap().is_some());
            exposed_is_refused(dir.path(), &path);
        }
    }

    #[cfg(unix)]
    fn exposed_is_refused(dir: &Path, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Keys::load(dir, None).unwrap_err().reason(), "key-exposed");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[cfg(not(unix))]
    fn exposed_is_refused(_: &Path, _: &Path) {}

    #[test]
    fn debug_shows_no_secret() {
        let keys = Keys::from_seeds("a.example", &[9; 32], &[8; 32]).unwrap();
        let shown = format!("{keys:?}");
        for seed in [[9; 32], [8; 32]] {
            let secret = base64_encode(&seed);
            assert!(!shown.contains(secret.trim_end_matches('=')) && !shown.contains(&hex::encode(seed)));
        }
        assert!(shown.contains("a.example"));
    }
}
