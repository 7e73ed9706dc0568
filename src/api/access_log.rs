//! The access log: one line for each request, or for a share of the requests.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Method;
use switchboard_server::{Peer, ProblemKind, Response};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::access::Principal;

/// Target of the events, by which the log filter lets them pass at every level.
pub const TARGET: &str = "switchboard::access";
/// The route of a path that has none, and of a request that is refused before its path is read.
pub(super) const OTHER: &str = "other";
/// The text before the code in a problem. It cannot occur in the texts of a problem, which escape quotes.
const CODE: &[u8] = b",\"code\":\"";

/// Decides which requests are logged, and logs them. Each thread has its own.
#[derive(Debug)]
pub struct AccessLog {
    listener: &'static str,
    /// A request is logged if its random number is at most this.
    limit: u64,
    random: Cell<u64>,
}

/// A request that was answered.
pub(super) struct AnsweredRequest<'r> {
    /// `None` if the head was refused unread.
    pub(super) method: Option<&'r str>,
    /// The path of the route, never the path of the request, which may contain personal data.
    pub(super) route: &'static str,
    pub(super) status: u16,
    /// Code of the problem, if the answer is one.
    pub(super) code: Option<&'r str>,
    /// Length of the body of the answer.
    pub(super) bytes: usize,
    pub(super) duration: Option<Duration>,
    /// The principal that called, if there are principals and it is known.
    pub(super) principal: Option<&'r Principal>,
    pub(super) peer: Peer,
}

impl AccessLog {
    /// Creates the log of a listener, `data` or `admin`. Returns `None` if the share of logged requests is 0.
    pub fn new(listener: &'static str, share: f64) -> Option<AccessLog> {
        // The conversion saturates, so a share of 1 is every number.
        let limit = (share * u64::MAX as f64) as u64;
        // Every `RandomState` has different keys, which the system seeds.
        let random = Cell::new(RandomState::new().hash_one(0));
        (share > 0.0).then_some(AccessLog { listener, limit, random })
    }

    /// Decides at random whether the next request is logged. A fixed interval would always meet the same
    /// client in a regular pattern.
    pub(super) fn is_due(&self) -> bool {
        // SplitMix64.
        let count = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(count);
        let mixed = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31) <= self.limit
    }

    /// Logs a request.
    pub(super) fn log(&self, request: &AnsweredRequest<'_>) {
        tracing::info!(
            target: TARGET,
            listener = self.listener,
            method = request.method,
            route = request.route,
            status = request.status,
            code = request.code,
            bytes = request.bytes,
            duration = request.duration.map(|duration| tracing::field::display(Seconds(duration))),
            principal = request.principal.map(|principal| &*principal.name),
            peer = %request.peer,
            "request"
        );
    }

    /// Logs a request that hyper answers with this response.
    pub(super) async fn log_response(
        &self,
        method: &Method,
        route: &'static str,
        response: &Response,
        duration: Duration,
        principal: Option<&Principal>,
        peer: Peer,
    ) {
        // The clone of a body shares its bytes, which are complete.
        let body = response.body().clone().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let status = response.status().as_u16();
        let bytes = if *method == Method::HEAD { 0 } else { body.len() };
        let code = code_in(status, &body);
        let code = code.as_deref();
        let method = Some(method_name(method));
        let duration = Some(duration);
        self.log(&AnsweredRequest { method, route, status, code, bytes, duration, principal, peer });
    }

    /// Logs a request that the server refuses before it is read whole.
    pub(super) fn log_refusal(&self, kind: &ProblemKind, bytes: usize, peer: Peer) {
        let (status, code) = (kind.status, Some(kind.code));
        self.log(&AnsweredRequest {
            method: None,
            route: OTHER,
            status,
            code,
            bytes,
            duration: None,
            principal: None,
            peer,
        });
    }
}

/// A duration in seconds with nine decimals. A float of a few microseconds would be written with an exponent,
/// which sort, awk and many log readers do not read as a number.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// The text before the duration in a JSON line, in which it is a text. It cannot occur in another field of the
/// access log.
const DURATION: &str = "\"duration\":\"";

/// A JSON format of log lines that writes the duration of the access log as a number.
pub struct JsonLines<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for JsonLines<F>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != TARGET {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.split_once(DURATION).and_then(|(before, rest)| Some((before, rest.split_once('"')?))) {
            Some((before, (seconds, after))) => write!(writer, "{before}\"duration\":{seconds}{after}"),
            None => writer.write_str(&line),
        }
    }
}

/// Returns the name of a known method. A method of the client's own could contain anything.
fn method_name(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
        Method::TRACE,
        Method::CONNECT,
    ];
    if KNOWN.contains(method) { method.as_str() } else { OTHER }
}

/// Returns the code of a problem, or `None` if the answer is none.
pub(super) fn code_in(status: u16, body: &[u8]) -> Option<Cow<'_, str>> {
    if status < 400 {
        return None;
    }
    let start = memchr::memmem::find(body, CODE)? + CODE.len();
    let rest = body.get(start..)?;
    let code = rest.get(..memchr::memchr(b'"', rest)?)?;
    Some(String::from_utf8_lossy(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_of_requests_is_logged() {
        let logged = |share| {
            let log = AccessLog::new("data", share)?;
            Some((0..10_000).filter(|_| log.is_due()).count())
        };
        assert_eq!(logged(0.0), None);
        assert_eq!(logged(1.0), Some(10_000));
        // Ten standard deviations from the mean.
        let tenth = logged(0.1).unwrap();
        assert!((700..=1_300).contains(&tenth), "{tenth}");
    }

    #[test]
    fn code_is_read_from_a_problem_alone() {
        let problem = br#"{"type":"urn:x","detail":"Send \",\"code\":\"x\" once.","code":"bad_request","generation":7}"#;
        assert_eq!(code_in(400, problem).as_deref(), Some("bad_request"));
        assert_eq!(code_in(200, problem), None);
        assert_eq!(code_in(503, b"no snapshot is in service\n"), None);
    }

    #[test]
    fn unknown_method_is_not_logged() {
        assert_eq!(method_name(&Method::DELETE), "DELETE");
        assert_eq!(method_name(&Method::from_bytes(b"X33612345678").unwrap()), "other");
    }
}
