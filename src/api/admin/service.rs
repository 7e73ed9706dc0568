//! The service of the admin listener: routes and answers a request.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use serde_json::Value;
use switchboard_server::failpoint::failpoint;
use switchboard_server::response::INTERNAL;
use switchboard_server::{
    BodyState, ConnectionInfo, Problem, ProblemKind, Response, Service, catch_panic_async, respond,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::standings;
use crate::api::JSON;
use crate::api::access_log::{AccessLog, OTHER};
use crate::api::routes::{self, ADMIN_PATHS, ListenerKind, STANDINGS, TEXT};
use crate::runtime::standings::{JournalState, StandingCounts};
use crate::runtime::{Standings, Store};
use crate::telemetry::Telemetry;

/// Media type of metrics. Without the version of the text format, scrapers would guess it.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Description of both listeners: `docs/openapi.yaml`, which the build script converts to JSON.
const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

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

/// Answers the requests of one connection.
pub(super) struct AdminService {
    pub(super) context: Rc<AdminContext>,
    /// Time of the last request on the connection.
    pub(super) last_request: Rc<Cell<Instant>>,
}

impl Service for AdminService {
    async fn handle(&self, connection: &ConnectionInfo, request: Request<Incoming>) -> (Response, BodyState) {
        let started = Instant::now();
        self.last_request.set(started);
        let log = self.context.access_log.as_ref().filter(|log| log.is_due());
        let logged =
            log.map(|log| (log, request.method().clone(), ListenerKind::Admin.known(request.uri().path())));
        let body_state = if request.body().is_end_stream() { BodyState::Read } else { BodyState::Unread };
        let answered = catch_panic_async(answer(&self.context, request)).await;
        let (response, body_state) = answered.unwrap_or_else(|| {
            self.context.telemetry.count_panic();
            (Problem::new(&INTERNAL).into_response(), body_state)
        });
        if let Some((log, method, route)) = logged {
            log.log_response(&method, route.unwrap_or(OTHER), &response, started.elapsed(), connection.peer)
                .await;
        }
        (response, body_state)
    }

    fn request_refused(&self, connection: &ConnectionInfo, kind: &ProblemKind, len: usize) {
        if let Some(log) = self.context.access_log.as_ref().filter(|log| log.is_due()) {
            log.log_refusal(kind, len, connection.peer);
        }
    }
}

/// Returns the methods of a path. Returns `None` if the path has no route.
fn allow(path: &str) -> Option<&'static str> {
    ADMIN_PATHS.iter().find(|(known, _)| *known == path).map(|(_, allow)| *allow)
}

async fn answer(context: &AdminContext, request: Request<Incoming>) -> (Response, BodyState) {
    failpoint("answer");
    let (head, body) = request.into_parts();
    let body_state = if body.is_end_stream() { BodyState::Read } else { BodyState::Unread };
    let path = head.uri.path();
    if path.strip_prefix(STANDINGS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        let query = head.uri.query().unwrap_or_default();
        let AdminContext { store, standings, .. } = context;
        let request = (&head.method, &head.headers);
        return match standings::answer(store, standings, request, path, query, body).await {
            // A change is only made after the whole body was read.
            Ok(response) => (response, BodyState::Read),
            Err(problem) => (problem.into_response(), body_state),
        };
    }
    let is_read = matches!(head.method.as_str(), "GET" | "HEAD");
    let response = match (path, allow(path)) {
        (_, None) => routes::not_found(ListenerKind::Admin, path).into_response(),
        (_, Some(allow)) if !is_read => Problem::method_not_allowed(allow).into_response(),
        ("/", _) => routes::list(ListenerKind::Admin),
        ("/metrics", _) => respond(200, METRICS, metrics(context).into()),
        ("/livez", _) => respond(200, TEXT, "alive\n".into()),
        ("/readyz", _) => readiness(context),
        ("/status", _) => respond(200, JSON, context.status.status().to_string().into()),
        ("/openapi.json", _) => respond(200, JSON, OPENAPI.into()),
        _ => routes::not_found(ListenerKind::Admin, path).into_response(),
    };
    (response, body_state)
}

fn metrics(context: &AdminContext) -> String {
    let StandingCounts { draining, suspended, .. } = context.store.counts();
    context.telemetry.set_standings(draining, suspended);
    let (_, state) = context.standings.journal_state();
    context.telemetry.set_standings_writable(matches!(state, JournalState::InMemory | JournalState::Writing));
    context.telemetry.render()
}

/// Answers `/readyz`. The daemon is ready with a stale snapshot, but not without a snapshot, and not while
/// the data listener is closed.
fn readiness(context: &AdminContext) -> Response {
    if context.store.current().is_none() {
        respond(503, TEXT, no_snapshot(context.status.last_failure()).into())
    } else if *context.closed.borrow() {
        respond(503, TEXT, "the data listener is closed: starting or draining\n".into())
    } else {
        respond(200, TEXT, "ready\n".into())
    }
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
