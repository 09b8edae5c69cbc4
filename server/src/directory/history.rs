//! The leaves that date the notices and recoveries of a history.

use keyglass_protocol::label::Label;
use keyglass_protocol::message::EpochProof;
use keyglass_protocol::quantity::{KeyVersion, LogSize};
use keyglass_protocol::record::{AccountKind, AccountRecord, Role};
use keyglass_schema::Store;

use super::LookupError;
use super::head::leaf_with_proof;

/// Proofs of the leaves of every version in `since..=newest` whose time matters, ascending. Blocking.
pub(super) fn leaves(
    store: &Store,
    label: &Label,
    since: KeyVersion,
    newest: KeyVersion,
    size: LogSize,
) -> Result<Vec<EpochProof>, LookupError> {
    if label.account().is_none() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut next = Some(since);
    while let Some(version) = next.filter(|v| *v <= newest) {
        let stored = store
            .version(label, version)?
            .ok_or(LookupError::Damaged("a version is missing"))?;
        // An erased record is empty: there is nothing left to date.
        if !stored.value.is_empty() && is_dated(&AccountRecord::decode(&stored.value)?) {
            found.push(leaf_with_proof(store, stored.epoch, size)?.1);
        }
        next = version.next();
    }
    Ok(found)
}

/// Whether a rule about this record looks at the clock of the log.
fn is_dated(record: &AccountRecord) -> bool {
    match record.kind {
        AccountKind::Notice | AccountKind::Recovery => true,
        AccountKind::Closed => record.signatures().iter().any(|s| s.role == Role::Recovery),
        AccountKind::Created | AccountKind::Imported | AccountKind::Owner => false,
    }
}
