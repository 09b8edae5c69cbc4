//! A command at work: its memory, its connection, and what happens to every answer that it gets.

use std::path::PathBuf;

use keyglass_protocol::config::ConfigChange;
use keyglass_protocol::epoch::{HeadError, Shortfall, Trust, VerifiedEpoch};
use keyglass_protocol::evidence::{Claim, Evidence, Finding, Fork, Freeze};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::record::AccountRecord;
use keyglass_protocol::verify::Refusal;

use crate::accuse::{self, keep};
use crate::advice;
use crate::clock;
use crate::context::{self, Context, Memory};
use crate::exit::Exit;
use crate::http::Http;
use crate::moved::{self, Moved};
use crate::report::{Failure, Report};
use crate::resolve::{self, Depth, Known};
use crate::saved::SavedLookup;
use crate::session::{Session, Trouble};
use crate::source::{Online, Source};
use crate::state::Directory;

/// A command that talks to a pinned directory.
pub(crate) struct Desk<'c> {
    /// Settings and style.
    pub(crate) context: &'c Context,
    /// The memory, locked.
    pub(crate) memory: Memory,
    /// The connection.
    pub(crate) http: Http,
    /// The answers to the last question.
    given: Vec<Answer>,
}

/// Whether an unmet policy ends the command, or is only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyIs {
    /// Nothing is called verified unless the policy is met.
    Demanded,
    /// For commands that write: the change is in the log whoever vouches for it.
    Reported,
}

/// Who vouches for what was answered.
#[derive(Debug)]
pub(crate) struct Vouched {
    /// The newest epoch of the answers.
    pub(crate) epoch: VerifiedEpoch,
    /// A quorum with an auditor vouches.
    pub(crate) audited: bool,
    /// What the policy misses, if it is only reported.
    pub(crate) shortfall: Option<Shortfall>,
    /// What new configurations changed.
    pub(crate) changes: Vec<ConfigChange>,
    /// Name of the log that continues this one, if it has ended.
    pub(crate) successor: Option<String>,
    /// What moved here from the log that this one continues.
    pub(crate) moved: Vec<Moved>,
}

impl Vouched {
    /// Adds to a report who vouches for it.
    pub(crate) fn describe(&self, directory: &Directory, mut report: Report) -> Report {
        let leaf = self.epoch.leaf();
        let head = format!(
            "epoch {} of {}, {}",
            self.epoch.epoch(),
            directory.origin,
            clock::utc(leaf.time)
        );
        let policy = match (&self.shortfall, self.audited) {
            (Some(shortfall), _) => format!("not met: {shortfall}"),
            (None, true) => {
                "audited: the quorum of your policy, with an auditor in it, vouches for this".to_owned()
            }
            (None, false) => "NOT AUDITED: nobody but the operator vouches for this".to_owned(),
        };
        let policy_json = self.shortfall.as_ref().map_or("met", Shortfall::reason);
        report = moved::describe(report, &self.moved);
        for change in &self.changes {
            report = report.note(format!(
                "the directory has a new configuration: {} changed",
                change.as_str()
            ));
        }
        if let Some(next) = &self.successor {
            report = report.note(format!(
                "this log ends and {next} continues it: keyglass trust add URL, with its address"
            ));
        }
        if directory.first_use {
            report =
                report.note("this directory was trusted on first use; compare its keys: keyglass trust show");
        }
        report
            .checked(&[
                "the log's signature on the head, its name and size",
                "the last leaf of the head, and the configuration that it names",
                "that the head continues every head seen before",
                "the time and quorum of the cosignatures, and the operator's heartbeat",
            ])
            .audited(self.audited)
            .line("vouched", policy)
            .line("head", head)
            .json("origin", directory.origin.clone())
            .json("epoch", self.epoch.epoch().get())
            .json("epoch_time_ms", leaf.time.get())
            .json("log_size", self.epoch.size().get())
            .json("policy", policy_json)
    }
}

impl<'c> Desk<'c> {
    /// Opens the memory; the connection is opened by the first question.
    pub(crate) fn open(context: &'c Context) -> Result<Self, Failure> {
        let memory = context.memory()?;
        let http = context.http(memory.directory()?)?;
        Ok(Self {
            context,
            memory,
            http,
            given: Vec::new(),
        })
    }

    /// Asks the directory and verifies what it says; on success the head is remembered (but not saved yet).
    pub(crate) fn ask<T>(
        &mut self,
        policy: PolicyIs,
        question: impl FnOnce(&mut Session<'_>, &Directory) -> Result<T, Trouble>,
    ) -> Result<(T, Vouched), Failure> {
        let _waiting = self.context.style.waiting("asking the directory…");
        let mut source = Online::new(&self.http);
        let outcome = ask(
            self.context,
            &mut self.memory,
            &mut source,
            policy,
            None,
            question,
        );
        self.given = source.given().to_vec();
        outcome
    }

    /// Finds out what is known of a label. What moved here from a log that has ended is held against that one.
    pub(crate) fn know(
        &mut self,
        policy: PolicyIs,
        label: &Label,
        depth: Depth,
    ) -> Result<(Known, Vouched), Failure> {
        let (known, mut vouched) = self.ask(policy, |s, d| resolve::resolve(s, d, label, depth))?;
        vouched.moved = self.moved(label, &known)?;
        Ok((known, vouched))
    }

    /// Holds what the last question found against the log that this one continues, if it is met for the first time.
    pub(crate) fn moved(&mut self, label: &Label, known: &Known) -> Result<Vec<Moved>, Failure> {
        let held = moved::check(self.context, &mut self.memory, known);
        self.keep_if_refused(label, held)
    }

    /// The same for an own label, which may be pinned already.
    pub(crate) fn moved_anew(&mut self, label: &Label, known: &Known) -> Result<Vec<Moved>, Failure> {
        let held = moved::check_anew(self.context, &mut self.memory, known);
        self.keep_if_refused(label, held)
    }

    fn keep_if_refused<T>(&self, label: &Label, held: Result<T, Failure>) -> Result<T, Failure> {
        held.or_else(|mut failure| {
            if failure.saved.is_none() && matches!(failure.exit, Exit::Invalid | Exit::Alarm) {
                failure.saved = self.keep_shown(label, failure.reason)?;
            }
            Err(failure)
        })
    }

    /// The pins, as the last question left them.
    pub(crate) fn trust(&self) -> Result<Trust, Failure> {
        context::trust(self.memory.directory()?, &self.context.settings)
    }

    /// The answers to the last question.
    pub(crate) fn given(&self) -> &[Answer] {
        &self.given
    }

    /// Demands that what the directory shows for an own account has the key that is on this device.
    ///
    /// Otherwise the answers are kept, so that others can see what was shown.
    pub(crate) fn demand_own_key(&self, label: &Label, record: &AccountRecord) -> Result<(), Failure> {
        let directory = self.memory.directory()?;
        let Some(own) = directory.accounts.get(record.account.as_str()) else {
            return Ok(());
        };
        let shown = record.identity.to_string();
        let pending = directory
            .pending
            .get(record.label().as_str())
            .and_then(|p| p.becomes.as_ref());
        if own.identity.public == shown || pending.is_some_and(|(_, next)| next.identity.public == shown) {
            return Ok(());
        }
        let mut failure = crate::own::key_changed(record);
        failure.saved = self.keep_shown(label, "own-key-changed")?;
        Err(failure)
    }

    /// Keeps the answers to the last question, as evidence of what was shown for a label.
    ///
    /// As an evidence file where the complete history is among them and shows something, else as a saved lookup.
    pub(crate) fn keep_shown(&self, label: &Label, name: &str) -> Result<Option<PathBuf>, Failure> {
        if let Some((evidence, _)) = accuse::bad_record(&self.trust()?, label, &self.given) {
            return accuse::write(&self.memory, &evidence).map(Some);
        }
        let saved = SavedLookup {
            label: label.clone(),
            answers: self.given.clone(),
        };
        match saved.to_bytes() {
            Ok(bytes) => keep(&self.memory, "evidence", name, "tlog", &bytes).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// How an unusual conversation differs.
#[derive(Debug, Default)]
pub(crate) struct Unusual {
    /// The time against which freshness is judged, if not now.
    pub(crate) now: Option<keyglass_protocol::quantity::Millis>,
    /// New keys in a configuration are accepted.
    pub(crate) accept_new_keys: bool,
}

/// One conversation: verified, judged by the policy, remembered; or refused, kept and explained.
pub(crate) fn ask<T>(
    context: &Context,
    memory: &mut Memory,
    source: &mut dyn Source,
    policy: PolicyIs,
    unusual: Option<Unusual>,
    question: impl FnOnce(&mut Session<'_>, &Directory) -> Result<T, Trouble>,
) -> Result<(T, Vouched), Failure> {
    let directory = memory.directory()?;
    let trust = context::trust(directory, &context.settings)?;
    let unusual = unusual.unwrap_or_default();
    let now = unusual.now.unwrap_or_else(clock::now);
    let mut session = Session::new(source, trust, context::seen_head(directory)?, now);
    session.allow_unaudited = context.settings.allow_unaudited;
    session.accept_new_keys = unusual.accept_new_keys;
    session.known.clone_from(&directory.head);
    let outcome = question(&mut session, directory);
    let value = match outcome {
        Ok(value) => value,
        Err(trouble) => return Err(refuse(memory, &mut session, trouble)),
    };
    if let (PolicyIs::Demanded, Some(shortfall)) = (policy, &session.shortfall) {
        return Err(advice::explain_policy(shortfall).json("origin", directory.origin.clone()));
    }
    let epoch = session
        .epoch
        .clone()
        .ok_or_else(|| Failure::internal("no-answer", "nothing was asked"))?;
    let vouched = Vouched {
        epoch,
        audited: session.audited,
        shortfall: session.shortfall.clone(),
        changes: session.followed.clone(),
        successor: session
            .trust
            .document()
            .values()
            .successor
            .as_ref()
            .map(|s| s.origin.to_string()),
        moved: Vec::new(),
    };
    // A head that nobody vouches for binds nobody.
    if session.shortfall.is_none() {
        session.remember(memory.directory_mut()?);
    } else if unusual.accept_new_keys {
        crate::configs::remember(memory.directory_mut()?, session.trust.config());
    }
    Ok((value, vouched))
}

/// Keeps the refused answers, writes evidence where there is some, and explains.
fn refuse(memory: &Memory, session: &mut Session<'_>, trouble: Trouble) -> Failure {
    let refusal = match trouble {
        Trouble::Failed(failure) => return failure,
        Trouble::Refused(refusal) => refusal,
    };
    let disowned = match refusal.as_ref() {
        Refusal::Head(HeadError::Inconsistent { .. }) => session.disowned(),
        _ => None,
    };
    let proof = disowned.map(|claim| accuse::now(&session.trust, claim));
    let (mut failure, kept) = if let Some(proof) = proof.filter(|e| e.verify(session.trust.log_key()).is_ok())
    {
        let checked = "the newest head against the one seen before; both carry the log's signature";
        (advice::fork(checked), accuse::write(memory, &proof).map(Some))
    } else if let Some(freeze) = session.freeze.take() {
        (advice::freeze(), write_freeze(memory, session, *freeze))
    } else {
        let failure = advice::explain(&refusal);
        let kept = match (failure.exit, refusal.as_ref()) {
            (Exit::Alarm, _) => write_fork(memory, session),
            (Exit::Invalid, Refusal::Record(_)) => write_bad_record(memory, session),
            (Exit::Invalid, _) => keep_answers(memory, session),
            _ => Ok(None),
        };
        (failure, kept)
    };
    match kept {
        Ok(path) => failure.saved = path,
        Err(second) => {
            failure.failed = format!("{}; and it could not be kept: {}", failure.failed, second.failed)
        }
    }
    failure
}

/// Two heads of one size with the log's signature: evidence for anybody.
fn write_fork(memory: &Memory, session: &Session<'_>) -> Result<Option<PathBuf>, Failure> {
    let directory = memory.directory()?;
    let known = session.newest.as_ref().or(directory.head.as_ref());
    let (Some(old), Some(new)) = (known, &session.contradicting) else {
        return Ok(None);
    };
    let fork = Fork::Checkpoints {
        checkpoints: [old.checkpoint.clone(), new.clone()],
    };
    write_convincing(
        memory,
        &session.trust,
        &accuse::now(&session.trust, Claim::Fork(fork)),
    )
}

fn write_freeze(memory: &Memory, session: &Session<'_>, freeze: Freeze) -> Result<Option<PathBuf>, Failure> {
    let leaf = freeze.epoch.clone();
    match accuse::under(&session.trust, &leaf, Claim::Freeze(freeze)) {
        Some(evidence) => write_convincing(memory, &session.trust, &evidence),
        None => Ok(None),
    }
}

/// A stranger needs the whole history, from the first version on; if that shows nothing, what was answered is kept.
fn write_bad_record(memory: &Memory, session: &mut Session<'_>) -> Result<Option<PathBuf>, Failure> {
    let first = keep_answers(memory, session)?;
    let Some(label) = session.asked.clone().filter(|_| session.source.is_live()) else {
        return Ok(first);
    };
    let refused = resolve::resolve(session, memory.directory()?, &label, resolve::Depth::Whole);
    let shown = match &refused {
        // Of an alias it may be the account that breaks a rule.
        Err(Trouble::Refused(_)) => {
            let labels = session.source.given().iter().filter_map(|a| a.history.as_ref());
            let accounts = labels.filter_map(|h| Label::parse(&h.label).ok());
            [label].into_iter().chain(accounts).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    let found = shown
        .iter()
        .find_map(|label| accuse::bad_record(&session.trust, label, session.source.given()));
    match found {
        Some((evidence, Finding::Proven { .. })) => accuse::write(memory, &evidence).map(Some),
        _ => Ok(first),
    }
}

/// What would not convince a stranger is not called evidence.
fn write_convincing(memory: &Memory, trust: &Trust, evidence: &Evidence) -> Result<Option<PathBuf>, Failure> {
    if evidence.verify(trust.log_key()).is_err() {
        return Ok(None);
    }
    accuse::write(memory, evidence).map(Some)
}

fn keep_answers(memory: &Memory, session: &Session<'_>) -> Result<Option<PathBuf>, Failure> {
    let answers = session.source.given();
    let Some(label) = session
        .asked
        .clone()
        .filter(|_| session.source.is_live() && !answers.is_empty())
    else {
        return Ok(None);
    };
    let Ok(bytes) = (SavedLookup {
        label,
        answers: answers.to_vec(),
    })
    .to_bytes() else {
        return Ok(None);
    };
    keep(memory, "refused", "lookup", "tlog", &bytes).map(Some)
}
