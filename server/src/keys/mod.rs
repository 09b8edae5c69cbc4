//! The keys of a directory and where they lie.
//!
//! The folder `keys` holds `log.key`, `heartbeat.key`, `receipt.key`, `import.key`, `recovery.key` (one line each),
//! and `vrf.wrapped` and `storage.wrapped`, sealed with `wrapping.key`, which may lie elsewhere. All are mode 0600 and
//! refused otherwise. The private halves of the import and recovery keys are not needed to serve: move them to a safe
//! place and leave `import.vkey` and `recovery.vkey`, which carry the public halves. Log, heartbeat and receipt key may be
//! in a PKCS#11 token instead: then `log.pkcs11` and so on name them.

mod error;
mod reading;
mod signer;
mod token;
mod uri;
mod vrf;
mod wrapped;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use ed25519_dalek::SigningKey;
use keyglass_protocol::note::VerifierKey;
use zeroize::Zeroizing;

pub use error::{KeyError, SignError};
pub use reading::ReadingKeys;
pub use signer::Signer;
pub use vrf::{Placed, TreeEntry, VRF_PROOF_LEN, Vrf};

use crate::files;
use signer::Purpose;
use uri::TokenUri;
use wrapped::{Secret, WrappingKey};

/// A source of randomness for new keys.
pub trait Random {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`KeyError::Random`] if there is none to be had.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), KeyError>;
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), KeyError> {
        getrandom::fill(bytes).map_err(|e| KeyError::Random(e.to_string()))
    }
}

/// Everything that a directory signs, proves and seals with.
#[derive(Debug)]
pub struct Keys {
    /// Signs checkpoints. Its name is the origin.
    pub log: Signer,
    /// Cosigns the readers' head every minute.
    pub heartbeat: Signer,
    /// Signs receipts.
    pub receipt: Signer,
    /// Public half of the key that signs imported records.
    pub import: Option<VerifierKey>,
    /// Public half of the key that signs recoveries.
    pub recovery: Option<VerifierKey>,
    /// The VRF key.
    pub vrf: Vrf,
    /// The key from which the store's keys are derived.
    pub storage: StorageSecret,
}

/// 32 bytes from which the store derives its keys.
pub struct StorageSecret(Secret);

impl StorageSecret {
    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for StorageSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StorageSecret")
    }
}

/// Where the keys lie.
#[derive(Debug, Clone, Copy)]
pub struct KeyPlaces<'a> {
    /// The folder `keys`.
    pub dir: &'a Path,
    /// The file of the wrapping key.
    pub wrapping_key: &'a Path,
}

impl Keys {
    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.log.verifier().name()
    }

    /// Reads a complete set of keys.
    ///
    /// # Errors
    /// One [`KeyError`] per way in which a key is missing, exposed, malformed or not of this log.
    pub fn load(places: KeyPlaces<'_>, origin: Option<&str>) -> Result<Self, KeyError> {
        let dir = places.dir;
        let found = signer::name_of(&dir.join("log.key"))?;
        if let Some(expected) = origin.filter(|o| *o != found) {
            return Err(KeyError::OtherOrigin {
                expected: expected.to_owned(),
                found,
            });
        }
        let load = |role: Role| Signer::load(&dir.join(role.file()), &role.key_name(&found), role.purpose());
        let wrapping = WrappingKey::load(places.wrapping_key)?;
        Ok(Self {
            log: load(Role::Log)?,
            heartbeat: load(Role::Heartbeat)?,
            receipt: load(Role::Receipt)?,
            import: public_half(dir, Role::Import, &found)?,
            recovery: public_half(dir, Role::Recovery, &found)?,
            vrf: Vrf::new(wrapping.open(&dir.join("vrf.wrapped"), &about("vrf", &found))?)?,
            storage: StorageSecret(wrapping.open(&dir.join("storage.wrapped"), &about("storage", &found))?),
        })
    }

    /// Makes a complete set for the log `origin`. After a crash there is either no folder of keys or a complete one.
    ///
    /// # Errors
    /// [`KeyError::Exist`] if there is one; otherwise what writing it answers.
    pub fn generate(places: KeyPlaces<'_>, origin: &str, random: &dyn Random) -> Result<(), KeyError> {
        Self::generate_with(places, origin, random, None)
    }

    /// As [`Self::generate`], with the log, heartbeat and receipt key made in a PKCS#11 token:
    /// `pkcs11:token=<label>?module-path=<library>&pin-source=<file>`.
    ///
    /// # Errors
    /// As [`Self::generate`], and [`KeyError::Token`].
    pub fn generate_in_token(
        places: KeyPlaces<'_>,
        origin: &str,
        random: &dyn Random,
        token: &str,
    ) -> Result<(), KeyError> {
        let token = TokenUri::parse(token).map_err(|why| KeyError::Token {
            path: places.dir.to_owned(),
            why,
        })?;
        Self::generate_with(places, origin, random, Some(&token))
    }

    fn generate_with(
        places: KeyPlaces<'_>,
        origin: &str,
        random: &dyn Random,
        token: Option<&TokenUri>,
    ) -> Result<(), KeyError> {
        let dir = places.dir;
        let io = |error| KeyError::Io {
            path: dir.to_owned(),
            error,
        };
        if dir.exists() {
            return Err(KeyError::Exist(dir.to_owned()));
        }
        let beside = dir.with_extension("partial");
        if beside.exists() {
            fs::remove_dir_all(&beside).map_err(io)?;
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&beside)
            .map_err(io)?;
        for role in Role::ALL {
            if let Some(token) = token.filter(|_| role.serves()) {
                let path = signer::token_file(&beside.join(role.file()));
                Signer::generate_in_token(&path, &role.key_name(origin), role.purpose(), token, random)?;
                continue;
            }
            let mut seed = Zeroizing::new([0; 32]);
            random.fill(seed.as_mut_slice())?;
            Signer::new(&role.key_name(origin), role.purpose(), &seed)?
                .save(&beside.join(role.file()), role.purpose())?;
        }
        // The wrapping key may lie in the folder that is still being made.
        let wrapping_path = match places.wrapping_key.strip_prefix(dir) {
            Ok(inside) => beside.join(inside),
            Err(_) => places.wrapping_key.to_owned(),
        };
        let wrapping = WrappingKey::generate(&wrapping_path, random)?;
        for name in ["vrf", "storage"] {
            let mut secret = Zeroizing::new([0; 32]);
            random.fill(secret.as_mut_slice())?;
            wrapping.seal(
                &beside.join(format!("{name}.wrapped")),
                &about(name, origin),
                &secret,
                random,
            )?;
        }
        fs::File::open(&beside).and_then(|d| d.sync_all()).map_err(io)?;
        fs::rename(&beside, dir).map_err(io)?;
        files::sync_parent(dir).map_err(io)
    }
}

/// A name for a log whose operator gave none.
///
/// # Errors
/// [`KeyError::Random`].
pub fn default_origin(random: &dyn Random) -> Result<String, KeyError> {
    let mut bytes = [0; 8];
    random.fill(&mut bytes)?;
    Ok(format!("keyglass.localhost/{}", hex::encode(bytes)))
}

/// Associated data of a wrapped secret.
fn about(name: &str, origin: &str) -> String {
    format!("keyglass/wrapped/{name}/v1\n{origin}")
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Log,
    Heartbeat,
    Receipt,
    Import,
    Recovery,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Log,
        Self::Heartbeat,
        Self::Receipt,
        Self::Import,
        Self::Recovery,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Heartbeat => "heartbeat",
            Self::Receipt => "receipt",
            Self::Import => "import",
            Self::Recovery => "recovery",
        }
    }

    /// Whether the running server signs with it.
    fn serves(self) -> bool {
        matches!(self, Self::Log | Self::Heartbeat | Self::Receipt)
    }

    fn file(self) -> String {
        format!("{}.key", self.name())
    }

    /// The log key is named as the origin (tlog-checkpoint), the others below it.
    fn key_name(self, origin: &str) -> String {
        match self {
            Self::Log => origin.to_owned(),
            _ => format!("{origin}/{}", self.name()),
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Self::Heartbeat => Purpose::Cosignature,
            _ => Purpose::Note,
        }
    }
}

/// The private import key of the log `origin`, which need not be this one.
///
/// # Errors
/// [`KeyError`] if the file is missing, exposed or malformed, or holds another key.
pub fn import_key(path: &Path, origin: &str) -> Result<SigningKey, KeyError> {
    signer::private(path, &Role::Import.key_name(origin), Role::Import.purpose())
}

/// The public half of a key whose private half need not be here.
fn public_half(dir: &Path, role: Role, origin: &str) -> Result<Option<VerifierKey>, KeyError> {
    let private = dir.join(role.file());
    let name = role.key_name(origin);
    if private.exists() {
        return Signer::load(&private, &name, role.purpose()).map(|s| Some(s.verifier().clone()));
    }
    let path = dir.join(format!("{}.vkey", role.name()));
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(|error| KeyError::Io {
        path: path.clone(),
        error,
    })?;
    let key: VerifierKey = text.trim_end().parse()?;
    if key.name() != name {
        return Err(KeyError::OtherName {
            path,
            expected: name,
            found: key.name().to_owned(),
        });
    }
    Ok(Some(key))
}
