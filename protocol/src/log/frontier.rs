//! What is needed to append to a log and to know its root: one hash per complete subtree.

use super::error::LogError;
use super::hash::{empty_root, node_hash};
use crate::quantity::{LogHash, LogSize};

/// The right border of a log: hashes of its complete subtrees, largest (leftmost) first; at most 64.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: LogSize,
    peaks: Vec<LogHash>,
}

impl Frontier {
    /// The empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// A log of `size` leaves whose complete subtrees have these hashes, largest first.
    ///
    /// # Errors
    /// [`LogError::FrontierPeaks`] unless there is one hash for each bit set in the size.
    pub fn from_peaks(size: LogSize, peaks: Vec<LogHash>) -> Result<Self, LogError> {
        if usize::try_from(size.get().count_ones()) != Ok(peaks.len()) {
            return Err(LogError::FrontierPeaks);
        }
        Ok(Self { size, peaks })
    }

    /// Appends a leaf by its hash.
    ///
    /// # Errors
    /// [`LogError::LogFull`] after 2^64 - 1 leaves.
    pub fn push(&mut self, leaf: LogHash) -> Result<(), LogError> {
        let size = self.size.get().checked_add(1).ok_or(LogError::LogFull)?;
        let mut hash = leaf;
        for _ in 0..self.size.get().trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size = LogSize::new(size);
        Ok(())
    }

    /// Root of the log.
    pub fn root(&self) -> LogHash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Number of leaves.
    pub fn size(&self) -> LogSize {
        self.size
    }

    /// The hashes, largest subtree first.
    pub fn peaks(&self) -> &[LogHash] {
        &self.peaks
    }
}
