//! Verifying inclusion and consistency (RFC 9162 sections 2.1.3.2 and 2.1.4.2; same proofs as RFC 6962).

use super::error::LogError;
use super::hash::{empty_root, node_hash};
use crate::quantity::{LogHash, LogSize};

/// Demands that the leaf with this hash is number `index` of the log of `size` leaves under `root`.
///
/// # Errors
/// [`LogError::IndexBeyondSize`], [`LogError::ProofTooShort`], [`LogError::ProofTooLong`] or
/// [`LogError::RootMismatch`].
pub fn verify_inclusion(
    leaf: &LogHash,
    index: u64,
    size: LogSize,
    proof: &[LogHash],
    root: &LogHash,
) -> Result<(), LogError> {
    let Some(mut last) = size.get().checked_sub(1).filter(|last| index <= *last) else {
        return Err(LogError::IndexBeyondSize);
    };
    let (mut at, mut hash) = (index, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(LogError::ProofTooLong);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            // A right border without sibling on these levels: skip them.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(LogError::ProofTooShort);
    }
    if hash != *root {
        return Err(LogError::RootMismatch);
    }
    Ok(())
}

/// Demands that the log of size `to` under `to_root` only appended to that of size `from` under `from_root`.
///
/// For `from` = 0 the old root must be that of the empty log and the proof empty.
///
/// # Errors
/// [`LogError::SizeShrinks`], [`LogError::SameSizeOtherRoot`] (a fork), [`LogError::EmptyRoot`],
/// [`LogError::ProofTooShort`], [`LogError::ProofTooLong`], [`LogError::OldRootMismatch`] or
/// [`LogError::NewRootMismatch`].
pub fn verify_consistency(
    from: LogSize,
    from_root: &LogHash,
    to: LogSize,
    to_root: &LogHash,
    proof: &[LogHash],
) -> Result<(), LogError> {
    if from > to {
        return Err(LogError::SizeShrinks);
    }
    if from == to && from_root != to_root {
        return Err(LogError::SameSizeOtherRoot);
    }
    if from == LogSize::ZERO && *from_root != empty_root() {
        return Err(LogError::EmptyRoot);
    }
    if from == to || from == LogSize::ZERO {
        return if proof.is_empty() {
            Ok(())
        } else {
            Err(LogError::ProofTooLong)
        };
    }
    let (old, new) = replay(from.get(), to.get(), from_root, proof)?;
    if old != *from_root {
        return Err(LogError::OldRootMismatch);
    }
    if new != *to_root {
        return Err(LogError::NewRootMismatch);
    }
    Ok(())
}

/// The two roots that a proof from `from` to `to` (0 < from < to) leads to.
fn replay(
    from: u64,
    to: u64,
    from_root: &LogHash,
    proof: &[LogHash],
) -> Result<(LogHash, LogHash), LogError> {
    // A complete old tree is itself the first node of the proof and left out there.
    let (first, rest) = if from.is_power_of_two() {
        (from_root, proof)
    } else {
        proof.split_first().ok_or(LogError::ProofTooShort)?
    };
    // Levels on which the old tree's border is a complete pair are folded into the first node.
    let folded = (from - 1).trailing_ones();
    let (mut at, mut last) = ((from - 1) >> folded, (to - 1) >> folded);
    let (mut old, mut new) = (*first, *first);
    for node in rest {
        if last == 0 {
            return Err(LogError::ProofTooLong);
        }
        if at & 1 == 1 || at == last {
            old = node_hash(node, &old);
            new = node_hash(node, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, node);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(LogError::ProofTooShort);
    }
    Ok((old, new))
}
