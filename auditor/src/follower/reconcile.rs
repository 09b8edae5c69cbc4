//! Comparing our memory with what has been seen of us.
//!
//! Whoever restores an old copy of the database would sign what contradicts his own newer signatures. So before
//! the first signature of a process, what is remembered is compared with the file beside the database, with the
//! directory's heads and with what peers have seen.

use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogSize, Seconds};
use keyglass_schema::auditor::{NewLatch, Signing};

use super::{Follower, blocking};
use crate::moments::Moment;
use crate::published;
use crate::refusal::{Refusal, Stop};
use crate::source::{self, Trouble};

const KIND: &str = "own-state";
const REASON: &str = "own-state-rolled-back";

impl Follower {
    /// Compares once per process. Until the directory has been asked, nothing is signed; peers may be down.
    pub(super) async fn reconcile(&mut self) -> Result<(), Stop> {
        if self.reconciled {
            return Ok(());
        }
        match source::checkpoint(&*self.parts.source).await {
            Ok(note) => {
                let head = SignedCheckpoint::open(&note, &self.pins.log_key)?;
                self.refuse_rolled_back(&head).await?;
            }
            // It has no head for readers yet, which is so before its first quorum, of which we are a part.
            Err(Trouble::Status { .. }) => {}
            Err(trouble) => return Err(trouble.into()),
        }
        self.ask_peers_about_us().await?;
        self.reconciled = true;
        Ok(())
    }

    async fn ask_peers_about_us(&mut self) -> Result<(), Stop> {
        for place in 0..self.parts.peers.len() {
            let Some(peer) = self.parts.peers.get(place) else {
                break;
            };
            for key in self.parts.keys.verifiers() {
                match peer.seen_of(&self.shared.path_name(), key).await {
                    Ok(Some(note)) => {
                        if let Ok(head) = SignedCheckpoint::open(&note, &self.pins.log_key) {
                            self.refuse_rolled_back(&head).await?;
                        }
                    }
                    Ok(None) => {}
                    Err(trouble) => {
                        tracing::warn!(peer = peer.name(), %trouble, "a peer cannot be asked what it has seen of us");
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares the database with the file that was written before anything was shown.
    pub(super) async fn compare_with_kept(&self) -> Result<(), Stop> {
        let (dir, origin) = (self.parts.data_dir.clone(), self.shared.origin().to_owned());
        let read = tokio::task::spawn_blocking(move || published::read(&dir, &origin)).await;
        let kept = read
            .map_err(|e| Stop::Internal(e.to_string()))?
            .map_err(|error| Stop::File {
                what: "reading the published checkpoint",
                error,
            })?;
        match kept {
            Some(note) => {
                let head = SignedCheckpoint::open(&note, &self.pins.log_key)?;
                self.refuse_rolled_back(&head).await
            }
            None => Ok(()),
        }
    }

    /// A signature of ours that we do not remember means that our state is an old copy: signing on could
    /// contradict what was signed since. It is taken up, so that nothing older is ever signed, and the owner has to
    /// look; then the log is verified up to it and beyond before anything new is signed.
    pub(super) async fn refuse_rolled_back(&self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let Some(at) = self.parts.keys.newest_on(head) else {
            return Ok(());
        };
        let seen = head.checkpoint();
        let signed = self.signed().await?;
        let remembered = signed.as_ref().is_some_and(|signed| {
            seen.size < signed.size
                || (seen.size == signed.size && seen.root == signed.root && at <= signed.at)
        });
        if remembered {
            return Ok(());
        }
        self.adopt(head, at).await?;
        Err(Refusal::OwnStateRolledBack {
            seen: seen.size,
            signed: signed.map_or(LogSize::ZERO, |signed| signed.size),
        }
        .into())
    }

    async fn adopt(&self, head: &SignedCheckpoint, at: Seconds) -> Result<(), Stop> {
        tracing::error!(
            origin = self.shared.origin(),
            size = head.checkpoint().size.get(),
            "a signature of our own that is not remembered here: the state is an old copy; nothing is signed any more"
        );
        self.shared.latch(Some(REASON.to_owned()));
        self.parts.metrics.latched(true);
        let (store, id, now) = (self.parts.store.clone(), self.id, self.parts.clock.now());
        let (note, root, size) = (self.bare(head)?, head.checkpoint().root, head.checkpoint().size);
        blocking(move || {
            let own = Signing {
                size,
                root,
                note: &note,
                at,
            };
            let latch = NewLatch {
                kind: KIND,
                reason: REASON,
                file: None,
                at: now,
            };
            store.adopt(id, &own, &latch)
        })
        .await?;
        self.parts.moments.reached(Moment::Latched);
        self.alarm();
        Ok(())
    }
}
