//! What has to be remembered of records that do not come through the queue: imported, or replayed from a journal.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{KeyVersion, Millis};
use keyglass_protocol::record::{AccountKind, AliasRecord};
use keyglass_schema::{Noted, Store};

use super::{SubmitError, alias, handles};

/// What follows from a record that is about to be published; `None`: nothing. `now` counts for a closing.
///
/// # Errors
/// [`SubmitError`] if the database fails or a stored record is damaged.
pub(crate) fn noted(
    store: &Store,
    label: &Label,
    record: &[u8],
    now: Millis,
) -> Result<Option<Noted>, SubmitError> {
    let mut noted = Noted {
        label: label.clone(),
        skeleton: None,
        relies_on: Vec::new(),
        closed: None,
    };
    if matches!(label, Label::Account(_)) {
        let closes = AccountKind::of_record(record)? == AccountKind::Closed;
        noted.closed = closes.then_some(now);
        return Ok(closes.then_some(noted));
    }
    let record = AliasRecord::decode(record)?;
    if let Label::Handle(handle) = label
        && record.version == KeyVersion::FIRST
    {
        noted.skeleton = Some(handles::looks_like(handle.as_str()));
    }
    if let Some(holder) = &record.holder {
        noted.relies_on = alias::former_holders(store, label, &record, &holder.account)?;
    }
    let anything = noted.skeleton.is_some() || !noted.relies_on.is_empty();
    Ok(anything.then_some(noted))
}
