//! The climb as JSON: every step of the chain, its candidates, and why each was passed over.

use serde_json::{Map, Value, json};

use switchboard_snapshot::{AccountIdx, Snapshot};

use super::answer::{write_problem, write_selection};
use super::climb::{Climb, Tried, climb};
use super::walk::Moment;
use super::{Answer, Code, Query};

/// Most candidates that are listed of a step; the rest is counted.
pub const MOST_CANDIDATES: usize = 50;

/// Explains a query: the answer, and the explanation as JSON, or the problem where the query failed
/// before there was a chain.
pub fn explain(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>) -> (Answer, Result<Value, Code>) {
    let (answer, climb) = climb(snapshot, query, moment);
    (answer, climb.map(|climb| explanation(snapshot, &climb)))
}

/// A climb as JSON.
pub fn explanation(snapshot: &Snapshot, climb: &Climb) -> Value {
    let mut explanation = Map::new();
    let mut about = Map::new();
    if let Some(country) = climb.client.country {
        about.insert("country".into(), country.alpha2().into());
    }
    about.insert("source".into(), if climb.client.stated { "query" } else { "phone" }.into());
    about.insert("guessed".into(), climb.client.guessed().into());
    about.insert("conflict".into(), climb.client.conflict().into());
    explanation.insert("client".into(), about.into());
    let mut bytes = Vec::new();
    let (name, chosen) = match &climb.answer.result {
        Ok(selection) => {
            write_selection(&mut bytes, snapshot, selection);
            ("selection", Some(selection.account))
        }
        Err(code) => {
            write_problem(&mut bytes, *code, None, Some(snapshot.generation()));
            ("problem", None)
        }
    };
    explanation.insert(name.into(), serde_json::from_slice(&bytes).unwrap_or_default());
    let steps = climb.steps.iter().enumerate();
    let steps = steps.map(|(at, tried)| step(snapshot, tried, chosen.filter(|_| climb.chosen == Some(at))));
    explanation.insert("steps".into(), steps.collect());
    explanation.insert("generation".into(), snapshot.generation().into());
    explanation.into()
}

fn step(snapshot: &Snapshot, tried: &Tried, chosen: Option<AccountIdx>) -> Value {
    let mut step = Map::new();
    step.insert("rule".into(), tried.rule.text().into());
    step.insert("ou".into(), snapshot.ou(tried.found.ou).id().into());
    step.insert("pool".into(), snapshot.pool(tried.found.pool).id().into());
    if let Some(country) = tried.country {
        step.insert("country".into(), country.alpha2().into());
    }
    step.insert("climbed".into(), tried.found.climbed.into());
    let candidates = tried.listed(MOST_CANDIDATES, chosen).map(|(account, outcome)| {
        let outcome = if chosen == Some(account) { "chosen" } else { outcome.text() };
        json!({"account": snapshot.account(account).id(), "outcome": outcome})
    });
    step.insert("candidates".into(), candidates.collect());
    step.insert("more".into(), tried.candidates.len().saturating_sub(MOST_CANDIDATES).into());
    step.into()
}
