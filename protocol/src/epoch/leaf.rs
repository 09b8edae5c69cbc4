//! The leaf of an epoch in the epoch log: 164 bytes, all integers big-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `KGE1` |
//! | 4..12 | epoch = index in the log |
//! | 12..20 | time, ms since 1970 |
//! | 20..52 | akd root before; zeros for epoch 0 |
//! | 52..84 | akd root; that of the empty tree for epoch 0 |
//! | 84..116 | SHA-256 of the configuration document |
//! | 116..124 | entries in `inserted` of the audit proof; 0 only for epoch 0 |
//! | 124..156 | SHA-256 of the audit proof; zeros for epoch 0 |
//! | 156..164 | length of the audit proof, at most 64 MiB; 0 only for epoch 0 |

use thiserror::Error;

use crate::codec::Reader;
use crate::error::FormatError;
use crate::log::leaf_hash;
use crate::quantity::{AuditHash, ConfigHash, Epoch, LogHash, Millis, RootHash};
use crate::tree::{MAX_AUDIT_PROOF_BYTES, empty_root};

const MAGIC: &[u8; 4] = b"KGE1";

/// What the log says about one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// The epoch, which is also the leaf's index.
    pub epoch: Epoch,
    /// When it was made; strictly later than the leaf before.
    pub time: Millis,
    /// akd root of the epoch before; zeros for epoch 0.
    pub previous_root: RootHash,
    /// akd root of this epoch; that of the empty tree for epoch 0.
    pub root: RootHash,
    /// SHA-256 of the configuration document in force.
    pub config: ConfigHash,
    /// Entries in `inserted` of the audit proof INTO this epoch; 0 only for epoch 0.
    pub inserted: u64,
    /// SHA-256 of that proof; zeros for epoch 0.
    pub audit_hash: AuditHash,
    /// Its length in bytes, at most [`MAX_AUDIT_PROOF_BYTES`]; 0 only for epoch 0.
    pub audit_length: u64,
}

/// A broken rule of a leaf or between neighbouring leaves.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeafError {
    /// Not the encoding of a leaf.
    #[error("not a leaf: {0}")]
    Format(#[from] FormatError),
    /// Epoch 0 names a root before it.
    #[error("epoch 0 has a previous root")]
    FirstPreviousRoot,
    /// Epoch 0 names an audit proof.
    #[error("epoch 0 has an audit proof")]
    FirstAudit,
    /// Epoch 0 is not the empty tree.
    #[error("epoch 0 is not the empty tree")]
    FirstRoot,
    /// An epoch after 0 inserts nothing: an empty publish makes no epoch.
    #[error("an epoch after 0 inserts nothing")]
    NothingInserted,
    /// An epoch after 0 has an empty audit proof.
    #[error("an epoch after 0 has an empty audit proof")]
    NoAudit,
    /// The audit proof is longer than any may be ([`MAX_AUDIT_PROOF_BYTES`]).
    #[error("an audit proof of {0} bytes is longer than any may be")]
    AuditTooLong(u64),
    /// The epoch is not that of the leaf before plus one.
    #[error("expected epoch {expected}, found {found}")]
    EpochSkipped {
        /// The epoch that must come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// The root before is not the root of the leaf before.
    #[error("the previous root is not the root of the epoch before")]
    RootChainBroken,
    /// The time is not later than that of the leaf before.
    #[error("the time is not later than that of the epoch before")]
    TimeNotLater,
}

impl LeafError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(format) => format.reason(),
            Self::FirstPreviousRoot => "first-previous-root",
            Self::FirstAudit => "first-audit",
            Self::FirstRoot => "first-root",
            Self::NothingInserted => "nothing-inserted",
            Self::NoAudit => "no-audit",
            Self::AuditTooLong(_) => "audit-proof-too-long",
            Self::EpochSkipped { .. } => "epoch-skipped",
            Self::RootChainBroken => "root-chain-broken",
            Self::TimeNotLater => "time-not-later",
        }
    }
}

impl Leaf {
    /// Length in bytes.
    pub const LEN: usize = 164;

    /// The bytes of the leaf.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.epoch.get().to_be_bytes());
        out.extend_from_slice(&self.time.get().to_be_bytes());
        out.extend_from_slice(self.previous_root.as_bytes());
        out.extend_from_slice(self.root.as_bytes());
        out.extend_from_slice(self.config.as_bytes());
        out.extend_from_slice(&self.inserted.to_be_bytes());
        out.extend_from_slice(self.audit_hash.as_bytes());
        out.extend_from_slice(&self.audit_length.to_be_bytes());
        out
    }

    /// Decodes exactly 164 bytes.
    ///
    /// # Errors
    /// [`LeafError::Format`]; for what epoch 0 and only epoch 0 must leave empty
    /// [`LeafError::FirstPreviousRoot`], [`LeafError::FirstAudit`], [`LeafError::FirstRoot`],
    /// [`LeafError::NothingInserted`], [`LeafError::NoAudit`]; and [`LeafError::AuditTooLong`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let leaf = Self::fields(bytes)?;
        let audited = leaf.inserted != 0 || !leaf.audit_hash.is_zero() || leaf.audit_length != 0;
        match leaf.epoch {
            Epoch::ZERO if !leaf.previous_root.is_zero() => Err(LeafError::FirstPreviousRoot),
            Epoch::ZERO if audited => Err(LeafError::FirstAudit),
            Epoch::ZERO if leaf.root != empty_root() => Err(LeafError::FirstRoot),
            Epoch::ZERO => Ok(leaf),
            _ if leaf.inserted == 0 => Err(LeafError::NothingInserted),
            _ if leaf.audit_length == 0 => Err(LeafError::NoAudit),
            _ if usize::try_from(leaf.audit_length).map_or(true, |length| length > MAX_AUDIT_PROOF_BYTES) => {
                Err(LeafError::AuditTooLong(leaf.audit_length))
            }
            _ => Ok(leaf),
        }
    }

    fn fields(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        let leaf = Self {
            epoch: Epoch::new(reader.u64()?),
            time: Millis::new(reader.u64()?),
            previous_root: RootHash::new(reader.array()?),
            root: RootHash::new(reader.array()?),
            config: ConfigHash::new(reader.array()?),
            inserted: reader.u64()?,
            audit_hash: AuditHash::new(reader.array()?),
            audit_length: reader.u64()?,
        };
        reader.finish()?;
        Ok(leaf)
    }

    /// The leaf's hash in the log.
    pub fn hash(&self) -> LogHash {
        leaf_hash(&self.encode())
    }

    /// Demands that `next` may stand right after `previous`: epoch, root chain, time.
    ///
    /// Rules of the configuration are not checked here.
    ///
    /// # Errors
    /// [`LeafError::EpochSkipped`], [`LeafError::RootChainBroken`] or [`LeafError::TimeNotLater`].
    pub fn check_successor(previous: &Self, next: &Self) -> Result<(), LeafError> {
        if previous.epoch.next() != Some(next.epoch) {
            return Err(LeafError::EpochSkipped {
                expected: previous.epoch.get().saturating_add(1),
                found: next.epoch.get(),
            });
        }
        if next.previous_root != previous.root {
            return Err(LeafError::RootChainBroken);
        }
        if next.time <= previous.time {
            return Err(LeafError::TimeNotLater);
        }
        Ok(())
    }
}
