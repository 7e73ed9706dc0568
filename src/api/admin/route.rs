//! The routes of the admin listener.

use std::rc::Rc;
use std::sync::Arc;

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use serde_json::Value;
use tokio::sync::watch;

use super::standings::{self, JSON};
use crate::api::data::Response;
use crate::api::data::answers::respond;
use crate::api::data::connection::Rest;
use crate::api::data::panics::{self, Place};
use crate::api::data::problems::Problem;
use crate::runtime::Standings;
use crate::runtime::standings::{JournalState, StandingCounts};
use crate::telemetry::Telemetry;
use switchboard_select::Code;

/// The text format's version is part of its type; without it, scrapers guess.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The interface of both listeners: `docs/openapi.yaml`, made JSON by the build script.
const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Every path of this listener, and its methods as `Allow` states them.
pub const PATHS: [(&str, &str); 7] = [
    ("/metrics", READ),
    ("/livez", READ),
    ("/readyz", READ),
    ("/status", READ),
    ("/openapi.json", READ),
    (standings::PATH, READ),
    (standings::PATH_OF_ONE, "GET, HEAD, PUT, DELETE"),
];
const READ: &str = "GET, HEAD";

/// Draws up the status.
pub type Status = Arc<dyn Fn() -> Value + Send + Sync>;

/// What the routes answer from.
pub(super) struct Desk {
    pub(super) telemetry: Arc<Telemetry>,
    /// The standings, and the snapshot that they are of.
    pub(super) standings: Standings,
    /// Whether the data listener takes no queries: not yet, or no more.
    pub(super) closed: watch::Receiver<bool>,
    pub(super) status: Status,
}

/// Answers a request.
pub(super) async fn answer(desk: Rc<Desk>, request: Request<Incoming>) -> (Response, Rest) {
    panics::asked(request.headers(), Place::Answer);
    let (head, body) = request.into_parts();
    let rest = if body.is_end_stream() { Rest::Read } else { Rest::Unread };
    let path = head.uri.path();
    let below = path.strip_prefix(standings::PATH).filter(|it| it.is_empty() || it.starts_with('/'));
    if let Some(below) = below {
        let query = head.uri.query().unwrap_or_default();
        return match standings::answer(&desk.standings, &head.method, below, query, body).await {
            // Nothing is done before the whole body is read.
            Ok(response) => (response, Rest::Read),
            Err(problem) => (problem.respond(), rest),
        };
    }
    let read = matches!(head.method.as_str(), "GET" | "HEAD");
    let response = match (path, allow(path)) {
        (_, None) => Problem::new(Code::NotFound).respond(),
        (_, Some(allow)) if !read => Problem::method_not_allowed(allow).respond(),
        ("/metrics", _) => respond(200, METRICS, metrics(&desk).into()),
        ("/livez", _) => respond(200, TEXT, "alive\n".into()),
        ("/readyz", _) => ready(&desk),
        ("/status", _) => respond(200, JSON, (desk.status)().to_string().into()),
        ("/openapi.json", _) => respond(200, JSON, OPENAPI.into()),
        _ => Problem::new(Code::NotFound).respond(),
    };
    (response, rest)
}

/// The methods of a path as this listener states them.
pub(super) fn allow(path: &str) -> Option<&'static str> {
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, allow)| *allow)
}

fn metrics(desk: &Desk) -> String {
    let StandingCounts { draining, suspended, .. } = desk.standings.store().counts();
    desk.telemetry.standings(draining, suspended);
    let (_, state) = desk.standings.journal_state();
    desk.telemetry.standings_writable(matches!(state, JournalState::InMemory | JournalState::Writing));
    desk.telemetry.render()
}

/// Ready means: send queries here. Stale data are still data; none, or an end in sight, are not.
fn ready(desk: &Desk) -> Response {
    if desk.standings.store().current().is_none() {
        respond(503, TEXT, unready(&(desk.status)()).into())
    } else if *desk.closed.borrow() {
        respond(503, TEXT, "the data listener is closed: starting or draining\n".into())
    } else {
        respond(200, TEXT, "ready\n".into())
    }
}

/// Why there is no snapshot, as the status has it: the last reload's error and findings. No phone number
/// is ever in them.
fn unready(status: &Value) -> String {
    let last = &status["last_reload"];
    let reason = last["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
    let mut text = format!("no snapshot is in service{reason}\n");
    for finding in last["findings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(finding);
        text.push('\n');
    }
    text
}
