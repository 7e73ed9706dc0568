//! Explanations, off the workers and one at a time.
//!
//! An explanation holds every step of the chain: for an OU 20,000 levels deep that is 60 ms of work
//! and 2 MB of text, during which a worker would answer nobody. So it is drawn up on a thread of its own,
//! and whoever asks for another waits for its turn: people ask for these, and gateways do not.

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::answers::{self, LARGE};
use super::budget::{Budget, For};
use super::desk::Desk;
use super::panics::{self, Place};
use super::problems::{Problem, malformed, unanswered};
use super::{Response, url};
use crate::runtime::Generation;
use switchboard_select::walk::Moment;
use switchboard_select::{BadQuery, Code, Query, explain};

/// What is asked for, in the text it came in.
pub(super) enum Asked {
    /// The URL's query string.
    Url(String),
    /// A body.
    Body(Bytes),
}

/// What explanations share.
#[derive(Clone)]
pub(super) struct Explaining {
    turn: Arc<Semaphore>,
    budget: Arc<Budget>,
}

impl Explaining {
    pub(super) fn new(budget: &Arc<Budget>) -> Explaining {
        Explaining { turn: Arc::new(Semaphore::new(1)), budget: Arc::clone(budget) }
    }

    /// Explains a query. Not counted among the selections: nobody is invited by it.
    pub(super) async fn explain(
        &self,
        desk: &Desk,
        headers: &HeaderMap,
        asked: Asked,
    ) -> Result<Response, Problem> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| Problem::new(Code::Internal))?;
        let generation = desk.reader.borrow_mut().pin().map(Arc::clone);
        let generation = generation.ok_or_else(|| Problem::new(Code::NoSnapshot))?;
        let Moment { now, chance, .. } = desk.moment(&generation);
        let headers = if cfg!(debug_assertions) { headers.clone() } else { HeaderMap::new() };
        let drawn_up = spawn_blocking(move || {
            panics::asked(&headers, Place::Explain);
            let text = explained(&generation, &asked, now, chance);
            // Whether or not anybody still waits for it.
            drop(turn);
            text
        });
        let Ok(text) = drawn_up.await else {
            desk.telemetry.panicked();
            return Err(Problem::new(Code::Internal));
        };
        let text = text?;
        let mut share = self.budget.share(For::Many);
        if text.len() > LARGE && !share.grow(text.len()) {
            return Err(Problem::crowded());
        }
        let mut response = answers::respond(200, "application/json", text.into());
        share.go_with(&mut response);
        Ok(response)
    }
}

fn explained(generation: &Generation, asked: &Asked, now: i64, chance: u64) -> Result<String, Problem> {
    let Generation { snapshot, overlay } = generation;
    let query: Result<Query<'_>, BadQuery> = match asked {
        Asked::Url(text) => url::parse(text),
        Asked::Body(body) => Query::from_json(body),
    };
    let query = query.map_err(|bad| malformed(bad).generation(snapshot.generation()))?;
    let (_, explanation) = explain(snapshot, &query, Moment { now, chance, standings: overlay });
    Ok(explanation.map_err(|code| unanswered(code, snapshot))?.to_string())
}
