//! The lines of a file, one in memory at a time, each with what was read up to its end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use keyglass_protocol::message::{PutRequest, from_json};
use sha2::{Digest as _, Sha256};

use super::check::BadRecord;
use super::position::Position;

/// Longest line in bytes: a record of 16 KiB in base64, with room for spaces. 64 KiB.
const MAX_LINE: usize = 64 << 10;

/// One line.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Where the next one begins in the file.
    pub(super) end: u64,
    /// SHA-256 of the file up to there.
    pub(super) hash: [u8; 32],
    /// The record in it.
    pub(super) record: Result<Vec<u8>, BadRecord>,
}

impl Line {
    /// About how much memory it takes, in bytes.
    pub(super) fn len(&self) -> usize {
        self.record.as_ref().map_or(0, Vec::len)
    }
}

/// Reads lines.
pub(super) struct Lines {
    reader: BufReader<File>,
    length: u64,
    offset: u64,
    number: u64,
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Lines {
    /// All lines of a file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            length: file.metadata()?.len(),
            reader: BufReader::with_capacity(1 << 20, file),
            offset: 0,
            number: 0,
            hash: Sha256::new(),
            buffer: Vec::new(),
        })
    }

    /// The lines after a known position; `None` unless the file begins with the very bytes that were read then.
    pub(super) fn resume(path: &Path, known: &Position) -> io::Result<Option<Self>> {
        let mut lines = Self::open(path)?;
        if lines.length < known.offset {
            return Ok(None);
        }
        let mut left = known.offset;
        let mut chunk = vec![0; 1 << 16];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(chunk.len()).min(chunk.len());
            let part = chunk.get_mut(..want).unwrap_or_default();
            lines.reader.read_exact(part)?;
            lines.hash.update(part);
            left = left.saturating_sub(u64::try_from(want).unwrap_or(u64::MAX));
        }
        if <[u8; 32]>::from(lines.hash.clone().finalize()) != known.hash {
            return Ok(None);
        }
        lines.offset = known.offset;
        lines.number = known.counts.lines;
        Ok(Some(lines))
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of the file when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The next line; `None` at the end. The last one may lack its newline.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        self.buffer.clear();
        let mut long = false;
        let mut read = 0_u64;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let found = available.iter().position(|byte| *byte == b'\n');
            let taken = found.map_or(available.len(), |at| at.saturating_add(1));
            let part = available.get(..taken).unwrap_or_default();
            self.hash.update(part);
            // Of a line that is too long only its end is looked for.
            long |= self.buffer.len().saturating_add(taken) > MAX_LINE;
            if !long {
                self.buffer.extend_from_slice(part);
            }
            read = read.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
            self.reader.consume(taken);
            if found.is_some() {
                break;
            }
        }
        if read == 0 {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        self.offset = self.offset.saturating_add(read);
        Ok(Some(Line {
            number: self.number,
            end: self.offset,
            hash: self.hash.clone().finalize().into(),
            record: if long {
                Err(BadRecord::LongLine)
            } else {
                record(&self.buffer)
            },
        }))
    }
}

fn record(line: &[u8]) -> Result<Vec<u8>, BadRecord> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let request: PutRequest = from_json(line).map_err(BadRecord::Json)?;
    Ok(request.record.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::Counts;
    use super::*;
    use keyglass_protocol::quantity::Epoch;

    fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn all(mut lines: Lines) -> Vec<Line> {
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_are_counted_and_bad_ones_are_told_apart() {
        let long = "x".repeat(MAX_LINE + 1);
        let text = format!(
            "{{\"record\": \"AQ==\"}}\n\n{{\"record\": \"AQ==\"}}x\n{long}\n{{\"record\":\"AQ=\"}}\n{{\"record\": \"Ag==\"}}"
        );
        let (_dir, path) = file(text.as_bytes());
        let found = all(Lines::open(&path).unwrap());
        let verdicts: Vec<_> = found
            .iter()
            .map(|l| match &l.record {
                Ok(bytes) => format!("{} {bytes:?}", l.number),
                Err(why) => format!("{} {}", l.number, why.reason()),
            })
            .collect();
        assert_eq!(
            verdicts,
            [
                "1 [1]",
                "2 bad-json",
                "3 bad-json",
                "4 long-line",
                "5 bad-json",
                "6 [2]"
            ]
        );
        assert_eq!(found.last().unwrap().end, u64::try_from(text.len()).unwrap());
    }

    #[test]
    fn a_position_counts_only_for_the_same_bytes() {
        let (_dir, path) = file(b"{\"record\":\"AQ==\"}\n{\"record\":\"Ag==\"}\n{\"record\":\"Aw==\"}\n");
        let lines = all(Lines::open(&path).unwrap());
        let second = lines.get(1).unwrap();
        let known = Position {
            offset: second.end,
            hash: second.hash,
            counts: Counts {
                lines: 2,
                ..Counts::default()
            },
            epoch: Epoch::ZERO,
        };
        let rest = all(Lines::resume(&path, &known).unwrap().unwrap());
        assert_eq!(rest.len(), 1);
        let (last, again) = (lines.last().unwrap(), rest.last().unwrap());
        assert_eq!(
            (last.number, last.end, last.hash),
            (again.number, again.end, again.hash)
        );
        std::fs::write(
            &path,
            b"{\"record\":\"AQ==\"}\n{\"record\":\"AA==\"}\n{\"record\":\"Aw==\"}\n",
        )
        .unwrap();
        assert!(Lines::resume(&path, &known).unwrap().is_none());
        std::fs::write(&path, b"{\"record\":\"AQ==\"}\n").unwrap();
        assert!(Lines::resume(&path, &known).unwrap().is_none());
    }
}
