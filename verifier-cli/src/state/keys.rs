//! Private keys, each in its own file that only its owner reads.
//!
//! Four lines: what it is, what it is for, the public key, the secret; sealed with a passphrase if there is one.

use std::fs;
use std::path::PathBuf;

use keyglass_protocol::codec::{base64_decode, base64_encode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::files;
use super::home::{Home, demand_private, unusable};
use crate::report::Failure;
use crate::sealed;
use crate::secret::{Secret, Words, fill_random};

/// First line of a key file whose secret is 64 hex digits.
const PLAIN: &str = "keyglass/private-key/v1";
/// First line of a key file whose secret is [sealed](crate::sealed), in base64.
const SEALED: &str = "keyglass/private-key-sealed/v1";

/// A key whose private half lies on this device, or on another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// The public key, 64 hex digits.
    pub(crate) public: String,
    /// File name below `keys/`; none: another device has it.
    pub(crate) file: Option<String>,
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
    /// Its name in files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signing => "ed25519",
            Self::Agreement => "x25519",
        }
    }

    /// The purpose of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Signing, Self::Agreement]
            .into_iter()
            .find(|p| p.name() == name)
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
        Self::keep(home, purpose, &Secret::random()?)
    }

    /// Writes a key's file: sealed if the home has a passphrase.
    pub(crate) fn keep(home: &Home, purpose: Purpose, secret: &Secret) -> Result<Self, Failure> {
        let mut name = [0; 12];
        fill_random(&mut name)?;
        let name = format!("{}.key", hex::encode(name));
        let public = purpose.public(secret);
        let head = format!("{}\n{public}\n", purpose.name());
        let text = match home.passphrase() {
            None => Zeroizing::new(format!("{PLAIN}\n{head}{}\n", secret.to_hex().as_str())),
            Some(passphrase) => {
                let sealed = sealed::seal(passphrase, secret.as_bytes(), head.as_bytes())?;
                Zeroizing::new(format!("{SEALED}\n{head}{}\n", base64_encode(&sealed)))
            }
        };
        let path = home.directory("keys")?.join(&name);
        files::write_new(&path, text.as_bytes()).map_err(|e| unusable(&path, &e))?;
        Ok(Self {
            public,
            file: Some(name),
        })
    }

    /// A key whose private half another device has.
    pub(crate) fn elsewhere(public: String) -> Self {
        Self { public, file: None }
    }

    /// Whether the private half lies on this device.
    pub(crate) fn is_here(&self) -> bool {
        self.file.is_some()
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
        let mut lines = text.lines();
        let mut next = || lines.next().ok_or_else(damaged);
        let (kind, purpose_line, public, secret) = (next()?, next()?, next()?, next()?);
        if purpose_line != purpose.name() || public != self.public {
            return Err(damaged());
        }
        let secret = match kind {
            PLAIN => {
                let mut bytes = Zeroizing::new([0; 32]);
                hex::decode_to_slice(secret, bytes.as_mut_slice()).map_err(|_| damaged())?;
                Secret::new(*bytes)
            }
            SEALED => {
                let passphrase = home.passphrase().cloned().map_or_else(Words::ask, Ok)?;
                let head = format!("{}\n{public}\n", purpose.name());
                let sealed = base64_decode(secret).map_err(|_| damaged())?;
                let opened = sealed::open(&passphrase, &sealed, head.as_bytes())?;
                Secret::from_slice(&opened).ok_or_else(damaged)?
            }
            _ => return Err(damaged()),
        };
        if purpose.public(&secret) != self.public {
            return Err(damaged());
        }
        Ok(secret)
    }

    /// The name comes from the state file and must stay below `keys/`.
    fn path(&self, home: &Home) -> Result<PathBuf, Failure> {
        let file = self.file.as_deref().ok_or_else(|| {
            Failure::missing("key-elsewhere", "the private key is not on this device")
                .meaning("another device of yours made this identity; this one was only enrolled")
                .next("run the command on the device where the identity was made")
        })?;
        let plain = file
            .strip_suffix(".key")
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
        if !plain {
            return Err(Failure::internal(
                "state-damaged",
                "the memory names a key file outside its directory",
            ));
        }
        Ok(home.directory("keys")?.join(file))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;
    use crate::secret::{Passphrase, Words};

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
            file: Some("../state.json".into()),
        };
        assert_eq!(
            outside.open(&home(&dir), Purpose::Signing).unwrap_err().reason,
            "state-damaged"
        );
    }

    #[test]
    fn with_a_passphrase_the_file_holds_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let with =
            |home: Home, words: &str| home.with_passphrase(Passphrase::Given(Words::new(words.into())));
        let home = with(home(&dir), "correct horse");
        let key = KeyFile::create(&home, Purpose::Signing).unwrap();
        let secret = key.open(&home, Purpose::Signing).unwrap();
        let text = fs::read_to_string(key.path(&home).unwrap()).unwrap();
        assert!(text.starts_with(SEALED) && !text.contains(secret.to_hex().as_str()));
        let home = with(home, "wrong horse");
        let reason = |home: &Home| key.open(home, Purpose::Signing).unwrap_err().reason;
        assert_eq!(reason(&home), "passphrase-wrong");
        assert_eq!(
            reason(&home.with_passphrase(Passphrase::None)),
            "passphrase-needed"
        );
    }

    #[test]
    fn a_key_of_another_device_cannot_sign() {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyFile::elsewhere("00".repeat(32));
        assert!(!key.is_here());
        assert_eq!(
            key.open(&home(&dir), Purpose::Signing).unwrap_err().reason,
            "key-elsewhere"
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
