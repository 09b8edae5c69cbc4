//! The last state of a log that has ended, as the log that continues it states it.

use keyglass_protocol::config::{ConfigDocument, ConfigError, Predecessor};
use keyglass_protocol::log::{self, ProveError};
use keyglass_schema::{Store, StoreError};
use thiserror::Error;

use crate::bootstrap::open_store;
use crate::keys::Keys;
use crate::settings::Settings;

/// Why there is no final state.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FinalStateError {
    /// The database failed.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The log's root cannot be computed.
    #[error("log: {0}")]
    Log(#[from] ProveError<StoreError>),
    /// The document of the last leaf is none.
    #[error("configuration: {0}")]
    Document(#[from] ConfigError),
    /// No leaf names a successor yet, or readers do not stand on that leaf.
    #[error(
        "this log has not ended: start it with --successor, and wait until readers stand on its last leaf"
    )]
    NotEnded,
}

impl FinalStateError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Log(_) => "log",
            Self::Document(e) => e.reason(),
            Self::NotEnded => "log-not-ended",
        }
    }
}

/// Opens the database and reads the final state. Blocking.
///
/// # Errors
/// [`FinalStateError`].
pub fn open(settings: &Settings, keys: &Keys) -> Result<Predecessor, FinalStateError> {
    read(&open_store(settings, keys)?)
}

/// The final state of the log in `store`. Blocking.
///
/// # Errors
/// [`FinalStateError`].
pub fn read(store: &Store) -> Result<Predecessor, FinalStateError> {
    let (size, _) = store.head()?.ok_or(FinalStateError::NotEnded)?;
    let last = size.last_epoch().ok_or(FinalStateError::NotEnded)?;
    let leaf = store.leaf(last)?.ok_or(FinalStateError::NotEnded)?;
    let document = store.config(&leaf.config)?.ok_or(FinalStateError::NotEnded)?;
    let document = ConfigDocument::parse(&document)?;
    if document.successor.is_none() || store.log_size()? != size {
        return Err(FinalStateError::NotEnded);
    }
    Ok(Predecessor {
        origin: document.origin.clone(),
        log_vkey: document.log_vkey.clone(),
        vrf_public_key: document.vrf_public_key,
        size,
        log_root: log::root(store, size)?,
        akd_root: leaf.root,
    })
}
