//! The commands that run once: the exit code is the answer.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use keyglass_auditor::clock::{Clock as _, SystemClock};
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::range::{RangeError, audit_range};
use keyglass_auditor::run::DATABASE_FILE;
use keyglass_auditor::settings::Layer;
use keyglass_auditor::source::HttpSource;
use keyglass_auditor::step::{StepError, Transition, verify_step};
use keyglass_protocol::evidence::{Evidence, Finding};
use keyglass_protocol::message::MAX_ANSWER_BYTES;
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::tree::MAX_AUDIT_PROOF_BYTES;
use keyglass_schema::auditor::AuditorStore;

use crate::cli::{Audit, AuditFile, EvidenceVerify, Latch};
use crate::verdict::{Class, Verdict};

/// Verifies one proof from a file.
pub(crate) fn audit_file(args: &AuditFile) -> Verdict {
    let (Ok(previous), Ok(root)) = (args.previous_root.parse(), args.root.parse()) else {
        return Verdict::new(Class::Usage, "bad-root", "a root is 64 lower-case hex digits");
    };
    let proof = match read(&args.file, MAX_AUDIT_PROOF_BYTES) {
        Ok(proof) => Arc::new(proof),
        Err(verdict) => return verdict,
    };
    let epoch = Epoch::new(args.epoch);
    let step = Transition {
        epoch,
        previous,
        root,
    };
    let result = blocking(verify_step(proof, step, args.output.second_opinion_max_bytes));
    match result {
        Ok(Ok(inserted)) => {
            let text = format!("the step into epoch {epoch} only adds ({inserted} leaves)");
            Verdict::new(Class::Verified, "append-only", text).with("inserted", inserted)
        }
        Ok(Err(error @ StepError::Broken(_))) => {
            Verdict::new(Class::Internal, error.reason(), error.to_string())
        }
        Ok(Err(error)) => Verdict::new(Class::Invalid, error.reason(), error.to_string()),
        Err(error) => internal(&error),
    }
}

/// Verifies a range of epochs of a directory.
pub(crate) fn audit(args: &Audit) -> Verdict {
    let Ok(log_key) = args.log_vkey.parse::<VerifierKey>() else {
        return Verdict::new(Class::Usage, "bad-log-vkey", "--log-vkey is not a verifier key");
    };
    if args.from > args.to {
        return Verdict::new(Class::Usage, "empty-range", "--from is larger than --to");
    }
    let source = match HttpSource::new(&args.directory) {
        Ok(source) => source,
        Err(trouble) => return Verdict::new(Class::Network, trouble.reason(), trouble.to_string()),
    };
    let range = Epoch::new(args.from)..=Epoch::new(args.to);
    let result = blocking(audit_range(
        &source,
        &log_key,
        range,
        args.output.second_opinion_max_bytes,
    ));
    match result {
        Ok(Ok(epochs)) => {
            let text = format!(
                "epochs {} to {} follow from each other ({epochs} verified)",
                args.from, args.to
            );
            Verdict::new(Class::Verified, "append-only", text).with("epochs", epochs)
        }
        Ok(Err(error)) => {
            let class = match &error {
                RangeError::Trouble(_) => Class::Network,
                RangeError::NotThere { .. } => Class::Unverifiable,
                RangeError::Internal(_)
                | RangeError::Step {
                    error: StepError::Broken(_),
                    ..
                } => Class::Internal,
                _ => Class::Invalid,
            };
            Verdict::new(class, error.reason(), error.to_string())
        }
        Err(error) => internal(&error),
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
    let bytes = match read(&args.file, MAX_ANSWER_BYTES) {
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
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
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
