//! `evidence`: files that prove a lie of the directory to anybody who has the log's key.

use std::path::Path;

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::evidence::{Claim, Evidence, EvidenceError, Finding, Fork, MAX_EVIDENCE_BYTES};
use keyglass_protocol::note::{Note, VerifierKey};

use crate::args;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::foreign;
use crate::report::{Failure, Outcome, Report};
use crate::saved::read_capped;

/// `keyglass evidence …`.
pub(super) fn run(context: &Context, args: &args::Evidence) -> Outcome {
    match args {
        args::Evidence::Show { file } => show(file),
        args::Evidence::Verify { file, log_vkey } => verify(context, file, log_vkey.as_deref()),
    }
}

fn read(path: &Path) -> Result<Evidence, Failure> {
    let bytes = read_capped(path, MAX_EVIDENCE_BYTES)?;
    Evidence::parse(&bytes)
        .map_err(|e| Failure::malformed(e.reason(), format!("{} is no evidence: {e}", path.display())))
}

/// Name of the log that the file's configuration belongs to. Unverified.
fn origin(evidence: &Evidence) -> Option<String> {
    let document = ConfigDocument::parse(&evidence.config.0).ok()?;
    Some(document.values().origin.to_string())
}

fn show(path: &Path) -> Outcome {
    let evidence = read(path)?;
    let kind = evidence.claim.kind();
    let mut report = Report::new("evidence", format!("claims: {}", claim_words(&evidence.claim)))
        .line("kind", kind)
        .json("kind", kind);
    if let Some(origin) = origin(&evidence) {
        report = report.line("log", foreign(&origin)).json("origin", origin);
    }
    for (name, value) in items(&evidence.claim) {
        report = report.line(name, foreign(&value));
    }
    Ok(report.note("nothing was verified: keyglass evidence verify FILE"))
}

fn claim_words(claim: &Claim) -> &'static str {
    match claim {
        Claim::Fork(_) => "the log's key signed two different logs",
        Claim::BadAppend(_) => "a step of the directory removed or changed something",
        Claim::BadLeaf(_) => "a leaf of the log breaks a rule",
        Claim::BadRecord(_) => {
            "a record in the directory was not wanted by its owner, or the platform vouched for it"
        }
        Claim::BrokenReceipt(_) => "a promised update is not in the directory",
        Claim::Freeze(_) => "the operator vouched for an old head after it had vouched for a newer one",
    }
}

/// What stands in the file, for people.
fn items(claim: &Claim) -> Vec<(&'static str, String)> {
    let head = |note: &str| {
        let text = Note::parse(note.as_bytes()).map(|n| n.text().to_owned());
        let text = text.unwrap_or_else(|_| "not readable".to_owned());
        let mut lines = text.lines().skip(1);
        let mut next = || lines.next().unwrap_or_default().to_owned();
        format!("size {}, root {}", next(), next())
    };
    match claim {
        Claim::Fork(Fork::Checkpoints { checkpoints: [a, b] }) => {
            vec![("head", head(a)), ("other head", head(b))]
        }
        Claim::Fork(Fork::Leaves { leaves }) => {
            let [a, b] = leaves.as_ref();
            let at = |l: &keyglass_protocol::evidence::ProvenLeaf| {
                format!("{} under {}", l.epoch.index, head(&l.checkpoint))
            };
            vec![("leaf", at(a)), ("other leaf", at(b))]
        }
        Claim::Fork(Fork::Heads { smaller, larger, .. }) => {
            vec![("head", head(smaller)), ("larger head", head(larger))]
        }
        Claim::BadRecord(items) => vec![("label", items.label.clone())],
        Claim::BrokenReceipt(items) => {
            let receipt = Note::parse(items.receipt.as_bytes()).map(|n| n.text().to_owned());
            vec![(
                "receipt",
                receipt
                    .unwrap_or_default()
                    .lines()
                    .collect::<Vec<_>>()
                    .join(" | "),
            )]
        }
        Claim::Freeze(items) => vec![
            ("older head", head(&items.smaller)),
            ("newer head", head(&items.larger)),
        ],
        Claim::BadAppend(_) | Claim::BadLeaf(_) => Vec::new(),
    }
}

fn verify(context: &Context, path: &Path, log_vkey: Option<&str>) -> Outcome {
    let evidence = read(path)?;
    let keys = match log_vkey {
        Some(text) => {
            let key = text.parse::<VerifierKey>();
            vec![key.map_err(|e| Failure::malformed(e.reason(), format!("--log-vkey: {e}")))?]
        }
        None => pinned_keys(context, origin(&evidence).as_deref())?,
    };
    let mut refused = None;
    for key in &keys {
        match evidence.verify(key) {
            Ok(finding) => return Ok(describe(&evidence, &finding, key)),
            Err(e) => refused = Some(e),
        }
    }
    Err(refused.map_or_else(|| no_key(&evidence), |e| refuse(&e)))
}

/// The keys of the pinned directories; of the one that the file is about, if it says so.
fn pinned_keys(context: &Context, origin: Option<&str>) -> Result<Vec<VerifierKey>, Failure> {
    let state = context.home()?.load()?;
    let meant = state
        .directories
        .iter()
        .filter(|d| origin.is_none_or(|o| o == d.origin));
    Ok(meant.filter_map(|d| d.log_vkey.parse().ok()).collect())
}

fn no_key(evidence: &Evidence) -> Failure {
    let whose = origin(evidence).unwrap_or_default();
    Failure::missing(
        "no-key-for-evidence",
        format!("no key of the log {:?} is pinned here", foreign(&whose)),
    )
    .meaning("without the log's key anybody could have made this file")
    .next("give the log's key with --log-vkey VKEY, from somebody whom you trust")
}

fn refuse(error: &EvidenceError) -> Failure {
    Failure::new(
        Exit::Invalid,
        error.reason(),
        foreign(&format!("the file proves nothing: {error}")),
    )
    .checked("every signature and proof in the file, against the log's key")
    .meaning("it is about another log, was changed, or shows nothing that breaks a rule")
    .next("accuse nobody because of this file")
}

fn describe(evidence: &Evidence, finding: &Finding, key: &VerifierKey) -> Report {
    let kind = evidence.claim.kind();
    let (reason, rule, headline) = match finding {
        Finding::Proven { reason } => (
            "proven",
            reason,
            format!("PROVEN: {}", claim_words(&evidence.claim)),
        ),
        Finding::Disputed { reason } => (
            "disputed",
            reason,
            "DISPUTED: the platform vouched for this change; only the owner knows whether it was wanted"
                .to_owned(),
        ),
    };
    Report::new(reason, headline)
        .line("kind", kind)
        .line("rule", rule.clone())
        .line("log", key.name().to_owned())
        .json("kind", kind)
        .json("finding", rule.clone())
        .json("log_vkey", key.to_string())
        .checked(&["every signature and proof in the file, against the log's key"])
}
