//! Where one request ends and the next begins (RFC 9112), without a second opinion.
//!
//! The framework's parser forgives what proxies read otherwise: line feeds without carriage returns, chunk extensions,
//! trailers. Whatever two parsers could read in two ways is refused here, before the framework sees it.

/// Longest request line and headers, together. 16 KiB.
const MAX_HEAD: usize = 16 * 1024;
/// Most header lines.
const MAX_HEADERS: usize = 64;
/// Most digits of a length: far more than any body limit.
const MAX_DIGITS: usize = 12;

/// Why a request is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is malformed, or could be read in two ways (400).
    Malformed,
    /// Its head is too large (431).
    HeadTooLarge,
    /// It came too slowly (408).
    TooSlow,
}

/// What comes next on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Head,
    /// So many bytes of a body with a length.
    Body(u64),
    /// A line with the size of a chunk: the number so far and its digits.
    ChunkSize(u64, usize),
    /// The line feed of that line.
    ChunkSizeEnd(u64),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The rest of a fixed ending.
    Ending(&'static [u8], After),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Chunk,
    Message,
}

/// Follows the requests on one connection.
#[derive(Debug)]
pub(super) struct Framing {
    next: Next,
    head: Vec<u8>,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            next: Next::Head,
            head: Vec::new(),
        }
    }

    /// Whether a request has not been begun, or the last one is complete.
    pub(super) fn is_between(&self) -> bool {
        self.next == Next::Head && self.head.is_empty()
    }

    /// Whether the head of a request is awaited or under way.
    pub(super) fn in_head(&self) -> bool {
        self.next == Next::Head
    }

    /// Takes what was received and appends what may be passed on. A head is passed on when it is complete.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        while let Some((first, rest)) = bytes.split_first() {
            let passed = match self.next {
                Next::Body(left) | Next::Chunk(left) => self.pass_body(left, bytes, out),
                _ => {
                    self.byte(*first, out)?;
                    bytes.len().saturating_sub(rest.len())
                }
            };
            bytes = bytes.get(passed..).unwrap_or_default();
        }
        Ok(())
    }

    fn pass_body(&mut self, left: u64, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        out.extend_from_slice(bytes.get(..count).unwrap_or_default());
        let left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.next = match (self.next, left) {
            (Next::Chunk(_), 0) => Next::Ending(b"\r\n", After::Chunk),
            (Next::Chunk(_), left) => Next::Chunk(left),
            (_, 0) => Next::Head,
            (_, left) => Next::Body(left),
        };
        count
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.next == Next::Head {
            return self.head_byte(byte, out);
        }
        out.push(byte);
        self.next = match self.next {
            Next::ChunkSize(size, digits) => chunk_size(size, digits, byte)?,
            Next::ChunkSizeEnd(0) if byte == b'\n' => Next::Ending(b"\r\n", After::Message),
            Next::ChunkSizeEnd(size) if byte == b'\n' => Next::Chunk(size),
            Next::Ending(expected, after) => ending(expected, after, byte)?,
            _ => return Err(Fault::Malformed),
        };
        Ok(())
    }

    fn head_byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Fault> {
        let after_return = self.head.last() == Some(&b'\r');
        // Neither half of a line end may stand alone.
        if byte == 0 || (byte == b'\n') != after_return {
            return Err(Fault::Malformed);
        }
        if self.head.len() >= MAX_HEAD {
            return Err(Fault::HeadTooLarge);
        }
        self.head.push(byte);
        if self.head == b"\r\n" {
            return Err(Fault::Malformed);
        }
        if self.head.ends_with(b"\r\n\r\n") {
            self.next = body_of(&self.head)?;
            out.append(&mut self.head);
        }
        Ok(())
    }
}

fn chunk_size(size: u64, digits: usize, byte: u8) -> Result<Next, Fault> {
    if byte == b'\r' && digits > 0 {
        return Ok(Next::ChunkSizeEnd(size));
    }
    // No extensions: nothing here gives them a meaning.
    let digit = char::from(byte)
        .to_digit(16)
        .filter(|_| digits < MAX_DIGITS)
        .ok_or(Fault::Malformed)?;
    Ok(Next::ChunkSize(
        size.saturating_mul(16).saturating_add(u64::from(digit)),
        digits.saturating_add(1),
    ))
}

fn ending(expected: &'static [u8], after: After, byte: u8) -> Result<Next, Fault> {
    match (expected.split_first(), after) {
        (Some((first, [])), After::Chunk) if *first == byte => Ok(Next::ChunkSize(0, 0)),
        (Some((first, [])), After::Message) if *first == byte => Ok(Next::Head),
        (Some((first, rest)), _) if *first == byte => Ok(Next::Ending(rest, after)),
        // Behind the last chunk: a trailer.
        _ => Err(Fault::Malformed),
    }
}

/// What kind of body follows a complete head.
fn body_of(head: &[u8]) -> Result<Next, Fault> {
    let text = core::str::from_utf8(head).map_err(|_| Fault::Malformed)?;
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let request_line = lines.next().ok_or(Fault::Malformed)?;
    let mut seen = Seen::default();
    for (number, line) in lines.enumerate() {
        if number >= MAX_HEADERS {
            return Err(Fault::HeadTooLarge);
        }
        seen.header(line)?;
    }
    // RFC 9112 section 3.2: exactly one Host in HTTP/1.1.
    if seen.hosts > 1 || (seen.hosts == 0 && request_line.ends_with("HTTP/1.1")) {
        return Err(Fault::Malformed);
    }
    match (seen.length, seen.chunked) {
        (Some(_), true) => Err(Fault::Malformed),
        (None | Some(0), false) => Ok(Next::Head),
        (Some(length), false) => Ok(Next::Body(length)),
        (None, true) if request_line.ends_with("HTTP/1.1") => Ok(Next::ChunkSize(0, 0)),
        (None, true) => Err(Fault::Malformed),
    }
}

/// The headers that matter for framing.
#[derive(Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
}

impl Seen {
    fn header(&mut self, line: &str) -> Result<(), Fault> {
        let (name, value) = line.split_once(':').ok_or(Fault::Malformed)?;
        // A token: no space before the colon, and no folded line, which begins with one.
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Fault::Malformed);
        }
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-length") {
            let digits =
                !value.is_empty() && value.len() <= MAX_DIGITS && value.bytes().all(|b| b.is_ascii_digit());
            let length = value.parse().ok().filter(|_| digits).ok_or(Fault::Malformed)?;
            return self
                .length
                .replace(length)
                .map_or(Ok(()), |_| Err(Fault::Malformed));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            let twice = core::mem::replace(&mut self.chunked, true);
            return if value.eq_ignore_ascii_case("chunked") && !twice {
                Ok(())
            } else {
                Err(Fault::Malformed)
            };
        }
        self.hosts = self
            .hosts
            .saturating_add(usize::from(name.eq_ignore_ascii_case("host")));
        Ok(())
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn whole(bytes: &[u8]) -> Result<bool, Fault> {
        let (mut framing, mut out) = (Framing::new(), Vec::new());
        framing.push(bytes, &mut out)?;
        assert!(bytes.starts_with(&out), "nothing is changed on the way");
        Ok(framing.is_between() && out == bytes)
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const CHUNKED: &str = "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

    #[test]
    fn good_requests_pass_unchanged_however_they_are_cut() {
        let requests = [
            GET.to_owned(),
            GET.repeat(3),
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:  5 \r\n\r\n\n\r\0xyGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            format!("{CHUNKED}5\r\nab\r\nc\r\n1A\r\n{}\r\n0\r\n\r\n{GET}", "z".repeat(26)),
            "GET / HTTP/1.0\r\n\r\n".to_owned(),
        ];
        for request in &requests {
            assert_eq!(whole(request.as_bytes()), Ok(true), "{request}");
            let (mut framing, mut out) = (Framing::new(), Vec::new());
            for byte in request.bytes() {
                framing.push(&[byte], &mut out).unwrap();
            }
            assert_eq!(out, request.as_bytes(), "byte by byte");
        }
    }

    #[test]
    fn unfinished_requests_are_not_between() {
        for request in [
            "G",
            "GET / HTTP/1.1\r\nhost: a\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx",
        ] {
            assert_eq!(whole(request.as_bytes()), Ok(false), "{request}");
        }
        for rest in ["", "2", "2\r\n", "2\r\nab", "2\r\nab\r\n", "0\r\n", "0\r\n\r"] {
            assert_eq!(whole(format!("{CHUNKED}{rest}").as_bytes()), Ok(false), "{rest}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        let heads = [
            "GET / HTTP/1.1\nhost: a\n\n",
            "GET / HTTP/1.1\r\nhost: a\nx: b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n x: b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999999999\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "PUT / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        ];
        for head in heads {
            assert_eq!(whole(head.as_bytes()), Err(Fault::Malformed), "{head:?}");
        }
        for rest in [
            "\r\n",
            "x\r\n",
            "1;a=b\r\n",
            "1 \r\n",
            "1\n",
            "1\r\nab",
            "0\r\nx: y\r\n\r\n",
            "1000000000000\r\n",
        ] {
            assert_eq!(
                whole(format!("{CHUNKED}{rest}").as_bytes()),
                Err(Fault::Malformed),
                "{rest:?}"
            );
        }
    }

    #[test]
    fn heads_are_bounded() {
        let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(MAX_HEAD));
        assert_eq!(whole(long.as_bytes()), Err(Fault::HeadTooLarge));
        let many = format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "x: y\r\n".repeat(MAX_HEADERS)
        );
        assert_eq!(whole(many.as_bytes()), Err(Fault::HeadTooLarge));
    }
}
