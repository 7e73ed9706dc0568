//! The stream between the socket and hyper: sees bytes come in and holds every head against the RFCs,
//! gives refusals a body, and closes so that the peer gets to read its last answer.
//!
//! A head that is refused here is not passed on. In its place hyper gets one that it refuses itself, so
//! that the refusal takes its turn behind the answers before it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Fault, Framing};
use super::problems;
use super::pulse::Pulse;
use crate::select::Code;

/// hyper's own refusals are its only answers without a body, and shorter than this.
const LONGEST_BARE: usize = 256;
/// What no parser takes for a part of a head, wherever it stands.
const NO_HEAD: &[u8] = b"\0\r\n\r\n";
const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// A stream of bytes that is watched. The socket itself is not known here: TLS would fit under it.
pub(super) struct Wire<S> {
    stream: S,
    pulse: Rc<Pulse>,
    framing: Framing,
    /// Whether a request was refused: nothing more is passed on but the rest of this.
    refused: Option<&'static [u8]>,
    /// A refusal that replaces hyper's, as far as it is not written yet.
    refusal: Vec<u8>,
    written: usize,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, pulse: Rc<Pulse>) -> Wire<S> {
        let framing = Framing::default();
        Wire { stream, pulse, framing, refused: None, refusal: Vec::new(), written: 0, ended: false }
    }

    fn flush_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.refusal.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                some => self.written += some,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused.is_none() {
            let before = into.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
            let bytes = into.filled().get(before..).unwrap_or_default();
            if bytes.is_empty() {
                this.ended = true;
                return Poll::Ready(Ok(()));
            }
            this.pulse.bytes();
            let (at, instead) = match this.framing.see(bytes) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Fault::Head(at, why)) => {
                    this.pulse.blame(why);
                    (at, NO_HEAD)
                }
                // A body that ends here is one that hyper has an error for.
                Err(Fault::Body(at)) => (at, &[][..]),
            };
            this.refused = Some(instead);
            into.set_filled(before + at);
            if at > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let rest = this.refused.unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(into.remaining()));
        into.put_slice(now);
        this.refused = Some(later);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.flush_refusal(cx))?;
        match bare_refusal(bytes) {
            None => {
                this.pulse.wrote();
                Pin::new(&mut this.stream).poll_write(cx, bytes)
            }
            Some((0, code)) => {
                this.pulse.refuse(code.status());
                this.refusal = with_body(bytes, code, this.pulse.fault());
                // Taken over whole: what the socket does not take now goes with the flush.
                match this.flush_refusal(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    _ => Poll::Ready(Ok(bytes.len())),
                }
            }
            // An answer stands before it: that goes first.
            Some((start, _)) => {
                Pin::new(&mut this.stream).poll_write(cx, bytes.get(..start).unwrap_or(bytes))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flush_refusal(cx))?;
        // hyper flushes what it has written to the end.
        this.pulse.flushed();
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flush_refusal(cx))?;
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        // A socket closed with unread bytes is reset, and a reset can take the answer with it before the
        // peer has read it (RFC 9112, 9.6). Only where there may be such bytes.
        let mut thrown_away = [0; 4096];
        while this.pulse.lingers() && !this.ended {
            this.pulse.end();
            let mut into = ReadBuf::new(&mut thrown_away);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut into)) {
                Ok(()) if !into.filled().is_empty() => {}
                _ => this.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Where in the bytes hyper's own refusal begins, if they end with one, and what it means. Every other
/// answer has a body, and ends in a brace or a line feed of its own: for those this is one comparison.
fn bare_refusal(bytes: &[u8]) -> Option<(usize, Code)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = bytes.len().saturating_sub(LONGEST_BARE);
    let tail = bytes.get(from..)?;
    let start = memmem::rfind(tail, b"HTTP/1.")?;
    let head = tail.get(start..)?;
    memmem::find(head, NO_BODY)?;
    let code = match head.get(9..12)? {
        b"400" => Code::BadRequest,
        b"414" | b"431" => Code::HeaderTooLarge,
        _ => return None,
    };
    Some((from + start, code))
}

/// hyper's refusal, with a problem for a body.
fn with_body(bare: &[u8], code: Code, fault: Option<&'static str>) -> Vec<u8> {
    let detail = (code == Code::BadRequest).then(|| fault.unwrap_or("not an HTTP/1.1 request"));
    let body = problems::body(code, detail, None);
    let at = memmem::find(bare, NO_BODY).unwrap_or(0);
    let (before, after) = bare.split_at(at);
    let mut whole = before.to_vec();
    whole.extend_from_slice(
        b"content-type: application/problem+json\r\ncache-control: no-store\r\ncontent-length: ",
    );
    whole.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    whole.extend_from_slice(b"\r\n");
    whole.extend_from_slice(after.get(NO_BODY.len()..).unwrap_or_default());
    whole.extend_from_slice(&body);
    whole
}
