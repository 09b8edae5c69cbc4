//! From a label to an authorised record: in the log, under every rule, from the pinned version or from the first.

use std::collections::{BTreeMap, BTreeSet};

use keyglass_protocol::epoch::VerifiedEpoch;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::message::{Answer, B64};
use keyglass_protocol::quantity::KeyVersion;
use keyglass_protocol::record::{AccountKind, AccountRecord, AccountState, AliasRecord, RecordError};
use keyglass_protocol::verify::{
    self, AuthorisedAccount, AuthorisedAlias, Found, HistoryInLog, InLog, Pinned, Refusal,
};

use crate::contacts;
use crate::report::Failure;
use crate::session::{Session, Trouble};
use crate::state::{Directory, Pin};

/// How often a question is asked again because the log moved between two answers.
const ATTEMPTS: u32 = 4;
/// Most accounts that one alias may have named.
const MAX_HOLDERS: usize = 100;

/// What is known of a label, all of it authorised.
#[derive(Debug)]
pub(crate) enum Known {
    /// Proven absent.
    Absent,
    /// An account, live or not.
    Account(AuthorisedAccount),
    /// An alias and the account it points to.
    Alias(AuthorisedAlias, Box<AuthorisedAccount>),
    /// An alias that points nowhere.
    Released(AuthorisedAlias),
}

impl Known {
    /// The account, if the label leads to one.
    pub(crate) fn account(&self) -> Option<&AuthorisedAccount> {
        match self {
            Self::Account(account) => Some(account),
            Self::Alias(_, account) => Some(account),
            Self::Absent | Self::Released(_) => None,
        }
    }

    /// The alias, if the label is one that ever existed.
    pub(crate) fn alias(&self) -> Option<&AuthorisedAlias> {
        match self {
            Self::Alias(alias, _) | Self::Released(alias) => Some(alias),
            Self::Absent | Self::Account(_) => None,
        }
    }
}

/// How far back histories are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// From the pinned version: enough for this device.
    FromPin,
    /// From version 1: for a file that convinces others, and to show a history.
    Whole,
}

/// Finds out what is known of a label.
pub(crate) fn resolve(
    session: &mut Session<'_>,
    directory: &Directory,
    label: &Label,
    depth: Depth,
) -> Result<Known, Trouble> {
    session.asked = Some(label.clone());
    let mut attempt = 1;
    loop {
        session.source.forget();
        let outcome = Resolver {
            session: &mut *session,
            directory,
            depth,
        }
        .run(label);
        match outcome {
            Err(Trouble::Refused(refusal))
                if attempt < ATTEMPTS
                    && session.source.is_live()
                    && session.freeze.is_none()
                    && moved_meanwhile(&refusal) =>
            {
                attempt += 1;
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            outcome => return outcome,
        }
    }
}

/// What an honest directory can answer while an epoch passes between two questions, or from a replica that lags.
fn moved_meanwhile(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::HistoryEndsElsewhere => true,
        other => other.reason() == "stale-head",
    }
}

struct Resolver<'r, 's> {
    session: &'r mut Session<'s>,
    directory: &'r Directory,
    depth: Depth,
}

impl Resolver<'_, '_> {
    fn run(&mut self, label: &Label) -> Result<Known, Trouble> {
        let pinned = match label {
            Label::Account(_) => self.pinned_account(label)?,
            Label::Handle(_) | Label::Phone(_) => None,
        };
        let since = pinned.as_ref().map_or(KeyVersion::FIRST, |p| p.version);
        let from = self.session.seen.map(|h| h.size);
        let answer = self.session.source.lookup(label, from, since)?;
        let epoch = self.session.accept(&answer)?;
        match verify::lookup(&epoch, &self.session.trust, label, &answer)? {
            Found::Absent => self.absent(label),
            Found::Account(shown) => {
                let account = self.account_of(label, &epoch, &answer, pinned.as_ref())?;
                account.matches(&shown)?;
                Ok(Known::Account(account))
            }
            Found::Alias { alias, account } => {
                let (authorised, mut accounts) = self.alias(label, &alias, (&epoch, &answer))?;
                let held = accounts
                    .remove(&account.record().account)
                    .ok_or(Refusal::HistoryMissing)?;
                held.matches(&account)?;
                Ok(Known::Alias(authorised, Box::new(held)))
            }
            Found::Released(alias) => Ok(Known::Released(self.alias(label, &alias, (&epoch, &answer))?.0)),
        }
    }

    /// What was there once is there for ever.
    fn absent(&self, label: &Label) -> Result<Known, Trouble> {
        if self.session.source.is_live() && self.directory.pins.contains_key(label.as_str()) {
            return Err(RecordError::NotThePin.into());
        }
        Ok(Known::Absent)
    }

    fn alias(
        &mut self,
        label: &Label,
        shown: &InLog<AliasRecord>,
        lookup: (&VerifiedEpoch, &Answer),
    ) -> Result<(AuthorisedAlias, BTreeMap<AccountId, AuthorisedAccount>), Trouble> {
        let pinned = self.pinned_alias(label)?;
        let since = pinned.as_ref().map_or(KeyVersion::FIRST, |p| p.version);
        let from = self.session.seen.map(|h| h.size);
        let answer = self.session.source.history(label, from, since)?;
        let epoch = self.session.accept(&answer)?;
        let (history, pinned) = match pinned {
            Some(pin) => match verify::history(&epoch, &self.session.trust, label, pin.version, &answer) {
                Ok(history) => (history, Some(pin)),
                Err(first) => {
                    // The directory knows fewer versions than were pinned and answered from the first.
                    let whole =
                        verify::history(&epoch, &self.session.trust, label, KeyVersion::FIRST, &answer);
                    (whole.map_err(|_| first)?, None)
                }
            },
            None => (
                verify::history(&epoch, &self.session.trust, label, KeyVersion::FIRST, &answer)?,
                None,
            ),
        };
        // The accounts must be known up to the epoch of the alias's history.
        let lookup = Some(lookup).filter(|(e, _)| e.size() == epoch.size());
        let accounts = self.accounts_of(&history, lookup)?;
        let start = pinned.as_ref().map_or(Pinned::Nothing, Pinned::At);
        let authorised = verify::authorise_alias(&self.session.trust, &history, start, &accounts)?;
        authorised.matches(shown)?;
        self.keep_alias_pin(label, &authorised)?;
        Ok((authorised, accounts))
    }

    /// Every account that a version of the alias names, authorised from its first version: the alias may have
    /// been signed by an older key than the pinned one.
    fn accounts_of(
        &mut self,
        history: &HistoryInLog,
        lookup: Option<(&VerifiedEpoch, &Answer)>,
    ) -> Result<BTreeMap<AccountId, AuthorisedAccount>, Trouble> {
        let mut accounts = BTreeMap::new();
        for id in holders(history)? {
            let label = Label::Account(id.clone());
            let in_lookup =
                lookup.filter(|(_, a)| a.history.as_ref().is_some_and(|h| h.label == label.as_str()));
            let account = if let Some((epoch, answer)) = in_lookup {
                self.account_of(&label, epoch, answer, None)?
            } else {
                let from = self.session.seen.map(|h| h.size);
                let answer = self.session.source.history(&label, from, KeyVersion::FIRST)?;
                let epoch = self.session.accept(&answer)?;
                self.account_of(&label, &epoch, &answer, None)?
            };
            accounts.insert(id, account);
        }
        Ok(accounts)
    }

    /// The account whose history an answer holds.
    fn account_of(
        &mut self,
        label: &Label,
        epoch: &VerifiedEpoch,
        answer: &Answer,
        pinned: Option<&AccountRecord>,
    ) -> Result<AuthorisedAccount, Trouble> {
        let trust = &self.session.trust;
        let account = match pinned {
            Some(pin) => match verify::history(epoch, trust, label, pin.version, answer) {
                Ok(history) => verify::authorise_account(trust, &history, Pinned::At(pin))?,
                Err(first) => {
                    // The directory knows fewer versions than were pinned and answered from the first.
                    let history =
                        verify::history(epoch, trust, label, KeyVersion::FIRST, answer).map_err(|_| first)?;
                    verify::authorise_account(trust, &history, Pinned::Nothing)?
                }
            },
            None => {
                let history = verify::history(epoch, trust, label, KeyVersion::FIRST, answer)?;
                verify::authorise_account(trust, &history, Pinned::Nothing)?
            }
        };
        self.keep_account_pin(label, &account)?;
        Ok(account)
    }

    /// A pinned record must be part of what is shown now, whatever version the history begins with.
    fn keep_account_pin(&self, label: &Label, account: &AuthorisedAccount) -> Result<(), Trouble> {
        let Some(pin) = self.directory.pins.get(label.as_str()) else {
            return Ok(());
        };
        if self.is_before(pin, account.newest().version) {
            return Ok(());
        }
        let erased = account.chain().state() == AccountState::Erased;
        let kept = account
            .chain()
            .records()
            .iter()
            .any(|(_, r)| r.bytes() == pin.record.0.as_slice());
        if kept || (erased && account.newest().version.get() > pin.version) {
            Ok(())
        } else {
            Err(RecordError::NotThePin.into())
        }
    }

    fn keep_alias_pin(&self, label: &Label, alias: &AuthorisedAlias) -> Result<(), Trouble> {
        let Some(pin) = self.directory.pins.get(label.as_str()) else {
            return Ok(());
        };
        let kept = alias
            .chain()
            .records()
            .iter()
            .any(|(_, r)| r.bytes() == pin.record.0.as_slice());
        if kept || self.is_before(pin, alias.newest().version) {
            Ok(())
        } else {
            Err(RecordError::NotThePin.into())
        }
    }

    /// A saved answer may be older than what was pinned since; a live one may not.
    fn is_before(&self, pin: &Pin, newest: KeyVersion) -> bool {
        !self.session.source.is_live() && newest.get() < pin.version
    }

    /// The pinned record that the history may begin with: one that shows by itself what the account is. A notice
    /// does not say whether it stands on a closing, and neither it nor a recovery whether on an import.
    fn pinned_account(&self, label: &Label) -> Result<Option<AccountRecord>, Failure> {
        let record = self
            .pin(label)
            .map(|p| AccountRecord::decode(&p.record.0).map_err(|e| damaged_pin(label, &e)))
            .transpose()?;
        Ok(record.filter(|r| !matches!(r.kind, AccountKind::Notice | AccountKind::Recovery)))
    }

    fn pinned_alias(&self, label: &Label) -> Result<Option<AliasRecord>, Failure> {
        self.pin(label)
            .map(|p| AliasRecord::decode(&p.record.0).map_err(|e| damaged_pin(label, &e)))
            .transpose()
    }

    fn pin(&self, label: &Label) -> Option<&Pin> {
        self.directory
            .pins
            .get(label.as_str())
            .filter(|_| self.depth == Depth::FromPin)
    }
}

/// The accounts that the versions in a history name, in order.
fn holders(history: &HistoryInLog) -> Result<BTreeSet<AccountId>, Trouble> {
    let mut ids = BTreeSet::new();
    for version in history.versions() {
        let Some(value) = version.value() else { continue };
        if let Some(holder) = &AliasRecord::decode(value)?.holder {
            ids.insert(holder.account.clone());
        }
    }
    if ids.len() > MAX_HOLDERS {
        return Err(Failure::missing(
            "too-many-holders",
            "the alias had too many holders to check them all",
        )
        .into());
    }
    Ok(ids)
}

fn damaged_pin(label: &Label, error: &RecordError) -> Failure {
    Failure::internal(
        "state-damaged",
        format!("the remembered record of {label} cannot be read: {error}"),
    )
    .next("restore the memory from a backup")
}

/// What changed since a label was looked up last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// `identity`, `devices`, `recovery-delay`, `recovery-announced`, `recovery-stopped`, `account`.
    pub(crate) what: &'static str,
    /// The kind of the version that changed it: `owner`, `recovery`, `transfer`, …
    pub(crate) why: &'static str,
}

/// Compares what is known with the pins, pins it, and takes note of what it means for contacts.
pub(crate) fn pin(directory: &mut Directory, known: &Known, now: u64, audited: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some((epoch, newest)) = known.alias().and_then(|a| a.chain().records().last()) {
        changes.extend(pin_alias(directory, newest, (epoch.get(), now, audited)));
    }
    if let Some(account) = known.account()
        && let Some((epoch, newest)) = account.chain().records().last()
    {
        let label = newest.label();
        let before = directory
            .pins
            .get(label.as_str())
            .and_then(|p| AccountRecord::decode(&p.record.0).ok());
        changes.extend(before.iter().flat_map(|b| account_changes(b, account)));
        let record = (newest.bytes(), newest.version);
        put(directory, label.as_str(), record, (epoch.get(), now, audited));
    }
    contacts::notice(directory, known, &changes, now);
    changes
}

fn pin_alias(directory: &mut Directory, newest: &AliasRecord, when: (u64, u64, bool)) -> Option<Change> {
    let label = newest.alias.as_str();
    let before = directory
        .pins
        .get(label)
        .and_then(|p| AliasRecord::decode(&p.record.0).ok());
    let holder = |r: &AliasRecord| r.holder.as_ref().map(|h| h.account.clone());
    let moved = before.is_some_and(|b| holder(&b) != holder(newest));
    if let Some(own) = holder(newest).and_then(|id| directory.accounts.get_mut(id.as_str())) {
        let version = newest.version.get();
        own.aliases.entry(label.to_owned()).or_insert(version);
    }
    put(directory, label, (newest.bytes(), newest.version), when);
    moved.then(|| Change {
        what: "account",
        why: newest.kind.as_str(),
    })
}

/// Walks every version since the pinned one, so that what was changed back shows too.
fn account_changes(before: &AccountRecord, account: &AuthorisedAccount) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut last = before;
    for (_, record) in account
        .chain()
        .records()
        .iter()
        .filter(|(_, r)| r.version > before.version)
    {
        let why = record.kind.as_str();
        let differs = [
            ("identity", record.identity != last.identity),
            ("devices", record.devices != last.devices),
            ("recovery-delay", record.recovery_delay != last.recovery_delay),
            ("recovery-announced", record.kind == AccountKind::Notice),
            (
                "recovery-stopped",
                last.kind == AccountKind::Notice && record.kind == AccountKind::Owner,
            ),
        ];
        changes.extend(
            differs
                .into_iter()
                .filter(|(_, d)| *d)
                .map(|(what, _)| Change { what, why }),
        );
        last = record;
    }
    changes
}

fn put(
    directory: &mut Directory,
    label: &str,
    (record, version): (&[u8], KeyVersion),
    (epoch, now, audited): (u64, u64, bool),
) {
    let first = directory.pins.get(label).map_or(now, |p| p.first);
    let pin = Pin {
        record: B64(record.to_vec()),
        version: version.get(),
        epoch,
        first,
        last: now,
        audited,
    };
    directory.pins.insert(label.to_owned(), pin);
}
