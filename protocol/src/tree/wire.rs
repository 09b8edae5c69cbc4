//! A small strict reader and writer of protobuf (proto2 and proto3 wire format).
//!
//! Only what the project's messages use: varints and length-delimited fields. A reader never
//! copies, never recurses and never allocates. Stricter than common libraries, so that few
//! encodings of one message exist: minimal varints, no unknown field, no field twice unless it
//! is repeated. The order of fields is free.
//!
//! Wire format: <https://protobuf.dev/programming-guides/encoding/>.

use thiserror::Error;

/// Longest varint: ten bytes hold 64 bits.
const MAX_VARINT_BYTES: u32 = 10;

/// Bytes that are not the message which is expected. `field` is the field's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("protobuf: the bytes end inside a field")]
    Truncated,
    /// A varint has more bytes than it needs.
    #[error("protobuf: a varint is not minimal")]
    VarintNotMinimal,
    /// A varint does not fit its type (64 bits, or 32 where the field has 32).
    #[error("protobuf: a varint is too large")]
    VarintTooLarge,
    /// Field number 0 or above 2^29 - 1.
    #[error("protobuf: not a field number")]
    BadFieldNumber,
    /// A wire type that no message here uses (fixed 32 or 64 bits, groups).
    #[error("protobuf: wire type {0} is not used here")]
    BadWireType(u8),
    /// The field exists, but its wire type is another.
    #[error("protobuf: field {0} has the wrong wire type")]
    WrongType(u32),
    /// No field has this number.
    #[error("protobuf: unknown field {0}")]
    UnknownField(u32),
    /// A field that may occur once occurs again.
    #[error("protobuf: field {0} occurs twice")]
    DuplicateField(u32),
    /// A required field is not there.
    #[error("protobuf: field {0} is missing")]
    MissingField(u32),
    /// Not the compact form of a proof, or not the shortest one.
    #[error("protobuf: not the compact form of a proof")]
    Compact,
    /// A repeated field occurs more often than its limit.
    #[error("protobuf: field {0} occurs too often")]
    TooMany(u32),
}

impl WireError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated => "protobuf-truncated",
            Self::VarintNotMinimal => "protobuf-varint-not-minimal",
            Self::VarintTooLarge => "protobuf-varint-too-large",
            Self::BadFieldNumber => "protobuf-bad-field-number",
            Self::BadWireType(_) => "protobuf-bad-wire-type",
            Self::WrongType(_) => "protobuf-wrong-type",
            Self::UnknownField(_) => "protobuf-unknown-field",
            Self::DuplicateField(_) => "protobuf-duplicate-field",
            Self::MissingField(_) => "protobuf-missing-field",
            Self::Compact => "protobuf-compact",
            Self::TooMany(_) => "protobuf-too-many",
        }
    }
}

/// What a field carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2: bytes, text or a nested message.
    Bytes(&'a [u8]),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field number, 1 to 2^29 - 1.
    pub number: u32,
    /// Its value.
    pub value: Value<'a>,
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field.
    ///
    /// # Errors
    /// [`WireError::WrongType`] for a varint.
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) => Err(WireError::WrongType(self.number)),
        }
    }

    /// The number in a varint field of 64 bits.
    ///
    /// # Errors
    /// [`WireError::WrongType`] for a length-delimited field.
    pub fn u64(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            Value::Bytes(_) => Err(WireError::WrongType(self.number)),
        }
    }

    /// The number in a varint field of 32 bits.
    ///
    /// # Errors
    /// [`WireError::WrongType`] for a length-delimited field, [`WireError::VarintTooLarge`] above 32 bits.
    pub fn u32(&self) -> Result<u32, WireError> {
        u32::try_from(self.u64()?).map_err(|_| WireError::VarintTooLarge)
    }

    /// The error that a message answers to a field which it does not have.
    pub fn unknown(&self) -> WireError {
        WireError::UnknownField(self.number)
    }
}

/// Reads the fields of one message, in the order in which they stand. Fused after an error.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Over all bytes of a message.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes that are not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        let (&first, tail) = self.rest.split_first().ok_or(WireError::Truncated)?;
        if first < 0x80 {
            self.rest = tail;
            return Ok(u64::from(first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for position in 0..MAX_VARINT_BYTES {
            let (&byte, tail) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = tail;
            let bits = u64::from(byte & 0x7f);
            if position == MAX_VARINT_BYTES - 1 && bits > 1 {
                return Err(WireError::VarintTooLarge);
            }
            number |= bits << (7 * position);
            if byte < 0x80 {
                return if byte == 0 {
                    Err(WireError::VarintNotMinimal)
                } else {
                    Ok(number)
                };
            }
        }
        Err(WireError::VarintTooLarge)
    }

    #[inline]
    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3)
            .ok()
            .filter(|n| (1..1 << 29).contains(n))
            .ok_or(WireError::BadFieldNumber)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                let (bytes, tail) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
                self.rest = tail;
                Value::Bytes(bytes)
            }
            other => return Err(WireError::BadWireType(u8::try_from(other).unwrap_or(7))),
        };
        Ok(Field { number, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A field that may occur once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once<T> {
    number: u32,
    value: Option<T>,
}

impl<T> Once<T> {
    /// Not seen yet.
    pub const fn new(number: u32) -> Self {
        Self { number, value: None }
    }

    /// Keeps the value.
    ///
    /// # Errors
    /// [`WireError::DuplicateField`] if there is one already.
    #[inline]
    pub fn set(&mut self, value: T) -> Result<(), WireError> {
        if self.value.is_some() {
            return Err(WireError::DuplicateField(self.number));
        }
        self.value = Some(value);
        Ok(())
    }

    /// The value of a required field.
    ///
    /// # Errors
    /// [`WireError::MissingField`] if it never came.
    #[inline]
    pub fn required(self) -> Result<T, WireError> {
        self.value.ok_or(WireError::MissingField(self.number))
    }

    /// The value of an optional field.
    pub fn optional(self) -> Option<T> {
        self.value
    }
}

/// Appends one value of a repeated field that may occur at most `max` times.
///
/// # Errors
/// [`WireError::TooMany`] beyond `max`.
#[inline]
pub fn push_capped<T>(list: &mut Vec<T>, value: T, number: u32, max: usize) -> Result<(), WireError> {
    if list.len() >= max {
        return Err(WireError::TooMany(number));
    }
    list.push(value);
    Ok(())
}

fn put_raw_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// Appends a varint field (also when the number is 0).
pub fn put_varint(out: &mut Vec<u8>, field: u32, number: u64) {
    put_raw_varint(out, u64::from(field) << 3);
    put_raw_varint(out, number);
}

/// Appends a length-delimited field: bytes, text or a nested message (also when it is empty).
pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_raw_varint(out, (u64::from(field) << 3) | 2);
    put_raw_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, 3, number);
            put_bytes(&mut out, 536_870_911, b"xyz");
            let fields = read(&out).unwrap();
            assert_eq!(fields[0].u64(), Ok(number));
            assert_eq!(
                fields[1],
                Field {
                    number: 536_870_911,
                    value: Value::Bytes(b"xyz")
                }
            );
        }
    }

    #[test]
    fn each_flaw_has_its_name() {
        let cases: [(&[u8], WireError); 12] = [
            (&[0x08], WireError::Truncated),
            (&[0x80], WireError::Truncated),
            (&[0x0a, 2, 1], WireError::Truncated),
            (&[0x08, 0x80, 0x00], WireError::VarintNotMinimal),
            (&[0x88, 0x00, 1], WireError::VarintNotMinimal),
            (
                &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
                WireError::VarintTooLarge,
            ),
            (
                &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0],
                WireError::VarintTooLarge,
            ),
            (&[0x00, 1], WireError::BadFieldNumber),
            (&[0x80, 0x80, 0x80, 0x80, 0x10, 1], WireError::BadFieldNumber),
            (&[0x0d, 1, 2, 3, 4], WireError::BadWireType(5)),
            (&[0x0b], WireError::BadWireType(3)),
            (&[0x09, 1, 2, 3, 4, 5, 6, 7, 8], WireError::BadWireType(1)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read(bytes), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn types_are_not_confused() {
        let varint = Field {
            number: 4,
            value: Value::Varint(1 << 32),
        };
        assert_eq!(varint.bytes(), Err(WireError::WrongType(4)));
        assert_eq!(varint.u32(), Err(WireError::VarintTooLarge));
        let bytes = Field {
            number: 5,
            value: Value::Bytes(&[]),
        };
        assert_eq!(bytes.u64(), Err(WireError::WrongType(5)));
        assert_eq!(bytes.unknown(), WireError::UnknownField(5));
    }

    #[test]
    fn once_and_capped() {
        let mut once = Once::new(7);
        assert_eq!(once.required(), Err::<u8, _>(WireError::MissingField(7)));
        assert_eq!(once.set(1_u8), Ok(()));
        assert_eq!(once.set(2), Err(WireError::DuplicateField(7)));
        assert_eq!(once.optional(), Some(1));
        let mut list = vec![1_u8];
        assert_eq!(push_capped(&mut list, 2, 9, 2), Ok(()));
        assert_eq!(push_capped(&mut list, 3, 9, 2), Err(WireError::TooMany(9)));
    }
}
