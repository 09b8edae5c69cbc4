//! The auditor's own keys.
//!
//! An auditor's key means more than a witness's: everything up to this size was verified. So it is made here,
//! for this alone, and lives in a file that only its owner may read. The file is one line in the form that Go's
//! note tools use: `PRIVATE+KEY+<name>+<key id>+<base64 of type and seed>`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::note::{NoteError, SignatureLine, VerifierKey, cosign};
use keyglass_protocol::quantity::Seconds;
use thiserror::Error;
use zeroize::Zeroizing;

/// File of the Ed25519 cosignature key in the data directory.
pub const ED25519_FILE: &str = "cosigner-ed25519.key";
/// Name of an auditor whose owner chose none.
pub const DEFAULT_NAME: &str = "keyglass-auditor";

const PREFIX: &str = "PRIVATE+KEY+";
/// C2SP signature type of an Ed25519 `cosignature/v1`.
const COSIGNATURE_V1: u8 = 4;
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
    #[error("{path}: not an Ed25519 cosignature key", path = path.display())]
    Malformed {
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
            Self::OtherName { .. } => "key-other-name",
            Self::Name(e) => e.reason(),
            Self::Entropy(_) => "no-randomness",
        }
    }
}

/// What the auditor signs with. `Debug` shows the public half only.
pub struct Keys {
    ed25519: SigningKey,
    verifier: VerifierKey,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Keys({})", self.verifier)
    }
}

impl Keys {
    /// A key from its seed.
    ///
    /// # Errors
    /// [`KeyError::Name`] if the name cannot stand in a vkey.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let ed25519 = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new_cosignature(name, ed25519.verifying_key().as_bytes())?;
        Ok(Self { ed25519, verifier })
    }

    /// The keys in `dir`; `None` if there are none yet.
    ///
    /// # Errors
    /// [`KeyError`] if the file is unreadable, readable to others, malformed, or has another name than `name`.
    pub fn load(dir: &Path, name: Option<&str>) -> Result<Option<Self>, KeyError> {
        let path = dir.join(ED25519_FILE);
        let Some(text) = read(&path)? else { return Ok(None) };
        let keys = Self::parse(text.trim_end_matches('\n')).ok_or(KeyError::Malformed { path })?;
        match name {
            Some(asked) if asked != keys.name() => Err(KeyError::OtherName {
                found: keys.name().to_owned(),
                asked: asked.to_owned(),
            }),
            _ => Ok(Some(keys)),
        }
    }

    /// The keys in `dir`, made and stored durably if there are none. The caller holds the directory's lock.
    ///
    /// # Errors
    /// As [`Self::load`], or the file cannot be written.
    pub fn load_or_create(dir: &Path, name: Option<&str>, entropy: Entropy<'_>) -> Result<Self, KeyError> {
        if let Some(keys) = Self::load(dir, name)? {
            return Ok(keys);
        }
        let mut seed = Zeroizing::new([0; 32]);
        entropy(seed.as_mut_slice()).map_err(KeyError::Entropy)?;
        let keys = Self::from_seed(name.unwrap_or(DEFAULT_NAME), &seed)?;
        let path = dir.join(ED25519_FILE);
        store(dir, &path, &keys.to_line()).map_err(|error| KeyError::Io { path, error })?;
        Ok(keys)
    }

    /// The name in the vkeys.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// The public half of the key that signs `cosignature/v1`.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// All public halves.
    #[must_use]
    pub fn vkeys(&self) -> Vec<String> {
        vec![self.verifier.to_string()]
    }

    /// Cosignature lines over a checkpoint's text, one per key. Only for what is stored as signed.
    pub(crate) fn cosign(&self, checkpoint_text: &str, time: Seconds) -> Vec<SignatureLine> {
        vec![cosign(self.name(), &self.ed25519, checkpoint_text, time)]
    }

    fn to_line(&self) -> Zeroizing<String> {
        let mut typed = Zeroizing::new(vec![COSIGNATURE_V1]);
        typed.extend_from_slice(self.ed25519.as_bytes());
        let secret = Zeroizing::new(base64_encode(&typed));
        Zeroizing::new(format!(
            "{PREFIX}{}+{}+{}\n",
            self.name(),
            self.id(),
            secret.as_str()
        ))
    }

    /// Eight hex digits, as in the vkey.
    fn id(&self) -> String {
        let vkey = self.verifier.to_string();
        vkey.split('+').nth(1).unwrap_or_default().to_owned()
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.strip_prefix(PREFIX)?.split_once('+')?;
        let (id, secret) = rest.split_once('+')?;
        let typed = Zeroizing::new(base64_decode(secret).ok()?);
        let (kind, seed) = typed.split_first()?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
        let keys = Self::from_seed(name, &seed).ok()?;
        (*kind == COSIGNATURE_V1 && keys.id() == id).then_some(keys)
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

/// Whole or not at all: a torn key file would lock the auditor out of its name.
fn store(dir: &Path, path: &Path, line: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(dir)?.sync_all()
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
        let path = dir.path().join(ED25519_FILE);
        let line = fs::read_to_string(&path).unwrap();
        let renamed = line.replace(DEFAULT_NAME, "someone-else");
        for bad in [
            &line[..line.len() / 2],
            "",
            renamed.as_str(),
            line.replace("BAcH", "AQcH").as_str(),
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
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert_eq!(Keys::load(dir.path(), None).unwrap_err().reason(), "key-exposed");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let keys = Keys::from_seed("a.example", &[9; 32]).unwrap();
        let secret = base64_encode(&[9; 32]);
        assert!(!format!("{keys:?}").contains(secret.trim_end_matches('=')));
    }
}
