//! One conversation with a source of answers: every head is verified, dated, and held against those seen before.

use keyglass_protocol::config::ConfigChange;
use keyglass_protocol::epoch::{
    EpochError, HeadError, SeenHead, Shortfall, SignedEpoch, Trust, VerifiedEpoch,
};
use keyglass_protocol::evidence::{Claim, Freeze};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, ConsistencyProof, EpochProof};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{ConfigHash, LogSize, Millis};
use keyglass_protocol::verify::Refusal;

use crate::accuse;
use crate::configs;
use crate::report::Failure;
use crate::source::Source;
use crate::state::{Directory, RememberedHead};

/// Why an answer was not taken.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It breaks a rule.
    Refused(Box<Refusal>),
    /// There is no answer to judge, or the reason is not about one.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<E: Into<Refusal>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Refused(Box::new(error.into()))
    }
}

/// One conversation.
pub(crate) struct Session<'s> {
    /// Where answers come from.
    pub(crate) source: &'s mut dyn Source,
    /// The pins.
    pub(crate) trust: Trust,
    /// Newest head known, also from before.
    pub(crate) seen: Option<SeenHead>,
    /// Newest head of this conversation, to be remembered.
    pub(crate) newest: Option<RememberedHead>,
    /// The last epoch that was accepted.
    pub(crate) epoch: Option<VerifiedEpoch>,
    /// Whether every accepted epoch was vouched for by a quorum with an auditor.
    pub(crate) audited: bool,
    /// First shortfall of the policy.
    pub(crate) shortfall: Option<Shortfall>,
    /// What the configurations that were followed changed.
    pub(crate) followed: Vec<ConfigChange>,
    /// New keys in a configuration are accepted.
    pub(crate) accept_new_keys: bool,
    /// The absence of an auditor is accepted.
    pub(crate) allow_unaudited: bool,
    /// The time against which freshness is judged.
    pub(crate) now: Millis,
    /// The label that was asked for first.
    pub(crate) asked: Option<Label>,
    /// The checkpoint that contradicts the newest known head, if one does.
    pub(crate) contradicting: Option<String>,
    /// The newest head that was known before this conversation, as it was signed.
    pub(crate) known: Option<RememberedHead>,
    /// That the operator stood by an older head after it had stood by a newer one.
    pub(crate) freeze: Option<Box<Freeze>>,
}

impl<'s> Session<'s> {
    /// Begins with the pins and the newest remembered head.
    pub(crate) fn new(source: &'s mut dyn Source, trust: Trust, seen: Option<SeenHead>, now: Millis) -> Self {
        Self {
            source,
            trust,
            seen,
            newest: None,
            epoch: None,
            audited: true,
            shortfall: None,
            followed: Vec::new(),
            accept_new_keys: false,
            allow_unaudited: false,
            now,
            asked: None,
            contradicting: None,
            known: None,
            freeze: None,
        }
    }

    /// Verifies an answer's epoch and that the log of the newest known head is a prefix of its log.
    pub(crate) fn accept(&mut self, answer: &Answer) -> Result<VerifiedEpoch, Trouble> {
        self.accept_parts(
            &answer.checkpoint,
            &answer.epoch,
            answer.consistency_proof.as_ref(),
        )
    }

    /// The same for the parts of an answer.
    pub(crate) fn accept_parts(
        &mut self,
        checkpoint: &str,
        proof: &EpochProof,
        consistency: Option<&ConsistencyProof>,
    ) -> Result<VerifiedEpoch, Trouble> {
        let signed = SignedEpoch::new(checkpoint.as_bytes(), proof)?;
        let epoch = match signed.verify(&self.trust, self.now) {
            Err(EpochError::ConfigurationChanged { found, .. }) => {
                self.follow(&found, &signed)?;
                signed.verify(&self.trust, self.now)?
            }
            verified => verified?,
        };
        let chain = self.trust.config();
        chain
            .check_not_ended(epoch.epoch())
            .map_err(|e| configs::refuse(&e))?;
        self.extend(&epoch, checkpoint, consistency)?;
        let standing = epoch.standing();
        self.audited &= standing.audited();
        if self.shortfall.is_none() {
            self.shortfall = standing.check(self.allow_unaudited).err();
        }
        self.newest = Some(RememberedHead {
            size: epoch.size().get(),
            root: epoch.head().root.to_string(),
            checkpoint: checkpoint.to_owned(),
            epoch: proof.clone(),
            seen: self.now.get(),
        });
        self.seen = Some(epoch.head());
        self.epoch = Some(epoch.clone());
        Ok(epoch)
    }

    /// Nothing is believed of a head that does not continue what was seen before.
    fn extend(
        &mut self,
        epoch: &VerifiedEpoch,
        checkpoint: &str,
        consistency: Option<&ConsistencyProof>,
    ) -> Result<(), Trouble> {
        let Some(seen) = self.seen else { return Ok(()) };
        let outcome = match epoch.extends(&seen, consistency) {
            Err(HeadError::NoConsistencyProof { .. } | HeadError::OtherSize { .. }) => {
                let made = self.source.consistency(seen.size, epoch.size())?;
                if made.is_none() && !self.source.is_live() {
                    // A saved answer cannot be held against a head that is older than it.
                    return Ok(());
                }
                epoch.extends(&seen, made.as_ref())
            }
            // A saved answer is older than what was seen since, as it must be.
            Err(HeadError::Older { .. }) if !self.source.is_live() => return Ok(()),
            outcome => outcome,
        };
        if let Err(HeadError::Older { .. }) = outcome {
            self.freeze = self.frozen(checkpoint);
        }
        if let Err(HeadError::Fork { .. } | HeadError::Inconsistent { .. }) = outcome {
            self.contradicting = Some(checkpoint.to_owned());
        }
        Ok(outcome?)
    }

    /// The claim that a larger head contradicts the newest one known, if the source's own log shows it.
    pub(crate) fn disowned(&mut self) -> Option<Claim> {
        let (known, larger) = (
            self.newest.as_ref().or(self.known.as_ref())?.clone(),
            self.contradicting.clone()?,
        );
        let opened = SignedCheckpoint::open(larger.as_bytes(), self.trust.log_key()).ok()?;
        let (at, of) = (LogSize::new(known.size), opened.checkpoint().size);
        let root = self.source.root(at, of).ok()??;
        let consistency = self.source.consistency(at, of).ok()??;
        Some(accuse::disowned(&known.checkpoint, &larger, root, consistency))
    }

    /// Whether an older head is a lagging replica's, or one that the operator vouches for after it vouched for a newer.
    fn frozen(&self, smaller: &str) -> Option<Box<Freeze>> {
        let larger = self.newest.as_ref().or(self.known.as_ref())?;
        let freeze = Freeze {
            smaller: smaller.to_owned(),
            larger: larger.checkpoint.clone(),
            epoch: larger.epoch.clone(),
        };
        let evidence = accuse::under(&self.trust, &larger.epoch, Claim::Freeze(freeze.clone()))?;
        evidence.verify(self.trust.log_key()).ok()?;
        Some(Box::new(freeze))
    }

    /// Follows the configuration from the pinned document to the one that a leaf names.
    fn follow(&mut self, found: &ConfigHash, signed: &SignedEpoch<'_>) -> Result<(), Trouble> {
        let pinned = self.trust.document().hash();
        let changed = || EpochError::ConfigurationChanged {
            pinned,
            found: *found,
        };
        if let Some(chain) = configs::as_of(self.trust.config(), found) {
            let trust = configs::with_chain(&self.trust, chain)?;
            if self.source.is_live() {
                // Only a head that is older than the newest one may name an older document, and is stale then.
                let epoch = signed.verify(&trust, self.now)?;
                if let Some(Err(stale @ HeadError::Older { .. })) = self.seen.map(|h| epoch.extends(&h, None))
                {
                    return Err(stale.into());
                }
                return Err(changed().into());
            }
            self.trust = trust;
            return Ok(());
        }
        let documents = configs::fetch(self.source, found, Some(&pinned))?.ok_or_else(changed)?;
        let (trust, changes) = configs::append(self.source, &self.trust, documents, signed, self.now)?;
        if !self.accept_new_keys
            && let Some(alarm) = configs::new_keys(&changes, found)
        {
            return Err(alarm.into());
        }
        self.trust = trust;
        self.followed.extend(changes);
        Ok(())
    }

    /// Writes what was learnt into the memory.
    pub(crate) fn remember(&self, directory: &mut Directory) {
        if self.trust.config().documents().len() > directory.configs.len() {
            configs::remember(directory, self.trust.config());
        }
        if let Some(head) = &self.newest {
            directory.remember_head(head);
        }
    }
}
