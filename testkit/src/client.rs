//! What a messaging client does with an answer, start to end, as the crate page of `protocol` tells it.

use keyglass_protocol::epoch::{SeenHead, SignedEpoch, Trust, VerifiedEpoch};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::quantity::{KeyVersion, Millis};
use keyglass_protocol::record::AccountRecord;
use keyglass_protocol::verify::{self, Found, Pinned, Refusal};

/// A verified answer.
#[derive(Debug, Clone)]
pub enum Verified {
    /// The account's newest record, authorised.
    Account(Box<AccountRecord>),
    /// The label points nowhere any more.
    Released,
    /// The label does not exist.
    Absent,
}

/// What a client knows before it asks.
pub struct Client {
    /// Its pins.
    pub trust: Trust,
    /// The newest head it has verified.
    pub seen: Option<SeenHead>,
    /// Its clock.
    pub now: Millis,
}

impl Client {
    /// Verifies the answer to a lookup with complete history.
    ///
    /// # Errors
    /// The [`Refusal`] that names the broken rule.
    pub fn verify(&self, label: &Label, answer: &Answer) -> Result<Verified, Refusal> {
        let epoch = self.verify_epoch(answer)?;
        self.follow(epoch, label, answer)
    }

    /// The same where no auditor is demanded.
    ///
    /// # Errors
    /// The [`Refusal`] that names the broken rule.
    pub fn verify_unaudited(&self, label: &Label, answer: &Answer) -> Result<Verified, Refusal> {
        let epoch = SignedEpoch::of_answer(answer)?.verify(&self.trust, self.now)?;
        epoch.standing().check(true)?;
        self.follow(epoch, label, answer)
    }

    fn follow(&self, epoch: VerifiedEpoch, label: &Label, answer: &Answer) -> Result<Verified, Refusal> {
        match verify::lookup(&epoch, &self.trust, label, answer)? {
            Found::Absent => Ok(Verified::Absent),
            Found::Released(_) => Ok(Verified::Released),
            Found::Account(account) => self.authorise(&epoch, answer, &account),
            Found::Alias { account, .. } => self.authorise(&epoch, answer, &account),
        }
    }

    /// Verifies the epoch of an answer: signature, memory, quorum.
    ///
    /// # Errors
    /// The [`Refusal`] that names the broken rule.
    pub fn verify_epoch(&self, answer: &Answer) -> Result<VerifiedEpoch, Refusal> {
        let epoch = SignedEpoch::of_answer(answer)?.verify(&self.trust, self.now)?;
        if let Some(seen) = &self.seen {
            epoch.extends(seen, answer.consistency_proof.as_ref())?;
        }
        epoch.standing().check(false)?;
        Ok(epoch)
    }

    fn authorise(
        &self,
        epoch: &VerifiedEpoch,
        answer: &Answer,
        account: &verify::InLog<AccountRecord>,
    ) -> Result<Verified, Refusal> {
        let label = account.record().label();
        let history = verify::history(epoch, &self.trust, &label, KeyVersion::FIRST, answer)?;
        let authorised = verify::authorise_account(&self.trust, &history, Pinned::Nothing)?;
        authorised.matches(account)?;
        Ok(Verified::Account(Box::new(authorised.newest().clone())))
    }
}
