//! One connection: hyper's state machine, its deadlines, and its end when the server drains.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::Method;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::sleep_until;

use super::connection_state::{ConnectionState, WaitsFor};
use super::failpoint::{Failpoint, failpoint};
use super::guarded_stream::GuardedStream;
use super::memory_budget::HeldReservation;
use super::request_head::MAX_HEAD_BYTES;
use super::{BodyState, Service, Timeouts};

/// hyper's buffer, per direction. hyper keeps the buffer at the size it has grown to, so that a peer can make us hold
/// this much for each connection. It is enough for a head; bodies are read in pieces of it.
const BUFFER_BYTES: usize = MAX_HEAD_BYTES + 16 * 1024;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// It was closed in order.
    Closed,
    /// A deadline passed.
    TimedOut,
    /// It broke, or its bytes were not HTTP.
    Failed,
}

/// Serves a connection until it ends: with the service's fast path, and through hyper where that declines.
///
/// Once `drain` turns true, the next answer says that it is the last, and the connection ends with it. An idle connection
/// waits for that request for `drain_grace`, because closing it at once would lose a request that is on its way.
pub async fn serve_connection<T, S>(
    stream: T,
    service: &S,
    timeouts: Timeouts,
    mut drain: watch::Receiver<bool>,
) -> ConnectionEnd
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    let state = &Rc::new(ConnectionState::new(timeouts));
    let answer = service_fn(|request| {
        state.on_request();
        Failpoint::from_headers(request.headers()).scope(async move {
            failpoint("connection");
            // hyper reads nothing behind a CONNECT, where a tunnel would begin.
            let is_connect = request.method() == Method::CONNECT;
            let (mut response, body_state) = service.handle(request).await;
            if body_state == BodyState::Unread || state.is_draining() {
                // The peer may have sent more before it reads that this answer is the last.
                state.set_linger();
            }
            if let Some(reservation) = response.extensions_mut().remove::<HeldReservation>() {
                state.hold(reservation);
            }
            if is_connect || body_state == BodyState::Unread || state.is_draining() {
                // hyper goes on only where it finds the rest of a body at once. The client is told to expect the end.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            state.on_answer();
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_header_size(MAX_HEAD_BYTES)
            // A peer that has sent its last request still waits for the answer (RFC 9112, 9.6).
            .half_close(true)
            // `ConnectionState` keeps this deadline; hyper's would count idle time too.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(GuardedStream::new(stream, service, Rc::clone(state))), answer)
    );
    // The drain signal and the timer are polled only when they can have fired; their waker stays registered.
    // `unconstrained`, because a poll that tokio's budget cuts short would register none.
    let changes = drain.clone();
    let (mut is_registered, mut is_armed) = (false, false);
    let mut drained = pin!(unconstrained(wait_for_drain(&mut drain)));
    let mut timer = pin!(sleep_until(state.deadline()));
    poll_fn(|cx| {
        // Before the requests, so that answers given after this say that they are the last.
        let may_drain = !is_registered || changes.has_changed().unwrap_or(true);
        if may_drain && !state.is_draining() && drained.as_mut().poll(cx).is_ready() {
            state.on_drain();
        }
        is_registered = true;
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(if result.is_ok() {
                    ConnectionEnd::Closed
                } else {
                    ConnectionEnd::Failed
                });
            }
            let now = state.start_timeout();
            let grace_end = state.grace_end();
            let next = grace_end.map_or(state.deadline(), |end| end.min(state.deadline()));
            if next < timer.deadline() {
                timer.as_mut().reset(next);
                is_armed = false;
            }
            if is_armed && now < timer.deadline() {
                return Poll::Pending;
            }
            is_armed = pin!(unconstrained(timer.as_mut())).poll(cx).is_pending();
            if is_armed {
                return Poll::Pending;
            }
            if state.deadline() <= now {
                let has_lingered = state.waits_for() == WaitsFor::Close;
                return Poll::Ready(if has_lingered {
                    ConnectionEnd::Closed
                } else {
                    ConnectionEnd::TimedOut
                });
            }
            if grace_end.is_some_and(|end| end <= now) {
                state.on_graceful_shutdown();
                connection.as_mut().graceful_shutdown();
            }
            timer.as_mut().reset(state.deadline());
        }
    })
    .await
}

/// Returns when the watch turns true, or its sender is dropped.
pub(crate) async fn wait_for_drain(drain: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped.
    let _ = drain.wait_for(|draining| *draining).await;
}
