//! One request: routed, read, answered, counted.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;

use super::body::Holds;
use super::budget::Share;
use super::connection::Rest;
use super::desk::Desk;
use super::explaining::Asked;
use super::panics::{self, Place, contained};
use super::problems::Problem;
use super::route::{self, Target};
use super::selecting::{Kind, select_now};
use super::{Response, answers, batch, url};
use crate::telemetry::Route;
use switchboard_select::{BadQuery, Code, Query};

/// How a request was answered.
struct Answered {
    response: Result<Response, Problem>,
    /// Whether the body was read by then.
    rest: Rest,
    /// Whether it was a single selection, of which there are times of their own.
    selected: bool,
}

impl From<(Result<Response, Problem>, Rest)> for Answered {
    fn from((response, rest): (Result<Response, Problem>, Rest)) -> Answered {
        Answered { response, rest, selected: false }
    }
}

/// Answers a request, whatever happens.
pub(super) async fn handle(desk: Rc<Desk>, request: Request<Incoming>) -> (Response, Rest) {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let target = route::find(head.method.as_str(), head.uri.path());
    let rest = if body.is_end_stream() { Rest::Read } else { Rest::Unread };
    let answered = contained(answer(&desk, target, &head, body)).await;
    let Answered { response, rest, selected } = answered.unwrap_or_else(|| {
        desk.telemetry.panicked();
        // Whatever panics has not read the body, as far as anybody knows.
        (Err(Problem::new(Code::Internal)), rest).into()
    });
    let response = response.unwrap_or_else(Problem::respond);
    let took = started.elapsed();
    if selected {
        desk.counts.timings.record_selection(took);
    }
    desk.counts.timings.record_request(target.route(), response.status().as_u16(), took);
    (response, rest)
}

async fn answer(desk: &Desk, target: Target, head: &Parts, body: Incoming) -> Answered {
    panics::asked(&head.headers, Place::Answer);
    let rest = if body.is_end_stream() { Rest::Read } else { Rest::Unread };
    let explaining = &desk.shared.explaining;
    let query = || head.uri.query().unwrap_or_default();
    match target {
        Target::Url(Route::Explain) => {
            let asked = Asked::Url(query().to_owned());
            (explaining.explain(desk, &head.headers, asked).await, rest).into()
        }
        Target::Url(_) => selected(desk, url::parse(query()), rest),
        Target::Body(route) => match receive(desk, Holds::Query, head, body).await {
            Ok((body, _share)) if route == Route::Explain => {
                (explaining.explain(desk, &head.headers, Asked::Body(body)).await, Rest::Read).into()
            }
            Ok((body, _share)) => selected(desk, Query::from_json(&body), Rest::Read),
            Err(problem) => (Err(early(desk, route, problem)), rest).into(),
        },
        Target::Batch => match receive(desk, Holds::Batch, head, body).await {
            Ok((body, _share)) => (batch::answer(desk, &head.headers, &body).await, Rest::Read).into(),
            Err(problem) => (Err(problem), rest).into(),
        },
        Target::Method(_, allow) => (Err(Problem::method_not_allowed(allow)), rest).into(),
        Target::Nowhere => (Err(Problem::new(Code::NotFound)), rest).into(),
    }
}

/// The body of a request that may have one.
async fn receive(desk: &Desk, holds: Holds, head: &Parts, body: Incoming) -> Result<(Bytes, Share), Problem> {
    if desk.reader.borrow_mut().pin().is_none() {
        return Err(Problem::new(Code::NoSnapshot));
    }
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::new(Code::BadRequest).detail("the query is in the body; the URL has none"));
    }
    holds.check(&head.headers)?;
    holds.read(body, &desk.shared.budget).await
}

/// One query, selected.
fn selected(desk: &Desk, query: Result<Query<'_>, BadQuery>, rest: Rest) -> Answered {
    let mut scratch = desk.scratch.borrow_mut();
    scratch.clear();
    match select_now(desk, query.as_ref().map_err(BadQuery::clone), &mut scratch) {
        None => (Err(early(desk, Route::Select, Problem::new(Code::NoSnapshot))), rest).into(),
        Some(Kind { status, content_type }) => {
            let body = Bytes::copy_from_slice(&scratch);
            Answered { response: Ok(answers::respond(status, content_type, body)), rest, selected: true }
        }
    }
}

/// Counts a selection that ended before it began.
fn early(desk: &Desk, route: Route, problem: Problem) -> Problem {
    if route == Route::Select && matches!(problem.code(), Code::BadRequest | Code::NoSnapshot) {
        desk.count_early(problem.code());
    }
    problem
}
