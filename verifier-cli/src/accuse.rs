//! Evidence: signed statements that contradict each other or a rule, in a file that a stranger can check.
//!
//! Only what such a stranger would be convinced by is written; everything else is kept as a refused answer.

use std::path::PathBuf;

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::{Leaf, Trust};
use keyglass_protocol::evidence::{BadRecord, Claim, Evidence, Finding, Fork, SCHEMA};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64, ConsistencyProof, EpochProof};
use keyglass_protocol::quantity::LogHash;

use crate::clock;
use crate::context::Memory;
use crate::report::Failure;
use crate::state::write_new;

/// A claim with the configuration that a leaf names, if it is one of the pinned ones.
pub(crate) fn under(trust: &Trust, leaf: &EpochProof, claim: Claim) -> Option<Evidence> {
    let named = Leaf::decode(&leaf.leaf.0).ok()?.config;
    let mut documents = trust.config().documents().iter();
    let (_, document) = documents.find(|(_, d)| d.hash() == named)?;
    Some(evidence(claim, document))
}

/// A claim with the newest configuration.
pub(crate) fn now(trust: &Trust, claim: Claim) -> Evidence {
    evidence(claim, trust.document())
}

/// Two signed heads, the larger of which had another root at the smaller one's size.
pub(crate) fn disowned(smaller: &str, larger: &str, root: LogHash, consistency: ConsistencyProof) -> Claim {
    Claim::Fork(Fork::Heads {
        smaller: smaller.to_owned(),
        larger: larger.to_owned(),
        root: B64(root.as_bytes().to_vec()),
        consistency_proof: consistency.hashes,
    })
}

fn evidence(claim: Claim, document: &ConfigDocument) -> Evidence {
    Evidence {
        schema: SCHEMA,
        claim,
        config: B64(document.bytes().to_vec()),
    }
}

/// What the complete history of a label shows: a broken rule, or a change that the platform vouched for.
///
/// `answers` hold the history of the label, and of every account that it names, since version 1.
pub(crate) fn bad_record(trust: &Trust, label: &Label, answers: &[Answer]) -> Option<(Evidence, Finding)> {
    let is = |a: &&Answer, wanted: &Label| a.history.as_ref().is_some_and(|h| h.label == wanted.as_str());
    let history = answers.iter().rev().find(|a| is(a, label))?.clone();
    let accounts = match label {
        Label::Account(_) => Vec::new(),
        _ => answers.iter().filter(|a| !is(a, label)).map(slim).collect(),
    };
    let claim = Claim::BadRecord(BadRecord {
        label: label.as_str().to_owned(),
        history: Box::new(slim(&history)),
        accounts,
    });
    let evidence = under(trust, &history.epoch, claim)?;
    let finding = evidence.verify(trust.log_key()).ok()?;
    Some((evidence, finding))
}

/// Without what a history does not need.
fn slim(answer: &Answer) -> Answer {
    Answer {
        lookups: Vec::new(),
        absences: Vec::new(),
        consistency_proof: None,
        ..answer.clone()
    }
}

/// Writes an evidence file, once for each content.
pub(crate) fn write(memory: &Memory, evidence: &Evidence) -> Result<PathBuf, Failure> {
    let bytes = evidence
        .to_bytes()
        .map_err(|e| Failure::internal(e.reason(), e.to_string()))?;
    keep(memory, "evidence", evidence.claim.kind(), "json", &bytes)
}

/// Writes a file below the memory; a file with the same bytes is not written again.
pub(crate) fn keep(
    memory: &Memory,
    kind: &str,
    name: &str,
    ending: &str,
    bytes: &[u8],
) -> Result<PathBuf, Failure> {
    let directory = memory.home.directory(kind)?;
    let failed =
        |path: &PathBuf, e: std::io::Error| Failure::internal("state-io", format!("{}: {e}", path.display()));
    let mut path = directory.join(format!("{name}-{}.{ending}", clock::now()));
    for more in 1.. {
        match write_new(&path, bytes) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                if std::fs::read(&path).is_ok_and(|old| old == bytes) {
                    return Ok(path);
                }
                path = directory.join(format!("{name}-{}-{more}.{ending}", clock::now()));
            }
            outcome => return outcome.map(|()| path.clone()).map_err(|e| failed(&path, e)),
        }
    }
    Ok(path)
}
