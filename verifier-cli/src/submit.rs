//! Submitting an update: sign, keep, send, check the promise, wait until it is verified in the log.
//!
//! The signed record is kept before it is sent, so that a crash or a lost answer leaves an update that the next
//! command sends again, byte for byte, and finishes.

use std::time::Duration;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{self, B64, PutAnswer, PutRequest, ReceiptAnswer, ReceiptState};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{KeyVersion, Millis};
use keyglass_protocol::receipt::Receipt;
use reqwest::Method;

use crate::clock;
use crate::context;
use crate::desk::{Desk, PolicyIs, Vouched};
use crate::exit::Exit;
use crate::http::{Received, problem_detail};
use crate::label;
use crate::own;
use crate::promise;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::{self, Depth, Known};
use crate::state::{KeptReceipt, OwnAccount, Pending};

/// How long beyond the deadline an update is waited for.
const PATIENCE_MS: u64 = 15_000;

/// An update that is ready to be sent.
pub(crate) struct Update {
    /// The label.
    pub(crate) label: Label,
    /// The signed record.
    pub(crate) record: Vec<u8>,
    /// Its version.
    pub(crate) version: KeyVersion,
    /// The own account as it will be, by its id; none for an alias.
    pub(crate) becomes: Option<(String, OwnAccount)>,
}

/// What became of an update.
pub(crate) enum Sent {
    /// Promised, not awaited.
    Promised(Receipt),
    /// Verified in the log.
    Included(Receipt, Box<Vouched>),
}

/// Looks a label up for a command that writes: the policy is reported only.
pub(crate) fn current(desk: &mut Desk<'_>, label: &Label) -> Result<(Known, Vouched), Failure> {
    desk.ask(PolicyIs::Reported, |s, d| {
        resolve::resolve(s, d, label, Depth::FromPin)
    })
}

/// Sends an update and waits for it, unless it should not.
pub(crate) fn send(desk: &mut Desk<'_>, update: Update, wait: bool) -> Result<Sent, Failure> {
    let pending = Pending {
        record: B64(update.record),
        version: update.version.get(),
        becomes: update.becomes,
        made: clock::now().get(),
    };
    let directory = desk.memory.directory_mut()?;
    directory
        .pending
        .insert(update.label.as_str().to_owned(), pending.clone());
    // What this device signed is told apart from what others did, whatever becomes of this command.
    directory.made.extend(own::mark(&pending.record.0));
    desk.memory.save()?;
    deliver(desk, &update.label, &pending, wait)
}

/// Finishes what an earlier command began: sends the kept record again, or takes note that it is in the log.
///
/// Returns whether there was something to finish.
pub(crate) fn settle(desk: &mut Desk<'_>, label: &Label) -> Result<bool, Failure> {
    let Some(pending) = desk.memory.directory()?.pending.get(label.as_str()).cloned() else {
        return Ok(false);
    };
    desk.context
        .style
        .progress("finishing an update that was begun before…");
    let (known, vouched) = current(desk, label)?;
    match place(&known, &pending) {
        Place::InLog => finish(desk, label, &pending, &known, &vouched)?,
        Place::Open => {
            deliver(desk, label, &pending, true)?;
        }
        Place::Overtaken => forget(desk, label)?,
    }
    Ok(true)
}

/// Where a record stands with respect to the log.
enum Place {
    InLog,
    Open,
    Overtaken,
}

fn place(known: &Known, pending: &Pending) -> Place {
    let ours = pending.record.0.as_slice();
    let newest = match known {
        Known::Absent => 0,
        Known::Account(account) => {
            if account.chain().records().iter().any(|(_, r)| r.bytes() == ours) {
                return Place::InLog;
            }
            account.newest().version.get()
        }
        Known::Alias(alias, _) | Known::Released(alias) => {
            if alias.chain().records().iter().any(|(_, r)| r.bytes() == ours) {
                return Place::InLog;
            }
            alias.newest().version.get()
        }
    };
    if newest < pending.version {
        Place::Open
    } else {
        Place::Overtaken
    }
}

fn deliver(desk: &mut Desk<'_>, label: &Label, pending: &Pending, wait: bool) -> Result<Sent, Failure> {
    let answer = match put(desk, label, pending) {
        Err((failure, Kept::Withdrawn)) => {
            forget(desk, label)?;
            return Err(failure);
        }
        Err((failure, Kept::Pending)) => return Err(failure),
        Ok(answer) => answer,
    };
    let kept = KeptReceipt {
        id: answer.id,
        label: answer.label,
        version: answer.version,
        receipt: answer.receipt,
        vrf_proof: answer.vrf_proof,
        nonce: answer.nonce,
        record: pending.record.clone(),
        kept_in: None,
    };
    let receipt = check_promise(desk, label, pending, &kept)?;
    let receipts = &mut desk.memory.directory_mut()?.receipts;
    if !receipts.iter().any(|r| r.id == kept.id) {
        receipts.push(kept.clone());
    }
    desk.memory.save()?;
    if !wait {
        return Ok(Sent::Promised(receipt));
    }
    let vouched = wait_for(desk, label, pending, &kept.id, &receipt)?;
    Ok(Sent::Included(receipt, Box::new(vouched)))
}

/// Whether a refused update may still enter the log.
enum Kept {
    Pending,
    Withdrawn,
}

fn put(desk: &Desk<'_>, label: &Label, pending: &Pending) -> Result<PutAnswer, (Failure, Kept)> {
    let still = |failure| (failure, Kept::Pending);
    let request = PutRequest {
        record: pending.record.clone(),
    };
    let body = serde_json::to_vec(&request).map_err(|e| {
        still(Failure::internal(
            "request-encoding",
            format!("the request cannot be written: {e}"),
        ))
    })?;
    let received = desk
        .http
        .send_json(Method::PUT, &label::path(label), body)
        .map_err(still)?;
    if received.status == 202 {
        return message::from_json(&received.body).map_err(|e| {
            still(Failure::new(
                Exit::Invalid,
                e.reason(),
                format!("the receipt cannot be read: {e}"),
            ))
        });
    }
    Err(refused(desk, label, &received))
}

/// What a refused update means.
fn refused(desk: &Desk<'_>, label: &Label, received: &Received) -> (Failure, Kept) {
    let shown = label::show(label);
    let detail = problem_detail(&received.body);
    let Some(problem) = received.problem else {
        return (desk.http.unexpected(received), Kept::Pending);
    };
    let refuse = |exit, meaning: &str, next: &str| {
        Failure::new(
            exit,
            problem.code(),
            format!("the directory does not accept the change of {shown}{detail}"),
        )
        .meaning(meaning)
        .next(next)
    };
    match problem {
        Problem::Unauthorized | Problem::Forbidden => {
            let next = "give the token of this account's session with --token-file FILE";
            (
                refuse(
                    Exit::Unverifiable,
                    "the platform does not know that this session is yours",
                    next,
                ),
                Kept::Withdrawn,
            )
        }
        Problem::StaleVersion | Problem::UpdatePending => (
            refuse(
                Exit::Invalid,
                "another change came first, perhaps from another device of yours",
                "try again in a minute",
            ),
            Kept::Withdrawn,
        ),
        Problem::RuleBroken
        | Problem::HandleRefused
        | Problem::VersionLimit
        | Problem::AccountAbsent
        | Problem::KindNotAccepted
        | Problem::MalformedRecord
        | Problem::MalformedLabel
        | Problem::BadKey
        | Problem::BadSignature => (
            refuse(
                Exit::Invalid,
                "the change breaks a rule of the directory",
                "nothing was changed",
            ),
            Kept::Withdrawn,
        ),
        _ => (desk.http.unexpected(received), Kept::Pending),
    }
}

/// The configuration may have changed since the label was looked up: then it is followed once.
fn check_promise(
    desk: &mut Desk<'_>,
    label: &Label,
    pending: &Pending,
    kept: &KeptReceipt,
) -> Result<Receipt, Failure> {
    let version =
        KeyVersion::new(pending.version).map_err(|e| Failure::internal(e.reason(), e.to_string()))?;
    for attempt in 0..2 {
        let trust = context::trust(desk.memory.directory()?, &desk.context.settings)?;
        let made = Millis::new(pending.made);
        let checked = promise::check(&trust, label, version, kept, clock::now());
        match checked.and_then(|r| promise::check_new(&trust, &r, made).map(|()| r)) {
            Err(failure) if failure.reason == promise::OTHER_CONFIGURATION && attempt == 0 => {
                current(desk, label)?;
            }
            outcome => return outcome,
        }
    }
    Err(Failure::internal("receipt", "the receipt could not be checked"))
}

/// Polls until the update is in the log, then verifies that it is.
fn wait_for(
    desk: &mut Desk<'_>,
    label: &Label,
    pending: &Pending,
    id: &str,
    receipt: &Receipt,
) -> Result<Vouched, Failure> {
    let start = clock::now();
    let until = receipt
        .deadline
        .get()
        .max(start.get())
        .saturating_add(PATIENCE_MS);
    let mut pause = Duration::from_millis(100);
    desk.context
        .style
        .progress("promised; waiting until it is in the log…");
    loop {
        if is_included(desk, id)? {
            let (known, vouched) = current(desk, label)?;
            if matches!(place(&known, pending), Place::InLog) {
                finish(desk, label, pending, &known, &vouched)?;
                return Ok(vouched);
            }
        }
        if clock::now().get() > until {
            return Err(late(label));
        }
        std::thread::sleep(pause);
        pause = pause.mul_f32(1.5).min(Duration::from_secs(2));
    }
}

fn is_included(desk: &Desk<'_>, id: &str) -> Result<bool, Failure> {
    let received = desk
        .http
        .get(&format!("/v1/receipts/{}", crate::http::segment(id)))?;
    if received.status != 200 {
        return Err(desk.http.unexpected(&received));
    }
    let answer: ReceiptAnswer = message::from_json(&received.body).map_err(|e| {
        Failure::malformed(
            e.reason(),
            format!("the state of the receipt cannot be read: {e}"),
        )
    })?;
    Ok(answer.status == ReceiptState::Included)
}

fn late(label: &Label) -> Failure {
    Failure::new(
        Exit::Policy,
        "not-included-yet",
        format!("the change of {} is not in the log yet", label::show(label)),
    )
    .checked("the log until after the deadline that the receipt names")
    .meaning("the cosigners are late, or the directory does not keep its promise")
    .next("keyglass receipt check, in a few minutes; the change is kept and sent again by the next command")
}

/// Takes note that the update is in the log.
fn finish(
    desk: &mut Desk<'_>,
    label: &Label,
    pending: &Pending,
    known: &Known,
    vouched: &Vouched,
) -> Result<(), Failure> {
    let ours = pending.record.0.as_slice();
    let directory = desk.memory.directory_mut()?;
    let epoch = match known {
        Known::Account(account) => account
            .chain()
            .records()
            .iter()
            .find(|(_, r)| r.bytes() == ours)
            .map(|(e, _)| *e),
        other => other.alias().and_then(|a| {
            a.chain()
                .records()
                .iter()
                .find(|(_, r)| r.bytes() == ours)
                .map(|(e, _)| *e)
        }),
    };
    for kept in directory
        .receipts
        .iter_mut()
        .filter(|r| r.record == pending.record)
    {
        kept.kept_in = epoch.map(|e| e.get());
    }
    if let Some((id, mut account)) = pending.becomes.clone() {
        account.published = Some(pending.version);
        directory.accounts.insert(id, account);
    }
    directory.pending.remove(label.as_str());
    if vouched.shortfall.is_none() {
        resolve::pin(directory, known, clock::now().get(), vouched.audited);
    }
    desk.memory.save()
}

fn forget(desk: &mut Desk<'_>, label: &Label) -> Result<(), Failure> {
    desk.memory.directory_mut()?.pending.remove(label.as_str());
    desk.memory.save()
}

/// What a writing command says in the end.
pub(crate) fn report(
    desk: &Desk<'_>,
    label: &Label,
    what: &str,
    version: KeyVersion,
    sent: &Sent,
) -> Outcome {
    let shown = label::show(label);
    let directory = desk.memory.directory()?;
    let base = |report: Report, receipt: &Receipt| {
        report
            .json("label", label.as_str())
            .json("version", version.get())
            .json("receipt", receipt.id().to_string())
            .json("deadline_ms", receipt.deadline.get())
    };
    Ok(match sent {
        Sent::Promised(receipt) => {
            let headline = format!("PROMISED: {shown} {what}, version {version}; not in the log yet");
            base(Report::new("promised", headline), receipt)
                .line("deadline", clock::utc(receipt.deadline))
                .line("receipt", receipt.id().to_string())
                .note("keyglass receipt check tells whether the promise is kept")
        }
        Sent::Included(receipt, vouched) => {
            let headline = format!("VERIFIED IN THE LOG: {shown} {what}, version {version}");
            let report = base(Report::new("included", headline), receipt);
            vouched
                .describe(directory, report)
                .line("receipt", receipt.id().to_string())
        }
    })
}
