//! Before the first step: is this the newest state of the log that exists?

use keyglass_protocol::quantity::LogSize;
use tokio::task::JoinSet;

use super::{AskError, PublishError, Publisher};
use crate::service::Pending;

impl Publisher {
    /// Compares the database with the guard and with what cosigners hold, and shows what is signed already.
    ///
    /// # Errors
    /// [`PublishError`]; the fatal ones mean that an old backup was restored or that this is another history.
    pub async fn start(&mut self) -> Result<(), PublishError> {
        self.check_guard()?;
        for cosigner in self.service.cosigners.list() {
            self.service.metrics.cosigner_seen(cosigner.key.name(), 0.0);
        }
        if let Some((size, _)) = self.service.store.newest_checkpoint()? {
            self.compare_with_cosigners().await?;
            let leaf = self.service.leaf(size.last_epoch().unwrap_or_default())?;
            self.service.pending.set(Pending {
                size,
                since: leaf.time,
            });
            self.service.metrics.signed(leaf.epoch.get());
            self.complete_artefacts(size)?;
        } else {
            self.compare_with_cosigners().await?;
        }
        Ok(())
    }

    /// Lays out what is missing of the log in the folder of artefacts: it may be a new one.
    fn complete_artefacts(&self, size: LogSize) -> Result<(), PublishError> {
        let service = &self.service;
        let put = service.artefacts.put_log(&service.store, LogSize::ZERO, size);
        put.map_err(PublishError::Audit)?;
        for (hash, document) in service.store.configs()? {
            let put = service.artefacts.put_config(&hash, &document);
            put.map_err(PublishError::Audit)?;
        }
        Ok(())
    }

    async fn compare_with_cosigners(&self) -> Result<(), PublishError> {
        let mut asked = JoinSet::new();
        for url in self.service.cosigner_urls() {
            let (asker, log) = (self.asker.clone(), self.service.keys.log.verifier().clone());
            asked.spawn(async move {
                let head = asker.head(&url, &log).await;
                (url, head)
            });
        }
        while let Some(done) = asked.join_next().await {
            match done {
                Ok((url, Ok(head))) => self.compare(&url, &head)?,
                Ok((_, Err(AskError::Status(404)))) => {}
                // Not shown to be signed by us: worth an alarm, no reason to stand still.
                Ok((url, Err(error))) => tracing::warn!(cosigner = %url, %error, "its head is not known"),
                Err(error) => tracing::error!(%error, "asking a cosigner died"),
            }
        }
        Ok(())
    }
}
