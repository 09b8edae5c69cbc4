//! Labels in paths.

use actix_web::HttpRequest;
use keyglass_protocol::label::Label;
use keyglass_protocol::problem::Problem;

use super::problem::Refusal;

/// Longest segment that is looked at: every byte of the longest label percent-encoded.
const MAX_SEGMENT: usize = 3 * 256;

/// The label that a path names. Read from the raw path: the framework replaces what is not UTF-8 by guesses.
pub(super) fn label(request: &HttpRequest) -> Result<Label, Refusal> {
    let mut segments = request.uri().path().split('/').skip(2);
    let kind = match segments.next() {
        Some("accounts") => "account",
        Some("handles") => "handle",
        Some("phones") => "phone",
        _ => return Err(Refusal::new(Problem::NotFound)),
    };
    let name = decode(segments.next().unwrap_or_default())?;
    Ok(Label::parse(&format!("{kind}:{name}"))?)
}

/// Percent-decoding, once.
fn decode(segment: &str) -> Result<String, Refusal> {
    let malformed = |why: &str| Refusal::new(Problem::MalformedLabel).detail(why);
    if segment.len() > MAX_SEGMENT {
        return Err(malformed("the label is too long"));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest
            .split_at_checked(2)
            .ok_or_else(|| malformed("a bad percent-encoding"))?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).map_err(|_| malformed("a bad percent-encoding"))?;
        bytes.extend_from_slice(&byte);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| malformed("the label is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_are_read_once() {
        let read = |s: &str| decode(s).ok();
        assert_eq!(read("alice").as_deref(), Some("alice"));
        assert_eq!(read("%C3%BC").as_deref(), Some("ü"));
        assert_eq!(read("%2541").as_deref(), Some("%41"));
        assert_eq!(read("+14155550100").as_deref(), Some("+14155550100"));
        for bad in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&"a".repeat(1000)), None);
    }
}
