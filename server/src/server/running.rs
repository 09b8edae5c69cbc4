//! A server that runs, and how it ends.

use std::net::SocketAddr;

use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::ConfigHash;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::{Leased, ServerError};
use crate::http::Serving;
use crate::publisher::PublishError;

/// A server that runs.
pub struct Running {
    /// Name of the log.
    pub origin: String,
    /// The log's verifier key.
    pub log_vkey: VerifierKey,
    /// SHA-256 of the configuration document.
    pub config_sha256: ConfigHash,
    /// Address of the API.
    pub api: SocketAddr,
    /// Address of health and metrics.
    pub admin: SocketAddr,
    pub(super) stop: watch::Sender<bool>,
    pub(super) ports: Serving,
    pub(super) publisher: oneshot::Receiver<Result<(), PublishError>>,
    pub(super) leased: Leased,
    pub(super) readers: Option<Runtime>,
}

/// Asks a running server to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks it to finish what it is doing and to end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Running {
    /// A handle with which the server is stopped.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Serves until it is stopped or must not go on. What was begun is finished first.
    ///
    /// # Errors
    /// [`ServerError`] if the server ended by itself.
    pub async fn wait(mut self) -> Result<(), ServerError> {
        let mut stopped = self.stop.subscribe();
        let ended = tokio::select! {
            ended = &mut self.publisher => Some(ended),
            error = self.leased.lost() => {
                self.stop.send_replace(true);
                self.ports.stop_around(async {}).await;
                // The publisher may stand anywhere, waiting for a server that is gone. It can change nothing any more.
                return Err(error.into());
            }
            _ = stopped.wait_for(|stop| *stop) => None,
        };
        let (stop, publisher) = (&self.stop, &mut self.publisher);
        let publisher_ends = async move {
            stop.send_replace(true);
            match ended {
                Some(ended) => ended,
                None => publisher.await,
            }
        };
        let ended = self.ports.stop_around(publisher_ends).await;
        let outcome = match ended {
            Ok(Ok(())) => Ok(()),
            // Whatever it died of: if the lease is lost, that is why.
            Ok(Err(error)) => Err(self.leased.why_lost().map_or(error.into(), ServerError::from)),
            Err(_) => Err(ServerError::PublisherDied),
        };
        let leased = std::mem::take(&mut self.leased);
        leased.release().await;
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(readers) = self.readers.take() {
            readers.shutdown_background();
        }
    }
}
