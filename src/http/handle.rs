//! One request: routed, read, answered, counted.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;

use super::body::Holds;
use super::connection::Rest;
use super::desk::Desk;
use super::problems::{Problem, guarded, malformed, unanswered};
use super::route::{self, Route, Target};
use super::{Response, answers, batch, url};
use crate::live::Generation;
use crate::select::{BadQuery, Code, Query, explain, select, write_selection};

/// Answers a request, whatever happens.
pub(super) async fn handle(desk: Rc<Desk>, request: Request<Incoming>) -> (Response, Rest) {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let target = route::find(head.method.as_str(), head.uri.path());
    let mut rest = if body.is_end_stream() { Rest::Read } else { Rest::Unread };
    let answered = match target {
        Target::Url(route) => {
            let query = head.uri.query().unwrap_or_default();
            guarded(|| single(&desk, route, url::parse(query), started))
        }
        Target::Body(route) => match receive(&desk, Holds::Query, &head, body).await {
            Ok(body) => {
                rest = Rest::Read;
                guarded(|| single(&desk, route, Query::from_json(&body), started))
            }
            Err(problem) => Err(early(&desk, route, problem)),
        },
        Target::Batch => match receive(&desk, Holds::Batch, &head, body).await {
            Ok(body) => {
                rest = Rest::Read;
                batch::answer(&desk, &body).await
            }
            Err(problem) => Err(problem),
        },
        Target::Method(_, allow) => Err(Problem::method_not_allowed(allow)),
        Target::Nowhere => Err(Problem::new(Code::NotFound)),
    };
    let response = answered.unwrap_or_else(Problem::respond);
    desk.timings.request(target.route() as usize, response.status().as_u16(), started.elapsed());
    (response, rest)
}

/// The body of a request that may have one.
async fn receive(desk: &Desk, holds: Holds, head: &Parts, body: Incoming) -> Result<Bytes, Problem> {
    if desk.reader.borrow_mut().pin().is_none() {
        return Err(Problem::new(Code::NoSnapshot));
    }
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::new(Code::BadRequest).detail("the query is in the body; the URL has none"));
    }
    holds.check(&head.headers)?;
    holds.read(body).await
}

/// One query, selected or explained.
fn single(
    desk: &Desk,
    route: Route,
    query: Result<Query<'_>, BadQuery>,
    started: Instant,
) -> Result<Response, Problem> {
    let mut reader = desk.reader.borrow_mut();
    let Some(generation) = reader.pin() else {
        return Err(early(desk, route, Problem::new(Code::NoSnapshot)));
    };
    let snapshot = &generation.snapshot;
    let answered = match query {
        Err(bad) => {
            if route == Route::Select {
                desk.count_malformed(&desk.selections(snapshot), snapshot, &bad);
            }
            Err(malformed(bad).generation(snapshot.generation()))
        }
        Ok(query) if route == Route::Explain => explained(desk, generation, &query),
        Ok(query) => selected(desk, generation, &query),
    };
    if route == Route::Select {
        desk.timings.select(started.elapsed());
    }
    answered
}

fn selected(desk: &Desk, generation: &Generation, query: &Query<'_>) -> Result<Response, Problem> {
    let snapshot = &generation.snapshot;
    let answer = select(snapshot, query, desk.moment(generation));
    desk.count(&desk.selections(snapshot), &answer);
    let selection = answer.result.map_err(|code| unanswered(code, snapshot))?;
    let mut scratch = desk.scratch.borrow_mut();
    scratch.clear();
    write_selection(&mut scratch, snapshot, &selection);
    Ok(answers::respond(200, "application/json", Bytes::copy_from_slice(&scratch)))
}

/// Not counted among the selections: nobody is invited by it.
fn explained(desk: &Desk, generation: &Generation, query: &Query<'_>) -> Result<Response, Problem> {
    let snapshot = &generation.snapshot;
    let (_, explanation) = explain(snapshot, query, desk.moment(generation));
    let explanation = explanation.map_err(|code| unanswered(code, snapshot))?;
    Ok(answers::respond(200, "application/json", explanation.to_string().into()))
}

/// Counts a selection that ended before it began.
fn early(desk: &Desk, route: Route, problem: Problem) -> Problem {
    if route == Route::Select && matches!(problem.code(), Code::BadRequest | Code::NoSnapshot) {
        desk.count_early(problem.code());
    }
    problem
}
