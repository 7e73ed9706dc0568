//! The service of the data listener: routes, reads, answers and counts a request, and explains queries.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use switchboard_model::SelectError;
use switchboard_select::{BadQuery, Query, SelectContext};
use switchboard_server::failpoint::{self, failpoint};
use switchboard_server::response::{BAD_REQUEST, INTERNAL, MAX_UNRESERVED_BYTES};
use switchboard_server::{
    BodyState, ConnectionInfo, ConnectionObserver, FastAnswer, HandshakeOutcome, Listener, Problem,
    ProblemKind, RequestClass, Reservation, Response, ServerThreads, Service, catch_panic_async, respond,
};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::body::BodyKind;
use super::context::{Callers, Shared, WorkerContext};
use super::select::{ResponseMeta, answer_batch, select_current};
use super::{account, fast_path, query_string};
use crate::access::{Caller, CompanyScope, Need, Permission};
use crate::api::JSON;
use crate::api::access_log::OTHER;
use crate::api::authorization::{Denied, credential, record_denial};
use crate::api::explain::{self, QueryText};
use crate::api::problem::{NO_SNAPSHOT, malformed};
use crate::api::routes::{self, DATA_PATHS, ListenerKind};
use crate::runtime::Store;
use crate::telemetry::{ConnectionEvent, Route, SelectionOutcome, Telemetry, TlsListener};

/// The meaning of a method and a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A query in the URL.
    Url(Route),
    /// A query in the body.
    Body(Route),
    /// A batch of queries in the body.
    Batch,
    /// The account of an address in the URL.
    Account,
    /// The list of the routes.
    Routes,
    /// A method that the route does not have. The text is the value of `Allow`.
    OtherMethod(Route, &'static str),
    /// A path without a route.
    Unknown,
}

/// Returns the target of a request.
fn target_of(method: &str, path: &str) -> Target {
    let Some((_, allow)) = DATA_PATHS.iter().find(|(known, _)| *known == path) else {
        return Target::Unknown;
    };
    match (path, method) {
        ("/", "GET" | "HEAD") => Target::Routes,
        ("/", _) => Target::OtherMethod(Route::Other, allow),
        ("/v1/select", "GET" | "HEAD") => Target::Url(Route::Select),
        ("/v1/select", "POST") => Target::Body(Route::Select),
        ("/v1/select", _) => Target::OtherMethod(Route::Select, allow),
        ("/v1/select/batch", "POST") => Target::Batch,
        ("/v1/select/batch", _) => Target::OtherMethod(Route::Batch, allow),
        ("/v1/account", "GET" | "HEAD") => Target::Account,
        ("/v1/account", _) => Target::OtherMethod(Route::Account, allow),
        ("/v1/explain", "GET" | "HEAD") => Target::Url(Route::Explain),
        ("/v1/explain", "POST") => Target::Body(Route::Explain),
        ("/v1/explain", _) => Target::OtherMethod(Route::Explain, allow),
        _ => Target::Unknown,
    }
}

impl Target {
    /// Returns the permission that a caller needs.
    fn permission(self) -> Option<Permission> {
        match self {
            Target::Url(Route::Explain) | Target::Body(Route::Explain) => Some(Permission::Explain),
            Target::Url(_) | Target::Body(_) | Target::Batch | Target::Account => Some(Permission::Select),
            Target::Routes | Target::OtherMethod(..) | Target::Unknown => None,
        }
    }

    /// Returns the route for the metrics.
    fn route(self) -> Route {
        match self {
            Target::Url(route) | Target::Body(route) | Target::OtherMethod(route, _) => route,
            Target::Batch => Route::Batch,
            Target::Account => Route::Account,
            Target::Routes | Target::Unknown => Route::Other,
        }
    }
}

/// Starts to answer queries on a listener. When `drain` becomes true or its sender is dropped, the listener
/// stops accepting, and every connection ends after its current request.
///
/// # Errors
/// Returns the error of the system if a thread or a runtime cannot be created.
pub fn serve(
    listener: Listener,
    store: Store,
    telemetry: Arc<Telemetry>,
    callers: Callers,
    drain: watch::Receiver<bool>,
) -> io::Result<ServerThreads> {
    telemetry.set_connections_limit(listener.settings().max_connections);
    let shared = Shared::new(listener.settings().max_body_bytes);
    let observer: Arc<Telemetry> = Arc::clone(&telemetry);
    listener.serve(
        move || {
            let telemetry = Arc::clone(&telemetry);
            WorkerContext::new(&store, telemetry, shared.clone(), &callers)
        },
        observer,
        drain,
    )
}

impl Service for WorkerContext {
    #[inline]
    fn fast_path(&self, connection: &ConnectionInfo, bytes: &[u8], out: &mut Vec<u8>) -> Option<FastAnswer> {
        fast_path::answer(self, connection, bytes, out)
    }

    async fn handle(&self, connection: &ConnectionInfo, request: Request<Incoming>) -> (Response, BodyState) {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let target = target_of(head.method.as_str(), head.uri.path());
        let body_state = if body.is_end_stream() { BodyState::Read } else { BodyState::Unread };
        let (caller, denied) = match authorize(self, connection, target, &head) {
            Ok(caller) => (caller, None),
            Err(denied) => {
                record_denial(self.audit.as_ref(), &denied, target.permission(), connection.peer);
                let problem = denied.problem();
                (denied.caller, Some(problem))
            }
        };
        let answered = match denied {
            None => catch_panic_async(answer(self, caller.as_ref(), target, &head, body)).await,
            Some(problem) => Some(Answered::new(Err(problem), body_state)),
        };
        let Answered { response, body, is_selection } = answered.unwrap_or_else(|| {
            self.telemetry.count_panic();
            // It is unknown how much of the body was read before the panic.
            Answered::new(Err(Problem::new(&INTERNAL)), body_state)
        });
        let response = response.unwrap_or_else(Problem::into_response);
        let took = started.elapsed();
        if is_selection {
            self.metrics.timings.record_selection(took);
        }
        self.metrics.timings.record_request(target.route(), response.status().as_u16(), took);
        if let Some(log) = self.access_log.as_ref().filter(|log| log.is_due()) {
            let route = ListenerKind::Data.known(head.uri.path()).unwrap_or(OTHER);
            let principal = caller.as_ref().and_then(Caller::principal);
            log.log_response(&head.method, route, &response, took, principal, connection.peer).await;
        }
        (response, body)
    }

    fn request_refused(&self, connection: &ConnectionInfo, kind: &ProblemKind, len: usize) {
        self.metrics.timings.count_status(Route::Other, kind.status);
        if let Some(log) = self.access_log.as_ref().filter(|log| log.is_due()) {
            log.log_refusal(kind, len, connection.peer);
        }
    }

    /// Releases a replaced snapshot, which an idle worker would otherwise keep in memory.
    fn tick(&self) {
        self.with_generation(|_| ());
    }
}

impl ConnectionObserver for Telemetry {
    fn connection_opened(&self) {
        self.count_connection_event(ConnectionEvent::Accepted);
        self.add_open_connection();
    }

    fn connection_closed(&self) {
        self.remove_open_connection();
    }

    fn connection_rejected(&self) {
        self.count_connection_event(ConnectionEvent::Rejected);
    }

    fn accept_failed(&self) {
        self.count_connection_event(ConnectionEvent::AcceptError);
    }

    fn connection_timed_out(&self) {
        self.count_connection_event(ConnectionEvent::TimedOut);
    }

    fn connection_failed(&self) {
        self.count_connection_event(ConnectionEvent::Error);
    }

    fn connection_force_closed(&self) {
        self.count_connection_event(ConnectionEvent::ForceClosed);
    }

    fn panic_caught(&self) {
        self.count_panic();
    }

    fn tls_handshake(&self, outcome: HandshakeOutcome) {
        self.count_tls_handshake(TlsListener::Data, outcome);
    }
}

/// The answer to a request, with the state of its body.
struct Answered {
    response: Result<Response, Problem>,
    body: BodyState,
    /// Whether the answer is a single selection, which has a histogram of its own.
    is_selection: bool,
}

impl Answered {
    fn new(response: Result<Response, Problem>, body: BodyState) -> Answered {
        Answered { response, body, is_selection: false }
    }
}

/// Returns the caller of a request, or `None` if its route needs no permission or there are no principals.
fn authorize(
    context: &WorkerContext,
    connection: &ConnectionInfo,
    target: Target,
    head: &Parts,
) -> Result<Option<Caller>, Denied> {
    let Some((authorizer, permission)) = context.authorizer.as_ref().zip(target.permission()) else {
        return Ok(None);
    };
    let (need, counters) = (Need::of(permission), &context.metrics.auth);
    let now = context.clock.read();
    authorizer.authorize(credential(connection, &head.headers), need, now, counters).map(Some)
}

async fn answer(
    context: &WorkerContext,
    caller: Option<&Caller>,
    target: Target,
    head: &Parts,
    body: Incoming,
) -> Answered {
    failpoint("answer");
    let body_state = if body.is_end_stream() { BodyState::Read } else { BodyState::Unread };
    let query = || head.uri.query().unwrap_or_default();
    let scope = Caller::scope_of(caller);
    match target {
        Target::Url(Route::Explain) => {
            let query = QueryText::Url(query().to_owned());
            Answered::new(explain(context, caller.cloned(), query).await, body_state)
        }
        Target::Url(_) => select_one(context, scope, query_string::parse(query()), body_state),
        Target::Body(route) => match read_query_body(context, BodyKind::Query, head, body).await {
            Ok((body, _reservation)) if route == Route::Explain => {
                let query = QueryText::Body(body);
                Answered::new(explain(context, caller.cloned(), query).await, BodyState::Read)
            }
            Ok((body, _reservation)) => select_one(context, scope, Query::from_json(&body), BodyState::Read),
            Err(problem) => {
                if route == Route::Select {
                    count_early(context, &problem);
                }
                Answered::new(Err(problem), body_state)
            }
        },
        Target::Batch => match read_query_body(context, BodyKind::Batch, head, body).await {
            Ok((body, _reservation)) => {
                Answered::new(answer_batch(context, caller, &body).await, BodyState::Read)
            }
            Err(problem) => Answered::new(Err(problem), body_state),
        },
        Target::OtherMethod(_, allow) => Answered::new(Err(Problem::method_not_allowed(allow)), body_state),
        Target::Account => Answered::new(find_account(context, scope, query()), body_state),
        Target::Routes => Answered::new(Ok(routes::list()), body_state),
        Target::Unknown => {
            Answered::new(Err(routes::not_found(ListenerKind::Data, head.uri.path())), body_state)
        }
    }
}

/// Reads the body of a request that has its query in the body.
async fn read_query_body(
    context: &WorkerContext,
    kind: BodyKind,
    head: &Parts,
    body: Incoming,
) -> Result<(Bytes, Reservation), Problem> {
    kind.check(&head.headers)?;
    let read = kind.read(body, &context.shared.budget).await?;
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::new(&BAD_REQUEST)
            .with_detail("The query is read from the body. Send the URL without a query string."));
    }
    Ok(read)
}

/// Answers a single query that came through hyper.
fn select_one<'q, 'p: 'q>(
    context: &WorkerContext,
    scope: CompanyScope<'p>,
    mut query: Result<Query<'q>, BadQuery>,
    body: BodyState,
) -> Answered {
    let mut scratch = context.scratch.borrow_mut();
    scratch.clear();
    match select_current(context, scope, query.as_mut().map_err(|bad| bad.clone()), &mut scratch) {
        None => {
            let problem = Problem::new(&NO_SNAPSHOT);
            count_early(context, &problem);
            Answered::new(Err(problem), body)
        }
        Some(ResponseMeta { status, content_type }) => {
            let response = respond(status, content_type, Bytes::copy_from_slice(&scratch));
            Answered { response: Ok(response), body, is_selection: true }
        }
    }
}

/// Answers a query for an account that came through hyper.
fn find_account(context: &WorkerContext, scope: CompanyScope<'_>, query: &str) -> Result<Response, Problem> {
    let mut scratch = context.scratch.borrow_mut();
    scratch.clear();
    let meta = account::answer(context, scope, query, &mut scratch);
    let ResponseMeta { status, content_type } = meta.ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
    Ok(respond(status, content_type, Bytes::copy_from_slice(&scratch)))
}

/// Counts a single query that failed before the snapshot was read.
fn count_early(context: &WorkerContext, problem: &Problem) {
    if *problem.kind() == NO_SNAPSHOT {
        context.count_early(SelectionOutcome::NoSnapshot);
    } else if *problem.kind() == BAD_REQUEST {
        context.count_early(SelectionOutcome::Failed(SelectError::BadRequest));
    }
}

/// Explains a query. Does not count it as a selection, because no client is invited.
///
/// Explanations are rendered one at a time on a blocking thread. For an OU with 20,000 levels above it, an
/// explanation is 60 ms of work and 2 MB of text, and a worker could not answer other requests meanwhile.
/// Explanations may wait for each other, because people request them, not gateways.
async fn explain(
    context: &WorkerContext,
    caller: Option<Caller>,
    query: QueryText,
) -> Result<Response, Problem> {
    let turn = Arc::clone(&context.shared.explain_turn).acquire_owned().await;
    let turn = turn.map_err(|_| Problem::new(&INTERNAL))?;
    let Some(generation) = context.with_generation(Arc::clone) else {
        query.parse().map_err(malformed)?;
        return Err(Problem::new(&NO_SNAPSHOT));
    };
    let SelectContext { now, random, .. } = context.select_context(&generation);
    let panics = failpoint::is_named("explain");
    let rendered = spawn_blocking(move || {
        failpoint::panic_if(panics);
        let text = explain::render(&generation, Caller::scope_of(caller.as_ref()), &query, now, random);
        // Held until here, even if the client has disconnected.
        drop(turn);
        text
    });
    let Ok(text) = rendered.await else {
        context.telemetry.count_panic();
        return Err(Problem::new(&INTERNAL));
    };
    let text = text?;
    let mut reservation = context.shared.budget.reservation(RequestClass::Bulk);
    if text.len() > MAX_UNRESERVED_BYTES && !reservation.grow(text.len()) {
        return Err(Problem::out_of_memory_budget());
    }
    let mut response = respond(200, JSON, text.into());
    reservation.attach_to(&mut response);
    Ok(response)
}
