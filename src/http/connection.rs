//! One connection: hyper's state machine, its deadline, and the way out when the process drains.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::Response;
use super::budget::Kept;
use super::panics::{self, Place};
use super::pulse::{Limits, Pulse, WaitsFor};
use super::stream::Wire;

/// Most bytes of a request's head.
pub(super) const LARGEST_HEAD: usize = 32 * 1024;
/// hyper's buffer, per direction; its default of 400 KB is sized for large bodies.
const BUFFER: usize = 128 * 1024;
/// How long a new connection gets to send its first request where the process drains.
const FIRST_REQUEST: Duration = Duration::from_millis(200);

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

/// Serves a connection until it ends. Draining lets the request in hand finish. `refused` is told the
/// status of a request that is refused before it is one.
pub(crate) async fn drive<S, H, F>(
    stream: S,
    limits: Limits,
    mut drain: watch::Receiver<bool>,
    handle: H,
    refused: impl Fn(u16) + 'static,
) -> Reason
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = (Response, Rest)>,
{
    let pulse = &Rc::new(Pulse::new(limits, refused));
    let service = service_fn(|request| {
        pulse.request();
        let handle = &handle;
        async move {
            pulse.room().await;
            panics::asked(request.headers(), Place::Connection);
            // hyper reads nothing behind a CONNECT: a tunnel would begin there.
            let last = request.method() == Method::CONNECT;
            let (mut response, rest) = handle(request).await;
            if rest == Rest::Unread {
                pulse.linger();
            }
            if let Some(kept) = response.extensions_mut().remove::<Kept>() {
                pulse.keep(kept);
            }
            if last || rest == Rest::Unread {
                // hyper may go on where it finds the rest of a body at once, and may not: the client is told.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            pulse.answer();
            Ok::<_, Infallible>(response)
        }
    });
    // Taken from the queue while draining: it gets its one answer, which also says that it is the last.
    let last_call = *drain.borrow();
    let mut connection = pin!(
        http1::Builder::new()
            .keep_alive(!last_call)
            .max_buf_size(BUFFER)
            .max_header_size(LARGEST_HEAD)
            // Who has sent its last request still waits for the answer (RFC 9112, 9.6).
            .half_close(true)
            // Its time is kept by the pulse, which does not count idling.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Wire::new(stream, Rc::clone(pulse))), service)
    );
    if last_call {
        pulse.bytes();
    }
    let mut draining = !last_call;
    let mut drained = pin!(async {
        drained(&mut drain).await;
        // A look at the sockets first: what has been sent by now is still answered.
        yield_now().await;
        if !pulse.asked() {
            // Connected just now: its first request is on its way.
            sleep(FIRST_REQUEST).await;
        }
    });
    let mut alarm = pin!(sleep_until(pulse.deadline()));
    poll_fn(|cx| {
        let mut served = connection.as_mut().poll(cx);
        if served.is_pending() && draining && drained.as_mut().poll(cx).is_ready() {
            draining = false;
            if pulse.waits_for() != WaitsFor::Request {
                pulse.linger();
            }
            connection.as_mut().graceful_shutdown();
            served = connection.as_mut().poll(cx);
        }
        if let Poll::Ready(result) = served {
            return Poll::Ready(if result.is_ok() { Reason::Closed } else { Reason::Error });
        }
        if pulse.deadline() < alarm.deadline() {
            alarm.as_mut().reset(pulse.deadline());
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if pulse.deadline() <= Instant::now() {
                let lingered = pulse.waits_for() == WaitsFor::End;
                return Poll::Ready(if lingered { Reason::Closed } else { Reason::TimedOut });
            }
            alarm.as_mut().reset(pulse.deadline());
        }
        Poll::Pending
    })
    .await
}

/// Comes when the process drains, or nobody is left to say so.
pub(crate) async fn drained(drain: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone.
    let _ = drain.wait_for(|draining| *draining).await;
}
