//! The configuration document that the leaves name.

use keyglass_protocol::config::{ConfigDocument, ConfigError, ConfigValues};
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::record::Limits;
use keyglass_schema::{Store, StoreError};
use thiserror::Error;

use crate::keys::Keys;
use crate::settings::Settings;

/// Keys and settings that do not make the configuration of this log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The values make no document, or what never changes within a log was changed.
    #[error("configuration: {0}")]
    Document(#[from] ConfigError),
    /// The database failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The leaf names a document that is not stored.
    #[error("the newest leaf names a configuration document that is not stored")]
    Missing,
    /// Keys or settings changed since the newest leaf.
    #[error("keys or settings differ from the configuration of this log: {0}")]
    Changed(String),
}

impl ConfigurationError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Document(e) => e.reason(),
            Self::Store(_) => "store",
            Self::Missing => "configuration-missing",
            Self::Changed(_) => "configuration-changed",
        }
    }
}

/// The document in force: the one that the newest leaf names, or a first one. Blocking.
///
/// # Errors
/// [`ConfigurationError`] if keys and settings are not those of this log.
pub fn in_force(
    store: &Store,
    keys: &Keys,
    settings: &Settings,
) -> Result<ConfigDocument, ConfigurationError> {
    let mut values = values(keys, settings)?;
    let Some(last) = store.log_size()?.last_epoch() else {
        let document = ConfigDocument::create(&values)?;
        store.put_config(&document.hash(), document.bytes(), Epoch::ZERO)?;
        return Ok(document);
    };
    let leaf = store.leaf(last)?.ok_or(ConfigurationError::Missing)?;
    let bytes = store.config(&leaf.config)?.ok_or(ConfigurationError::Missing)?;
    let current = ConfigDocument::parse(&bytes)?;
    values.previous_config_sha256 = Some(current.hash());
    let changes = current.check_successor(&ConfigDocument::create(&values)?)?;
    if changes.is_empty() {
        return Ok(current);
    }
    let names: Vec<_> = changes.iter().map(|c| c.as_str()).collect();
    Err(ConfigurationError::Changed(names.join(", ")))
}

/// The document that the newest leaf names, whatever keys and settings are now; or a first one. Blocking.
///
/// # Errors
/// [`ConfigurationError`] if it is not stored.
pub fn named_last(
    store: &Store,
    keys: &Keys,
    settings: &Settings,
) -> Result<ConfigDocument, ConfigurationError> {
    let Some(last) = store.log_size()?.last_epoch() else {
        return in_force(store, keys, settings);
    };
    let leaf = store.leaf(last)?.ok_or(ConfigurationError::Missing)?;
    let bytes = store.config(&leaf.config)?.ok_or(ConfigurationError::Missing)?;
    Ok(ConfigDocument::parse(&bytes)?)
}

fn values(keys: &Keys, settings: &Settings) -> Result<ConfigValues, ConfigError> {
    Ok(ConfigValues {
        origin: Origin::clone(keys.log.verifier().origin()),
        vrf_public_key: keys.vrf.public_key(),
        log_vkey: keys.log.verifier().clone(),
        heartbeat_vkey: keys.heartbeat.verifier().clone(),
        receipt_vkey: keys.receipt.verifier().clone(),
        import_vkey: keys.import.clone(),
        import_closed_after_epoch: None,
        recovery_vkey: keys.recovery.clone(),
        merge_delay_seconds: settings.merge_delay.as_secs(),
        limits: Limits::default(),
        previous_config_sha256: None,
        predecessor: None,
        successor: None,
    })
}
