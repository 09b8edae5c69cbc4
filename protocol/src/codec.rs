//! Reading and writing of the fixed binary layouts: big-endian integers, `str8`, `bytes16`.
//!
//! `str8` is a u8 length and that many bytes, `bytes16` a u16 length and that many bytes.
//! A reader never looks past its slice and a decoder must end with [`Reader::finish`].

use crate::error::FormatError;

/// Takes fields from the front of a byte slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] if fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], FormatError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(FormatError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(FormatError::Truncated)?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    /// A big-endian u16.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] at the end.
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A big-endian u32.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] at the end.
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A big-endian u64.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] at the end.
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `str8`: u8 length, then that many bytes of UTF-8.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] or [`FormatError::NotUtf8`].
    pub fn str8(&mut self) -> Result<&'a str, FormatError> {
        let len = usize::from(self.u8()?);
        core::str::from_utf8(self.take(len)?).map_err(|_| FormatError::NotUtf8)
    }

    /// A `bytes16`: u16 length, then that many bytes, at most `max`.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] or [`FormatError::TooLong`].
    pub fn bytes16(&mut self, max: usize) -> Result<&'a [u8], FormatError> {
        let len = usize::from(self.u16()?);
        if len > max {
            return Err(FormatError::TooLong { max, found: len });
        }
        self.take(len)
    }

    /// Demands the four magic bytes of a format.
    ///
    /// # Errors
    /// [`FormatError::BadMagic`] if they differ.
    pub fn magic(&mut self, expected: &'static [u8; 4]) -> Result<(), FormatError> {
        if &self.array::<4>()? == expected {
            Ok(())
        } else {
            Err(FormatError::BadMagic)
        }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Demands that everything was read.
    ///
    /// # Errors
    /// [`FormatError::TrailingBytes`] otherwise.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(FormatError::TrailingBytes)
        }
    }
}

/// Appends a `str8`.
///
/// # Errors
/// [`FormatError::TooLong`] above 255 bytes.
pub fn put_str8(out: &mut Vec<u8>, text: &str) -> Result<(), FormatError> {
    let len = u8::try_from(text.len()).map_err(|_| FormatError::TooLong {
        max: 255,
        found: text.len(),
    })?;
    out.push(len);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Appends a `bytes16`.
///
/// # Errors
/// [`FormatError::TooLong`] above `max` (itself at most 65,535) bytes.
pub fn put_bytes16(out: &mut Vec<u8>, bytes: &[u8], max: usize) -> Result<(), FormatError> {
    let too_long = FormatError::TooLong {
        max,
        found: bytes.len(),
    };
    if bytes.len() > max {
        return Err(too_long);
    }
    let len = u16::try_from(bytes.len()).map_err(|_| too_long)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Standard base64 with padding, one accepted spelling only (RFC 4648 section 3.5).
///
/// # Errors
/// [`FormatError::BadBase64`] for anything that does not print again to the same text.
pub fn base64_decode(text: &str) -> Result<Vec<u8>, FormatError> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let bytes = engine.decode(text).map_err(|_| FormatError::BadBase64)?;
    if engine.encode(&bytes) == text {
        Ok(bytes)
    } else {
        Err(FormatError::BadBase64)
    }
}

/// Standard base64 with padding (RFC 4648 section 4).
pub fn base64_encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_never_reads_past_the_end() {
        let mut r = Reader::new(&[2, b'a']);
        assert_eq!(r.str8(), Err(FormatError::Truncated));
        assert_eq!(
            Reader::new(&[0, 9, 1]).bytes16(4),
            Err(FormatError::TooLong { max: 4, found: 9 })
        );
        assert_eq!(Reader::new(&[1]).finish(), Err(FormatError::TrailingBytes));
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(base64_decode("AQ=="), Ok(vec![1]));
        for bad in ["AQ", "AR==", "AQ==\n", "A_==", "=AQ="] {
            assert_eq!(base64_decode(bad), Err(FormatError::BadBase64), "{bad}");
        }
    }
}
