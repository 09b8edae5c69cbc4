//! Making roots and proofs from hashes of complete subtrees (RFC 6962 sections 2.1, 2.1.1, 2.1.2).

use super::error::ProveError;
use super::hash::{empty_root, node_hash};
use crate::quantity::{LogHash, LogSize};

/// Where the hashes of complete subtrees come from: a store, tiles, memory.
pub trait SubtreeHashes {
    /// Why a hash could not be read.
    type Error;

    /// Hash of the complete subtree over leaves `index << level .. (index + 1) << level`.
    ///
    /// Only asked for subtrees that are complete in the log of the size in question.
    ///
    /// # Errors
    /// The source's own.
    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, Self::Error>;
}

impl<S: SubtreeHashes + ?Sized> SubtreeHashes for &S {
    type Error = S::Error;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, Self::Error> {
        (**self).subtree(level, index)
    }
}

/// Root of the first `size` leaves.
///
/// # Errors
/// The source's own.
pub fn root<S: SubtreeHashes>(source: &S, size: LogSize) -> Result<LogHash, S::Error> {
    range_root(source, 0, size.get())
}

/// Inclusion proof of leaf `index` in the log of the first `size` leaves, the leaf's sibling first.
///
/// # Errors
/// [`ProveError::OutOfRange`] unless `index < size`; [`ProveError::Source`].
pub fn inclusion_proof<S: SubtreeHashes>(
    source: &S,
    index: u64,
    size: LogSize,
) -> Result<Vec<LogHash>, ProveError<S::Error>> {
    if index >= size.get() {
        return Err(ProveError::OutOfRange);
    }
    let (mut start, mut count) = (0, size.get());
    let mut path = Vec::new();
    while count > 1 {
        let left = left_count(count);
        let other = if index - start < left {
            let right = (start + left, count - left);
            count = left;
            right
        } else {
            let skipped = (start, left);
            start += left;
            count -= left;
            skipped
        };
        path.push(range_root(source, other.0, other.1).map_err(ProveError::Source)?);
    }
    path.reverse();
    Ok(path)
}

/// Consistency proof from the first `from` leaves to the first `to`; empty if `from` is 0 or `to`.
///
/// # Errors
/// [`ProveError::OutOfRange`] unless `from <= to`; [`ProveError::Source`].
pub fn consistency_proof<S: SubtreeHashes>(
    source: &S,
    from: LogSize,
    to: LogSize,
) -> Result<Vec<LogHash>, ProveError<S::Error>> {
    if from > to {
        return Err(ProveError::OutOfRange);
    }
    let mut path = Vec::new();
    if from == LogSize::ZERO {
        return Ok(path);
    }
    // The old tree's leaves not yet passed are start .. start + old; `whole`: none were passed.
    let (mut start, mut count, mut old, mut whole) = (0, to.get(), from.get(), true);
    while old != count {
        let left = left_count(count);
        let other = if old <= left {
            let right = (start + left, count - left);
            count = left;
            right
        } else {
            let passed = (start, left);
            start += left;
            old -= left;
            count -= left;
            whole = false;
            passed
        };
        path.push(range_root(source, other.0, other.1).map_err(ProveError::Source)?);
    }
    if !whole {
        path.push(range_root(source, start, old).map_err(ProveError::Source)?);
    }
    path.reverse();
    Ok(path)
}

/// Leaves in the left subtree of a tree of `count` > 1 leaves: the largest power of two below `count`.
fn left_count(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Root over leaves `start .. start + count`, where `start` is a multiple of a power of two >= `count`.
fn range_root<S: SubtreeHashes>(source: &S, start: u64, count: u64) -> Result<LogHash, S::Error> {
    let mut hash = None;
    let mut rest = count;
    // From the smallest complete subtree on the right to the largest on the left.
    while rest != 0 {
        let level = rest.trailing_zeros();
        rest &= rest - 1;
        let left = source.subtree(u8::try_from(level).unwrap_or(u8::MAX), (start + rest) >> level)?;
        hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(hash.unwrap_or_else(empty_root))
}
