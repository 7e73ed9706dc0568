//! One connection: hyper's state machine, the deadlines, and the end of the connection when the server
//! drains.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::Method;
use hyper::header::{CONNECTION, DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::{unconstrained, yield_now};
use tokio::time::sleep_until;

use super::connection_state::{ConnectionState, WaitsFor};
use super::failpoint::{Failpoint, failpoint};
use super::guarded_stream::GuardedStream;
use super::limits::HeldReservation;
use super::request_head::MAX_HEAD_BYTES;
use super::response;
use super::{BodyState, ConnectionInfo, Service, Timeouts};

/// Size of hyper's buffer, per direction. hyper never shrinks a buffer, so a peer can make the server hold
/// this much for each connection. The size suffices for a head. Bodies are read in pieces of this size.
const BUFFER_BYTES: usize = MAX_HEAD_BYTES + 16 * 1024;
/// Number of turns of the runtime's I/O driver between a deadline and its judgment. One turn can be empty,
/// because a signal such as SIGCONT interrupts it, and has at most 1,024 events.
const DRIVER_TURNS: u32 = 4;

/// The reason why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The connection was closed in order.
    Closed,
    /// A deadline of the connection passed.
    TimedOut,
    /// The connection broke, or its bytes were not HTTP.
    Failed,
}

/// Serves a connection until it ends. Tries the service's fast path first, and passes the other requests to
/// hyper.
///
/// After `drain` becomes true, the next answer announces that it is the last, and the connection ends after
/// this answer. An idle connection waits `drain_grace` for its last request, because closing at once would
/// lose a request that is under way.
pub async fn serve_connection<T, S>(
    stream: T,
    service: &S,
    info: ConnectionInfo,
    timeouts: Timeouts,
    mut drain: watch::Receiver<bool>,
) -> ConnectionEnd
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    let (state, info) = (&Rc::new(ConnectionState::new(timeouts)), &info);
    let answer = service_fn(|request| {
        state.on_request(service.request_timeout(&request));
        Failpoint::from_headers(request.headers()).scope(async move {
            failpoint("connection");
            // hyper reads nothing after a CONNECT, because a tunnel would begin there.
            let is_connect = request.method() == Method::CONNECT;
            let (mut response, body_state) = service.handle(info, request).await;
            if body_state == BodyState::Unread || state.is_draining() {
                // The peer may have sent more before it reads that this answer is the last.
                state.set_linger();
            }
            if let Some(reservation) = response.extensions_mut().remove::<HeldReservation>() {
                state.hold(reservation);
            }
            if is_connect || body_state == BodyState::Unread || state.is_draining() {
                // hyper continues only if the rest of the body has already arrived. The header announces the
                // end to the client.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response.headers_mut().insert(DATE, response::date_value());
            state.on_answer();
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .max_header_size(MAX_HEAD_BYTES)
            // A peer that has closed its sending side still waits for the answer (RFC 9112, 9.6).
            .half_close(true)
            // `ConnectionState` keeps this deadline. hyper's deadline would include idle time.
            .header_read_timeout(None)
            // hyper's date is another clock, which stays ahead after the system's clock goes back.
            .auto_date_header(false)
            .serve_connection(
                TokioIo::new(GuardedStream::new(stream, service, info, Rc::clone(state))),
                answer
            )
    );
    // The drain signal and the timer are polled only when they can have fired; their waker stays registered.
    // `unconstrained`, because a poll that tokio's budget cuts short would register no waker.
    let changes = drain.clone();
    let (mut is_registered, mut is_armed) = (false, false);
    let mut drained = pin!(unconstrained(wait_for_drain(&mut drain)));
    let mut timer = pin!(sleep_until(state.deadline()));
    let mut late_polls = 0;
    poll_fn(|cx| {
        // Checked before the requests, so that every later answer announces that it is the last.
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
            // After a pause of the process, timers fire before the arrival of bytes is known. A connection
            // whose bytes arrived during the pause is served first.
            let is_late = state.deadline() <= now || grace_end.is_some_and(|end| end <= now);
            if is_late && late_polls < DRIVER_TURNS {
                late_polls += 1;
                // Wakes this task after the next turn of the driver.
                let _ = pin!(yield_now()).poll(cx);
                return Poll::Pending;
            }
            late_polls = 0;
            if state.deadline() <= now && !state.extend_after_pause(now) {
                let has_lingered = state.waits_for() == WaitsFor::Close;
                // A client over TLS would take the end without a notice for an attack.
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().poll(cx);
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

/// Returns when the watch becomes true, or when its sender is dropped.
pub(crate) async fn wait_for_drain(drain: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped.
    let _ = drain.wait_for(|draining| *draining).await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use http_body_util::BodyExt;
    use hyper::Request;
    use hyper::body::Incoming;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::response::SHIFT;
    use crate::{FastAnswer, Peer, ProblemKind, Response, respond};

    const TIMEOUTS: Timeouts = Timeouts {
        header: Duration::from_secs(5),
        body: Duration::from_secs(30),
        idle: Duration::from_secs(60),
        drain_grace: Duration::from_secs(2),
    };
    const FAST: &[u8] = b"FAST\r\n";

    /// A service that reads the body of each request and answers `ok`. Its fast path answers [`FAST`].
    #[derive(Default)]
    struct TestService {
        refused: RefCell<Vec<u16>>,
    }

    impl Service for TestService {
        fn fast_path(&self, _: &ConnectionInfo, bytes: &[u8], out: &mut Vec<u8>) -> Option<FastAnswer> {
            bytes.starts_with(FAST).then(|| {
                out.extend_from_slice(b"fast\n");
                FastAnswer { len: FAST.len(), at: Instant::now().into_std() }
            })
        }

        async fn handle(&self, _: &ConnectionInfo, request: Request<Incoming>) -> (Response, BodyState) {
            let _ = request.into_body().collect().await;
            (respond(200, "text/plain", "ok\n".into()), BodyState::Read)
        }

        fn request_refused(&self, _: &ConnectionInfo, kind: &ProblemKind, _: usize) {
            self.refused.borrow_mut().push(kind.status);
        }
    }

    /// Serves one connection to `client`. Returns the end and the duration of the connection, and the output
    /// of `client`.
    async fn serve<F: Future>(
        service: &TestService,
        client: impl FnOnce(DuplexStream, watch::Sender<bool>) -> F,
    ) -> (ConnectionEnd, Duration, F::Output) {
        let (peer, stream) = duplex(64 * 1024);
        let drain = watch::Sender::new(false);
        let started = Instant::now();
        let server = async {
            let end = serve_connection(
                stream,
                service,
                ConnectionInfo::new(Peer::Unix),
                TIMEOUTS,
                drain.subscribe(),
            )
            .await;
            (end, started.elapsed())
        };
        let ((end, took), output) = tokio::join!(server, client(peer, drain.clone()));
        (end, took, output)
    }

    /// Sends the bytes. Returns everything that the server sends until it closes.
    async fn exchange(mut stream: DuplexStream, bytes: &[u8]) -> String {
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_times_out() {
        let service = TestService::default();
        let (end, took, _) =
            serve(&service, |peer, drain| async { (exchange(peer, b"").await, drain) }).await;
        assert_eq!((end, took.as_secs()), (ConnectionEnd::TimedOut, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_head_times_out() {
        let service = TestService::default();
        let (end, took, _) =
            serve(&service, |peer, drain| async { (exchange(peer, b"GET / HT").await, drain) }).await;
        assert_eq!((end, took.as_secs()), (ConnectionEnd::TimedOut, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_body_times_out() {
        let service = TestService::default();
        let request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123";
        let (end, took, _) =
            serve(&service, |peer, drain| async { (exchange(peer, request).await, drain) }).await;
        assert_eq!((end, took.as_secs()), (ConnectionEnd::TimedOut, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn every_answer_follows_the_clock_back() {
        const HOUR: i64 = 3600;
        let service = TestService::default();
        let (_, _, ()) = serve(&service, |mut peer, drain| async move {
            let mut dates = Vec::new();
            for shift in [0, HOUR, -HOUR] {
                SHIFT.set(shift);
                peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"\r\n\r\nok\n") {
                    answer.push(peer.read_u8().await.unwrap());
                }
                dates.push(date_of(&answer));
            }
            SHIFT.set(HOUR);
            dates.push(date_of(&crate::response::overloaded_response()));
            SHIFT.set(-HOUR);
            dates.push(date_of(exchange(peer, b"GET / HTTP/7.0\r\n\r\n").await.as_bytes()));
            let minutes = dates.iter().map(|date| (date - dates[0] + 30).div_euclid(60));
            assert_eq!(minutes.collect::<Vec<_>>(), [0, 60, -60, 60, -60], "{dates:?}");
            drop(drain);
        })
        .await;
        SHIFT.set(0);
    }

    /// Returns the Unix time of the only `date` field.
    fn date_of(answer: &[u8]) -> i64 {
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let dates: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("date: ")).collect();
        assert_eq!(dates.len(), 1, "{answer}");
        let date = httpdate::parse_http_date(dates[0]).unwrap();
        date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_closes_in_order_after_the_drain_grace() {
        let service = TestService::default();
        let (end, took, answer) = serve(&service, |peer, drain| async move {
            drain.send_replace(true);
            exchange(peer, b"").await
        })
        .await;
        assert_eq!((end, took.as_secs()), (ConnectionEnd::Closed, 2));
        assert_eq!(answer, "");
    }

    #[tokio::test(start_paused = true)]
    async fn request_within_the_drain_grace_is_answered_as_the_last() {
        let service = TestService::default();
        let (end, took, answer) = serve(&service, |peer, drain| async move {
            drain.send_replace(true);
            tokio::time::sleep(Duration::from_secs(1)).await;
            exchange(peer, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await
        })
        .await;
        assert_eq!(end, ConnectionEnd::Closed);
        assert_eq!(took.as_secs(), 1);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn ambiguous_head_is_refused_with_a_problem_after_the_answers_before_it() {
        let service = TestService::default();
        let requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n";
        let (end, _, (answer, _)) =
            serve(&service, |peer, drain| async { (exchange(peer, requests).await, drain) }).await;
        assert_eq!(end, ConnectionEnd::Failed);
        let (first, second) = answer.split_at(answer.rfind("HTTP/1.1 ").unwrap());
        assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && first.ends_with("\r\n\r\nok\n"), "{answer}");
        assert!(second.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(second.contains("\"detail\":\"Send exactly one Host field"), "{answer}");
        assert_eq!(*service.refused.borrow(), [400]);
    }

    #[tokio::test(start_paused = true)]
    async fn fast_path_answers_before_hyper_and_again_after_it() {
        let service = TestService::default();
        let (end, _, ()) = serve(&service, |mut peer, drain| async move {
            let requests = [FAST, b"\r\n", FAST, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
            peer.write_all(&requests).await.unwrap();
            let mut answers = vec![0; b"fast\nfast\nHTTP/1.1 200 OK\r\n".len()];
            peer.read_exact(&mut answers).await.unwrap();
            assert_eq!(answers, b"fast\nfast\nHTTP/1.1 200 OK\r\n");
            while !answers.ends_with(b"\r\n\r\nok\n") {
                answers.push(peer.read_u8().await.unwrap());
            }
            peer.write_all(FAST).await.unwrap();
            let mut answer = [0; 5];
            peer.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"fast\n");
            drop((peer, drain));
        })
        .await;
        assert_eq!(end, ConnectionEnd::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn fast_path_is_not_tried_while_the_server_drains() {
        let service = TestService::default();
        let (end, _, answer) = serve(&service, |peer, drain| async move {
            drain.send_replace(true);
            tokio::task::yield_now().await;
            exchange(peer, &[FAST, b"\r\n"].concat()).await
        })
        .await;
        assert_eq!(end, ConnectionEnd::Failed);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
}
