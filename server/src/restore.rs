//! Bringing a restored database forward with the journal, outside a running server.

use std::sync::Arc;

use thiserror::Error;

use crate::clock::Clock;
use crate::guard::Guard;
use crate::journal::Reader;
use crate::keys::Keys;
use crate::publisher::{AskError, Asker, NoSteps, Publisher, Replay, ReplayError, Replayed};
use crate::server::{self, ServerError};
use crate::service::Service;
use crate::settings::Settings;

/// Why the database was not brought forward.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Database, keys or guard cannot be used.
    #[error("{0}")]
    Server(#[from] ServerError),
    /// The replay ended.
    #[error("{0}")]
    Replay(#[from] ReplayError),
}

impl RestoreError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Server(e) => e.reason(),
            Self::Replay(e) => e.reason(),
        }
    }
}

impl From<AskError> for RestoreError {
    fn from(error: AskError) -> Self {
        Self::Server(error.into())
    }
}

/// Brings the database of the settings forward with their journal. The guard is held meanwhile: no server may run.
///
/// # Errors
/// [`RestoreError`]; then the server goes on refusing to sign.
pub async fn replay(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    each: &mut Replay<'_>,
) -> Result<Replayed, RestoreError> {
    let (service, guard, leased) = server::open_for_replay(settings, keys, clock).await?;
    let outcome = replay_into(Arc::new(service), guard, each).await;
    leased.release().await;
    outcome
}

async fn replay_into(
    service: Arc<Service>,
    guard: Box<dyn Guard>,
    each: &mut Replay<'_>,
) -> Result<Replayed, RestoreError> {
    let journal = Reader::open(
        &service.settings.journal_dir,
        keyglass_schema::StoreKeys::from_secret(service.keys.storage.expose()),
    );
    let journal = journal.map_err(ReplayError::from)?;
    let mut publisher = Publisher::new(service, guard, Arc::new(NoSteps), Asker::new()?);
    Ok(publisher.replay(journal, each).await?)
}
