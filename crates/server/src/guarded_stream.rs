//! The stream between the socket and hyper. It answers requests on the fast path, checks every other head,
//! adds a body to hyper's refusals, and closes in such a way that the peer can read its last answer.
//!
//! Answers keep their order. The fast path is tried only if hyper has received no partial request, has
//! answered all requests (it asks for more bytes), and has flushed its answers.
//!
//! A head that is refused here does not reach hyper. hyper gets an invalid head instead, which it refuses
//! itself. In this way the refusal follows the answers to earlier requests.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection_state::ConnectionState;
use super::framing::{Framing, FramingFault};
use super::request_head::HeadError;
use super::response::{
    self, BAD_REQUEST, HEADER_TOO_LARGE, MAX_UNRESERVED_BYTES, PROBLEM_CONTENT_TYPE, ProblemKind,
    write_body_fields,
};
use super::{ConnectionInfo, Service};

/// Upper bound of the length of hyper's own refusals, which are its only answers without a body.
const MAX_BARE_REFUSAL_BYTES: usize = 256;
/// Number of reads that the fast path answers before other connections get their turn. An answer takes 2 µs,
/// and a read contains at most 40 requests.
const READS_PER_TURN: usize = 8;
/// Capacity of a buffer that an idle connection keeps: enough for a few answers. There may be thousands of
/// connections.
const MAX_KEPT_BYTES: usize = 4 * 1024;
/// A NUL makes hyper reject the request at any position in a head.
const INVALID_HEAD: &[u8] = b"\0\r\n\r\n";
const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// A stream of bytes below hyper. It does not know the socket, and TLS is between the two.
pub(crate) struct GuardedStream<'s, T, S> {
    stream: T,
    service: &'s S,
    connection: &'s ConnectionInfo,
    state: Rc<ConnectionState>,
    framing: Framing,
    /// Bytes that hyper reads in place of a refused request.
    replacement: Option<&'static [u8]>,
    /// Bytes to write that are not from hyper: answers of the fast path, and refusals that replace hyper's.
    own_output: Vec<u8>,
    /// Number of bytes of `own_output` that are written.
    written: usize,
    /// Whether bytes of `own_output` were written and the stream was not flushed. TLS keeps such bytes.
    is_own_unflushed: bool,
    /// Whether hyper has written bytes and not flushed them.
    is_unflushed: bool,
    has_ended: bool,
}

impl<'s, T: AsyncRead + AsyncWrite + Unpin, S: Service> GuardedStream<'s, T, S> {
    pub(crate) fn new(
        stream: T,
        service: &'s S,
        connection: &'s ConnectionInfo,
        state: Rc<ConnectionState>,
    ) -> GuardedStream<'s, T, S> {
        GuardedStream {
            stream,
            service,
            connection,
            state,
            framing: Framing::default(),
            replacement: None,
            own_output: Vec::new(),
            written: 0,
            is_own_unflushed: false,
            is_unflushed: false,
            has_ended: false,
        }
    }

    fn flush_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.own_output.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.state.on_write();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                some => self.written += some,
            }
            self.is_own_unflushed = true;
        }
        if self.is_own_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.is_own_unflushed = false;
        }
        self.own_output.clear();
        self.own_output.shrink_to(MAX_KEPT_BYTES);
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Answers the requests at the start of these bytes on the fast path, and returns their total length.
    /// Stops when the answers reach the size of a large answer, because a peer that sends many requests may
    /// read no answer.
    fn answer(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut last) = (0, None);
        if self.framing.is_between() && !self.is_unflushed && !self.state.is_draining() {
            at = empty_lines(bytes);
            while self.own_output.len() < MAX_UNRESERVED_BYTES
                && let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty())
                && let Some(answered) = self.service.fast_path(self.connection, rest, &mut self.own_output)
            {
                at += answered.len;
                at += empty_lines(bytes.get(at..).unwrap_or_default());
                last = Some(answered.at);
            }
        }
        if let Some(last) = last {
            self.state.on_fast_answer(last);
        }
        at
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, S: Service> AsyncRead for GuardedStream<'_, T, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut reads = 0;
        while this.replacement.is_none() {
            // Pending answers are written first. If the peer does not read them, no further request is read.
            ready!(this.flush_own(cx))?;
            let before = into.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
            let bytes = into.filled_mut().get_mut(before..).unwrap_or_default();
            if bytes.is_empty() {
                this.has_ended = true;
                return Poll::Ready(Ok(()));
            }
            let answered = this.answer(bytes);
            let len = bytes.len() - answered;
            if answered > 0 {
                bytes.copy_within(answered.., 0);
                into.set_filled(before + len);
                if len == 0 {
                    reads += 1;
                    if reads == READS_PER_TURN {
                        cx.waker().wake_by_ref();
                        ready!(this.flush_own(cx))?;
                        return Poll::Pending;
                    }
                    continue;
                }
            }
            let bytes = into.filled().get(before..).unwrap_or_default();
            this.state.on_bytes();
            let (at, replacement) = match this.framing.read(bytes) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(FramingFault::Head(at, error)) => {
                    this.state.set_refusal(error);
                    (at, INVALID_HEAD)
                }
                // Ends the stream inside the body. hyper then reports the malformed body.
                Err(FramingFault::Body(at)) => (at, &[][..]),
            };
            this.replacement = Some(replacement);
            into.set_filled(before + at);
            if at > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let rest = this.replacement.unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(into.remaining()));
        into.put_slice(now);
        this.replacement = Some(later);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, S: Service> AsyncWrite for GuardedStream<'_, T, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.is_unflushed = true;
        ready!(this.flush_own(cx))?;
        match bare_refusal(bytes) {
            None => {
                this.state.on_write();
                Pin::new(&mut this.stream).poll_write(cx, bytes)
            }
            Some((0, kind)) => {
                this.state.set_linger();
                let (refusal, body_len) = with_body(bytes, kind, this.state.refusal());
                this.own_output = refusal;
                this.service.request_refused(this.connection, kind, body_len);
                // All bytes count as written. The flush writes those that the socket does not take now.
                match this.flush_own(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    _ => Poll::Ready(Ok(bytes.len())),
                }
            }
            // Another answer precedes the refusal. It is written first.
            Some((start, _)) => {
                Pin::new(&mut this.stream).poll_write(cx, bytes.get(..start).unwrap_or(bytes))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flush_own(cx))?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        // hyper flushes after it has written everything.
        this.is_unflushed = false;
        this.state.on_flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flush_own(cx))?;
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        // Closing a socket with unread bytes resets it. The reset can discard the answer before the peer has
        // read it (RFC 9112, 9.6).
        let mut discarded = [0; 4096];
        while this.state.lingers() && !this.has_ended {
            this.state.on_shutdown();
            let mut into = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut into)) {
                Ok(()) if !into.filled().is_empty() => {}
                _ => this.has_ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns the length of the empty lines at the start of these bytes. Empty lines before a request are
/// ignored (RFC 9112, 2.2), because many clients end a body with one. A lone CR is not an empty line.
#[inline]
fn empty_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// Returns the position and the kind of hyper's own refusal, if the bytes end with one. Every other answer
/// has a body that ends in a brace or a single line feed, so for other answers this is one comparison.
///
/// hyper has no hook for its refusals, so this function finds them by their text. The text may change in any
/// minor version of hyper. Therefore `Cargo.toml` accepts one minor version only, and `tests/http/rfc.rs`
/// fails if the text changes.
#[inline]
fn bare_refusal(bytes: &[u8]) -> Option<(usize, &'static ProblemKind)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = bytes.len().saturating_sub(MAX_BARE_REFUSAL_BYTES);
    let tail = bytes.get(from..)?;
    let start = memmem::rfind(tail, b"HTTP/1.")?;
    let head = tail.get(start..)?;
    memmem::find(head, NO_BODY)?;
    let kind = match head.get(9..12)? {
        b"400" => &BAD_REQUEST,
        b"414" | b"431" => &HEADER_TOO_LARGE,
        _ => return None,
    };
    Some((from + start, kind))
}

/// Returns hyper's refusal with a problem as its body, and the length of the body.
fn with_body(bare: &[u8], kind: &ProblemKind, error: Option<HeadError>) -> (Vec<u8>, usize) {
    let known = error.map(|error| error.to_string());
    let detail = (*kind == BAD_REQUEST).then(|| known.as_deref().unwrap_or("Send a valid HTTP/1.1 request."));
    let mut body = Vec::with_capacity(512);
    response::write_problem(&mut body, kind, detail, None);
    let at = memmem::find(bare, NO_BODY).unwrap_or(0);
    let (before, after) = bare.split_at(at);
    let mut whole = before.to_vec();
    write_body_fields(&mut whole, PROBLEM_CONTENT_TYPE, "", response::date_value().as_bytes(), body.len());
    whole.extend_from_slice(after.get(NO_BODY.len()..).unwrap_or_default());
    whole.extend_from_slice(&body);
    (whole, body.len())
}
