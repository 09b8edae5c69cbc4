//! Batches read and made ready while others are published.

use std::io;
use std::sync::Arc;

use keyglass_protocol::quantity::Epoch;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::MAX_BATCH_LINES;
use super::lines::Lines;
use super::ready::{Batch, Readier, ReadyLine, read};
use crate::priority::Priority;
use crate::service::Service;

/// Batches that are made ready, each on a thread of its own, while another one is published.
const AHEAD: usize = 3;

type Making = (oneshot::Receiver<Vec<ReadyLine>>, bool);

/// The batches of a file, in order.
pub(super) struct ReadAhead(Receiver<io::Result<Making>>);

impl ReadAhead {
    /// Reads the rest of a file for the epochs after `newest`.
    pub(super) fn start(mut lines: Lines, service: Arc<Service>, newest: Epoch) -> Self {
        let most = service.settings.max_batch.min(MAX_BATCH_LINES);
        // One more is begun, and waits for room.
        let (next, batches) = channel(AHEAD.saturating_sub(1));
        let mut epoch = newest;
        spawn_blocking(move || {
            let mut ended = false;
            while !ended {
                epoch = epoch.next().unwrap_or(epoch);
                let readier = Readier {
                    rules: Arc::new(service.config.in_force().rules().clone()),
                    epoch,
                    vrf: service.keys.vrf.clone(),
                };
                let making = read(&mut lines, most).and_then(|read| {
                    ended = read.ended;
                    Ok((beside(move || readier.all(read.lines))?, ended))
                });
                ended |= making.is_err();
                if next.blocking_send(making).is_err() {
                    return;
                }
            }
        });
        Self(batches)
    }

    /// The next batch, once it is ready.
    pub(super) async fn next(&mut self) -> io::Result<Batch> {
        let died = || io::Error::other("a thread that reads it died");
        let (making, ended) = self.0.recv().await.ok_or_else(died)??;
        let lines = making.await.map_err(|_| died())?;
        Ok(Batch { lines, ended })
    }
}

/// Starts work on a thread of its own that gives way to the one that publishes, which waits for nothing but processors and the
/// disk.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<oneshot::Receiver<T>> {
    let (done, made) = oneshot::channel();
    let thread = std::thread::Builder::new().name("import".to_owned());
    thread.spawn(move || {
        Priority::Ahead.take();
        let _nobody_waits = done.send(work());
    })?;
    Ok(made)
}
