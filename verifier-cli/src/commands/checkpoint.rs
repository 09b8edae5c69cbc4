//! `checkpoint show`: the newest signed head, verified and held against the remembered one.

use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogSize, Millis};

use super::gossip;
use crate::args;
use crate::clock;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::http::Http;
use crate::log_reader::Tiles;
use crate::report::{Failure, Outcome, Report};
use crate::session::{Session, Trouble};

/// `keyglass checkpoint …`.
pub(super) fn run(context: &Context, args: &args::Checkpoint) -> Outcome {
    match args {
        args::Checkpoint::Show => show(context),
        args::Checkpoint::Export { file } => gossip::export(context, file.as_deref()),
        args::Checkpoint::Compare { file } => gossip::compare(context, file),
    }
}

fn show(context: &Context) -> Outcome {
    let mut desk = Desk::open(context)?;
    let before = desk.memory.directory()?.head.as_ref().map(|h| (h.size, h.seen));
    let http = context.http(desk.memory.directory()?)?;
    let (note, vouched) = desk.ask(PolicyIs::Demanded, |session, _| newest(session, &http))?;
    desk.memory.save()?;
    let root = vouched.epoch.head().root;
    let size = vouched.epoch.size();
    let compared = match before {
        None => "first head that you see of this log".to_owned(),
        Some((old, seen)) => {
            let ago = clock::now().since(Millis::new(seen));
            format!(
                "continues the head of size {old} that you saw {} ago",
                clock::roughly(ago)
            )
        }
    };
    let report = Report::new(
        "head-verified",
        format!("VERIFIED: head of size {size}, root {root}"),
    )
    .line("memory", compared)
    .json("root", root.to_string())
    .json("checkpoint", note.clone());
    let mut report = vouched.describe(desk.memory.directory()?, report);
    report.body = format!("\n{note}");
    Ok(report)
}

/// Fetches the newest head with its last leaf, made from the log's tiles, and accepts it.
pub(super) fn newest(session: &mut Session<'_>, http: &Http) -> Result<String, Trouble> {
    let note = fetch(http)?;
    let size = size_of(&note, session.trust.log_key())?;
    let index = size
        .last_epoch()
        .ok_or_else(|| malformed("empty-log", "the log is empty"))?;
    let proof = Tiles::new(http, size).epoch_proof(index.get())?;
    session.accept_parts(&note, &proof, None)?;
    Ok(note)
}

/// The newest head's note. Not verified.
pub(super) fn fetch(http: &Http) -> Result<String, Failure> {
    let received = http.get("/log/checkpoint")?;
    if received.status != 200 {
        return Err(http.unexpected(&received));
    }
    String::from_utf8(received.body).map_err(|_| malformed("not-utf8", "the checkpoint is not UTF-8"))
}

/// Size of a head that carries the log's signature.
pub(super) fn size_of(note: &str, log: &keyglass_protocol::note::VerifierKey) -> Result<LogSize, Failure> {
    let checkpoint = SignedCheckpoint::open(note.as_bytes(), log).map_err(|e| {
        Failure::new(Exit::Invalid, e.reason(), format!("the checkpoint: {e}"))
            .checked("the log's signature on its head")
            .meaning("this is another directory than the pinned one, or the answer was changed on its way")
            .next("keyglass trust show, and compare the log key with the operator's announcement")
    })?;
    Ok(checkpoint.checkpoint().size)
}

fn malformed(reason: &'static str, why: &str) -> Failure {
    Failure::malformed(reason, why)
}
