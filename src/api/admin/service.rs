//! The service of the admin listener: routes and answers a request.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request};
use serde_json::Value;
use switchboard_model::UnixMillis;
use switchboard_server::failpoint::failpoint;
use switchboard_server::response::{INTERNAL, NOT_FOUND};
use switchboard_server::{
    BodyState, ConnectionInfo, HangUp, Peer, Problem, ProblemKind, Response, Service, catch_panic_async,
    respond,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::background::Background;
use super::compare::{CompareLimits, Comparisons};
use super::{accounts, coverage, explain, standings};
use crate::access::audit::{AuditLog, DenialReason};
use crate::access::{Access, Caller, Need, Permission};
use crate::api::JSON;
use crate::api::access_log::{AccessLog, OTHER};
use crate::api::authorization::{Denied, authorize, check_host, check_origin, credential, record_denial};
use crate::api::routes::{self, ACCOUNTS, ADMIN_PATHS, COMPARE, ListenerKind, STANDINGS, TEXT};
use crate::console;
use crate::runtime::standings::{JournalState, StandingCounts};
use crate::runtime::{Fleet, Standings, Store};
use crate::telemetry::{AuthCounters, Telemetry};

/// Media type of metrics. Without the version of the text format, scrapers would guess it.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Description of both listeners: `docs/openapi.yaml`, which the build script converts to JSON.
const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Detail of the problem for an asset that the console does not have.
const UNKNOWN_ASSET: &str = "This version of the console has no such file. Reload the page.";

/// The state that the admin listener answers from.
pub struct AdminContext {
    /// The metrics that `/metrics` renders.
    pub telemetry: Arc<Telemetry>,
    /// The snapshot in service and its standings.
    pub store: Store,
    /// The handle that changes standings.
    pub standings: Standings,
    /// True while the data listener is closed: before it starts, and from the drain on.
    pub closed: watch::Receiver<bool>,
    /// The source of `/status` and of the reason in `/readyz`.
    pub status: Arc<dyn StatusSource>,
    /// The principals with the counters of decisions about callers, if there are principals.
    pub access: Option<(Access, Arc<AuthCounters>)>,
    /// Host names of the listener, besides IP addresses and localhost, if there are no principals.
    pub admin_hosts: Vec<String>,
    /// The audit log, if there is a state directory.
    pub audit: Option<AuditLog>,
    /// The replica, if a fleet is the source.
    pub fleet: Option<Fleet>,
    /// The limits of a comparison.
    pub compare: CompareLimits,
    /// The access log, if requests are logged.
    pub access_log: Option<AccessLog>,
}

/// Reports the status of the process.
pub trait StatusSource: Send + Sync {
    /// Returns the body of `/status`.
    fn status(&self) -> Value;
    /// Returns the reason why the last reload did not publish a snapshot.
    fn last_failure(&self) -> LastFailure;
}

/// The reason why a reload did not publish a snapshot. The texts contain no phone numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastFailure {
    /// Error of the reload, if it failed.
    pub error: Option<String>,
    /// Findings that caused the error.
    pub findings: Vec<String>,
}

/// What a connection did last.
pub(super) struct LastRequest {
    /// Time at which the last request arrived, or was answered.
    pub(super) at: Cell<Instant>,
    /// Whether it is not answered yet.
    pub(super) is_open: Cell<bool>,
}

/// Answers the requests of one connection.
pub(super) struct AdminService {
    pub(super) context: Rc<AdminContext>,
    /// The thread that computes what takes long.
    pub(super) background: Rc<Background>,
    pub(super) comparisons: Rc<Comparisons>,
    /// Reports the end of the peer. `None` if the process had no file descriptor left.
    pub(super) hang_up: Option<HangUp>,
    /// The last request on the connection.
    pub(super) last_request: Rc<LastRequest>,
}

impl Service for AdminService {
    fn request_timeout(&self, request: &Request<Incoming>) -> Option<Duration> {
        (request.uri().path() == COMPARE).then(|| self.comparisons.request_timeout())
    }

    async fn handle(&self, connection: &ConnectionInfo, request: Request<Incoming>) -> (Response, BodyState) {
        let started = Instant::now();
        self.last_request.at.set(started);
        self.last_request.is_open.set(true);
        let log = self.context.access_log.as_ref().filter(|log| log.is_due());
        let logged =
            log.map(|log| (log, request.method().clone(), ListenerKind::Admin.known(request.uri().path())));
        let body_state = if request.body().is_end_stream() { BodyState::Read } else { BodyState::Unread };
        let answered = catch_panic_async(answer(self, connection, request)).await;
        self.last_request.at.set(Instant::now());
        self.last_request.is_open.set(false);
        let (response, body_state, caller) = answered.unwrap_or_else(|| {
            self.context.telemetry.count_panic();
            (Problem::new(&INTERNAL).into_response(), body_state, None)
        });
        if let Some((log, method, route)) = logged {
            let (route, took) = (route.unwrap_or(OTHER), started.elapsed());
            let principal = caller.as_ref().and_then(Caller::principal);
            log.log_response(&method, route, &response, took, principal, connection.peer).await;
        }
        (response, body_state)
    }

    fn request_refused(&self, connection: &ConnectionInfo, kind: &ProblemKind, len: usize) {
        if let Some(log) = self.context.access_log.as_ref().filter(|log| log.is_due()) {
            log.log_refusal(kind, len, connection.peer);
        }
    }
}

/// Returns the permission that a request needs.
///
/// # Errors
/// Returns the problem of a path without a route, and of a method that the route does not have.
fn need(method: &Method, path: &str) -> Result<Option<Need>, Problem> {
    if is_of(STANDINGS, path) {
        return standings::need(method, path).map(Some);
    }
    if is_of(ACCOUNTS, path) {
        return accounts::need(method, path).map(Some);
    }
    let known = ListenerKind::Admin.known(path);
    let route = ADMIN_PATHS.iter().find(|(of, _)| known == Some(*of));
    let (_, allow) = route.ok_or_else(|| routes::not_found(ListenerKind::Admin, path))?;
    if !allow.split(", ").any(|allowed| *method == allowed) {
        return Err(Problem::method_not_allowed(allow));
    }
    Ok(match path {
        "/metrics" => Some(Need::whole(Permission::Metrics)),
        "/status" | "/v1/coverage" => Some(Need::whole(Permission::Read)),
        "/v1/explain" => Some(Need::of(Permission::Explain)),
        COMPARE => Some(Need::whole(Permission::Read)),
        _ => None,
    })
}

/// Returns whether a path is that of a folder, such as `/v1/standings`, or below it.
fn is_of(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the caller of a request, or `None` if its route needs no permission or there are no principals.
fn authorized(
    context: &AdminContext,
    connection: &ConnectionInfo,
    head: &Parts,
    need: Option<Need>,
) -> Result<Option<Caller>, Denied> {
    let Some(((access, counters), need)) = context.access.as_ref().zip(need) else { return Ok(None) };
    let now = UnixMillis::from(SystemTime::now()).to_seconds();
    authorize(&access.current(), credential(connection, &head.headers), need, now, counters).map(Some)
}

/// Returns the answer, the state of the body, and the caller, if it is known.
async fn answer(
    service: &AdminService,
    connection: &ConnectionInfo,
    request: Request<Incoming>,
) -> (Response, BodyState, Option<Caller>) {
    failpoint("answer");
    let AdminService { context, background, comparisons, hang_up, .. } = service;
    let (head, body) = request.into_parts();
    let body_state = if body.is_end_stream() { BodyState::Read } else { BodyState::Unread };
    // Pages in a browser reach an open listener through DNS. With principals they have no token.
    let is_open_tcp = context.access.is_none() && !matches!(connection.peer, Peer::Unix);
    let hosts = is_open_tcp.then_some(&*context.admin_hosts);
    let refuse = |denied: Denied, need: Option<Need>| {
        record_denial(context.audit.as_ref(), &denied, need.map(|need| need.permission), connection.peer);
        (denied.problem().into_response(), body_state, denied.caller)
    };
    if let Err(denied) = check_origin(&head).and_then(|()| check_host(&head, hosts)) {
        return refuse(denied, None);
    }
    let path = head.uri.path();
    let need = match need(&head.method, path) {
        Ok(need) => need,
        Err(problem) => return (problem.into_response(), body_state, None),
    };
    let caller = match authorized(context, connection, &head, need) {
        Ok(caller) => caller,
        Err(denied) => return refuse(denied, need),
    };
    let is_change = need == Some(Need::of(Permission::Standings));
    if context.access.is_none() && is_change && !connection.peer.is_local() {
        return refuse(Denied::anonymous(DenialReason::NotLocal), need);
    }
    if is_of(STANDINGS, path) {
        let query = head.uri.query().unwrap_or_default();
        let AdminContext { store, standings, .. } = &**context;
        let request = (&head.method, &head.headers);
        let caller_and_peer = (caller.as_ref(), connection.peer);
        return match standings::answer(caller_and_peer, store, standings, request, path, query, body).await {
            // A change is only made after the whole body was read.
            Ok(response) => (response, BodyState::Read, caller),
            Err(problem) => (problem.into_response(), body_state, caller),
        };
    }
    let answered = match path {
        "/v1/explain" => explain::answer(background, &context.store, caller.clone(), &head, body).await,
        "/v1/coverage" => coverage::answer(background, &context.store, &head).await,
        COMPARE => comparisons.answer(&context.store, &head, body, hang_up.as_ref()).await,
        _ if is_of(ACCOUNTS, path) => accounts::answer(background, &context.store, &head, body).await,
        _ => Ok(at_once(context, path, &head.headers)),
    };
    // A query in a body is only explained after the whole body was read.
    let read = if head.method == Method::POST { BodyState::Read } else { body_state };
    match answered {
        Ok(response) => (response, read, caller),
        Err(problem) => (problem.into_response(), body_state, caller),
    }
}

/// Answers a request that is only read and needs no computation.
fn at_once(context: &AdminContext, path: &str, headers: &HeaderMap) -> Response {
    if let Some(response) = console::answer(path, headers) {
        return response;
    }
    match path {
        "/metrics" => respond(200, METRICS, metrics(context).into()),
        "/livez" => respond(200, TEXT, "alive\n".into()),
        "/readyz" => readiness(context),
        "/status" => respond(200, JSON, context.status.status().to_string().into()),
        "/openapi.json" => respond(200, JSON, OPENAPI.into()),
        // The only other path with a route is that of an asset.
        _ => Problem::new(&NOT_FOUND).with_detail(UNKNOWN_ASSET).into_response(),
    }
}

fn metrics(context: &AdminContext) -> String {
    let StandingCounts { draining, suspended, .. } = context.store.counts();
    context.telemetry.set_standings(draining, suspended);
    let (_, state) = context.standings.journal_state();
    context.telemetry.set_standings_writable(matches!(state, JournalState::InMemory | JournalState::Writing));
    if let Some(fleet) = &context.fleet {
        context.telemetry.set_fleet(&fleet.measurements());
        let shared = context.standings.shared().unwrap_or_default();
        context.telemetry.set_shared_standings(shared.pending, shared.overruled_total);
    }
    context.telemetry.render()
}

/// Answers `/readyz`. The daemon is ready with a stale snapshot, but not without a snapshot, and not while
/// the data listener is closed. With principals, the answer is one word, because a probe shows no credential.
fn readiness(context: &AdminContext) -> Response {
    let is_closed = *context.closed.borrow();
    // The value has changed once when the data listener opened.
    let was_open = context.closed.has_changed().unwrap_or(true);
    let is_short = context.access.is_some();
    let (status, text): (u16, Cow<'static, str>) = if context.store.current().is_none() {
        let reason = || no_snapshot(context.status.last_failure());
        (503, if is_short { "no snapshot\n".into() } else { reason().into() })
    } else if is_closed {
        let word = if was_open { "draining\n" } else { "starting\n" };
        let text = "the data listener is closed: starting or draining\n";
        (503, if is_short { word } else { text }.into())
    } else {
        (200, "ready\n".into())
    };
    respond(status, TEXT, text.into_owned().into())
}

fn no_snapshot(LastFailure { error, findings }: LastFailure) -> String {
    let reason = error.map(|error| format!(": {error}")).unwrap_or_default();
    let mut text = format!("no snapshot is in service{reason}\n");
    for finding in findings {
        text.push_str(&finding);
        text.push('\n');
    }
    text
}
