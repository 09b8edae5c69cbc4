//! `checkpoint export` and `compare`: do two people see the same log?

use std::path::Path;

use keyglass_protocol::evidence::{Claim, Evidence, Fork, Freeze};
use keyglass_protocol::log;
use keyglass_protocol::message::{B64, ConsistencyProof, EpochProof};
use keyglass_protocol::note::{MAX_TLOG_PROOF_BYTES, SignedCheckpoint, TlogProof, VerifierKey};
use keyglass_protocol::quantity::{LogHash, LogSize};

use super::checkpoint;
use crate::accuse;
use crate::context::{self, Context, Memory};
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::log_reader::Tiles;
use crate::report::{Failure, Outcome, Report};
use crate::saved::read_capped;
use crate::state::{Directory, RememberedHead, write_new};

/// Writes the head that was verified last, with its last leaf: a tlog-proof file.
pub(super) fn export(context: &Context, file: Option<&Path>) -> Outcome {
    let memory = context.memory()?;
    let head = memory.directory()?.head.as_ref().ok_or_else(nothing_seen)?;
    let bytes = to_file(head)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let headline = format!("the head of size {} that you verified last", head.size);
    let report = Report::new("head-exported", headline)
        .json("log_size", head.size)
        .json("root", head.root.clone())
        .json("export", text.clone());
    let Some(path) = file else {
        return Ok(if context.style.json {
            report
        } else {
            Report::raw(text)
        });
    };
    write_new(path, &bytes).map_err(|e| {
        Failure::usage(
            "save-failed",
            format!("{} cannot be written: {e}", path.display()),
        )
    })?;
    let shown = path.display().to_string();
    Ok(report
        .line("saved", shown.clone())
        .json("saved", shown)
        .note("your friend runs: keyglass checkpoint compare FILE"))
}

fn nothing_seen() -> Failure {
    Failure::missing("nothing-seen", "no head of this log was verified yet").next("keyglass checkpoint show")
}

fn to_file(head: &RememberedHead) -> Result<Vec<u8>, Failure> {
    let damaged = || Failure::internal("state-damaged", "the remembered head cannot be read");
    let hash = |h: &B64| LogHash::try_from(h.0.as_slice()).map_err(|_| damaged());
    let proof = TlogProof {
        extra: Some(head.epoch.leaf.0.clone()),
        index: head.epoch.index,
        hashes: head
            .epoch
            .inclusion_proof
            .iter()
            .map(hash)
            .collect::<Result<_, _>>()?,
        checkpoint: head.checkpoint.clone().into_bytes(),
    };
    Ok(proof.to_bytes())
}

/// A head with what makes it evidence.
struct Head {
    note: String,
    size: LogSize,
    root: LogHash,
    /// Its last leaf, if it is given.
    epoch: Option<EpochProof>,
}

impl Head {
    /// A friend's file: an export, or the note alone.
    fn read(path: &Path, log: &VerifierKey) -> Result<Self, Failure> {
        let bytes = read_capped(path, MAX_TLOG_PROOF_BYTES)?;
        let bad = |reason: &'static str, why: String| {
            Failure::malformed(reason, format!("{} is no exported head: {why}", path.display()))
                .next("keyglass checkpoint export FILE makes one")
        };
        let (note, epoch) = if bytes.starts_with(b"c2sp.org/tlog-proof") {
            let proof = TlogProof::parse(&bytes).map_err(|e| bad(e.reason(), e.to_string()))?;
            let hashes = proof.hashes.iter().map(|h| B64(h.as_bytes().to_vec())).collect();
            let epoch = proof.extra.map(|leaf| EpochProof {
                index: proof.index,
                leaf: B64(leaf),
                inclusion_proof: hashes,
            });
            (proof.checkpoint, epoch)
        } else {
            (bytes, None)
        };
        let note = String::from_utf8(note).map_err(|_| bad("not-utf8", "not UTF-8".into()))?;
        Self::open(note, epoch, log)
    }

    fn open(note: String, epoch: Option<EpochProof>, log: &VerifierKey) -> Result<Self, Failure> {
        let opened = SignedCheckpoint::open(note.as_bytes(), log).map_err(|e| {
            Failure::new(
                Exit::Invalid,
                e.reason(),
                format!("the head does not carry the log's signature: {e}"),
            )
            .checked("the log's signature on the head, by the pinned key")
            .meaning("it is another log's, or it was changed: anybody could have made it")
            .next("compare the log key too: keyglass trust show")
        })?;
        let head = opened.checkpoint();
        let (size, root) = (head.size, head.root);
        Ok(Self {
            note,
            size,
            root,
            epoch,
        })
    }
}

/// Holds a friend's head against what was seen here.
pub(super) fn compare(context: &Context, file: &Path) -> Outcome {
    let memory = context.memory()?;
    let trust = context::trust(memory.directory()?, &context.settings)?;
    let theirs = Head::read(file, trust.log_key())?;
    if let Some(known) = same_size(memory.directory()?, &theirs, trust.log_key())? {
        return judge_same_size(&memory, &trust_of(context, &memory)?, &known, &theirs);
    }
    if context.settings.offline {
        return Err(Failure::missing(
            "other-size",
            format!(
                "no head of size {} is remembered, so nothing can be compared without network",
                theirs.size
            ),
        )
        .next("compare again without --offline"));
    }
    drop(memory);
    online(context, &theirs)
}

fn trust_of(context: &Context, memory: &Memory) -> Result<keyglass_protocol::epoch::Trust, Failure> {
    context::trust(memory.directory()?, &context.settings)
}

/// A remembered head of the same size.
fn same_size(directory: &Directory, theirs: &Head, log: &VerifierKey) -> Result<Option<Head>, Failure> {
    let newest = directory
        .head
        .iter()
        .map(|h| (h.size, &h.checkpoint, Some(&h.epoch)));
    let older = directory
        .older_heads
        .iter()
        .map(|h| (h.size, &h.checkpoint, None));
    let mut all = newest.chain(older);
    let found = all.find(|(size, ..)| *size == theirs.size.get());
    found
        .map(|(_, note, epoch)| Head::open(note.clone(), epoch.cloned(), log))
        .transpose()
}

fn judge_same_size(
    memory: &Memory,
    trust: &keyglass_protocol::epoch::Trust,
    ours: &Head,
    theirs: &Head,
) -> Outcome {
    if ours.root == theirs.root {
        return Ok(same(theirs, "you saw the same head yourself"));
    }
    let fork = Fork::Checkpoints {
        checkpoints: [ours.note.clone(), theirs.note.clone()],
    };
    Err(alarm(
        memory,
        &accuse::now(trust, Claim::Fork(fork)),
        fork_failure(),
    )?)
}

fn same(theirs: &Head, how: &str) -> Report {
    let headline = format!(
        "VERIFIED: you and your friend see the same log (their head has size {})",
        theirs.size
    );
    Report::new("same-log", headline)
        .line("how", how)
        .json("log_size", theirs.size.get())
        .json("root", theirs.root.to_string())
        .checked(&[
            "the log's signature on both heads",
            "that one log continues the other",
        ])
}

fn fork_failure() -> Failure {
    crate::advice::fork("your friend's head against yours; both carry the log's signature")
}

/// Writes the evidence; what would not convince a stranger is not called an alarm.
fn alarm(memory: &Memory, evidence: &Evidence, mut failure: Failure) -> Result<Failure, Failure> {
    failure.saved = Some(accuse::write(memory, evidence)?);
    Ok(failure)
}

/// Fetches the newest head, and a proof that one of the two logs continues the other.
fn online(context: &Context, theirs: &Head) -> Outcome {
    let mut desk = Desk::open(context)?;
    let http = context.http(desk.memory.directory()?)?;
    let (note, vouched) = desk.ask(PolicyIs::Reported, |session, _| {
        checkpoint::newest(session, &http)
    })?;
    desk.memory.save()?;
    let trust = desk.trust()?;
    let head = vouched.epoch.head();
    let ours = Head {
        note,
        size: head.size,
        root: head.root,
        epoch: desk
            .memory
            .directory()?
            .head
            .as_ref()
            .filter(|h| h.size == head.size.get())
            .map(|h| h.epoch.clone()),
    };
    if ours.size == theirs.size {
        return judge_same_size(&desk.memory, &trust, &ours, theirs);
    }
    if ours.size < theirs.size {
        return behind(&desk.memory, &trust, &ours, theirs);
    }
    let tiles = Tiles::new(&http, ours.size);
    let report = match consistent(&tiles, theirs, &ours) {
        Ok(()) => same(theirs, "the newest head continues theirs"),
        Err(failure) if failure.exit != Exit::Invalid => return Err(failure),
        Err(failure) => return Err(contradiction(&desk, &tiles, (&ours, theirs), failure)?),
    };
    Ok(vouched.describe(desk.memory.directory()?, report))
}

/// The directory shows less than the friend saw.
fn behind(memory: &Memory, trust: &keyglass_protocol::epoch::Trust, ours: &Head, theirs: &Head) -> Outcome {
    let freeze = theirs.epoch.clone().and_then(|epoch| {
        let freeze = Freeze {
            smaller: ours.note.clone(),
            larger: theirs.note.clone(),
            epoch: epoch.clone(),
        };
        accuse::under(trust, &epoch, Claim::Freeze(freeze))
    });
    if let Some(evidence) = freeze.filter(|e| e.verify(trust.log_key()).is_ok()) {
        return Err(alarm(memory, &evidence, crate::advice::freeze())?);
    }
    let (seen, found) = (theirs.size, ours.size);
    let failed =
        format!("your friend saw a head of size {seen}, the directory shows you one of size {found}");
    Err(Failure::new(Exit::Policy, "stale-head", failed)
        .checked("your friend's head against the newest one that the directory shows you")
        .meaning("this replica lags behind, or somebody shows you an old state")
        .next(
            "try again in a minute, or another address with --directory URL; if it lasts, ask your auditors",
        ))
}

fn consistent(tiles: &Tiles<'_>, older: &Head, newer: &Head) -> Result<(), Failure> {
    let ConsistencyProof { hashes, .. } = tiles.consistency(older.size)?;
    let hashes: Vec<LogHash> = hashes
        .iter()
        .filter_map(|h| LogHash::try_from(h.0.as_slice()).ok())
        .collect();
    log::verify_consistency(older.size, &older.root, newer.size, &newer.root, &hashes).map_err(|e| {
        Failure::new(
            Exit::Invalid,
            "inconsistent",
            format!("the directory cannot show that its log continues your friend's: {e}"),
        )
        .checked("a consistency proof from your friend's head to yours")
        .meaning("the log was forked, or a tile was changed on its way")
        .next("let your friend compare your head too: keyglass checkpoint export; try another network")
    })
}

/// Two signed heads, the larger of which had another root at the smaller one's size, convince anybody.
fn contradiction(
    desk: &Desk<'_>,
    tiles: &Tiles<'_>,
    (ours, theirs): (&Head, &Head),
    inconsistent: Failure,
) -> Result<Failure, Failure> {
    let (root, consistency) = (tiles.root(theirs.size)?, tiles.consistency(theirs.size)?);
    let trust = desk.trust()?;
    let evidence = accuse::now(
        &trust,
        accuse::disowned(&theirs.note, &ours.note, root, consistency),
    );
    if evidence.verify(trust.log_key()).is_err() {
        return Ok(inconsistent);
    }
    alarm(&desk.memory, &evidence, fork_failure())
}
