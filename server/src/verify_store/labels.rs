//! Versions of labels: each opens, follows the one before, and says which leaves of the tree it explains.

use akd::{AkdLabel, Configuration as _, VersionFreshness, WhatsAppV1Configuration};
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RecordHash};
use keyglass_protocol::record::{AccountRecord, AliasRecord, RecordError};
use keyglass_schema::{Cursor, InspectedState};

use super::{Explained, Run, VerifyError};

/// Rows of one page.
const PAGE: usize = 1_000;

/// The version that was looked at last.
struct Before {
    place: String,
    epoch: u64,
    version: u64,
    /// `None`: it does not open, or was erased.
    hash: Option<RecordHash>,
}

impl Run<'_> {
    /// Checks every version that was published no later than `last`.
    pub(super) fn labels(&mut self, last: Epoch) -> Result<(), VerifyError> {
        let mut cursor = Cursor::default();
        let mut before: Option<Before> = None;
        loop {
            let (page, end) = self.store.inspect_states(&cursor, PAGE)?;
            if page.is_empty() {
                break;
            }
            for state in page {
                before = Some(self.version(state, before.take(), last));
            }
            self.report.progress("labels", self.checked.versions, 0);
            cursor = end;
        }
        for explained in self.explained.values_mut() {
            explained.sort_unstable_by_key(|one| one.leaf);
        }
        Ok(())
    }

    fn version(&mut self, state: InspectedState, before: Option<Before>, last: Epoch) -> Before {
        let before = before.filter(|b| b.place == state.place);
        let place = format!("label_states, {}, version {}", state.place, state.version);
        self.checked.versions = self.checked.versions.saturating_add(1);
        let expected = before.as_ref().map_or(1, |b| b.version.saturating_add(1));
        self.demand(
            state.version == expected,
            &place,
            "the version before it is missing",
        );
        let later = before.as_ref().is_none_or(|b| state.epoch > b.epoch);
        self.demand(later, &place, "not later than the version before it");
        let mut hash = None;
        match state.opened {
            Err(error) => self.found(&place, error.to_string()),
            Ok((label, value)) => {
                hash = self.record(&place, &label, state.version, &value, before.as_ref());
                if state.epoch <= last.get() {
                    self.explain(&place, &label, state.version, state.epoch, &value);
                }
            }
        }
        Before {
            place: state.place,
            epoch: state.epoch,
            version: state.version,
            hash,
        }
    }

    /// Checks a record by itself and against the one before; answers its hash.
    fn record(
        &mut self,
        place: &str,
        label: &[u8],
        version: u64,
        value: &[u8],
        before: Option<&Before>,
    ) -> Option<RecordHash> {
        let text = core::str::from_utf8(label).unwrap_or_default();
        let Ok(parsed) = Label::parse(text) else {
            // Padding has no record.
            self.demand(text.starts_with("padding:"), place, "the label is none");
            return None;
        };
        if let Ok(number) = KeyVersion::new(version) {
            match self.newest.last_mut() {
                Some((last, newest)) if *last == parsed => *newest = number,
                _ => self.newest.push((parsed.clone(), number)),
            }
        }
        if value.is_empty() {
            return None;
        }
        let (found, number, previous, hash) = match read(&parsed, value) {
            Ok(read) => read,
            Err(error) => {
                self.found(place, format!("the record does not decode: {error}"));
                return None;
            }
        };
        self.demand(found == parsed, place, "the record is of another label");
        self.demand(number == version, place, "the record has another version");
        if let Some(expected) = before.and_then(|b| b.hash) {
            self.demand(
                previous == expected,
                place,
                "the record does not follow the one before",
            );
        }
        Some(hash)
    }

    /// Notes the leaves that a version put into the tree: its own, and one that ends the version before.
    fn explain(&mut self, place: &str, label: &[u8], version: u64, epoch: u64, value: &[u8]) {
        let akd_label = AkdLabel(label.to_vec());
        let vrf = &self.keys.vrf;
        let Ok(number) = KeyVersion::new(version) else {
            return;
        };
        let commitment = (!value.is_empty()).then(|| {
            let entry = vrf.tree_entry(label, number, value);
            *entry.commitment.as_bytes()
        });
        let fresh = Explained {
            leaf: vrf
                .node_label(&akd_label, VersionFreshness::Fresh, version)
                .label_val,
            commitment,
            place: place.to_owned(),
        };
        let here = self.explained.entry(epoch).or_default();
        here.push(fresh);
        if let Some(before) = version.checked_sub(1).filter(|before| *before >= 1) {
            here.push(Explained {
                leaf: vrf
                    .node_label(&akd_label, VersionFreshness::Stale, before)
                    .label_val,
                commitment: Some(WhatsAppV1Configuration::stale_azks_value().0),
                place: place.to_owned(),
            });
        }
    }
}

/// Label, version, previous hash and own hash of a record.
fn read(label: &Label, value: &[u8]) -> Result<(Label, u64, RecordHash, RecordHash), RecordError> {
    if label.account().is_some() {
        let record = AccountRecord::decode(value)?;
        return Ok((
            record.label(),
            record.version.get(),
            record.previous,
            record.hash(),
        ));
    }
    let record = AliasRecord::decode(value)?;
    Ok((
        record.label(),
        record.version.get(),
        record.previous,
        record.hash(),
    ))
}
