//! Moving from a log that has ended to the one that continues it.
//!
//! The two logs name each other: the last leaf of the old one names a configuration document with a `successor`, the
//! documents of the new one name the old one's final state as their `predecessor`. An account moves over its first
//! record in the new log: it is `imported`, names the hash of the account's final record in the old one, and changes
//! nothing. A verifier that has pinned the old log
//!
//! 1. follows the old log to its last leaf and verifies it as ever, with its quorum,
//! 2. fetches the new log's configuration and makes a [`Link`],
//! 3. authorises the final record in the old log and the first one in the new, and demands [`Link::account`] or
//!    [`Link::alias`],
//!
//! and only then puts a pin of the new log in the place of the old one's.

use thiserror::Error;

use crate::config::{ConfigDocument, Predecessor};
use crate::epoch::VerifiedEpoch;
use crate::quantity::{KeyVersion, LogSize};
use crate::record::{AccountKind, AccountRecord, AliasKind, AliasRecord};

/// Why a move is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The document is not the one that the last leaf names.
    #[error("the last leaf names another configuration document")]
    OtherDocument,
    /// The old log has not ended.
    #[error("the old log names no successor: it has not ended")]
    NotEnded,
    /// The old log ended for another log.
    #[error("the old log names another successor")]
    OtherSuccessor,
    /// The new log continues nothing.
    #[error("the new log names no predecessor")]
    NoPredecessor,
    /// The new log continues another log.
    #[error("the new log names another predecessor")]
    OtherPredecessor,
    /// The new log states another VRF key for the old one.
    #[error("the new log states another VRF key for the old log")]
    OtherVrfKey,
    /// The new log continues another state of the old one.
    #[error("the new log continues size {stated} of the old log, the last is {last}")]
    OtherSize {
        /// Size of the old log's last checkpoint.
        last: LogSize,
        /// Size that the new log states.
        stated: LogSize,
    },
    /// The new log states another root for the old log.
    #[error("the new log states another root for the old log")]
    OtherLogRoot,
    /// The new log states another root for the old log's tree.
    #[error("the new log states another root for the old log's tree")]
    OtherTreeRoot,
    /// The first record in the new log is not an imported first version.
    #[error("the first record in the new log is not imported")]
    NotImported,
    /// The records are of two labels.
    #[error("the records are of two labels")]
    OtherLabel,
    /// The imported record does not name the hash of the final one.
    #[error("the imported record does not name the hash of the final record in the old log")]
    PreviousHash,
    /// The imported record changes keys, devices, delay or extension, or who holds the alias.
    #[error("the imported record changes what stood in the old log")]
    Changed,
    /// The account is closed, or nobody holds the alias: there is nothing to move.
    #[error("the final record in the old log has no key to trust")]
    NothingToMove,
}

impl MigrationError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherDocument => "migration-other-document",
            Self::NotEnded => "migration-not-ended",
            Self::OtherSuccessor => "migration-other-successor",
            Self::NoPredecessor => "migration-no-predecessor",
            Self::OtherPredecessor => "migration-other-predecessor",
            Self::OtherVrfKey => "migration-other-vrf-key",
            Self::OtherSize { .. } => "migration-other-size",
            Self::OtherLogRoot => "migration-other-log-root",
            Self::OtherTreeRoot => "migration-other-tree-root",
            Self::NotImported => "migration-not-imported",
            Self::OtherLabel => "migration-other-label",
            Self::PreviousHash => "migration-previous-hash",
            Self::Changed => "migration-changed",
            Self::NothingToMove => "migration-nothing-to-move",
        }
    }
}

/// Two logs that name each other. Only [`Link::verify`] makes one.
#[derive(Debug, Clone)]
pub struct Link {
    predecessor: Predecessor,
}

impl Link {
    /// Demands that the old log ended for the new one, and that the new one continues exactly its last state.
    ///
    /// `last` is the old log's last epoch, verified, with its standing checked; `old` the document that its leaf names;
    /// `new` a document of the new log, whose predecessor never changes.
    ///
    /// # Errors
    /// One [`MigrationError`] per broken rule.
    pub fn verify(
        old: &ConfigDocument,
        last: &VerifiedEpoch,
        new: &ConfigDocument,
    ) -> Result<Self, MigrationError> {
        if last.leaf().config != old.hash() {
            return Err(MigrationError::OtherDocument);
        }
        let successor = old.successor.as_ref().ok_or(MigrationError::NotEnded)?;
        // Both logs have the name of their key.
        if successor.log_vkey != new.log_vkey {
            return Err(MigrationError::OtherSuccessor);
        }
        let predecessor = new.predecessor.as_ref().ok_or(MigrationError::NoPredecessor)?;
        if predecessor.log_vkey != old.log_vkey {
            return Err(MigrationError::OtherPredecessor);
        }
        if predecessor.vrf_public_key != old.vrf_public_key {
            return Err(MigrationError::OtherVrfKey);
        }
        check_state(predecessor, last)?;
        Ok(Self {
            predecessor: predecessor.clone(),
        })
    }

    /// The old log's final state.
    pub fn predecessor(&self) -> &Predecessor {
        &self.predecessor
    }

    /// Demands that an account's first record in the new log continues its final one in the old, and changes nothing.
    ///
    /// Both records are authorised in their logs.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub fn account(&self, last: &AccountRecord, first: &AccountRecord) -> Result<(), MigrationError> {
        if first.kind != AccountKind::Imported || first.version != KeyVersion::FIRST {
            return Err(MigrationError::NotImported);
        }
        if first.account != last.account {
            return Err(MigrationError::OtherLabel);
        }
        if first.previous != last.hash() {
            return Err(MigrationError::PreviousHash);
        }
        if last.kind == AccountKind::Closed {
            return Err(MigrationError::NothingToMove);
        }
        let unchanged = first.identity == last.identity
            && first.recovery_delay == last.recovery_delay
            && first.devices == last.devices
            && first.extension == last.extension;
        unchanged.then_some(()).ok_or(MigrationError::Changed)
    }

    /// Demands that an alias's first record in the new log continues its final one in the old, with the same holder.
    ///
    /// Both records are authorised in their logs.
    ///
    /// # Errors
    /// [`MigrationError`].
    pub fn alias(&self, last: &AliasRecord, first: &AliasRecord) -> Result<(), MigrationError> {
        if first.kind != AliasKind::Imported || first.version != KeyVersion::FIRST {
            return Err(MigrationError::NotImported);
        }
        if first.alias != last.alias {
            return Err(MigrationError::OtherLabel);
        }
        if first.previous != last.hash() {
            return Err(MigrationError::PreviousHash);
        }
        let held_by = last.holder.as_ref().ok_or(MigrationError::NothingToMove)?;
        let same = first
            .holder
            .as_ref()
            .is_some_and(|h| h.account == held_by.account);
        same.then_some(()).ok_or(MigrationError::Changed)
    }
}

fn check_state(stated: &Predecessor, last: &VerifiedEpoch) -> Result<(), MigrationError> {
    if stated.size != last.size() {
        return Err(MigrationError::OtherSize {
            last: last.size(),
            stated: stated.size,
        });
    }
    if stated.log_root != last.checkpoint().checkpoint().root {
        return Err(MigrationError::OtherLogRoot);
    }
    if stated.akd_root != *last.root() {
        return Err(MigrationError::OtherTreeRoot);
    }
    Ok(())
}
