//! Saved lookups: one text file in the tlog-proof format that carries every answer.
//!
//! The format authenticates nothing that it carries; the answers are verified like any others.

use std::path::Path;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{self, Answer};
use keyglass_protocol::note::{MAX_TLOG_PROOF_BYTES, TlogProof};
use keyglass_protocol::quantity::LogHash;
use serde::{Deserialize, Serialize};

use crate::report::Failure;

/// Version of what is carried.
const SCHEMA: u32 = 1;

/// What a file carries beside the checkpoint and its last leaf's proof.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    schema: u32,
    /// The label that was asked for.
    label: String,
    /// The answers in the order in which they were asked for; the first is the lookup.
    answers: Vec<Answer>,
}

/// A saved lookup. Nothing in it is verified.
#[derive(Debug)]
pub(crate) struct SavedLookup {
    /// The label that was asked for.
    pub(crate) label: Label,
    /// The answers, the lookup first.
    pub(crate) answers: Vec<Answer>,
}

impl SavedLookup {
    /// The bytes of the file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let impossible =
            |why: String| Failure::internal("save-encoding", format!("the lookup cannot be saved: {why}"));
        let first = self
            .answers
            .first()
            .ok_or_else(|| impossible("there is no answer".into()))?;
        let mut hashes = Vec::new();
        for hash in &first.epoch.inclusion_proof {
            hashes.push(LogHash::try_from(hash.0.as_slice()).map_err(|e| impossible(e.to_string()))?);
        }
        let extra = Extra {
            schema: SCHEMA,
            label: self.label.as_str().to_owned(),
            answers: self.answers.clone(),
        };
        let proof = TlogProof {
            extra: Some(serde_json::to_vec(&extra).map_err(|e| impossible(e.to_string()))?),
            index: first.epoch.index,
            hashes,
            checkpoint: first.checkpoint.clone().into_bytes(),
        };
        let bytes = proof.to_bytes();
        if bytes.len() > MAX_TLOG_PROOF_BYTES {
            return Err(impossible("the history is too long for one file".into()));
        }
        Ok(bytes)
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_capped(path, MAX_TLOG_PROOF_BYTES)?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |reason: &'static str, why: String| {
            Failure::malformed(reason, format!("this is no saved lookup: {why}"))
                .next("keyglass lookup LABEL --save FILE makes one")
        };
        let proof = TlogProof::parse(bytes).map_err(|e| bad(e.reason(), e.to_string()))?;
        let extra = proof
            .extra
            .as_deref()
            .ok_or_else(|| bad("extra-missing", "it carries no answers".into()))?;
        let extra: Extra = message::from_json(extra).map_err(|e| bad(e.reason(), e.to_string()))?;
        if extra.schema != SCHEMA {
            return Err(bad(
                "other-schema",
                format!("its schema {} is not known here", extra.schema),
            ));
        }
        let label = Label::parse(&extra.label).map_err(|e| bad(e.reason(), e.to_string()))?;
        if extra.answers.is_empty() {
            return Err(bad("saved-answer-missing", "it carries no answers".into()));
        }
        let saved = Self {
            label,
            answers: extra.answers,
        };
        // What other tools verify in this file is what is verified here; and a name that was changed would hide a part of an
        // answer that may be missing.
        if saved.to_bytes()? != bytes {
            return Err(bad(
                "saved-file-changed",
                "it is not as it was written: something in it was changed, or a newer keyglass wrote it"
                    .into(),
            ));
        }
        Ok(saved)
    }
}

/// Reads a file that is not larger than a cap.
pub(crate) fn read_capped(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let bad = |why: String| Failure::malformed("unreadable-file", format!("{}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| bad(e.to_string()))?;
    let mut bytes = Vec::new();
    let cap = u64::try_from(max).unwrap_or(u64::MAX);
    file.take(cap.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| bad(e.to_string()))?;
    if bytes.len() > max {
        return Err(bad(format!("larger than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use keyglass_protocol::message::{B64, EpochProof};

    fn sample() -> SavedLookup {
        let answer = Answer {
            checkpoint: "keys.example\n1\nAAAA\n\n\u{2014} a b\n".into(),
            epoch: EpochProof {
                index: 0,
                leaf: B64(vec![1; 164]),
                inclusion_proof: vec![B64(vec![7; 32])],
            },
            consistency_proof: None,
            lookups: Vec::new(),
            history: None,
            absences: Vec::new(),
        };
        SavedLookup {
            label: Label::parse("handle:alice").unwrap(),
            answers: vec![answer],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample().to_bytes().unwrap();
        assert!(bytes.starts_with(b"c2sp.org/tlog-proof@v1\nextra "));
        let read = SavedLookup::parse(&bytes).unwrap();
        assert_eq!((read.label, read.answers), (sample().label, sample().answers));
    }

    #[test]
    fn the_proof_and_the_answers_are_one_thing() {
        let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
        let other = text.replace("index 0", "index 1");
        assert_eq!(
            SavedLookup::parse(other.as_bytes()).unwrap_err().reason,
            "saved-file-changed"
        );
        let other = text.replace("\nkeys.example\n1\n", "\nkeys.example\n2\n");
        assert_eq!(
            SavedLookup::parse(other.as_bytes()).unwrap_err().reason,
            "saved-file-changed"
        );
        assert!(SavedLookup::parse(b"c2sp.org/tlog-proof@v1\nindex 0\n\nx").is_err());
    }

    #[test]
    fn the_name_of_a_part_cannot_be_changed() {
        let mut proof = TlogProof::parse(&sample().to_bytes().unwrap()).unwrap();
        let extra = String::from_utf8(proof.extra.unwrap()).unwrap();
        for (name, other) in [("\"lookups\"", "\"lookupz\""), ("{\"schema\"", "{ \"schema\"")] {
            assert!(extra.contains(name));
            proof.extra = Some(extra.replace(name, other).into_bytes());
            let refused = SavedLookup::parse(&proof.to_bytes()).unwrap_err();
            assert_eq!(refused.reason, "saved-file-changed", "{name}");
        }
    }
}
