//! Private keys, each in its own file that only its owner reads.
//!
//! Four lines: what it is, what it is for, the public key, the secret.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::files;
use super::home::{Home, demand_private, unusable};
use crate::report::Failure;
use crate::secret::{Secret, fill_random};

/// First line of a key file.
const HEADER: &str = "keyglass/private-key/v1";

/// A private key on this device: its public key and the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// The public key, 64 hex digits.
    pub(crate) public: String,
    /// File name below `keys/`.
    pub(crate) file: String,
}

/// What a private key is for; the two kinds are never mixed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Ed25519.
    Signing,
    /// X25519.
    Agreement,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Signing => "ed25519",
            Self::Agreement => "x25519",
        }
    }

    fn public(self, secret: &Secret) -> String {
        match self {
            Self::Signing => hex::encode(secret.signing_key().verifying_key().to_bytes()),
            Self::Agreement => hex::encode(secret.x25519_public()),
        }
    }
}

impl KeyFile {
    /// Makes a new key and writes its file.
    pub(crate) fn create(home: &Home, purpose: Purpose) -> Result<Self, Failure> {
        let secret = Secret::random()?;
        let mut name = [0; 12];
        fill_random(&mut name)?;
        let key = Self {
            public: purpose.public(&secret),
            file: format!("{}.key", hex::encode(name)),
        };
        let hex = secret.to_hex();
        let text = Zeroizing::new(format!(
            "{HEADER}\n{}\n{}\n{}\n",
            purpose.name(),
            key.public,
            hex.as_str()
        ));
        let path = home.directory("keys")?.join(&key.file);
        files::write_new(&path, text.as_bytes()).map_err(|e| unusable(&path, &e))?;
        Ok(key)
    }

    /// Reads the secret back; it must belong to the public key.
    pub(crate) fn open(&self, home: &Home, purpose: Purpose) -> Result<Secret, Failure> {
        let path = self.path(home)?;
        let damaged = || {
            Failure::internal(
                "key-file-damaged",
                format!("{} holds no key that belongs here", path.display()),
            )
            .next("restore it from a backup")
        };
        demand_private(&path)?;
        let text = Zeroizing::new(fs::read_to_string(&path).map_err(|e| unusable(&path, &e))?);
        let rest = text
            .strip_prefix(HEADER)
            .and_then(|t| t.strip_prefix('\n'))
            .ok_or_else(damaged)?;
        let rest = rest
            .strip_prefix(purpose.name())
            .and_then(|t| t.strip_prefix('\n'))
            .ok_or_else(damaged)?;
        let (public, secret) = rest.trim_end().split_once('\n').ok_or_else(damaged)?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(secret, bytes.as_mut_slice()).map_err(|_| damaged())?;
        let secret = Secret::new(*bytes);
        if public != self.public || purpose.public(&secret) != self.public {
            return Err(damaged());
        }
        Ok(secret)
    }

    /// The name comes from the state file and must stay below `keys/`.
    fn path(&self, home: &Home) -> Result<PathBuf, Failure> {
        let plain = self
            .file
            .strip_suffix(".key")
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
        if !plain {
            return Err(Failure::internal(
                "state-damaged",
                "the memory names a key file outside its directory",
            ));
        }
        Ok(home.directory("keys")?.join(&self.file))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;

    fn home(dir: &tempfile::TempDir) -> Home {
        Home::open_at(&dir.path().join("home"), Duration::ZERO, &|| {}).unwrap()
    }

    #[test]
    fn keys_come_back_for_their_purpose_only() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        let signing = KeyFile::create(&home, Purpose::Signing).unwrap();
        let agreement = KeyFile::create(&home, Purpose::Agreement).unwrap();
        let public = signing
            .open(&home, Purpose::Signing)
            .unwrap()
            .signing_key()
            .verifying_key();
        assert_eq!(hex::encode(public.to_bytes()), signing.public);
        assert_eq!(
            hex::encode(agreement.open(&home, Purpose::Agreement).unwrap().x25519_public()),
            agreement.public
        );
        assert_eq!(
            signing.open(&home, Purpose::Agreement).unwrap_err().reason,
            "key-file-damaged"
        );
        let swapped = KeyFile {
            public: signing.public.clone(),
            file: agreement.file.clone(),
        };
        assert_eq!(
            swapped.open(&home, Purpose::Agreement).unwrap_err().reason,
            "key-file-damaged"
        );
        fs::remove_file(signing.path(&home).unwrap()).unwrap();
        assert_eq!(
            signing.open(&home, Purpose::Signing).unwrap_err().reason,
            "state-io"
        );
    }

    #[test]
    fn names_stay_below_their_directory() {
        let dir = tempfile::tempdir().unwrap();
        let outside = KeyFile {
            public: String::new(),
            file: "../state.json".into(),
        };
        assert_eq!(
            outside.open(&home(&dir), Purpose::Signing).unwrap_err().reason,
            "state-damaged"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        let key = KeyFile::create(&home, Purpose::Signing).unwrap();
        let path = key.path(&home).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert_eq!(
            key.open(&home, Purpose::Signing).unwrap_err().reason,
            "state-permissions"
        );
    }
}
