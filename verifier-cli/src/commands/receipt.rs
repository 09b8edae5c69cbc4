//! `receipt check`: does the directory keep its promises?

use std::path::{Path, PathBuf};

use keyglass_protocol::epoch::{Leaf, VerifiedEpoch};
use keyglass_protocol::evidence::{BrokenReceipt, Claim, EpochWithProof, Evidence, SCHEMA};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{self, B64, EpochProof, PutAnswer, ReceiptAnswer};
use keyglass_protocol::quantity::{KeyVersion, Millis};
use keyglass_protocol::receipt::Receipt;
use keyglass_protocol::tree;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::checkpoint;
use super::monitor::Finding;
use crate::args;
use crate::clock;
use crate::context::{self, Context};
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::http::{Http, segment};
use crate::log_reader::Tiles;
use crate::promise;
use crate::report::{Failure, Outcome, Report};
use crate::saved::read_capped;
use crate::state::{KeptReceipt, write_new};

/// Largest receipt file in bytes.
const MAX_RECEIPT_FILE: usize = 64 * 1024;
/// Most epochs that are searched for one receipt.
const MAX_EPOCHS: u64 = 10_000;

/// `keyglass receipt …`.
pub(super) fn run(context: &Context, args: &args::Receipt) -> Outcome {
    match args {
        args::Receipt::Check { file } => check(context, file.as_deref()),
    }
}

/// How a promise stands.
enum State {
    Kept(u64),
    /// The deadline has not passed, or no later epoch shows anything yet.
    Open,
    Broken(PathBuf),
}

fn check(context: &Context, file: Option<&Path>) -> Outcome {
    let mut desk = Desk::open(context)?;
    let receipts = match file {
        Some(path) => vec![read(path, &desk)?],
        None => desk.memory.directory()?.receipts.clone(),
    };
    if receipts.is_empty() {
        return Ok(Report::new("no-receipts", "no receipts are kept").json("receipts", Vec::<Value>::new()));
    }
    let (rows, vouched) = judge_all(&mut desk, &receipts)?;
    summary(&desk, rows, &vouched)
}

/// For `monitor`: the promises that are not known to be kept yet.
pub(super) fn open_promises(desk: &mut Desk<'_>) -> Result<Vec<Finding>, Failure> {
    let receipts = &desk.memory.directory()?.receipts;
    let open: Vec<KeptReceipt> = receipts.iter().filter(|r| r.kept_in.is_none()).cloned().collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let (rows, _) = judge_all(desk, &open)?;
    let finding = |(row, receipt, state): &(&KeptReceipt, Receipt, State)| {
        let subject = format!("promise for {} version {}", row.label, row.version);
        match state {
            State::Kept(epoch) => Finding::good(&subject, format!("kept in epoch {epoch}")),
            State::Open => Finding::good(&subject, format!("open until {}", clock::utc(receipt.deadline))),
            State::Broken(path) => {
                let next = "show the evidence to the auditors; your contacts still see your old keys";
                let mut finding = Finding::alarm(
                    &subject,
                    "broken-receipt",
                    "the directory broke its promise",
                    next,
                );
                finding.saved = Some(path.display().to_string());
                finding
            }
        }
    };
    Ok(rows.iter().map(finding).collect())
}

type Row<'r> = (&'r KeptReceipt, Receipt, State);

fn judge_all<'r>(
    desk: &mut Desk<'_>,
    receipts: &'r [KeptReceipt],
) -> Result<(Vec<Row<'r>>, crate::desk::Vouched), Failure> {
    let http = desk.context.http(desk.memory.directory()?)?;
    let (note, vouched) = desk.ask(PolicyIs::Reported, |session, _| {
        checkpoint::newest(session, &http)
    })?;
    let log = Log {
        http: &http,
        epoch: &vouched.epoch,
        tiles: Tiles::new(&http, vouched.epoch.size()),
        note,
    };
    let mut rows = Vec::new();
    for kept in receipts {
        let (receipt, state) = judge(desk, &log, kept)?;
        if let State::Kept(epoch) = state {
            let own = &mut desk.memory.directory_mut()?.receipts;
            own.iter_mut()
                .filter(|r| r.id == kept.id)
                .for_each(|r| r.kept_in = Some(epoch));
        }
        rows.push((kept, receipt, state));
    }
    desk.memory.save()?;
    Ok((rows, vouched))
}

fn judge(desk: &Desk<'_>, log: &Log<'_>, kept: &KeptReceipt) -> Result<(Receipt, State), Failure> {
    let trust = context::trust(desk.memory.directory()?, &desk.context.settings)?;
    let label = Label::parse(&kept.label).map_err(|e| Failure::malformed(e.reason(), e.to_string()))?;
    let version = KeyVersion::new(kept.version).map_err(|e| Failure::malformed(e.reason(), e.to_string()))?;
    let receipt = promise::check(&trust, &label, version, kept, clock::now())?;
    if let Some(epoch) = log.stated_epoch(&kept.id)?
        && log.contains(epoch, &receipt)?
    {
        return Ok((receipt, State::Kept(epoch)));
    }
    let Some((before, range)) = log.promised_range(&receipt)? else {
        return Ok((receipt, State::Open));
    };
    let mut epochs = Vec::new();
    for index in range {
        let (proof, leaf, audit_proof) = log.audit_proof(index)?;
        if tree::audit_contains(&audit_proof, &receipt.leaf_label, &receipt.commitment)
            .map_err(|e| bad_audit(e.reason(), &e))?
        {
            return Ok((receipt, State::Kept(leaf.epoch.get())));
        }
        epochs.push(EpochWithProof {
            epoch: proof,
            audit_proof: B64(audit_proof),
        });
    }
    let claim = BrokenReceipt {
        receipt: kept.receipt.clone(),
        checkpoint: log.note.clone(),
        before,
        epochs,
    };
    let config = trust
        .config()
        .documents()
        .iter()
        .find(|(_, d)| d.hash() == receipt.config);
    let config = config.map_or(trust.document(), |(_, d)| d);
    let evidence = Evidence {
        schema: SCHEMA,
        claim: Claim::BrokenReceipt(claim),
        config: B64(config.bytes().to_vec()),
    };
    // Only what convinces a stranger is an accusation.
    if evidence.verify(trust.log_key()).is_err() {
        return Ok((receipt, State::Open));
    }
    let bytes = evidence
        .to_bytes()
        .map_err(|e| Failure::internal(e.reason(), e.to_string()))?;
    let path = desk
        .memory
        .home
        .directory("evidence")?
        .join(format!("broken-receipt-{}.json", kept.id));
    if !path.exists() {
        write_new(&path, &bytes)
            .map_err(|e| Failure::internal("state-io", format!("{}: {e}", path.display())))?;
    }
    Ok((receipt, State::Broken(path)))
}

fn summary(desk: &Desk<'_>, rows: Vec<Row<'_>>, vouched: &crate::desk::Vouched) -> Outcome {
    let mut body = String::new();
    let mut list = Vec::new();
    let (mut kept, mut open, mut broken) = (0_u64, 0_u64, None);
    for (row, receipt, state) in &rows {
        let (word, epoch, evidence) = match state {
            State::Kept(epoch) => {
                kept += 1;
                ("kept", Some(*epoch), None)
            }
            State::Open => {
                open += 1;
                ("open", None, None)
            }
            State::Broken(path) => {
                broken = Some(path.clone());
                ("BROKEN", None, Some(path.display().to_string()))
            }
        };
        let when = clock::utc(receipt.deadline);
        body.push_str(&format!(
            "  {word:<7} {} version {}, promised by {when}\n",
            row.label, row.version
        ));
        list.push(json!({
            "id": row.id, "label": row.label, "version": row.version, "state": word.to_lowercase(),
            "epoch": epoch, "deadline_ms": receipt.deadline.get(), "evidence": evidence,
        }));
    }
    if let Some(path) = broken {
        let mut failure = Failure::new(Exit::Alarm, "broken-receipt", "the directory broke its promise")
            .checked("the audit proofs of every epoch from the acceptance to the deadline")
            .meaning(
                "the operator withholds your change; the file proves it to anybody who has the log's key",
            )
            .next("show the evidence to the auditors; your contacts still see your old keys")
            .json("receipts", list);
        failure.saved = Some(path);
        return Err(failure);
    }
    let headline = match open {
        0 => format!("VERIFIED: {kept} of {kept} promises kept"),
        n => format!("{kept} promises kept, {n} still open"),
    };
    let (exit, reason) = if open == 0 {
        (Exit::Verified, "receipts-kept")
    } else {
        (Exit::Unverifiable, "receipts-open")
    };
    let mut report = Report::new(reason, headline).exit(exit).json("receipts", list);
    report = vouched.describe(desk.memory.directory()?, report);
    report.above = body;
    Ok(report)
}

/// A receipt as the directory gave it; the record may stand beside it or be one that is kept.
fn read(path: &Path, desk: &Desk<'_>) -> Result<KeptReceipt, Failure> {
    #[derive(serde::Deserialize)]
    struct Beside {
        record: Option<B64>,
    }
    let bytes = read_capped(path, MAX_RECEIPT_FILE)?;
    let bad = |e: keyglass_protocol::error::FormatError| {
        Failure::malformed(e.reason(), format!("{} is no receipt: {e}", path.display()))
    };
    let answer: PutAnswer = message::from_json(&bytes).map_err(bad)?;
    let beside: Beside = message::from_json(&bytes).map_err(bad)?;
    let known = desk
        .memory
        .directory()?
        .receipts
        .iter()
        .find(|r| r.id == answer.id);
    let record = beside
        .record
        .or_else(|| known.map(|k| k.record.clone()))
        .ok_or_else(|| {
            Failure::missing(
                "receipt-record-missing",
                "the record that was promised is not known on this device",
            )
            .next("add it to the file as \"record\", base64")
        })?;
    Ok(KeptReceipt {
        id: answer.id,
        label: answer.label,
        version: answer.version,
        receipt: answer.receipt,
        vrf_proof: answer.vrf_proof,
        nonce: answer.nonce,
        record,
        kept_in: None,
    })
}

/// The log up to a verified head.
struct Log<'l> {
    http: &'l Http,
    epoch: &'l VerifiedEpoch,
    tiles: Tiles<'l>,
    note: String,
}

impl Log<'_> {
    fn leaf(&self, index: u64) -> Result<(EpochProof, Leaf), Failure> {
        let proof = self.tiles.epoch_proof(index)?;
        let leaf = self.epoch.older_leaf(&proof).map_err(|e| {
            Failure::new(Exit::Invalid, e.reason(), format!("the log's leaf {index}: {e}"))
                .checked("the leaf against the verified head")
                .next("try again, or another address of the directory")
        })?;
        Ok((proof, leaf))
    }

    /// The epoch in which the directory says that the update is.
    fn stated_epoch(&self, id: &str) -> Result<Option<u64>, Failure> {
        let received = self.http.get(&format!("/v1/receipts/{}", segment(id)))?;
        if received.status == 404 {
            return Ok(None);
        }
        if received.status != 200 {
            return Err(self.http.unexpected(&received));
        }
        let answer: ReceiptAnswer = message::from_json(&received.body).map_err(|e| {
            Failure::malformed(
                e.reason(),
                format!("the state of the receipt cannot be read: {e}"),
            )
        })?;
        Ok(answer
            .epoch
            .map(|e| e.index)
            .filter(|i| *i < self.epoch.size().get()))
    }

    fn contains(&self, index: u64, receipt: &Receipt) -> Result<bool, Failure> {
        let (_, _, proof) = self.audit_proof(index)?;
        tree::audit_contains(&proof, &receipt.leaf_label, &receipt.commitment)
            .map_err(|e| bad_audit(e.reason(), &e))
    }

    /// A leaf and the audit proof whose hash it states.
    fn audit_proof(&self, index: u64) -> Result<(EpochProof, Leaf, Vec<u8>), Failure> {
        let (proof, leaf) = self.leaf(index)?;
        let path = format!("/log/audit/{index}/{}/{}", leaf.previous_root, leaf.root);
        let received = self.http.get(&path)?;
        if received.status != 200 {
            return Err(self.http.unexpected(&received));
        }
        if leaf.audit_hash.as_bytes().as_slice() != Sha256::digest(&received.body).as_slice() {
            return Err(bad_audit(
                "other-audit-proof",
                &"it is not the one whose hash the leaf states",
            ));
        }
        Ok((proof, leaf, received.body))
    }

    /// The last leaf before the acceptance, and the epochs from there to the first leaf behind the deadline.
    ///
    /// `None` while that is not reached and the deadline has not passed by the heartbeat either.
    fn promised_range(
        &self,
        receipt: &Receipt,
    ) -> Result<Option<(EpochProof, std::ops::RangeInclusive<u64>)>, Failure> {
        let last = self.epoch.epoch().get();
        let first = self.first_not_before(receipt.accepted)?;
        let end = self.first_not_before(receipt.deadline.plus(1))?.min(last);
        let Some(before) = first.checked_sub(1) else {
            return Ok(None);
        };
        if first > end || end - first > MAX_EPOCHS || clock::now() <= receipt.deadline {
            return Ok(None);
        }
        Ok(Some((self.leaf(before)?.0, first..=end)))
    }

    /// Index of the first leaf that is not earlier than a time; the log's size if there is none.
    fn first_not_before(&self, time: Millis) -> Result<u64, Failure> {
        let (mut low, mut high) = (0, self.epoch.size().get());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.leaf(middle)?.1.time < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn bad_audit(reason: &'static str, why: &dyn ToString) -> Failure {
    Failure::new(
        Exit::Invalid,
        reason,
        format!("an audit proof: {}", why.to_string()),
    )
    .checked("the audit proof against the log's leaf")
    .meaning("the directory, a cache or a proxy in between gives wrong bytes")
    .next("try again, or another address of the directory with --directory URL")
}
