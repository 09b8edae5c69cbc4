//! `guard init`: a lost guard, rebuilt from what is known to be signed.

use std::collections::BTreeSet;

use keyglass_protocol::log;
use keyglass_protocol::note::{Checkpoint, SignedCheckpoint};
use keyglass_protocol::quantity::LogSize;
use keyglass_schema::{Store, StoreError};
use thiserror::Error;

use crate::bootstrap::open_store;
use crate::cosigners::{CosignerError, Cosigners};
use crate::guard::{self, GuardError, Guarded};
use crate::keys::Keys;
use crate::publisher::{AskError, Asker};
use crate::settings::Settings;

/// Why no guard was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardInitError {
    /// There is a guard: it is the better witness.
    #[error("the guard exists (size {}); it is never overwritten", .0.size)]
    Exists(Guarded),
    /// Nothing was ever signed.
    #[error("nothing was signed yet: the server makes its guard itself")]
    NothingSigned,
    /// A cosigner cannot be asked. It may hold a newer head than the database.
    #[error("cosigner {cosigner}: {error}; its head must be known before a guard is rebuilt")]
    CosignerUnknown {
        /// Its address.
        cosigner: String,
        /// Why.
        error: AskError,
    },
    /// Two heads that our log key signed contradict each other.
    #[error("two roots of size {0} carry our signature")]
    Fork(LogSize),
    /// The database failed.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The cosigners cannot be used.
    #[error("{0}")]
    Cosigners(#[from] CosignerError),
    /// The guard cannot be written.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// A stored checkpoint is damaged.
    #[error("the newest stored checkpoint does not open")]
    Damaged,
}

impl GuardInitError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exists(_) => "guard-exists",
            Self::NothingSigned => "nothing-signed",
            Self::CosignerUnknown { .. } => "cosigner-unknown",
            Self::Fork(_) => "fork",
            Self::Store(_) => "store",
            Self::Cosigners(e) => e.reason(),
            Self::Guard(e) => e.reason(),
            Self::Damaged => "checkpoint-damaged",
        }
    }
}

/// Sets the guard to the newest head that our log key is known to have signed: in the database or at a cosigner. If a
/// cosigner is ahead of the database, the server will rightly refuse to sign until the database has caught up.
///
/// # Errors
/// [`GuardInitError`]; then there is no guard.
pub async fn rebuild(settings: &Settings, keys: &Keys) -> Result<Guarded, GuardInitError> {
    let guard = guard::open(settings, keys.origin())?;
    if let Some(found) = guard.read()? {
        return Err(GuardInitError::Exists(found));
    }
    let store = open_store(settings, keys)?;
    let mut newest = stored(&store, keys)?;
    for head in heads(settings, keys).await? {
        newest = Some(newer(newest, &head, &store)?);
    }
    let newest = newest.ok_or(GuardInitError::NothingSigned)?;
    guard.swap(None, newest)?;
    Ok(newest)
}

fn stored(store: &Store, keys: &Keys) -> Result<Option<Guarded>, GuardInitError> {
    let Some((_, note)) = store.newest_checkpoint()? else {
        return Ok(None);
    };
    let signed = SignedCheckpoint::open(&note, keys.log.verifier()).map_err(|_| GuardInitError::Damaged)?;
    Ok(Some(Guarded {
        size: signed.checkpoint().size,
        root: signed.checkpoint().root,
    }))
}

async fn heads(settings: &Settings, keys: &Keys) -> Result<Vec<Checkpoint>, GuardInitError> {
    let cosigners = Cosigners::from_settings(settings)?;
    let urls: BTreeSet<_> = cosigners.list().iter().filter_map(|c| c.url.clone()).collect();
    let unknown = |cosigner: &str, error| GuardInitError::CosignerUnknown {
        cosigner: cosigner.to_owned(),
        error,
    };
    let mut heads = Vec::new();
    for url in urls {
        let asker = Asker::new().map_err(|e| unknown(&url, e))?;
        match asker.head(&url, keys.log.verifier()).await {
            Ok(head) => heads.push(head.checkpoint().clone()),
            Err(AskError::Status(404)) => {}
            Err(error) => return Err(unknown(&url, error)),
        }
    }
    Ok(heads)
}

fn newer(known: Option<Guarded>, head: &Checkpoint, store: &Store) -> Result<Guarded, GuardInitError> {
    let found = Guarded {
        size: head.size,
        root: head.root,
    };
    let Some(known) = known else { return Ok(found) };
    if found.size > known.size {
        return Ok(found);
    }
    let same = if found.size == known.size {
        found.root == known.root
    } else {
        // Of a smaller head the database knows the root, unless it was the database that was behind.
        log::root(store, found.size).map_or(true, |root| root == found.root)
    };
    if same {
        Ok(known)
    } else {
        Err(GuardInitError::Fork(found.size))
    }
}
