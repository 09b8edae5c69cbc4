//! The configuration document: what a directory has promised, named by its hash in every leaf.
//!
//! JSON with these fields, each exactly once (an absent value is `null`), binary as standard base64:
//! `origin`, `akd_configuration` (`"WhatsAppV1"`), `vrf_public_key`, `log_vkey`, `heartbeat_vkey`,
//! `receipt_vkey`, `import_vkey`, `import_closed_after_epoch`, `recovery_vkey`, `merge_delay_seconds`, `limits`
//! `{record_bytes, devices, owner_versions, versions, recovery_delay_seconds}`, `previous_config_sha256`,
//! `predecessor` `{origin, log_vkey, vrf_public_key, size, log_root, akd_root}`, `successor` `{origin, log_vkey}`.
//!
//! The exact bytes are hashed, so they are kept and never written again. Within one log the origin, the akd
//! configuration, the VRF key, the log key and the predecessor never change; every other change is followed
//! along the chain of hashes and [reported](ConfigChange).

mod chain;
mod error;
mod json;
mod read;

use sha2::{Digest as _, Sha256};

pub use chain::{ConfigChain, ConfigChange};
pub use error::ConfigError;

use crate::codec::base64_encode;
use crate::note::{Origin, VerifierKey};
use crate::quantity::{ConfigHash, Epoch, LogHash, LogSize, RootHash};
use crate::record::{Limits, Rules, RulesPeriod};

/// Longest configuration document in bytes.
pub const MAX_CONFIG_BYTES: usize = 64 * 1024;
/// Longest merge delay in seconds: one day.
pub const MAX_MERGE_DELAY: u64 = 24 * 60 * 60;
/// The only configuration of akd.
pub const AKD_CONFIGURATION: &str = "WhatsAppV1";

/// The values of a configuration document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValues {
    /// Name of the log, and of its key.
    pub origin: Origin,
    /// Key of akd's verifiable random function, Edwards25519, 32 bytes.
    pub vrf_public_key: [u8; 32],
    /// Signs checkpoints.
    pub log_vkey: VerifierKey,
    /// Cosigns the readers' head every minute.
    pub heartbeat_vkey: VerifierKey,
    /// Signs receipts.
    pub receipt_vkey: VerifierKey,
    /// Signs imported records.
    pub import_vkey: Option<VerifierKey>,
    /// Last epoch in which the import key counts; `None`: it was not closed yet.
    pub import_closed_after_epoch: Option<Epoch>,
    /// Signs notices, recoveries, closings and reassignments.
    pub recovery_vkey: Option<VerifierKey>,
    /// Time from acceptance to publication that receipts promise, in seconds.
    pub merge_delay_seconds: u64,
    /// Limits on records.
    pub limits: Limits,
    /// SHA-256 of the document before; `None`: this is the log's first.
    pub previous_config_sha256: Option<ConfigHash>,
    /// The log that this one continues.
    pub predecessor: Option<Predecessor>,
    /// The log that continues this one.
    pub successor: Option<Successor>,
}

/// The final state of the log that this one continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// Its origin.
    pub origin: Origin,
    /// Its log key.
    pub log_vkey: VerifierKey,
    /// Its VRF key, 32 bytes.
    pub vrf_public_key: [u8; 32],
    /// Its final size.
    pub size: LogSize,
    /// Root of its epoch log at that size.
    pub log_root: LogHash,
    /// Root of its tree in its last epoch.
    pub akd_root: RootHash,
}

impl Predecessor {
    /// Reads the JSON object as it stands in a document, by itself, at most [`MAX_CONFIG_BYTES`].
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        let (max, found) = (MAX_CONFIG_BYTES, bytes.len());
        if found > max {
            return Err(ConfigError::TooLong { max, found });
        }
        read::predecessor(json::read_predecessor(bytes)?)
    }

    /// The JSON object as it stands in a document, indented, with a final newline.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`] if it cannot be written, which no value does.
    pub fn to_json(&self) -> Result<String, ConfigError> {
        let json = serde_json::to_string_pretty(&write_predecessor(self));
        json.map(|text| text + "\n")
            .map_err(|e| ConfigError::Malformed(e.to_string()))
    }
}

/// The log that continues this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Its origin.
    pub origin: Origin,
    /// Its log key.
    pub log_vkey: VerifierKey,
}

/// A configuration document with its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDocument {
    values: ConfigValues,
    bytes: Vec<u8>,
}

impl ConfigDocument {
    /// Reads a document, at most [`MAX_CONFIG_BYTES`].
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let (max, found) = (MAX_CONFIG_BYTES, bytes.len());
        if found > max {
            return Err(ConfigError::TooLong { max, found });
        }
        Ok(Self {
            values: read::values(json::read(bytes)?)?,
            bytes: bytes.to_vec(),
        })
    }

    /// A new document with these values, in indented JSON.
    ///
    /// # Errors
    /// [`ConfigError`] for values that no document may have.
    pub fn create(values: &ConfigValues) -> Result<Self, ConfigError> {
        let json = serde_json::to_vec_pretty(&write(values));
        let mut bytes = json.map_err(|e| ConfigError::Malformed(e.to_string()))?;
        bytes.push(b'\n');
        Self::parse(&bytes)
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the exact bytes: what leaves and receipts name.
    pub fn hash(&self) -> ConfigHash {
        ConfigHash::new(Sha256::digest(&self.bytes).into())
    }

    /// The values.
    pub fn values(&self) -> &ConfigValues {
        &self.values
    }

    /// The rules for records, as if this document had been in force from epoch 0 on.
    ///
    /// For a log whose platform keys changed use [`ConfigChain::rules`].
    pub fn rules(&self) -> Rules {
        rules(&self.values, vec![self.values.period(Epoch::ZERO)])
    }

    /// Demands that this document is about the log with this key.
    ///
    /// # Errors
    /// [`ConfigError::OriginChanged`] or [`ConfigError::LogKeyChanged`].
    pub fn check_log(&self, log: &VerifierKey) -> Result<(), ConfigError> {
        if self.values.origin != *log.origin() {
            return Err(ConfigError::OriginChanged);
        }
        if self.values.log_vkey != *log {
            return Err(ConfigError::LogKeyChanged);
        }
        Ok(())
    }

    /// Demands that this document may be the first of the log with this key.
    ///
    /// # Errors
    /// As [`Self::check_log`], or [`ConfigError::NotAFirst`] if it names a previous document.
    pub fn check_first(&self, log: &VerifierKey) -> Result<(), ConfigError> {
        self.check_log(log)?;
        if self.values.previous_config_sha256.is_some() {
            return Err(ConfigError::NotAFirst);
        }
        Ok(())
    }

    /// Demands that `next` may follow this document and says what changes.
    ///
    /// # Errors
    /// [`ConfigError`] if it does not name this document or changes what never changes.
    pub fn check_successor(&self, next: &Self) -> Result<Vec<ConfigChange>, ConfigError> {
        chain::check_successor(self, next)
    }
}

/// Read access to the values.
impl core::ops::Deref for ConfigDocument {
    type Target = ConfigValues;

    fn deref(&self) -> &ConfigValues {
        &self.values
    }
}

impl ConfigValues {
    fn period(&self, from: Epoch) -> RulesPeriod {
        RulesPeriod {
            from,
            import_key: self.import_vkey.as_ref().and_then(|k| k.ed25519().copied()),
            import_closed_after: self.import_closed_after_epoch,
            recovery_key: self.recovery_vkey.as_ref().and_then(|k| k.ed25519().copied()),
        }
    }
}

fn rules(values: &ConfigValues, periods: Vec<RulesPeriod>) -> Rules {
    Rules::new(
        values.origin.clone(),
        values.limits,
        values.predecessor.is_some(),
        periods,
    )
}

fn write(v: &ConfigValues) -> json::DocumentJson {
    json::DocumentJson {
        origin: v.origin.to_string(),
        akd_configuration: AKD_CONFIGURATION.to_owned(),
        vrf_public_key: base64_encode(&v.vrf_public_key),
        log_vkey: v.log_vkey.to_string(),
        heartbeat_vkey: v.heartbeat_vkey.to_string(),
        receipt_vkey: v.receipt_vkey.to_string(),
        import_vkey: v.import_vkey.as_ref().map(ToString::to_string),
        import_closed_after_epoch: v.import_closed_after_epoch.map(Epoch::get),
        recovery_vkey: v.recovery_vkey.as_ref().map(ToString::to_string),
        merge_delay_seconds: v.merge_delay_seconds,
        limits: write_limits(&v.limits),
        previous_config_sha256: v.previous_config_sha256.map(|h| base64_encode(h.as_bytes())),
        predecessor: v.predecessor.as_ref().map(write_predecessor),
        successor: v.successor.as_ref().map(|s| json::SuccessorJson {
            origin: s.origin.to_string(),
            log_vkey: s.log_vkey.to_string(),
        }),
    }
}

fn write_predecessor(p: &Predecessor) -> json::PredecessorJson {
    json::PredecessorJson {
        origin: p.origin.to_string(),
        log_vkey: p.log_vkey.to_string(),
        vrf_public_key: base64_encode(&p.vrf_public_key),
        size: p.size.get(),
        log_root: base64_encode(p.log_root.as_bytes()),
        akd_root: base64_encode(p.akd_root.as_bytes()),
    }
}

fn write_limits(l: &Limits) -> json::LimitsJson {
    // A number too large for the field cannot be within the limits that reading demands.
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    json::LimitsJson {
        record_bytes: number(l.record_bytes),
        devices: number(l.devices),
        owner_versions: l.owner_versions,
        versions: l.versions,
        recovery_delay_seconds: u64::from(l.recovery_delay),
    }
}
