//! Comparing a safety number with what the other person's program or voice says.

use std::path::{Path, PathBuf};

use keyglass_protocol::safety_number::{Qr, QrVersion, SafetyNumber, SafetyNumberError};
use serde_json::Value;

use crate::qr;
use crate::report::Failure;
use crate::saved::read_capped;
use crate::state::Means;

/// Largest file of the other's program in bytes.
const MAX_FILE: usize = 64 * 1024;

/// What the other person gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Theirs {
    /// A picture of their code.
    pub(crate) scan: Option<PathBuf>,
    /// A file of their program.
    pub(crate) file: Option<PathBuf>,
    /// Their digits.
    pub(crate) digits: Option<String>,
    /// Their sentence.
    pub(crate) sentence: Option<String>,
}

impl Theirs {
    /// Whether anything was given.
    pub(crate) fn is_given(&self) -> bool {
        self.scan.is_some() || self.file.is_some() || self.digits.is_some() || self.sentence.is_some()
    }

    /// Compares; by what means, and whether it agrees.
    pub(crate) fn compare(&self, number: &SafetyNumber) -> Result<(Means, bool), Failure> {
        if let Some(path) = &self.scan {
            return Ok((Means::QrImage, scanned(number, path)?));
        }
        if let Some(path) = &self.file {
            return Ok((Means::File, from_file(number, path)?));
        }
        if let Some(sentence) = &self.sentence {
            let agrees = number.matches_sentence(sentence).map_err(|e| refuse(&e))?;
            return Ok((Means::Sentence, agrees));
        }
        let digits = self.digits.as_deref().unwrap_or_default();
        Ok((
            Means::Digits,
            number.matches_digits(digits).map_err(|e| refuse(&e))?,
        ))
    }
}

/// Several codes may be in one picture; one that agrees is enough, and one that is none of ours is not counted.
fn scanned(number: &SafetyNumber, path: &Path) -> Result<bool, Failure> {
    let mut outcome = Err(refuse(&SafetyNumberError::MalformedQr));
    for code in qr::scan(path)? {
        match number.matches_qr(QrVersion::V2, &code) {
            Ok(true) => return Ok(true),
            Ok(false) => outcome = own_code(number, &code),
            Err(e) if outcome.is_err() => outcome = Err(refuse(&e)),
            Err(_) => {}
        }
    }
    outcome
}

/// A picture of one's own screen shows nothing, and is no mismatch either.
fn own_code(number: &SafetyNumber, code: &[u8]) -> Result<bool, Failure> {
    if code == number.qr(QrVersion::V2).to_bytes() {
        return Err(
            Failure::malformed("own-code", "this is your own code, not the other person's")
                .next("scan the code on the other person's screen"),
        );
    }
    Ok(false)
}

/// Their `safety-number --json`, the 74 bytes of their code, or a text with their sixty digits.
fn from_file(number: &SafetyNumber, path: &Path) -> Result<bool, Failure> {
    let bytes = read_capped(path, MAX_FILE)?;
    let code = |bytes: &[u8]| match number.matches_qr(QrVersion::V2, bytes) {
        Ok(true) => Ok(true),
        Ok(false) => own_code(number, bytes),
        Err(e) => Err(refuse(&e)),
    };
    if let Ok(Value::Object(object)) = serde_json::from_slice(&bytes) {
        let hex = object.get("qr_v2").and_then(Value::as_str);
        let bytes = hex.and_then(|h| hex::decode(h).ok());
        return code(&bytes.ok_or_else(|| refuse(&SafetyNumberError::MalformedQr))?);
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.len() != Qr::LEN => number.matches_digits(text).map_err(|e| refuse(&e)),
        _ => code(&bytes),
    }
}

/// What was given cannot be compared; that is no mismatch.
pub(crate) fn refuse(error: &SafetyNumberError) -> Failure {
    match error {
        SafetyNumberError::SameParty => {
            Failure::usage(error.reason(), "a safety number is between two people")
        }
        SafetyNumberError::Digits => Failure::malformed(error.reason(), error.to_string())
            .next("paste all twelve groups of five digits, in quotes"),
        _ => Failure::malformed(error.reason(), error.to_string()),
    }
}
