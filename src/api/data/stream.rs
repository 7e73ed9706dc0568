//! The stream between the socket and hyper: answers what can be answered directly, holds every head that goes
//! on to hyper against the RFCs, gives refusals a body, and closes so that the peer gets to read its last
//! answer.
//!
//! Answers keep their order because a request is answered directly only while hyper has nothing to say: all that
//! it was passed are whole requests, which it has answered, since it asks for the next; and what it wrote is
//! with the system.
//!
//! A head that is refused here is not passed on. In its place hyper gets one that it refuses itself, so
//! that the refusal takes its turn behind the answers before it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answers::LARGE;
use super::direct::Direct;
use super::framing::{Fault, Framing};
use super::problems;
use super::pulse::Pulse;
use switchboard_select::Code;

/// hyper's own refusals are its only answers without a body, and shorter than this.
const LONGEST_BARE: usize = 256;
/// Reads of a connection that are answered directly before others get their turn: an answer takes 2 µs, and a read
/// has 40 at most.
const TURN: usize = 8;
/// Bytes of a buffer that an idle connection keeps: a few answers. There may be thousands of them.
const KEPT: usize = 4 * 1024;
/// What no parser takes for a part of a head, wherever it stands.
const NO_HEAD: &[u8] = b"\0\r\n\r\n";
const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// A stream of bytes that is watched. The socket itself is not known here: TLS would fit under it.
pub(super) struct Wire<S, D> {
    stream: S,
    direct: D,
    pulse: Rc<Pulse>,
    framing: Framing,
    /// Whether a request was refused: nothing more is passed on but the rest of this.
    refused: Option<&'static [u8]>,
    /// What is not hyper's: direct answers, and refusals that replace its own, as far as they are not written yet.
    ours: Vec<u8>,
    written: usize,
    /// Whether hyper has bytes that the system has not.
    unflushed: bool,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin, D: Direct> Wire<S, D> {
    pub(super) fn new(stream: S, direct: D, pulse: Rc<Pulse>) -> Wire<S, D> {
        Wire {
            stream,
            direct,
            pulse,
            framing: Framing::default(),
            refused: None,
            ours: Vec::new(),
            written: 0,
            unflushed: false,
            ended: false,
        }
    }

    fn flush_ours(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.ours.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.pulse.wrote();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                some => self.written += some,
            }
        }
        self.ours.clear();
        self.ours.shrink_to(KEPT);
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Answers the requests that these bytes begin with, as far as that can be done here; how many bytes they have.
    /// No more than an answer of hyper's may take: a peer that sends many requests may read no answer.
    fn answer(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut last) = (0, None);
        if self.framing.is_between() && !self.unflushed && !self.pulse.drains() {
            at = blank(bytes);
            while self.ours.len() < LARGE
                && let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty())
                && let Some(answered) = self.direct.answer(rest, &mut self.ours)
            {
                at += answered.len;
                at += blank(bytes.get(at..).unwrap_or_default());
                last = Some(answered.at);
            }
        }
        if let Some(last) = last {
            self.pulse.answered(last);
        }
        at
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, D: Direct + Unpin> AsyncRead for Wire<S, D> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut turn = 0;
        while this.refused.is_none() {
            // Who does not take answers is not asked for requests.
            ready!(this.flush_ours(cx))?;
            let before = into.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
            let bytes = into.filled_mut().get_mut(before..).unwrap_or_default();
            if bytes.is_empty() {
                this.ended = true;
                return Poll::Ready(Ok(()));
            }
            let answered = this.answer(bytes);
            let len = bytes.len() - answered;
            if answered > 0 {
                bytes.copy_within(answered.., 0);
                into.set_filled(before + len);
                if len == 0 {
                    turn += 1;
                    if turn == TURN {
                        cx.waker().wake_by_ref();
                        ready!(this.flush_ours(cx))?;
                        return Poll::Pending;
                    }
                    continue;
                }
            }
            let bytes = into.filled().get(before..).unwrap_or_default();
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

impl<S: AsyncRead + AsyncWrite + Unpin, D: Direct + Unpin> AsyncWrite for Wire<S, D> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.unflushed = true;
        ready!(this.flush_ours(cx))?;
        match bare_refusal(bytes) {
            None => {
                this.pulse.wrote();
                Pin::new(&mut this.stream).poll_write(cx, bytes)
            }
            Some((0, code)) => {
                this.pulse.refuse(code.status());
                this.ours = with_body(bytes, code, this.pulse.fault());
                // Taken over whole: what the socket does not take now goes with the flush.
                match this.flush_ours(cx) {
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
        ready!(this.flush_ours(cx))?;
        // hyper flushes what it has written to the end.
        this.unflushed = false;
        this.pulse.flushed();
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flush_ours(cx))?;
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

/// How many bytes of empty lines these begin with, which are passed over before a request (RFC 9112, 2.2): many a
/// client ends a body with one. Not a lone CR, which is none.
fn blank(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
        rest = after;
    }
    bytes.len() - rest.len()
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
