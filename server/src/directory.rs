//! Questions in, proofs out. Knows nothing of HTTP.
//!
//! Every question is answered under one head: the checkpoint, its last leaf, and proofs at that leaf's root. The work
//! runs on a runtime of its own, never on the threads that talk to clients. After a proof was made, it is checked that
//! the tree is not more than one epoch ahead; otherwise the answer is discarded and made again under the newer head.

mod error;
mod head;
mod history;
mod prover;
mod room;
mod served;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::log;
use keyglass_protocol::message::{AbsenceProof, Answer, ConsistencyProof, HistoryProof, LookupProof};
use keyglass_protocol::quantity::{KeyVersion, LogSize};
use keyglass_protocol::record::AliasRecord;
use keyglass_schema::{Store, StoreError, Stored};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use error::LookupError;
pub use head::{Head, HeadCell};
pub(crate) use prover::describe;
pub use prover::{ProveError, Prover};
pub use room::Answered;
pub use served::Served;
pub use source::ProofSource;

use room::{Room, Rooms};
use served::Asked;

use crate::lease::Held;
use crate::replica::{Fence, Fenced};

/// How often an answer that was overtaken is made again.
const ATTEMPTS: usize = 4;
/// Questions that are worked on at once; the others wait.
const CONCURRENT: usize = 64;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What else an answer shall contain.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    /// A consistency proof from this size.
    pub from: Option<LogSize>,
    /// The account's history from this version on.
    pub since: Option<KeyVersion>,
}

/// The read side of the directory. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    head: HeadCell,
    runtime: Handle,
    turns: Arc<Semaphore>,
    rooms: Rooms,
    /// A replica's.
    fence: Option<Arc<Fence>>,
    /// A sequencer's.
    lease: Option<Arc<Held>>,
}

impl Directory {
    /// A directory that answers from `head` and works on `runtime`.
    pub fn new(store: Store, head: HeadCell, runtime: Handle) -> Self {
        Self {
            store,
            head,
            runtime,
            turns: Arc::new(Semaphore::new(CONCURRENT)),
            rooms: Rooms::new(),
            fence: None,
            lease: None,
        }
    }

    /// The same, answering only while the sequencer's lease is held: later its readers may be two epochs behind.
    #[must_use]
    pub fn leased(mut self, lease: Arc<Held>) -> Self {
        self.lease = Some(lease);
        self
    }

    /// The same, answering only while `fence` is open.
    #[must_use]
    pub fn behind(mut self, fence: Arc<Fence>) -> Self {
        self.fence = Some(fence);
        self
    }

    /// Whether an answer may be given now. Asked again after the work was done: this process may have stood still meanwhile.
    ///
    /// # Errors
    /// [`LookupError::Fenced`] at a replica that must not, and at a sequencer whose lease has run out.
    pub fn may_answer(&self) -> Result<(), LookupError> {
        let now = Instant::now();
        if self.lease.as_ref().is_some_and(|lease| !lease.is_held(now)) {
            return Err(Fenced::Unleased.into());
        }
        match &self.fence {
            Some(fence) => Ok(fence.check(now)?),
            None => Ok(()),
        }
    }

    /// Where readers stand.
    ///
    /// # Errors
    /// [`LookupError::Unavailable`] before the first epoch is complete, [`LookupError::Fenced`].
    pub fn head(&self) -> Result<Arc<Head>, LookupError> {
        self.may_answer()?;
        self.head.get().ok_or(LookupError::Unavailable)
    }

    /// Looks one label up; an alias is followed to its account.
    ///
    /// # Errors
    /// [`LookupError::Absent`] with the proof, [`LookupError::SinceBeyondNewest`], [`LookupError::UnknownSize`], or
    /// what failed.
    pub async fn lookup(&self, label: Label, extras: Extras) -> Result<Answered, LookupError> {
        let asked = Asked::new(&label, extras.from, extras.since, false);
        self.serve(asked, move |question| {
            let label = label.clone();
            async move { question.lookup(&label, extras).await }
        })
        .await
    }

    /// Looks several labels up under one checkpoint. Absent ones are proven so in the same answer.
    ///
    /// # Errors
    /// [`LookupError`] if any of the proofs cannot be made.
    pub async fn batch(&self, labels: Vec<Label>) -> Result<Answer, LookupError> {
        let labels = Arc::new(labels);
        self.answer(move |question| {
            let labels = Arc::clone(&labels);
            async move { question.batch(&labels).await }
        })
        .await
        .map(|(answer, _)| answer)
    }

    /// The history of one label, from `since` on.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub async fn history(
        &self,
        label: Label,
        since: KeyVersion,
        from: Option<LogSize>,
    ) -> Result<Answered, LookupError> {
        let asked = Asked::new(&label, from, Some(since), true);
        self.serve(asked, move |question| {
            let label = label.clone();
            async move { question.history(&label, since, from).await }
        })
        .await
    }

    /// The leaf of an epoch under the readers' checkpoint; `None` if readers have not reached it.
    ///
    /// # Errors
    /// [`LookupError`] if the store fails.
    pub async fn leaf_proof(
        &self,
        epoch: keyglass_protocol::quantity::Epoch,
    ) -> Result<Option<(String, keyglass_protocol::message::EpochProof)>, LookupError> {
        let head = self.head()?;
        if epoch.get() >= head.size.get() {
            return Ok(None);
        }
        let (store, size) = (self.store.clone(), head.size);
        let (_, proof) = blocking(move || head::leaf_with_proof(&store, epoch, size)).await?;
        Ok(Some((head.checkpoint.clone(), proof)))
    }

    /// The answer that this head has given before, or a new one. Of several who ask the same at once, one does the work.
    async fn serve<F, Fut>(&self, asked: Asked, work: F) -> Result<Answered, LookupError>
    where
        F: Fn(Question) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Answer, LookupError>> + Send,
    {
        let head = self.head()?;
        match head.answers.get_value_or_guard_async(&asked).await {
            Ok(served) => Ok(Answered::new(served, None)),
            Err(turn) => {
                let (answer, room) = self.answer(work).await?;
                let served = Arc::new(Served::new(answer));
                if served.answer().checkpoint == head.checkpoint {
                    let _replaced = turn.insert(Arc::clone(&served));
                }
                Ok(Answered::new(served, Some(room)))
            }
        }
    }

    /// Runs `work` under the head, again under a newer one if it was overtaken.
    async fn answer<F, Fut>(&self, work: F) -> Result<(Answer, Room), LookupError>
    where
        F: Fn(Question) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Answer, LookupError>> + Send,
    {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn
            .await
            .map_err(|_| LookupError::Unavailable)?
            .map_err(|_| LookupError::Unavailable)?;
        let this = self.clone();
        let task = self.runtime.spawn(async move {
            let _turn = turn;
            for _ in 0..ATTEMPTS {
                let (head, room) = (this.head()?, Room::default());
                let outcome = work(Question {
                    store: this.store.clone(),
                    head: Arc::clone(&head),
                    rooms: this.rooms.clone(),
                    room: room.clone(),
                })
                .await;
                // An error may come from being overtaken as well: look at the clock of the tree first.
                match head.prover.check_in_time() {
                    Ok(()) => {
                        this.may_answer()?;
                        return outcome.map(|answer| (answer, room));
                    }
                    Err(_) => tracing::debug!("an answer was overtaken and is made again"),
                }
            }
            Err(LookupError::Unavailable)
        });
        task.await.map_err(|_| LookupError::WorkerDied)?
    }
}

/// One question under one head.
struct Question {
    store: Store,
    head: Arc<Head>,
    rooms: Rooms,
    room: Room,
}

/// One label with what stands under it.
enum Found {
    Present(LookupProof, Arc<Stored>),
    Absent(AbsenceProof),
}

impl Question {
    async fn lookup(&self, label: &Label, extras: Extras) -> Result<Answer, LookupError> {
        let mut answer = self.frame(extras.from).await?;
        let newest = self.follow(label, &mut answer).await?;
        let Some((label, newest)) = newest.filter(|_| answer.absences.is_empty()) else {
            return Err(LookupError::Absent(Box::new(answer)));
        };
        let Some(since) = extras.since else {
            return Ok(answer);
        };
        if since > newest {
            return Err(LookupError::SinceBeyondNewest(Box::new(answer)));
        }
        answer.history = Some(self.prove_history(&label, since, newest).await?);
        Ok(answer)
    }

    async fn batch(&self, labels: &[Label]) -> Result<Answer, LookupError> {
        let mut answer = self.frame(None).await?;
        for label in labels {
            self.follow(label, &mut answer).await?;
        }
        Ok(answer)
    }

    async fn history(
        &self,
        label: &Label,
        since: KeyVersion,
        from: Option<LogSize>,
    ) -> Result<Answer, LookupError> {
        let mut answer = self.frame(from).await?;
        let Some(stored) = self.newest(label).await? else {
            answer.absences.push(self.head.prover.absence(label)?);
            return Err(LookupError::Absent(Box::new(answer)));
        };
        if since > stored.version {
            answer.lookups.push(self.head.prover.lookup_of(label, &stored)?);
            return Err(LookupError::SinceBeyondNewest(Box::new(answer)));
        }
        answer.history = Some(self.prove_history(label, since, stored.version).await?);
        Ok(answer)
    }

    /// Adds the proofs for `label`, and for the account that it points to, to the answer. Returns the label whose
    /// history may be asked for, with its newest version: the account, or a released alias itself.
    async fn follow(
        &self,
        label: &Label,
        answer: &mut Answer,
    ) -> Result<Option<(Label, KeyVersion)>, LookupError> {
        let stored = match self.find(label).await? {
            Found::Present(proof, stored) => {
                answer.lookups.push(proof);
                stored
            }
            Found::Absent(proof) => {
                answer.absences.push(proof);
                return Ok(None);
            }
        };
        let Some(account) = holder(label, &stored.value)? else {
            return Ok(Some((label.clone(), stored.version)));
        };
        let account = Label::Account(account);
        match self.find(&account).await? {
            Found::Present(proof, stored) => {
                answer.lookups.push(proof);
                Ok(Some((account, stored.version)))
            }
            Found::Absent(proof) => {
                answer.absences.push(proof);
                Ok(None)
            }
        }
    }

    async fn find(&self, label: &Label) -> Result<Found, LookupError> {
        Ok(match self.newest(label).await? {
            Some(stored) => Found::Present(self.head.prover.lookup_of(label, &stored)?, stored),
            None => Found::Absent(self.head.prover.absence(label)?),
        })
    }

    async fn newest(&self, label: &Label) -> Result<Option<Arc<Stored>>, LookupError> {
        Ok(self.head.prover.newest(label).await?)
    }

    async fn prove_history(
        &self,
        label: &Label,
        since: KeyVersion,
        newest: KeyVersion,
    ) -> Result<HistoryProof, LookupError> {
        let count = newest.get().saturating_sub(since.get()).saturating_add(1);
        self.room.take(&self.rooms, count, PATIENCE).await?;
        let proof = self.head.prover.history(label, since).await?;
        let (store, label_, size) = (self.store.clone(), label.clone(), self.head.size);
        let leaves = blocking(move || history::leaves(&store, &label_, since, newest, size)).await?;
        Ok(HistoryProof {
            label: label.as_str().to_owned(),
            proof: proof.into(),
            leaves,
        })
    }

    /// An answer without proofs of labels.
    async fn frame(&self, from: Option<LogSize>) -> Result<Answer, LookupError> {
        let consistency_proof = match from {
            None => None,
            Some(from) if from > self.head.size => {
                return Err(LookupError::UnknownSize { size: self.head.size });
            }
            Some(from) => {
                let (store, size) = (self.store.clone(), self.head.size);
                let hashes =
                    blocking(move || Ok::<_, LookupError>(log::consistency_proof(&store, from, size)?))
                        .await?;
                Some(ConsistencyProof {
                    from: from.get(),
                    hashes: head::encode(&hashes),
                })
            }
        };
        Ok(Answer {
            checkpoint: self.head.checkpoint.clone(),
            epoch: self.head.epoch.clone(),
            consistency_proof,
            lookups: Vec::new(),
            history: None,
            absences: Vec::new(),
        })
    }
}

/// The account that an alias points to; `None` for an account and for a released alias.
fn holder(label: &Label, value: &[u8]) -> Result<Option<AccountId>, LookupError> {
    if label.account().is_some() {
        return Ok(None);
    }
    Ok(AliasRecord::decode(value)?
        .holder
        .as_ref()
        .map(|h| h.account.clone()))
}

/// Runs a blocking call of the store on the threads for such calls.
pub(crate) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, LookupError>
where
    T: Send + 'static,
    E: Send + 'static + Into<LookupError>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(StoreError::ThreadDied.into()),
    }
}

#[cfg(test)]
mod tests;
