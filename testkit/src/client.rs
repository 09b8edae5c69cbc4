//! What a messaging client does with an answer, start to end, as the crate page of `protocol` tells it.

use std::collections::{BTreeMap, BTreeSet};

use keyglass_protocol::config::{ConfigDocument, ConfigError};
use keyglass_protocol::epoch::{EpochError, SeenHead, SignedEpoch, Trust, TrustError, VerifiedEpoch};
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::message::Answer;
use keyglass_protocol::quantity::{ConfigHash, Epoch, KeyVersion, Millis};
use keyglass_protocol::record::{AccountRecord, AccountState, AliasRecord};
use keyglass_protocol::verify::{self, AuthorisedAccount, Found, HistoryInLog, InLog, Pinned, Refusal};

/// Gives answers. Nothing in them is verified.
pub trait Ask {
    /// The answer to a lookup, with the whole history of the account.
    fn lookup(&mut self, label: &Label) -> Answer;
    /// The whole history of a label.
    fn history(&mut self, label: &Label) -> Answer;
    /// The configuration document with this hash.
    fn config(&mut self, hash: &ConfigHash) -> Option<Vec<u8>>;
}

/// A verified answer.
#[derive(Debug, Clone)]
pub enum Verified {
    /// The account's newest record, authorised.
    Account(Box<AccountRecord>),
    /// The account has no key to trust any more.
    Closed,
    /// The label points nowhere any more.
    Released,
    /// The label does not exist.
    Absent,
}

/// Why an answer is not believed.
#[derive(Debug)]
pub enum Refused {
    /// It breaks a rule.
    Rule(Refusal),
    /// The configuration that the log names cannot be used.
    Config(ConfigError),
    /// It does not go together with the pins.
    Pins(TrustError),
    /// What is served is not the document that the log names.
    OtherDocument,
    /// It changes who may sign: somebody has to look at it first.
    NewKeys,
}

impl Refused {
    /// Stable kebab-case name of the broken rule.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Rule(e) => e.reason(),
            Self::Config(e) => e.reason(),
            Self::Pins(e) => e.reason(),
            Self::OtherDocument => "config-hash",
            Self::NewKeys => "configuration-keys-changed",
        }
    }
}

impl<E: Into<Refusal>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Rule(error.into())
    }
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
    /// Looks a label up and verifies everything there is to verify, with complete histories.
    ///
    /// # Errors
    /// [`Refused`] naming the broken rule.
    pub fn ask(&mut self, source: &mut dyn Ask, label: &Label) -> Result<Verified, Refused> {
        let answer = source.lookup(label);
        let epoch = self.accept(&answer, Some(source))?;
        match verify::lookup(&epoch, &self.trust, label, &answer)? {
            Found::Absent => Ok(Verified::Absent),
            Found::Account(shown) => {
                let account = self.account(&epoch, &shown.record().label(), &answer)?;
                account.matches(&shown)?;
                Ok(verified(&account))
            }
            Found::Released(shown) => {
                self.alias(source, label, &shown, None)?;
                Ok(Verified::Released)
            }
            Found::Alias { alias, account } => {
                let held = self.account(&epoch, &account.record().label(), &answer)?;
                held.matches(&account)?;
                self.alias(source, label, &alias, Some((epoch, held.clone())))?;
                Ok(verified(&held))
            }
        }
    }

    /// Verifies the epoch of an answer: signature, configuration, memory, quorum; and remembers it.
    ///
    /// # Errors
    /// [`Refused`] naming the broken rule.
    pub fn accept(
        &mut self,
        answer: &Answer,
        source: Option<&mut dyn Ask>,
    ) -> Result<VerifiedEpoch, Refused> {
        let signed = SignedEpoch::of_answer(answer)?;
        let epoch = match (signed.verify(&self.trust, self.now), source) {
            (Err(EpochError::ConfigurationChanged { pinned, found }), Some(source)) => {
                let known = self
                    .trust
                    .config()
                    .documents()
                    .iter()
                    .any(|(_, d)| d.hash() == found);
                let document = source
                    .config(&found)
                    // What is over is over: an older document is in force no more.
                    .filter(|_| !known)
                    .ok_or(EpochError::ConfigurationChanged { pinned, found })?;
                self.follow(&document, &found, answer.epoch.index)?;
                signed.verify(&self.trust, self.now)?
            }
            (verified, _) => verified?,
        };
        if let Some(seen) = &self.seen {
            epoch.extends(seen, answer.consistency_proof.as_ref())?;
        }
        epoch.standing().check(false)?;
        // The next answer is held against this one.
        self.seen = Some(epoch.head());
        Ok(epoch)
    }

    /// Follows one change of the configuration, named by leaves from `from` on.
    fn follow(&mut self, document: &[u8], hash: &ConfigHash, from: u64) -> Result<(), Refused> {
        let document = ConfigDocument::parse(document).map_err(Refused::Config)?;
        if document.hash() != *hash {
            return Err(Refused::OtherDocument);
        }
        let mut chain = self.trust.config().clone();
        let changes = chain.push(document, Epoch::new(from)).map_err(Refused::Config)?;
        if changes.iter().any(|c| c.is_key_change()) {
            return Err(Refused::NewKeys);
        }
        let (key, policy, bounds) = (self.trust.log_key(), self.trust.policy(), self.trust.bounds());
        self.trust = Trust::new(key.clone(), chain, policy.cloned(), *bounds).map_err(Refused::Pins)?;
        Ok(())
    }

    fn account(
        &self,
        epoch: &VerifiedEpoch,
        label: &Label,
        answer: &Answer,
    ) -> Result<AuthorisedAccount, Refused> {
        let history = verify::history(epoch, &self.trust, label, KeyVersion::FIRST, answer)?;
        Ok(verify::authorise_account(&self.trust, &history, Pinned::Nothing)?)
    }

    /// Every version of the alias, signed by the accounts that it names.
    fn alias(
        &mut self,
        source: &mut dyn Ask,
        label: &Label,
        shown: &InLog<AliasRecord>,
        held: Option<(VerifiedEpoch, AuthorisedAccount)>,
    ) -> Result<(), Refused> {
        let answer = source.history(label);
        let epoch = self.accept(&answer, Some(source))?;
        let history = verify::history(&epoch, &self.trust, label, KeyVersion::FIRST, &answer)?;
        let mut accounts: BTreeMap<AccountId, AuthorisedAccount> = BTreeMap::new();
        if let Some((at, account)) = held
            && at.size() == epoch.size()
        {
            accounts.insert(account.newest().account.clone(), account);
        }
        for id in holders(&history)? {
            if accounts.contains_key(&id) {
                continue;
            }
            let label = Label::Account(id.clone());
            let answer = source.history(&label);
            let epoch = self.accept(&answer, Some(source))?;
            accounts.insert(id, self.account(&epoch, &label, &answer)?);
        }
        verify::authorise_alias(&self.trust, &history, Pinned::Nothing, &accounts)?.matches(shown)?;
        Ok(())
    }

    /// Verifies the answer to a lookup with complete history of the account; not of an alias, whose history is
    /// another answer.
    ///
    /// # Errors
    /// The [`Refusal`] that names the broken rule.
    pub fn verify(&self, label: &Label, answer: &Answer) -> Result<Verified, Refusal> {
        let epoch = self.verify_epoch(answer)?;
        self.judge(epoch, label, answer)
    }

    /// The same where no auditor is demanded.
    ///
    /// # Errors
    /// The [`Refusal`] that names the broken rule.
    pub fn verify_unaudited(&self, label: &Label, answer: &Answer) -> Result<Verified, Refusal> {
        let epoch = SignedEpoch::of_answer(answer)?.verify(&self.trust, self.now)?;
        epoch.standing().check(true)?;
        self.judge(epoch, label, answer)
    }

    fn judge(&self, epoch: VerifiedEpoch, label: &Label, answer: &Answer) -> Result<Verified, Refusal> {
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

fn verified(account: &AuthorisedAccount) -> Verified {
    match account.chain().state() {
        AccountState::Live => Verified::Account(Box::new(account.newest().clone())),
        AccountState::Closed | AccountState::Erased => Verified::Closed,
    }
}

/// The accounts that the versions in a history name.
fn holders(history: &HistoryInLog) -> Result<BTreeSet<AccountId>, Refused> {
    let mut ids = BTreeSet::new();
    for value in history.versions().iter().filter_map(|v| v.value()) {
        if let Some(holder) = &AliasRecord::decode(value)?.holder {
            ids.insert(holder.account.clone());
        }
    }
    Ok(ids)
}
