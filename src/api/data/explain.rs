//! Explanations, rendered one at a time on a blocking thread.
//!
//! An explanation contains every step of the chain. For an OU with 20,000 levels above it, that is 60 ms of
//! work and 2 MB of text. A worker could not answer other requests meanwhile. Explanations may
//! wait for each other, because people request them, not gateways.

use std::sync::Arc;

use bytes::Bytes;
use switchboard_model::UnixSeconds;
use switchboard_select::SelectContext;
use switchboard_select::{BadQuery, Query, explain as explain_query};
use switchboard_server::response::{INTERNAL, MAX_UNRESERVED_BYTES};
use switchboard_server::{Problem, RequestClass, Response, failpoint, respond};
use tokio::task::spawn_blocking;

use super::context::WorkerContext;
use super::query_string;
use crate::api::JSON;
use crate::api::problem::{self, GENERATION, NO_SNAPSHOT, from_select, malformed};
use crate::runtime::Generation;

/// The text of a query, to be parsed on the thread that explains it.
pub(super) enum OwnedQueryText {
    /// The query string of the URL.
    Url(String),
    /// The body of the request.
    Body(Bytes),
}

/// Explains a query. Does not count it as a selection, because no client is invited.
pub(super) async fn explain(context: &WorkerContext, query: OwnedQueryText) -> Result<Response, Problem> {
    let turn = Arc::clone(&context.shared.explain_turn).acquire_owned().await;
    let turn = turn.map_err(|_| Problem::new(&INTERNAL))?;
    let generation = context.with_generation(Arc::clone).ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
    let SelectContext { now, random, .. } = context.select_context(&generation);
    let panics = failpoint::is_named("explain");
    let rendered = spawn_blocking(move || {
        failpoint::panic_if(panics);
        let text = render(&generation, &query, now, random);
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

fn render(
    generation: &Generation,
    query: &OwnedQueryText,
    now: UnixSeconds,
    random: u64,
) -> Result<String, Problem> {
    let Generation { snapshot, overlay } = generation;
    let query: Result<Query<'_>, BadQuery> = match query {
        OwnedQueryText::Url(text) => query_string::parse(text),
        OwnedQueryText::Body(body) => Query::from_json(body),
    };
    let query = query.map_err(|bad| malformed(bad).with_number(GENERATION, snapshot.generation()))?;
    let select_context = SelectContext { now, random, standings: overlay };
    let problem = |error| problem::to_json(error, snapshot.generation());
    let (_, explanation) = explain_query(snapshot, &query, select_context, problem);
    Ok(explanation.map_err(|error| from_select(error, snapshot.generation()))?.to_string())
}
