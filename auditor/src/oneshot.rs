//! The commands that run once: the exit code is the answer.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keyglass_auditor::clock::{Clock as _, SystemClock};
use keyglass_auditor::evidence_files;
use keyglass_auditor::layout::{LayoutError, NamedEpoch, ProofName, linked, read_dir};
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::range::{RangeError, audit_range};
use keyglass_auditor::run::DATABASE_FILE;
use keyglass_auditor::settings::Layer;
use keyglass_auditor::source::{EpochSource, HttpSource};
use keyglass_auditor::step::{StepError, Transition, verify_step};
use keyglass_auditor::steps::Limits;
use keyglass_protocol::evidence::{Evidence, Finding, MAX_EVIDENCE_BYTES};
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::tree::MAX_AUDIT_PROOF_BYTES;
use keyglass_schema::auditor::AuditorStore;

use crate::cli::{Audit, AuditFile, EvidenceVerify, Latch, Output};
use crate::verdict::{Class, Verdict};

/// Verifies one proof from a file.
pub(crate) fn audit_file(args: &AuditFile) -> Verdict {
    let step = match step_of(args) {
        Ok(step) => step,
        Err(verdict) => return verdict,
    };
    let proof = match read(&args.file, MAX_AUDIT_PROOF_BYTES) {
        Ok(proof) => Arc::new(proof),
        Err(verdict) => return verdict,
    };
    let max = args.output.second_opinion_max_bytes;
    match blocking(verify_step(Arc::clone(&proof), step, max)) {
        Ok(Ok(inserted)) => {
            let text = format!("the step into epoch {} only adds ({inserted} leaves)", step.epoch);
            Verdict::new(Class::Verified, "append-only", text)
                .with("epoch", step.epoch.get())
                .with("inserted", inserted)
        }
        Ok(Err(error)) if args.epoch.is_none() => refused(&error).hint(other_naming(&proof, args, max)),
        Ok(Err(error)) => refused(&error),
        Err(error) => internal(&error),
    }
}

fn refused(error: &StepError) -> Verdict {
    let class = match error {
        StepError::Broken(_) => Class::Internal,
        _ => Class::Invalid,
    };
    Verdict::new(class, error.reason(), error.to_string())
}

/// The step that is to be verified: stated, named, or read off the file's path.
fn step_of(args: &AuditFile) -> Result<Transition, Verdict> {
    if let (Some(epoch), Some(previous), Some(root)) = (args.epoch, &args.previous_root, &args.root) {
        let (Ok(previous), Ok(root)) = (previous.parse(), root.parse()) else {
            let text = "a root is 64 lower-case hex digits";
            return Err(Verdict::new(Class::Usage, "bad-root", text));
        };
        let epoch = Epoch::new(epoch);
        return Ok(Transition {
            epoch,
            previous,
            root,
        });
    }
    let usage = |error: &LayoutError| Verdict::new(Class::Usage, error.reason(), error.to_string());
    let name = name_of(args).map_err(|error| usage(&error))?;
    name.step(args.naming.name_epoch).map_err(|error| usage(&error))
}

fn name_of(args: &AuditFile) -> Result<ProofName, LayoutError> {
    match &args.name {
        Some(name) => name.parse(),
        None => ProofName::of_path(&args.file),
    }
}

/// Says so if the proof is good under the other reading of its name.
fn other_naming(proof: &Arc<Vec<u8>>, args: &AuditFile, max: u64) -> Option<String> {
    let other = args.naming.name_epoch.other();
    let step = name_of(args).ok()?.step(other).ok()?;
    let good = blocking(verify_step(Arc::clone(proof), step, max)).is_ok_and(|result| result.is_ok());
    good.then(|| format!("it is good with --name-epoch {}", other.name()))
}

/// Verifies a range of epochs of a directory, or a directory of proofs.
pub(crate) fn audit(args: &Audit) -> Verdict {
    if let Some(dir) = &args.proofs {
        return proofs(dir, args);
    }
    let (Some(directory), Some(vkey), Some(from), Some(to)) =
        (&args.directory, &args.log_vkey, args.from, args.to)
    else {
        let text = "--directory, --log-vkey, --from and --to belong together";
        return Verdict::new(Class::Usage, "incomplete", text);
    };
    let Ok(log_key) = vkey.parse::<VerifierKey>() else {
        return Verdict::new(Class::Usage, "bad-log-vkey", "--log-vkey is not a verifier key");
    };
    if from > to {
        return Verdict::new(Class::Usage, "empty-range", "--from is larger than --to");
    }
    let source: Arc<dyn EpochSource> = match HttpSource::new(directory) {
        Ok(source) => Arc::new(source),
        Err(trouble) => return Verdict::new(Class::Network, trouble.reason(), trouble.to_string()),
    };
    let range = Epoch::new(from)..=Epoch::new(to);
    let limits = Limits::for_this_machine(args.output.second_opinion_max_bytes);
    let progress = Progress::new(to.saturating_sub(from).saturating_add(1), &args.output);
    let work = audit_range(&source, &log_key, range, limits, |_| progress.step());
    match blocking(work) {
        Ok(Ok(epochs)) => {
            let text = format!("epochs {from} to {to} follow from each other ({epochs} verified)");
            Verdict::new(Class::Verified, "append-only", text).with("epochs", epochs)
        }
        Ok(Err(error)) => judge(&error, &log_key, args),
        Err(error) => internal(&error),
    }
}

fn judge(error: &RangeError, log: &VerifierKey, args: &Audit) -> Verdict {
    let class = match error {
        RangeError::Trouble(_) => Class::Network,
        RangeError::NotThere { .. } => Class::Unverifiable,
        RangeError::Internal(_) => Class::Internal,
        _ => Class::Invalid,
    };
    let verdict = Verdict::new(class, error.reason(), error.to_string());
    let RangeError::Contradiction { epoch, found } = error else {
        return verdict;
    };
    let verdict = verdict.with("epoch", epoch.get());
    let Some(claim) = &found.claim else { return verdict };
    match evidence_files::convince(&args.evidence_dir, claim, Vec::new(), log) {
        Ok(file) => {
            let path = args.evidence_dir.join(file).display().to_string();
            let text = format!("{error}; evidence: {path}");
            Verdict::new(Class::Alarm, error.reason(), text)
                .with("epoch", epoch.get())
                .with("evidence", path)
        }
        Err(why) => verdict.hint(Some(format!("no evidence file: {why}"))),
    }
}

/// Verifies a directory of proofs and the links between them.
fn proofs(dir: &Path, args: &Audit) -> Verdict {
    let named = args.naming.name_epoch;
    let proofs = match read_dir(dir) {
        Ok(proofs) => proofs,
        Err(error) => return Verdict::new(Class::Malformed, error.reason(), error.to_string()),
    };
    if let Err((name, flaw)) = linked(proofs.iter().map(|(name, _)| name)) {
        let class = match flaw {
            "epoch-missing" => Class::Unverifiable,
            _ => Class::Invalid,
        };
        return Verdict::new(
            class,
            flaw,
            format!("{name}: it does not follow the proof before it"),
        );
    }
    let progress = Progress::new(u64::try_from(proofs.len()).unwrap_or(u64::MAX), &args.output);
    let max = args.output.second_opinion_max_bytes;
    let mut inserted = 0_u64;
    for chunk in proofs.chunks(AT_ONCE) {
        match several(chunk, named, max) {
            Ok(count) => inserted = inserted.saturating_add(count),
            Err(verdict) => return verdict,
        }
        chunk.iter().for_each(|_| progress.step());
    }
    let count = proofs.len();
    let text = format!("{count} proofs follow from each other and only add ({inserted} leaves)");
    Verdict::new(Class::Verified, "append-only", text)
        .with("proofs", u64::try_from(count).unwrap_or(u64::MAX))
        .with("inserted", inserted)
}

/// Proofs of a directory that are held in memory and verified at once.
const AT_ONCE: usize = 4;

fn several(proofs: &[(ProofName, PathBuf)], named: NamedEpoch, max: u64) -> Result<u64, Verdict> {
    let mut work = Vec::new();
    for (name, path) in proofs {
        let step = name
            .step(named)
            .map_err(|error| Verdict::new(Class::Invalid, error.reason(), error.to_string()))?;
        work.push((*name, step, Arc::new(read(path, MAX_AUDIT_PROOF_BYTES)?)));
    }
    let verified = blocking(async {
        let tasks: Vec<_> = work
            .into_iter()
            .map(|(name, step, proof)| (name, tokio::spawn(verify_step(proof, step, max))))
            .collect();
        let mut results = Vec::new();
        for (name, task) in tasks {
            let result = task
                .await
                .unwrap_or_else(|e| Err(StepError::Broken(e.to_string())));
            results.push((name, result));
        }
        results
    });
    let mut inserted = 0_u64;
    for (name, result) in verified.map_err(|error| internal(&error))? {
        match result {
            Ok(count) => inserted = inserted.saturating_add(count),
            Err(error) => return Err(refused(&error).about(&name.to_string())),
        }
    }
    Ok(inserted)
}

/// A line on stderr now and then.
struct Progress {
    total: u64,
    done: AtomicU64,
    quiet: bool,
    last: Mutex<Instant>,
}

impl Progress {
    fn new(total: u64, output: &Output) -> Self {
        Self {
            total,
            done: AtomicU64::new(0),
            quiet: output.quiet || output.json,
            last: Mutex::new(Instant::now()),
        }
    }

    #[expect(clippy::print_stderr, reason = "one-shot commands do not log")]
    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let Ok(mut last) = self.last.lock() else { return };
        if !self.quiet && last.elapsed() >= Duration::from_secs(1) {
            *last = Instant::now();
            eprintln!("keyglass-auditor: {done} of {} verified", self.total);
        }
    }
}

/// Verifies an evidence file.
pub(crate) fn evidence(args: &EvidenceVerify) -> Verdict {
    let Some(vkey) = &args.log_vkey else {
        return Verdict::new(
            Class::Unverifiable,
            "no-log-key",
            "give the log's key with --log-vkey",
        );
    };
    let Ok(log) = vkey.parse::<VerifierKey>() else {
        return Verdict::new(Class::Usage, "bad-log-vkey", "--log-vkey is not a verifier key");
    };
    let bytes = match read(&args.file, MAX_EVIDENCE_BYTES) {
        Ok(bytes) => bytes,
        Err(verdict) => return verdict,
    };
    let evidence = match Evidence::parse(&bytes) {
        Ok(evidence) => evidence,
        Err(error) => return Verdict::new(Class::Malformed, error.reason(), error.to_string()),
    };
    match evidence.verify(&log) {
        Ok(Finding::Proven { reason }) => {
            let text = format!("proven: the operator broke the rule {reason}");
            Verdict::new(Class::Verified, reason, text).with("finding", "proven")
        }
        Ok(Finding::Disputed { reason }) => {
            let text = format!("disputed: genuine, but the user may have wanted it ({reason})");
            Verdict::new(Class::Verified, "disputed", text)
                .with("finding", "disputed")
                .with("what", reason)
        }
        Err(error) => Verdict::new(Class::Invalid, error.reason(), error.to_string()),
    }
}

/// Shows or clears latches. Not while the auditor runs: it holds the data directory.
pub(crate) fn latch(command: &Latch, file: Option<&Path>) -> anyhow::Result<()> {
    let dir = match command {
        Latch::Show(args) => args.data_dir.clone(),
        Latch::Clear(args) => args.data_dir.clone(),
    };
    let dir = crate::layers(
        Layer {
            data_dir: dir,
            ..Layer::default()
        },
        file,
    )?
    .data_dir();
    let store = AuditorStore::open(&dir.join(DATABASE_FILE))?;
    let logs = store.directories()?;
    match command {
        Latch::Show(_) => {
            for (origin, id) in logs {
                let lines: Vec<String> = store
                    .latches(id)?
                    .iter()
                    .map(|latch| describe(&origin, latch))
                    .collect();
                crate::print_lines(&lines)?;
            }
        }
        Latch::Clear(args) => {
            let _held = DataDir::open(&dir)?;
            for (origin, id) in logs
                .into_iter()
                .filter(|(o, _)| args.origin.as_ref().is_none_or(|a| a == o))
            {
                let cleared = store.clear_latches(id, &args.reason, SystemClock.now())?;
                crate::print_lines(&[format!("{origin}: {cleared} cleared")])?;
            }
        }
    }
    Ok(())
}

fn describe(origin: &str, latch: &keyglass_schema::auditor::Latch) -> String {
    let file = latch.file.as_deref().unwrap_or("-");
    let state = match &latch.cleared {
        Some((at, because)) => format!("cleared at {at}: {because}"),
        None => "standing".to_owned(),
    };
    format!(
        "{origin}\t{}\t{}\t{file}\t{}\t{state}",
        latch.kind, latch.reason, latch.at
    )
}

fn read(path: &Path, max: usize) -> Result<Vec<u8>, Verdict> {
    let malformed = |text: String| Verdict::new(Class::Malformed, "unreadable-file", text);
    let file = std::fs::File::open(path).map_err(|e| malformed(format!("{}: {e}", path.display())))?;
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    // Room for the whole file at once: growing would hold it twice.
    let length = file.metadata().map_or(0, |data| data.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| malformed(format!("{}: {e}", path.display())))?;
    if bytes.len() > max {
        return Err(Verdict::new(
            Class::Malformed,
            "too-long",
            format!("more than {max} bytes"),
        ));
    }
    Ok(bytes)
}

fn blocking<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work))
}

fn internal(error: &dyn std::fmt::Display) -> Verdict {
    Verdict::new(Class::Internal, "internal", error.to_string())
}
