//! A connection that passes on only well-framed requests, each within its time.
//!
//! Instead of a request that is refused, the routes get one of their own making (`/.refused/400`), behind the requests
//! that came before it, so that the refusal is answered where all others are. Then the connection ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::connections::Held;
use super::framing::{Fault, Framing};

/// Time that a body has beyond the handler's own patience, so that the handler answers first.
const GRACE: Duration = Duration::from_millis(500);
/// How often the patience for a request fits into the one for an answer of which nothing is taken.
const STALLS: u32 = 4;
/// Bytes read at once.
const READ: usize = 8 * 1024;

/// A connection with strict framing and a deadline for each request's head and body.
pub(super) struct Strict<S> {
    inner: S,
    framing: Framing,
    passed: Vec<u8>,
    taken: usize,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    waiting: Waiting,
    /// Running while the other side takes nothing of an answer.
    stalled: Option<Pin<Box<Sleep>>>,
    _held: Option<Held>,
}

/// What the deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Nothing: a request is complete and may be under work.
    No,
    /// A head, on a fresh connection or begun.
    Head,
    /// A body.
    Body,
    /// Nothing more is passed on.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Strict<S> {
    /// A connection that counts as `held`; `None`: its client holds too many, and it ends before it has begun.
    pub(super) fn new(inner: S, patience: Duration, held: Option<Held>) -> Self {
        Self {
            inner,
            framing: Framing::new(),
            passed: Vec::new(),
            taken: 0,
            patience,
            deadline: Box::pin(tokio::time::sleep(patience)),
            waiting: if held.is_some() {
                Waiting::Head
            } else {
                Waiting::Ended
            },
            stalled: None,
            _held: held,
        }
    }

    /// Hands out what may be passed on; false if there is nothing.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = self.passed.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..count).unwrap_or_default());
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.passed.len() {
            self.passed.clear();
            self.taken = 0;
        }
        count > 0
    }

    fn received(&mut self, bytes: &[u8]) {
        if let Err(fault) = self.framing.push(bytes, &mut self.passed) {
            self.refuse(fault);
            return;
        }
        let waiting = match (self.framing.is_between(), self.framing.in_head()) {
            (true, _) => Waiting::No,
            (false, true) => Waiting::Head,
            (false, false) => Waiting::Body,
        };
        if waiting != self.waiting {
            self.waiting = waiting;
            let grace = if waiting == Waiting::Body {
                GRACE
            } else {
                Duration::ZERO
            };
            self.deadline
                .as_mut()
                .reset(Instant::now() + self.patience + grace);
        }
    }

    fn refuse(&mut self, fault: Fault) {
        // Within a body the handler sees it end early, which is a refusal as well.
        if self.framing.in_head() {
            let status = match fault {
                Fault::Malformed => 400,
                Fault::HeadTooLarge => 431,
                Fault::TooSlow => 408,
            };
            let request =
                format!("GET /.refused/{status} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n");
            self.passed.extend_from_slice(request.as_bytes());
        }
        self.waiting = Waiting::Ended;
    }

    fn too_late(&mut self) {
        if self.waiting == Waiting::Head && self.framing.is_between() {
            // Nobody said anything: there is nobody to answer.
            self.waiting = Waiting::Ended;
        } else {
            self.refuse(Fault::TooSlow);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Strict<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_out(buf) || this.waiting == Waiting::Ended {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; READ];
            let mut chunk = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.inner).poll_read(cx, &mut chunk) {
                Poll::Ready(Ok(())) if chunk.filled().is_empty() => this.waiting = Waiting::Ended,
                Poll::Ready(Ok(())) => this.received(chunk.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if this.waiting == Waiting::No => return Poll::Pending,
                Poll::Pending => match this.deadline.as_mut().poll(cx) {
                    Poll::Ready(()) => this.too_late(),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        if written.is_ready() {
            this.stalled = None;
            return written;
        }
        // Who asks and does not read would have his answers kept for ever.
        let patience = this.patience.saturating_mul(STALLS);
        let stalled = this
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    /// Says that nothing more will be sent, then reads away what the other side still sends: to close over unread bytes
    /// would reset the connection and could destroy the answer. The framework bounds how long this may take.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        loop {
            let mut bytes = [0; READ];
            let mut chunk = ReadBuf::new(&mut bytes);
            std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
