//! What a thief looks for in stolen files: secrets, their unkeyed hashes, in every usual spelling.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use keyglass_protocol::codec::base64_encode;
use sha2::{Digest as _, Sha256};

/// Everything that would give a secret away.
#[derive(Default)]
pub struct Needles {
    all: Vec<(String, Vec<u8>)>,
}

impl Needles {
    /// A label: whole, and without its kind.
    pub fn label(&mut self, label: &str) {
        self.secret(label, label.as_bytes());
        if let Some((_, name)) = label.split_once(':') {
            self.secret(label, name.as_bytes());
        }
    }

    /// Any bytes of at least 8, and their unkeyed hashes, whole and cut to 16 bytes.
    pub fn secret(&mut self, what: &str, bytes: &[u8]) {
        assert!(bytes.len() >= 8, "{what} is too short to be looked for");
        let hash = Sha256::digest(bytes).to_vec();
        let other = blake3(bytes).to_vec();
        for form in [bytes, &hash, &hash[..16], &other, &other[..16]] {
            self.all
                .extend(spellings(form).into_iter().map(|s| (what.to_owned(), s)));
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Which secrets are found in which files below `folder`, not below those named in `except`.
    pub fn search(&self, folder: &Path, except: &[&Path]) -> Vec<(PathBuf, String)> {
        let index = Index::new(&self.all);
        let mut files = Vec::new();
        collect(folder, except, &mut files);
        let mut found = Vec::new();
        for path in files {
            // A file that went away meanwhile is nobody's loot.
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.extend(index.find(&bytes).map(|what| (path.clone(), what.to_owned())));
        }
        found
    }
}

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *::blake3::hash(bytes).as_bytes()
}

/// Raw, hex in both cases, base64 in both alphabets at all three alignments. The first and last characters of base64 may mix
/// with their neighbours, so they are left out.
pub fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lower: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let mut all = vec![
        bytes.to_vec(),
        lower.to_uppercase().into_bytes(),
        lower.into_bytes(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift][..], bytes].concat();
        let text = base64_encode(&shifted);
        let text = text.trim_end_matches('=');
        let inner = &text[if shift == 0 { 0 } else { 4 }..text.len() - 2];
        all.push(inner.as_bytes().to_vec());
        all.push(inner.replace('+', "-").replace('/', "_").into_bytes());
    }
    all
}

fn collect(folder: &Path, except: &[&Path], files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if except.contains(&path.as_path()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, except, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

/// Needles by their first bytes, so that one pass looks for all of them.
struct Index<'n> {
    pairs: Vec<bool>,
    by_start: HashMap<&'n [u8], Vec<&'n (String, Vec<u8>)>>,
}

impl<'n> Index<'n> {
    fn new(needles: &'n [(String, Vec<u8>)]) -> Self {
        let mut index = Self {
            pairs: vec![false; 1 << 16],
            by_start: HashMap::new(),
        };
        for needle in needles {
            let bytes = &needle.1;
            index.pairs[usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))] = true;
            index.by_start.entry(&bytes[..4]).or_default().push(needle);
        }
        index
    }

    fn find(&self, bytes: &[u8]) -> Option<&'n str> {
        let mut pair = 0_u16;
        for (at, byte) in bytes.iter().enumerate() {
            pair = pair << 8 | u16::from(*byte);
            if at == 0 || !self.pairs[usize::from(pair)] {
                continue;
            }
            let rest = &bytes[at - 1..];
            let candidates = rest.get(..4).and_then(|start| self.by_start.get(start));
            let hit = candidates.and_then(|c| c.iter().find(|needle| rest.starts_with(&needle.1)));
            if let Some((what, _)) = hit {
                return Some(what);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_wherever_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let mut needles = Needles::default();
        needles.label("account:somebody-1843");
        let hash = Sha256::digest("somebody-1843");
        for form in [
            &b"somebody-1843"[..],
            &hash,
            &hash[..16],
            &blake3(b"account:somebody-1843"),
        ] {
            let hex: String = form.iter().map(|b| format!("{b:02x}")).collect();
            let planted = [
                form.to_vec(),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
                base64_encode(form).into_bytes(),
                base64_encode(&[&[7][..], form].concat()).into_bytes(),
                base64_encode(&[&[7, 8][..], form, &[9]].concat()).into_bytes(),
            ];
            for text in planted {
                let path = dir.path().join("planted");
                std::fs::write(&path, [b"before", text.as_slice(), b"after"].concat()).unwrap();
                assert_eq!(
                    needles.search(dir.path(), &[]).len(),
                    1,
                    "{}",
                    String::from_utf8_lossy(&text)
                );
                assert_eq!(needles.search(dir.path(), &[&path]).len(), 0);
            }
        }
        std::fs::write(dir.path().join("planted"), "somebody-1844").unwrap();
        assert_eq!(needles.search(dir.path(), &[]).len(), 0);
    }
}
