//! Updates in, receipts out. Blocking, and without HTTP.
//!
//! Two locks must both open: the platform says that the session belongs to the account ([`crate::access`]), and the account's
//! own key has signed ([`keyglass_protocol::record`]). What is answered with a receipt is durable, and only then signed.

mod error;
mod rules;

use std::sync::Arc;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutAnswer};
use keyglass_protocol::note::Note;
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::receipt::Receipt;
use keyglass_schema::{Enqueued, NewUpdate, ReceiptRow, Stored};

pub use error::SubmitError;

use crate::access::{Act, Caller};
use crate::service::Service;
use rules::Checked;

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
        if service.head.get().is_none() {
            return Err(SubmitError::NotReady);
        }
        if service.holding() {
            return Err(SubmitError::Holding);
        }
        caller.may_write(label, Act::Owner)?;
        for _ in 0..ATTEMPTS {
            match self.attempt(caller, label, record)? {
                (Enqueued::New, version, row) => {
                    service.metrics.receipt_issued();
                    service.wake.notify_one();
                    return self.answer(label, version, row);
                }
                (Enqueued::Same(row), version, _) => return self.answer(label, version, row),
                (Enqueued::Conflict(_), ..) => return Err(SubmitError::UpdatePending),
                (Enqueued::Stale { newest }, ..) => return Err(SubmitError::Stale { newest }),
                // The holder got a new version between the check and the queue: check again.
                (Enqueued::HolderMoved { .. }, ..) => {}
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
        let checked = self.check(caller, label, record, newest.as_ref(), at)?;
        let row = self.promise(label, checked.version, record)?;
        let outcome = service.store.enqueue(&NewUpdate {
            label,
            record,
            version: checked.version,
            holder: checked.holder.as_ref().map(rules::Named::holder),
            previous_holder: checked.previous_holder.as_ref().map(rules::Named::holder),
            changes_identity: checked.changes_identity,
            receipt: &row,
        })?;
        Ok((outcome, checked.version, row))
    }

    fn check(
        &self,
        caller: &Caller,
        label: &Label,
        record: &[u8],
        newest: Option<&Stored>,
        at: Epoch,
    ) -> Result<Checked, SubmitError> {
        match label {
            Label::Account(_) => rules::account(&self.service, label, record, newest, at),
            Label::Handle(_) => rules::alias(&self.service, caller, label, record, newest, at),
            // Whoever may say that a number is his has to be settled by a token first.
            Label::Phone(_) => Err(SubmitError::KindNotAccepted),
        }
    }

    /// The receipt of an update, not signed yet.
    ///
    /// Not dated before the newest leaf, even if the clock went back: what is accepted now is not in it.
    fn promise(&self, label: &Label, version: KeyVersion, record: &[u8]) -> Result<ReceiptRow, SubmitError> {
        let service = &self.service;
        let newest = service.store.log_size()?.last_epoch();
        let newest = newest
            .map(|epoch| service.store.leaf(epoch))
            .transpose()?
            .flatten();
        let entry = service.keys.vrf.tree_entry(label.as_bytes(), version, record);
        let accepted = service
            .clock
            .now()
            .max(newest.map(|leaf| leaf.time).unwrap_or_default());
        let receipt = Receipt {
            origin: service.keys.log.verifier().origin().clone(),
            config: service.config.hash(),
            leaf_label: entry.leaf_label,
            commitment: entry.commitment,
            accepted,
            deadline: accepted.plus(service.config.merge_delay_seconds.saturating_mul(1000)),
        };
        Ok(ReceiptRow {
            id: *receipt.id().as_bytes(),
            note: receipt.to_text().into_bytes(),
            vrf_proof: entry.vrf_proof.to_vec(),
            nonce: entry.nonce,
            leaf_label: entry.leaf_label,
            commitment: entry.commitment,
            accepted,
            deadline: receipt.deadline,
        })
    }

    /// Signs what is durable now. The signature scheme is deterministic: the same receipt is the same bytes again.
    fn answer(&self, label: &Label, version: KeyVersion, row: ReceiptRow) -> Result<PutAnswer, SubmitError> {
        let text = String::from_utf8(row.note).map_err(|_| SubmitError::Damaged)?;
        let line = self.service.keys.receipt.sign_text(&text)?;
        let note = Note::new(&text, vec![line]).map_err(|_| SubmitError::Damaged)?;
        Ok(PutAnswer {
            id: hex::encode(row.id),
            receipt: String::from_utf8(note.to_bytes()).map_err(|_| SubmitError::Damaged)?,
            vrf_proof: B64(row.vrf_proof),
            nonce: B64(row.nonce.as_bytes().to_vec()),
            label: label.as_str().to_owned(),
            version: version.get(),
        })
    }
}
