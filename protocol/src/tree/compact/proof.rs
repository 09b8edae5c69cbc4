//! Lookups and histories: messages of their own, with compact paths inside.

use super::super::proof::{Evidence, History, Lookup, Update};
use super::super::wire::{Field, Fields, WireError, put_bytes, put_varint};
use super::super::{MAX_HISTORY_PROOF_BYTES, MAX_HISTORY_VERSIONS, MAX_LOOKUP_PROOF_BYTES, cap};
use super::{compact_absence, compact_membership, restore_absence, restore_membership};

/// The compact form of an akd `LookupProof`; `None` if it has none.
///
/// The message has the fields of akd's. Fields 5, 7 and 9 are compact; 6 and 7 are left out when they repeat 4 and 5.
pub fn compact_lookup(proof: &[u8]) -> Option<Vec<u8>> {
    let lookup = Lookup::parse(proof).ok()?;
    let mut out = Vec::with_capacity(proof.len());
    put_varint(&mut out, 1, lookup.epoch);
    put_bytes(&mut out, 2, lookup.value);
    put_varint(&mut out, 3, lookup.version);
    put_bytes(&mut out, 4, lookup.existence.vrf_proof);
    put_bytes(&mut out, 5, &compact_membership(lookup.existence.proof)?);
    if lookup.marker != lookup.existence {
        put_bytes(&mut out, 6, lookup.marker.vrf_proof);
        put_bytes(&mut out, 7, &compact_membership(lookup.marker.proof)?);
    }
    put_bytes(&mut out, 8, lookup.freshness.vrf_proof);
    put_bytes(&mut out, 9, &compact_absence(lookup.freshness.proof)?);
    put_bytes(&mut out, 10, lookup.nonce);
    (restore_lookup(&out).ok()? == proof).then_some(out)
}

/// akd's `LookupProof` from its compact form.
///
/// # Errors
/// [`WireError`] if it is none.
pub fn restore_lookup(compact: &[u8]) -> Result<Vec<u8>, WireError> {
    cap(compact, MAX_LOOKUP_PROOF_BYTES).map_err(|_| WireError::Compact)?;
    let fields = Numbered::<10>::read(compact)?;
    let existence = Evidence {
        vrf_proof: fields.bytes(4)?,
        proof: fields.bytes(5)?,
    };
    let marker = fields.evidence(6, 7)?;
    // One spelling only: what repeats has to be left out.
    if marker == Some(existence) {
        return Err(WireError::Compact);
    }
    let existing = restore_membership(existence.proof)?;
    let mut out = Vec::with_capacity(3 * compact.len());
    put_varint(&mut out, 1, fields.number(1)?);
    put_bytes(&mut out, 2, fields.bytes(2)?);
    put_varint(&mut out, 3, fields.number(3)?);
    put_bytes(&mut out, 4, existence.vrf_proof);
    put_bytes(&mut out, 5, &existing);
    match marker {
        None => {
            put_bytes(&mut out, 6, existence.vrf_proof);
            put_bytes(&mut out, 7, &existing);
        }
        Some(marker) => {
            put_bytes(&mut out, 6, marker.vrf_proof);
            put_bytes(&mut out, 7, &restore_membership(marker.proof)?);
        }
    }
    put_bytes(&mut out, 8, fields.bytes(8)?);
    put_bytes(&mut out, 9, &restore_absence(fields.bytes(9)?)?);
    put_bytes(&mut out, 10, fields.bytes(10)?);
    Ok(out)
}

/// The compact form of an akd `HistoryProof`; `None` if it has none.
///
/// The messages have the fields of akd's. Fields 5 and 7 of an update and fields 3 and 5 of the history are compact.
pub fn compact_history(proof: &[u8]) -> Option<Vec<u8>> {
    let history = History::parse(proof, MAX_HISTORY_VERSIONS).ok()?;
    let mut out = Vec::with_capacity(proof.len());
    for update in &history.updates {
        put_bytes(&mut out, 1, &compact_update(update)?);
    }
    history
        .past_vrf
        .iter()
        .for_each(|vrf| put_bytes(&mut out, 2, vrf));
    for past in history.past {
        put_bytes(&mut out, 3, &compact_membership(past)?);
    }
    history
        .future_vrf
        .iter()
        .for_each(|vrf| put_bytes(&mut out, 4, vrf));
    for future in history.future {
        put_bytes(&mut out, 5, &compact_absence(future)?);
    }
    (restore_history(&out).ok()? == proof).then_some(out)
}

fn compact_update(update: &Update<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(2048);
    put_varint(&mut out, 1, update.epoch);
    put_bytes(&mut out, 2, update.value);
    put_varint(&mut out, 3, update.version);
    put_bytes(&mut out, 4, update.existence.vrf_proof);
    put_bytes(&mut out, 5, &compact_membership(update.existence.proof)?);
    update
        .previous_vrf
        .iter()
        .for_each(|vrf| put_bytes(&mut out, 6, vrf));
    if let Some(previous) = update.previous {
        put_bytes(&mut out, 7, &compact_membership(previous)?);
    }
    put_bytes(&mut out, 8, update.nonce);
    Some(out)
}

/// akd's `HistoryProof` from its compact form.
///
/// # Errors
/// [`WireError`] if it is none.
pub fn restore_history(compact: &[u8]) -> Result<Vec<u8>, WireError> {
    cap(compact, MAX_HISTORY_PROOF_BYTES).map_err(|_| WireError::Compact)?;
    let (mut out, mut last, mut updates) = (Vec::with_capacity(2 * compact.len()), 1, 0_usize);
    for field in Fields::new(compact) {
        let field = field?;
        // akd writes them in this order.
        if field.number < last {
            return Err(WireError::Compact);
        }
        last = field.number;
        let bytes = field.bytes()?;
        match field.number {
            1 if updates >= MAX_HISTORY_VERSIONS => return Err(WireError::TooMany(1)),
            1 => {
                updates += 1;
                put_bytes(&mut out, 1, &restore_update(bytes)?);
            }
            2 | 4 => put_bytes(&mut out, field.number, bytes),
            3 => put_bytes(&mut out, 3, &restore_membership(bytes)?),
            5 => put_bytes(&mut out, 5, &restore_absence(bytes)?),
            _ => return Err(field.unknown()),
        }
    }
    Ok(out)
}

fn restore_update(compact: &[u8]) -> Result<Vec<u8>, WireError> {
    let fields = Numbered::<8>::read(compact)?;
    let mut out = Vec::with_capacity(2 * compact.len());
    put_varint(&mut out, 1, fields.number(1)?);
    put_bytes(&mut out, 2, fields.bytes(2)?);
    put_varint(&mut out, 3, fields.number(3)?);
    put_bytes(&mut out, 4, fields.bytes(4)?);
    put_bytes(&mut out, 5, &restore_membership(fields.bytes(5)?)?);
    if let Some(vrf_proof) = fields.get(6) {
        put_bytes(&mut out, 6, vrf_proof.bytes()?);
    }
    if let Some(previous) = fields.get(7) {
        put_bytes(&mut out, 7, &restore_membership(previous.bytes()?)?);
    }
    put_bytes(&mut out, 8, fields.bytes(8)?);
    Ok(out)
}

/// The fields 1 to N of a message, each at most once.
struct Numbered<'a, const N: usize>([Option<Field<'a>>; N]);

impl<'a, const N: usize> Numbered<'a, N> {
    fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut found = [None; N];
        for field in Fields::new(message) {
            let field = field?;
            let slot = index(field.number).and_then(|i| found.get_mut(i));
            if slot.ok_or(field.unknown())?.replace(field).is_some() {
                return Err(WireError::DuplicateField(field.number));
            }
        }
        Ok(Self(found))
    }

    fn get(&self, number: u32) -> Option<Field<'a>> {
        index(number).and_then(|i| self.0.get(i)).copied().flatten()
    }

    fn bytes(&self, number: u32) -> Result<&'a [u8], WireError> {
        self.get(number).ok_or(WireError::MissingField(number))?.bytes()
    }

    fn number(&self, number: u32) -> Result<u64, WireError> {
        self.get(number).ok_or(WireError::MissingField(number))?.u64()
    }

    /// A VRF proof and a path; both or neither.
    fn evidence(&self, vrf_proof: u32, proof: u32) -> Result<Option<Evidence<'a>>, WireError> {
        if self.get(vrf_proof).is_none() && self.get(proof).is_none() {
            return Ok(None);
        }
        Ok(Some(Evidence {
            vrf_proof: self.bytes(vrf_proof)?,
            proof: self.bytes(proof)?,
        }))
    }
}

fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}
