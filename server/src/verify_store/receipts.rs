//! Receipts: each opens, and was fulfilled where it says so.

use keyglass_protocol::note::Note;
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::{Cursor, ReceiptStatus};
use sha2::{Digest as _, Sha256};

use super::{Run, VerifyError};

/// Rows of one page.
const PAGE: usize = 1_000;

impl Run<'_> {
    /// Checks every receipt against the versions up to `last`.
    pub(super) fn receipts(&mut self, last: Epoch) -> Result<(), VerifyError> {
        let mut cursor = Cursor::default();
        loop {
            let (page, end) = self.store.inspect_receipts(&cursor, PAGE)?;
            if page.is_empty() {
                break;
            }
            for receipt in page {
                self.checked.receipts = self.checked.receipts.saturating_add(1);
                let place = format!("receipts, {}", receipt.place);
                match receipt.opened {
                    Ok(status) => self.receipt(&place, &status, last),
                    Err(error) => self.found(place, error.to_string()),
                }
            }
            self.report.progress("receipts", self.checked.receipts, 0);
            cursor = end;
        }
        let lost = self.store.updates_without_receipt()?;
        if lost > 0 {
            self.found(
                "updates",
                format!("{lost} updates wait whose receipts are missing"),
            );
        }
        Ok(())
    }

    fn receipt(&mut self, place: &str, status: &ReceiptStatus, last: Epoch) {
        let row = &status.row;
        // Without a note its update was erased.
        let named = row.note.is_empty()
            || Note::parse(&row.note)
                .is_ok_and(|note| <[u8; 32]>::from(Sha256::digest(note.text())) == row.id);
        self.demand(named, place, "the id is not that of its text");
        let Some(epoch) = status.epoch.filter(|epoch| *epoch <= last) else {
            return;
        };
        let leaf = row.leaf_label.as_bytes();
        let explained = self.explained.get(&epoch.get());
        let kept = explained.and_then(|all| {
            let at = all.binary_search_by(|one| one.leaf.cmp(leaf)).ok()?;
            all.get(at)
        });
        let kept = kept.is_some_and(|one| one.commitment.is_none_or(|c| c == *row.commitment.as_bytes()));
        self.demand(kept, place, "no stored version of its epoch is what it promised");
    }
}
