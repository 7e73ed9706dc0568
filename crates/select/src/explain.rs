//! Traces as JSON: every step of the chain, its candidates, and why each was passed over.

use serde_json::{Map, Value, json};
use switchboard_model::SelectError;

use switchboard_snapshot::{AccountIdx, Snapshot};

use super::answer::write_selection;
use super::trace::{Trace, TracedStep, trace};
use super::walk::SelectContext;
use super::{Answer, Query};

/// The most candidates of a step that are listed; the rest is counted.
pub const MAX_LISTED_CANDIDATES: usize = 50;

/// Explains a query: returns the answer, and the explanation as JSON. `problem` says how an error is written.
///
/// # Errors
/// The query failed before there was a chain; the error is the answer's.
pub fn explain(
    snapshot: &Snapshot,
    query: &Query<'_>,
    context: SelectContext<'_>,
    problem: impl FnOnce(SelectError) -> Value,
) -> (Answer, Result<Value, SelectError>) {
    let (answer, trace) = trace(snapshot, query, context);
    (answer, trace.map(|trace| explanation(snapshot, &trace, problem)))
}

/// Returns a trace as JSON. `problem` says how an error is written.
pub fn explanation(snapshot: &Snapshot, trace: &Trace, problem: impl FnOnce(SelectError) -> Value) -> Value {
    let mut explanation = Map::new();
    let mut about = Map::new();
    if let Some(country) = trace.client.country {
        about.insert("country".into(), country.alpha2().into());
    }
    about.insert("source".into(), if trace.client.stated { "query" } else { "phone" }.into());
    about.insert("guessed".into(), trace.client.is_guessed().into());
    about.insert("conflict".into(), trace.client.has_conflict().into());
    explanation.insert("client".into(), about.into());
    let (name, result, chosen) = match trace.answer.result {
        Ok(selection) => {
            let mut json = Vec::new();
            write_selection(&mut json, snapshot, &selection);
            ("selection", parsed(&json), Some(selection.account))
        }
        Err(error) => ("problem", problem(error), None),
    };
    explanation.insert(name.into(), result);
    let steps = trace.steps.iter().enumerate();
    let steps = steps.map(|(at, traced)| step(snapshot, traced, chosen.filter(|_| trace.chosen == Some(at))));
    explanation.insert("steps".into(), steps.collect());
    explanation.insert("generation".into(), snapshot.generation().into());
    explanation.into()
}

#[allow(clippy::expect_used, reason = "a selection is written as JSON, and tests of every text hold that")]
fn parsed(selection: &[u8]) -> Value {
    serde_json::from_slice(selection).expect("cannot fail: a selection is JSON")
}

fn step(snapshot: &Snapshot, traced: &TracedStep, chosen: Option<AccountIdx>) -> Value {
    let mut step = Map::new();
    step.insert("rule".into(), traced.rule.as_str().into());
    step.insert("ou".into(), snapshot.ou(traced.location.ou).id().into());
    step.insert("pool".into(), snapshot.pool(traced.location.pool).id().into());
    if let Some(country) = traced.country {
        step.insert("country".into(), country.alpha2().into());
    }
    step.insert("climbed".into(), traced.location.climbed.into());
    let candidates = traced.listed(MAX_LISTED_CANDIDATES, chosen).map(|(account, availability)| {
        let outcome = if chosen == Some(account) { "chosen" } else { availability.as_str() };
        json!({"account": snapshot.account(account).id(), "outcome": outcome})
    });
    step.insert("candidates".into(), candidates.collect());
    step.insert("more".into(), traced.candidates.len().saturating_sub(MAX_LISTED_CANDIDATES).into());
    step.into()
}
