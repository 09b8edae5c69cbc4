//! A pushed checkpoint (C2SP tlog-witness): the same verification as for a fetched one, at once.

use keyglass_protocol::log::{LogError, verify_consistency};
use keyglass_protocol::note::{AddCheckpoint, SignedCheckpoint};
use keyglass_protocol::quantity::LogSize;

use super::Follower;
use crate::refusal::{Refusal, Stop};

/// What a push is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushAnswer {
    /// 200: our cosignature lines.
    Cosigned(String),
    /// 400: malformed, or `old` is larger than the checkpoint.
    Malformed(&'static str),
    /// 403: the log did not sign this.
    NotSigned(&'static str),
    /// 409: `old` is not the size that we signed last, which is this.
    OtherSize(LogSize),
    /// 422: the proof is wrong, or we found a reason never to sign.
    Refused(&'static str),
    /// 503: not now.
    Later(&'static str),
    /// 500: our own failure.
    Failed,
}

impl Follower {
    /// Answers an `add-checkpoint` request for this log.
    pub async fn pushed(&mut self, request: &AddCheckpoint) -> PushAnswer {
        let head = match SignedCheckpoint::open(&request.checkpoint, &self.pins.log_key) {
            Ok(head) => head,
            Err(error) if is_unsigned(error) => return PushAnswer::NotSigned(error.reason()),
            Err(error) => return PushAnswer::Malformed(error.reason()),
        };
        let result = self.push(request, &head).await;
        match self.settle(result).await {
            Ok(answer) => answer,
            Err(Stop::Trouble(trouble)) => PushAnswer::Later(trouble.reason()),
            Err(Stop::Refused(refusal)) if refusal.is_passing() => PushAnswer::Later(refusal.reason()),
            Err(Stop::Refused(refusal)) => PushAnswer::Refused(refusal.reason()),
            Err(Stop::Contradiction(contradiction)) => PushAnswer::Refused(contradiction.reason),
            Err(Stop::Store(_) | Stop::File { .. } | Stop::Internal(_)) => PushAnswer::Failed,
        }
    }

    async fn push(&mut self, request: &AddCheckpoint, head: &SignedCheckpoint) -> Result<PushAnswer, Stop> {
        self.refuse_latched().await?;
        self.reconcile().await?;
        self.start().await?;
        self.seen = self.parts.clock.now();
        let new = head.checkpoint();
        if request.old > new.size {
            return Ok(PushAnswer::Malformed("old-larger-than-checkpoint"));
        }
        let (size, root) = match self.signed().await? {
            Some(signed) => (signed.size, signed.root),
            None => (LogSize::ZERO, keyglass_protocol::log::empty_root()),
        };
        if request.old != size {
            return Ok(PushAnswer::OtherSize(size));
        }
        self.refuse_rolled_back(head).await?;
        match verify_consistency(size, &root, new.size, &new.root, &request.proof) {
            Err(LogError::SameSizeOtherRoot) => self.demand_prefix(head).await?,
            Err(error) => return Ok(PushAnswer::Refused(error.reason())),
            Ok(()) => {}
        }
        if new.size == size && self.verified().await?.size >= size {
            return self.refresh(head).await;
        }
        self.reach(head).await?;
        Ok(self.answer(new.size))
    }

    /// A fresh time only after the directory itself shows this head as its newest: whoever pushes may hold back
    /// what came after it.
    async fn refresh(&mut self, head: &SignedCheckpoint) -> Result<PushAnswer, Stop> {
        let newest = self.fetch_head().await?;
        if newest.checkpoint() == head.checkpoint() {
            self.sign_again(head).await?;
        } else {
            self.consider(&newest).await?;
        }
        Ok(self.answer(head.checkpoint().size))
    }

    fn answer(&mut self, size: LogSize) -> PushAnswer {
        match self.shared.published() {
            Some(published) if published.size == size => {
                // It has the signature with this answer. If that is lost, it will ask again.
                self.handed_in = Some((published.size, published.at));
                PushAnswer::Cosigned(published.lines)
            }
            Some(published) => PushAnswer::OtherSize(published.size),
            None => PushAnswer::Later(Refusal::PinnedConfigUnseen.reason()),
        }
    }
}

/// 403 rather than 400: the note is well-formed but not the log's word.
pub(super) fn is_unsigned(error: keyglass_protocol::note::NoteError) -> bool {
    use keyglass_protocol::note::NoteError as E;
    matches!(
        error,
        E::SignatureMissing | E::SignatureBad | E::SignatureLength | E::OriginMismatch | E::NoteUnsigned
    )
}
