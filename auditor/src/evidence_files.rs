//! Evidence files: written whole or not at all, named by their content.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use keyglass_protocol::evidence::{Claim, Evidence, Finding, MAX_EVIDENCE_BYTES, SCHEMA};
use keyglass_protocol::message::B64;
use keyglass_protocol::note::VerifierKey;
use sha2::{Digest as _, Sha256};

use crate::durable::{self, Readers};

/// Directory of evidence files in the data directory.
pub const EVIDENCE_DIR: &str = "evidence";

/// Stores evidence in `dir`; answers the file's name. The same bytes again are the same file, which is left as it is.
///
/// # Errors
/// The directory or file cannot be written.
pub fn store(dir: &Path, kind: &str, bytes: &[u8]) -> io::Result<String> {
    let digest = hex::encode(Sha256::digest(bytes));
    let name = format!("{kind}-{}.json", digest.get(..16).unwrap_or(&digest));
    if dir.join(&name).exists() {
        return Ok(name);
    }
    fs::create_dir_all(dir)
        .and_then(|()| durable::write(&dir.join(&name), bytes, Readers::All))
        .map(|()| name)
}

/// Stores the evidence of a claim if a stranger would be convinced by it; answers the file's name.
///
/// # Errors
/// A sentence about why there is no file.
pub fn convince(dir: &Path, claim: &Claim, config: Vec<u8>, log: &VerifierKey) -> Result<String, String> {
    let evidence = Evidence {
        schema: SCHEMA,
        claim: claim.clone(),
        config: B64(config),
    };
    match evidence.verify(log) {
        Ok(Finding::Proven { .. }) => {
            let bytes = evidence.to_bytes().map_err(|e| e.to_string())?;
            store(dir, claim.kind(), &bytes).map_err(|e| format!("{}: {e}", dir.display()))
        }
        Ok(Finding::Disputed { reason }) => Err(format!("disputed: {reason}")),
        Err(error) => Err(error.to_string()),
    }
}

/// The files in `dir`, but for the `known` ones, that prove something against a log: name, kind and broken rule.
///
/// # Errors
/// The directory cannot be read. A file that cannot be read or proves nothing is not in the answer.
pub fn proven(
    dir: &Path,
    known: &HashSet<String>,
    log: &VerifierKey,
) -> io::Result<Vec<(String, &'static str, String)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if known.contains(&name) {
            continue;
        }
        let Ok(Some(bytes)) = read(dir, &name) else {
            continue;
        };
        if let Ok(evidence) = Evidence::parse(&bytes)
            && let Ok(Finding::Proven { reason }) = evidence.verify(log)
        {
            found.push((name, evidence.claim.kind(), reason));
        }
    }
    Ok(found)
}

/// An evidence file by its name; `None` if there is none.
///
/// # Errors
/// The file cannot be read.
pub fn read(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    // Names are made by `store`; nothing else in or above the directory can be named.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name
        .strip_suffix(".json")
        .is_some_and(|stem| !stem.is_empty() && stem.chars().all(plain))
    {
        return Ok(None);
    }
    let file = match File::open(dir.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(MAX_EVIDENCE_BYTES).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_file_is_found_by_its_name_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("evidence");
        let name = store(&inner, "bad-append", b"{}").unwrap();
        // The same again is not written again.
        let written = fs::metadata(inner.join(&name)).unwrap().ino();
        assert_eq!(store(&inner, "bad-append", b"{}").unwrap(), name);
        assert_eq!(fs::metadata(inner.join(&name)).unwrap().ino(), written);
        assert_eq!(read(&inner, &name).unwrap().as_deref(), Some(b"{}".as_slice()));
        fs::write(dir.path().join("secret.json"), b"x").unwrap();
        fs::write(inner.join(".json"), b"x").unwrap();
        for other in [
            "../secret.json",
            "/etc/passwd",
            "",
            ".json",
            "x.json",
            "a/b.json",
            "..json",
        ] {
            assert_eq!(read(&inner, other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("x-0.json")).unwrap();
        read(dir.path(), "x-0.json").unwrap_err();
        let in_the_way = dir.path().join("file");
        fs::write(&in_the_way, b"x").unwrap();
        store(&in_the_way, "bad-append", b"{}").unwrap_err();
    }
}
