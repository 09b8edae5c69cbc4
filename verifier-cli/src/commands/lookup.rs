//! `lookup` and `verify`: is this key true?

use std::path::Path;

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Millis, Seconds};
use keyglass_protocol::record::AccountState;

use super::{batch, words};
use crate::args;
use crate::clock;
use crate::contacts;
use crate::context::{self, Context, Memory};
use crate::desk::{self, Desk, PolicyIs, Unusual, Vouched};
use crate::exit::Exit;
use crate::label;
use crate::moved;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::{self, Change, Depth, Known};
use crate::saved::SavedLookup;
use crate::source::Saved;
use crate::state::{Worry, write_new};

/// `keyglass lookup`.
pub(super) fn run(context: &Context, args: &args::Lookup) -> Outcome {
    if let Some(file) = &args.batch {
        return batch::run(context, file);
    }
    let label = label::parse(args.label.as_deref().unwrap_or_default())?;
    let mut desk = Desk::open(context)?;
    lookup(&mut desk, &label, args.save.as_deref())
}

/// Looks one label up.
pub(super) fn lookup(desk: &mut Desk<'_>, label: &Label, save: Option<&Path>) -> Outcome {
    let depth = if save.is_some() {
        Depth::Whole
    } else {
        Depth::FromPin
    };
    let (known, vouched) = desk.know(PolicyIs::Demanded, label, depth)?;
    let mut report = conclude(desk, label, &known, &vouched)?;
    if let Some(path) = save {
        let bytes = SavedLookup {
            label: label.clone(),
            answers: desk.given().to_vec(),
        }
        .to_bytes()?;
        write_new(path, &bytes).map_err(|e| {
            Failure::usage(
                "save-failed",
                format!("{} cannot be written: {e}", path.display()),
            )
        })?;
        let shown = path.display().to_string();
        report = report.line("saved", shown.clone()).json("saved", shown);
    }
    Ok(report)
}

/// Remembers what is known, and says it, unless it is no answer to rely on.
pub(super) fn conclude(desk: &mut Desk<'_>, label: &Label, known: &Known, vouched: &Vouched) -> Outcome {
    let (first, changes) = pin(&mut desk.memory, label, known, vouched)?;
    desk.memory.save()?;
    if let Some(account) = known.account() {
        desk.demand_own_key(label, account.newest())?;
    }
    demand_no_concern(desk, label)?;
    let mut report = describe(label, known);
    let contact = contacts::find(desk.memory.directory()?, "", label.as_str());
    report = words::contact(report, contact);
    if known.account().is_some() {
        report = words::changes(report, &changes, first);
    }
    Ok(vouched.describe(desk.memory.directory()?, report))
}

/// Somebody whose safety number was compared, and who has another key now or did not match then, is no answer to rely on.
fn demand_no_concern(desk: &Desk<'_>, label: &Label) -> Result<(), Failure> {
    let found = contacts::find(desk.memory.directory()?, "", label.as_str());
    let Some((name, concern)) = found.and_then(|(n, c)| c.concern.as_ref().map(|concern| (n, concern)))
    else {
        return Ok(());
    };
    if !concern.was_verified && concern.what != Worry::Mismatch {
        return Ok(());
    }
    let mut failure = contacts::refuse(name, concern);
    if failure.exit == Exit::Alarm {
        failure.saved = desk.keep_shown(label, failure.reason)?;
    }
    Err(failure)
}

/// Remembers what is known; says whether it is the first time, and what changed.
pub(super) fn pin(
    memory: &mut Memory,
    label: &Label,
    known: &Known,
    vouched: &Vouched,
) -> Result<(bool, Vec<Change>), Failure> {
    let directory = memory.directory_mut()?;
    let first = !directory.pins.contains_key(label.as_str());
    let changes = resolve::pin(directory, known, clock::now().get(), vouched.audited);
    Ok((first, changes))
}

/// The verdict on a label: a key, or why there is none to trust.
pub(super) fn describe(label: &Label, known: &Known) -> Report {
    let shown = label::show(label);
    let none = |reason, why: &str| Report::new(reason, format!("NO KEY: {why}")).exit(Exit::Unverifiable);
    let report = match (known, known.account()) {
        (Known::Released(_), _) => none("released", &format!("{shown} was released; nobody holds it")),
        (_, Some(account)) => match account.chain().state() {
            AccountState::Live => {
                let identity = account.newest().identity;
                let headline = format!("VERIFIED: {shown} has the identity key {identity}");
                words::account(Report::new("authorised", headline), account)
            }
            AccountState::Closed => none("closed", &format!("the account of {shown} is closed")),
            AccountState::Erased => none("erased", &format!("the account of {shown} is closed and erased")),
        },
        (_, None) => none("proven-absent", &format!("{shown} does not exist (proven)"))
            .note("send nothing unencrypted because of this: check the spelling, or ask the person"),
    };
    let report = match known.alias() {
        Some(alias) => {
            let newest = alias.newest();
            report
                .line(
                    "alias",
                    format!("{shown}, version {} ({})", newest.version, newest.kind.as_str()),
                )
                .json("alias_version", newest.version.get())
                .json("alias_kind", newest.kind.as_str())
        }
        None => report,
    };
    let report = match known {
        Known::Absent => report.checked(&["that no version of the label is in the tree: VRF proof and path"]),
        _ => report.checked(&[
            "that the record is the newest in the tree: VRF proofs, paths, commitment, markers",
            "that every version, from the one remembered or the first, is in the tree",
            "that every version was signed by whom the rules demand",
        ]),
    };
    report.json("label", label.as_str())
}

/// `keyglass verify FILE`: the same checks on a saved lookup, without network.
pub(super) fn verify(context: &Context, args: &args::VerifyFile) -> Outcome {
    let saved = SavedLookup::read(&args.file)?;
    let mut memory = context.memory()?;
    let now = match args.at {
        Some(seconds) => Some(Seconds::new(seconds).millis()),
        None if args.as_of_then => Some(newest_time(&saved, &memory)?),
        None => None,
    };
    let label = saved.label;
    let mut source = Saved::new(saved.answers);
    let unusual = Some(Unusual {
        now,
        accept_new_keys: false,
    });
    let question = |s: &mut crate::session::Session<'_>, d: &_| resolve::resolve(s, d, &label, Depth::Whole);
    let (known, mut vouched) = desk::ask(
        context,
        &mut memory,
        &mut source,
        PolicyIs::Demanded,
        unusual,
        question,
    )?;
    let trust = context::trust(memory.directory()?, &context.settings)?;
    vouched.moved = moved::unchecked(memory.directory()?, trust.document(), &known);
    // A file is not the directory: it may be older than what is known, so nothing is remembered from it.
    let mut report = describe(&label, &known).json("as_of_ms", now.map(Millis::get));
    if let Some(then) = now {
        report = report.note(format!(
            "judged as of {}; it may have changed since",
            clock::utc(then)
        ));
    }
    let directory = memory.directory()?;
    if directory
        .head
        .as_ref()
        .is_some_and(|h| h.size != vouched.epoch.size().get())
    {
        report = report.note("offline, this head cannot be held against the one that you saw last");
    }
    Ok(vouched.describe(directory, report))
}

/// The newest time that a known key signed in the file's answers.
fn newest_time(saved: &SavedLookup, memory: &Memory) -> Result<Millis, Failure> {
    use keyglass_protocol::note::{SignedCheckpoint, VerifierKey};
    let directory = memory.directory()?;
    let bad =
        |reason, why: String| Failure::new(Exit::Invalid, reason, format!("the saved checkpoint: {why}"));
    let log: VerifierKey = directory
        .log_vkey
        .parse()
        .map_err(|_| bad("state-damaged", "no log key".into()))?;
    let mut newest = Millis::default();
    for answer in &saved.answers {
        let checkpoint = SignedCheckpoint::open(answer.checkpoint.as_bytes(), &log)
            .map_err(|e| bad(e.reason(), e.to_string()))?;
        let policy = directory
            .policy
            .as_deref()
            .and_then(|p| p.parse::<keyglass_protocol::note::Policy>().ok());
        for (key, _) in policy.iter().flat_map(|p| p.witnesses()) {
            let time = checkpoint
                .cosignature(key)
                .map_err(|e| bad(e.reason(), e.to_string()))?;
            newest = newest.max(time.unwrap_or_default().millis());
        }
        if policy.is_none()
            && let Ok(leaf) = keyglass_protocol::epoch::Leaf::decode(&answer.epoch.leaf.0)
        {
            newest = newest.max(leaf.time);
        }
    }
    Ok(newest)
}
