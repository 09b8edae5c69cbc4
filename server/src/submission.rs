//! Updates in, receipts out. Blocking, and without HTTP.
//!
//! Two locks must both open: the platform says that the session belongs to the account ([`crate::access`]), and the account's
//! own key has signed ([`keyglass_protocol::record`]). What is answered with a receipt is durable, and only then signed.

mod account;
mod alias;
mod error;
pub(crate) mod handles;
mod noted;
mod rules;

use std::sync::Arc;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutAnswer};
use keyglass_protocol::note::Note;
use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis};
use keyglass_protocol::receipt::Receipt;
use keyglass_schema::{Enqueued, NewUpdate, ReceiptRow};

pub use error::SubmitError;
pub(crate) use noted::noted;

use crate::access::Caller;
use crate::service::Service;
use rules::Case;

/// How often an alias is checked again because its holder got a new version meanwhile.
const ATTEMPTS: usize = 3;

/// The write side of the directory. Cheap to clone.
#[derive(Clone)]
pub struct Submission {
    service: Arc<Service>,
}

impl Submission {
    /// Submission to `service`.
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }

    /// Accepts an update, durably, and answers with its receipt. A byte-identical repeat gets the same receipt. Blocking.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing was accepted.
    pub fn put(&self, caller: &Caller, label: &Label, record: &[u8]) -> Result<PutAnswer, SubmitError> {
        let service = &self.service;
        if service.head.get().is_none() || !service.may_promise() {
            return Err(SubmitError::NotReady);
        }
        if service.holding() {
            return Err(SubmitError::Holding);
        }
        let in_force = service.config.in_force();
        if let Some(successor) = in_force.ended() {
            return Err(SubmitError::LogEnded {
                successor: successor.log_vkey.to_string(),
            });
        }
        // What is accepted now would be judged by one document and published under the next.
        if !in_force.is_announced() {
            return Err(SubmitError::NotReady);
        }
        for _ in 0..ATTEMPTS {
            let (outcome, version, row) = self.attempt(caller, label, record)?;
            match outcome {
                Enqueued::New => {
                    service.metrics.receipt_issued();
                    service.wake.notify_one();
                    return answer(label, version, row);
                }
                Enqueued::Same(row) => return answer(label, version, row),
                Enqueued::Conflict(_) => return Err(SubmitError::UpdatePending),
                Enqueued::Stale { newest } => return Err(SubmitError::Stale { newest }),
                Enqueued::TooLate => return Err(SubmitError::ImportTooLate),
                Enqueued::Confusable => return Err(SubmitError::HandleConfusable),
                Enqueued::Retired => return Err(SubmitError::HandleRetired),
                Enqueued::Erased => return Err(SubmitError::Erased),
                // The holder got a new version between the check and the queue: check again.
                Enqueued::HolderMoved { .. } => {}
            }
        }
        Err(SubmitError::UpdatePending)
    }

    fn attempt(
        &self,
        caller: &Caller,
        label: &Label,
        record: &[u8],
    ) -> Result<(Enqueued, KeyVersion, ReceiptRow), SubmitError> {
        let service = &self.service;
        let at = service.store.tree_epoch()?.ok_or(SubmitError::NotReady)?;
        let newest = service.store.newest(label, at)?;
        let accepted = self.accepted()?;
        let checked = Case {
            service,
            caller: Some(caller),
            label,
            bytes: record,
            newest: newest.as_ref(),
            at,
            not_before: accepted,
        }
        .check()?;
        let version = checked.version.ok_or(SubmitError::Damaged)?;
        let row = self.promise(label, version, record, accepted)?;
        let outcome = service.store.enqueue(&NewUpdate {
            label,
            record,
            version,
            holder: checked.holder.as_ref().map(rules::Named::holder),
            previous_holder: checked.previous_holder.as_ref().map(rules::Named::holder),
            changes_identity: checked.changes_identity,
            receipt: &row,
            conditions: checked.conditions(service.settings.max_batch),
        })?;
        Ok((outcome, version, row))
    }

    /// When an update that comes now is accepted: not before the newest leaf, even if the clock went back, since it is not
    /// in it.
    fn accepted(&self) -> Result<Millis, SubmitError> {
        let store = &self.service.store;
        let newest = store.log_size()?.last_epoch();
        let newest = newest.map(|epoch| store.leaf(epoch)).transpose()?.flatten();
        let newest = newest.map(|leaf| leaf.time).unwrap_or_default();
        Ok(self.service.clock.now().max(newest))
    }

    /// The receipt of an update. Signed before it is durable, so that a key that is replaced later is not missed, and
    /// handed out after.
    fn promise(
        &self,
        label: &Label,
        version: KeyVersion,
        record: &[u8],
        accepted: Millis,
    ) -> Result<ReceiptRow, SubmitError> {
        let service = &self.service;
        let entry = service.keys.vrf.tree_entry(label.as_bytes(), version, record);
        let receipt = Receipt {
            origin: service.keys.log.verifier().origin().clone(),
            config: service.config.hash(),
            leaf_label: entry.leaf_label,
            commitment: entry.commitment,
            accepted,
            deadline: accepted.plus(service.config.merge_delay_seconds.saturating_mul(1000)),
        };
        let text = receipt.to_text();
        let note = Note::new(&text, vec![service.keys.receipt.sign_text(&text)?]);
        Ok(ReceiptRow {
            id: *receipt.id().as_bytes(),
            note: note.map_err(|_| SubmitError::Damaged)?.to_bytes(),
            vrf_proof: entry.vrf_proof.to_vec(),
            nonce: entry.nonce,
            leaf_label: entry.leaf_label,
            commitment: entry.commitment,
            accepted,
            deadline: receipt.deadline,
        })
    }
}

/// The answer with a receipt that is durable.
fn answer(label: &Label, version: KeyVersion, row: ReceiptRow) -> Result<PutAnswer, SubmitError> {
    Ok(PutAnswer {
        id: hex::encode(row.id),
        receipt: String::from_utf8(row.note).map_err(|_| SubmitError::Damaged)?,
        vrf_proof: B64(row.vrf_proof),
        nonce: B64(row.nonce.as_bytes().to_vec()),
        label: label.as_str().to_owned(),
        version: version.get(),
    })
}

/// Judges a record again that the publisher is about to publish as `epoch`, whose leaf will not be earlier than `time`.
/// Only records whose rules look at the clock or at a key of the platform can have become wrong since they were accepted.
///
/// # Errors
/// [`SubmitError`] with the rule that it would break.
pub(crate) fn recheck(
    service: &Service,
    label: &Label,
    record: &[u8],
    epoch: Epoch,
    time: Millis,
) -> Result<(), SubmitError> {
    if rules::is_imported(label, record) {
        let last = service.config.in_force().newest().import_closed_after_epoch;
        return if last.is_some_and(|last| epoch > last) {
            Err(SubmitError::ImportTooLate)
        } else {
            Ok(())
        };
    }
    if !rules::is_conditional(label, record) {
        return Ok(());
    }
    let at = epoch.previous().ok_or(SubmitError::NotReady)?;
    let newest = service.store.newest(label, at)?;
    let case = Case {
        service,
        caller: None,
        label,
        bytes: record,
        newest: newest.as_ref(),
        at,
        not_before: time,
    };
    case.check().map(drop)
}
