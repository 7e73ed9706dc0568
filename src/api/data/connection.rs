//! One connection: hyper's state machine, its deadline, and the way out when the process drains.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::sleep_until;

use super::Response;
use super::budget::Kept;
use super::direct::Direct;
use super::head::LARGEST_HEAD;
use super::panics::{self, Place};
use super::pulse::{Limits, Pulse, WaitsFor};
use super::stream::Wire;

/// hyper's buffer, per direction: it keeps what it has once grown to, so that this, many connections over,
/// is memory that a peer can make us hold. Enough for a head; bodies are read in pieces of it.
const BUFFER: usize = LARGEST_HEAD + 16 * 1024;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// In order.
    Closed,
    /// At its deadline.
    TimedOut,
    /// It broke, or its bytes were not HTTP.
    Error,
}

/// Whether the rest of a request's body will come unread: what a service tells of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The body was read, or there was none.
    Read,
    /// The answer was given without it.
    Unread,
}

/// Serves a connection until it ends: what `direct` answers, and through `handle` all else. Once it drains, the next answer says that it is the last, and the
/// connection ends with it; an idle one waits for that request for the grace, since closing it at once
/// would lose a request that is on its way. `refused` is told the
/// status of a request that is refused before it is one.
pub(crate) async fn drive<S, D, H, F>(
    stream: S,
    direct: D,
    limits: Limits,
    mut drain: watch::Receiver<bool>,
    handle: H,
    refused: impl Fn(u16) + 'static,
) -> Reason
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Direct + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = (Response, Rest)>,
{
    let pulse = &Rc::new(Pulse::new(limits, refused));
    let service = service_fn(|request| {
        pulse.request();
        let handle = &handle;
        async move {
            panics::asked(request.headers(), Place::Connection);
            // hyper reads nothing behind a CONNECT: a tunnel would begin there.
            let last = request.method() == Method::CONNECT;
            let (mut response, rest) = handle(request).await;
            if rest == Rest::Unread || pulse.drains() {
                // The peer may have sent more before it read that this answer is its last.
                pulse.linger();
            }
            if let Some(kept) = response.extensions_mut().remove::<Kept>() {
                pulse.keep(kept);
            }
            if last || rest == Rest::Unread || pulse.drains() {
                // hyper may go on where it finds the rest of a body at once, and may not: the client is told.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            pulse.answer();
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(BUFFER)
            .max_header_size(LARGEST_HEAD)
            // Who has sent its last request still waits for the answer (RFC 9112, 9.6).
            .half_close(true)
            // Its time is kept by the pulse, which does not count idling.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Wire::new(stream, direct, Rc::clone(pulse))), service)
    );
    // Both are polled once for each thing they tell: this task's waker stays with them, and most of the time a
    // look at a number says that there is nothing yet. Unconstrained, since one that is put off for what else this
    // task has done would not have heard of the waker.
    let told = drain.clone();
    let (mut listens, mut armed) = (false, false);
    let mut drained = pin!(unconstrained(drained(&mut drain)));
    let mut alarm = pin!(sleep_until(pulse.deadline()));
    poll_fn(|cx| {
        // Before the requests: what is answered after this says that it is the last.
        let news = !listens || told.has_changed().unwrap_or(true);
        if news && !pulse.drains() && drained.as_mut().poll(cx).is_ready() {
            pulse.drain();
        }
        listens = true;
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(if result.is_ok() { Reason::Closed } else { Reason::Error });
            }
            let now = pulse.settle();
            let grace = pulse.grace_ends();
            let next = grace.map_or(pulse.deadline(), |ends| ends.min(pulse.deadline()));
            if next < alarm.deadline() {
                alarm.as_mut().reset(next);
                armed = false;
            }
            if armed && now < alarm.deadline() {
                return Poll::Pending;
            }
            armed = pin!(unconstrained(alarm.as_mut())).poll(cx).is_pending();
            if armed {
                return Poll::Pending;
            }
            if pulse.deadline() <= now {
                let lingered = pulse.waits_for() == WaitsFor::End;
                return Poll::Ready(if lingered { Reason::Closed } else { Reason::TimedOut });
            }
            if grace.is_some_and(|ends| ends <= now) {
                pulse.leave();
                connection.as_mut().graceful_shutdown();
            }
            alarm.as_mut().reset(pulse.deadline());
        }
    })
    .await
}

/// Comes when the process drains, or nobody is left to say so.
pub(crate) async fn drained(drain: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = drain.wait_for(|draining| *draining).await;
}
