//! Just enough protobuf to write akd's messages, byte for byte as akd's own code does.

use akd::NodeLabel;

use super::hash::Digest;

/// Most bytes of one sibling on a path.
pub(super) const ELEMENT: usize = 128;
/// Most bytes of what else a membership proof holds.
pub(super) const MEMBERSHIP: usize = 96;

/// A bytes field.
pub fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, u64::try_from(value.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(value);
}

/// A number field.
pub fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

/// A field with a message in it.
pub fn message(out: &mut Vec<u8>, field: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(field << 3 | 2);
    let at = out.len();
    // Most messages are shorter than 128 bytes: one byte of length. The others are moved up.
    out.push(0);
    body(out);
    let length = out.len().saturating_sub(at.saturating_add(1));
    match u8::try_from(length) {
        Ok(short @ 0..=127) => {
            if let Some(place) = out.get_mut(at) {
                *place = short;
            }
        }
        _ => {
            let mut long = Vec::with_capacity(4);
            varint(&mut long, u64::try_from(length).unwrap_or(u64::MAX));
            out.splice(at..=at, long);
        }
    }
}

/// A field with an akd `NodeLabel` in it, whose trailing zero bytes are left out.
pub(super) fn label(out: &mut Vec<u8>, field: u8, label: &NodeLabel) {
    message(out, field, |out| {
        let used = label.label_val.iter().rposition(|byte| *byte != 0);
        let used = used.map_or(0, |last| last.saturating_add(1));
        bytes(out, 1, label.label_val.get(..used).unwrap_or_default());
        number(out, 2, label.label_len.into());
    });
}

/// The body of an akd `AzksElement`.
pub(super) fn element(out: &mut Vec<u8>, name: &NodeLabel, value: &Digest) {
    label(out, 1, name);
    bytes(out, 2, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while let (low, rest @ 1..) = (value & 0x7f, value >> 7) {
        out.push(u8::try_from(low).unwrap_or_default() | 0x80);
        value = rest;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}
