//! Expected selections, asked: of a registry's tests before anything is written, of a snapshot's own
//! before it is served.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use switchboard_model::Role;
use switchboard_registry::Expectation;
use switchboard_select::{Code, Moment, NO_STANDINGS, Query, Rule, Selection, select, write_selection};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{OuIdx, PoolIdx, Snapshot};

/// When no number rests any more.
pub const END_OF_TIME: i64 = i64::MAX;
/// How often a query that names no client is asked, since its answer may be another each time.
const CHANCES: u64 = 16;

/// Which steps of the chains the tests reach.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Tests asked.
    pub tests: usize,
    pub(super) reached: BTreeSet<StepKey>,
}

/// (OU, pool, rule, role).
pub(super) type StepKey = (OuIdx, PoolIdx, Rule, Option<Role>);

/// How many steps that have candidates there are, and how many of them the tests reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Steps.
    pub steps: usize,
    /// Of them, reached.
    pub reached: usize,
}

impl Coverage {
    /// Held against the snapshot's chains.
    pub fn reach(&self, snapshot: &Snapshot) -> Reach {
        let steps = steps(snapshot);
        Reach { steps: steps.len(), reached: self.reached.intersection(&steps).count() }
    }

    fn note(&mut self, snapshot: &Snapshot, selection: &Selection) {
        if let Some(found) = selection.found {
            let role = snapshot.account(selection.account).role();
            self.reached.insert((found.ou, found.pool, selection.rule, role));
        }
    }
}

impl Reach {
    /// The share of steps that are reached, in percent; of none, all.
    pub fn percent(self) -> f64 {
        if self.steps == 0 { 100.0 } else { self.reached as f64 * 100.0 / self.steps as f64 }
    }
}

fn steps(snapshot: &Snapshot) -> BTreeSet<StepKey> {
    let mut steps = BTreeSet::new();
    for level in snapshot.levels() {
        for step in level.runs().flatten() {
            let Some(candidate) = step.candidates().first() else { continue };
            let role = snapshot.account(candidate.account()).role();
            steps.insert((level.ou(), step.pool(), Rule::of_step(step.rule_number()), role));
        }
    }
    steps
}

/// The answer's fields that must be so, as a JSON object.
pub fn expectation(expect: &Expectation) -> String {
    let Expectation { account, rule, ou, pool, climbed, error } = expect;
    let texts = [
        ("account", account.as_deref()),
        ("rule", rule.map(switchboard_model::Rule::as_str)),
        ("ou", ou.as_deref()),
        ("pool", pool.as_deref()),
        ("error", error.map(switchboard_model::SelectError::as_str)),
    ];
    let mut object = Map::new();
    for (name, value) in texts {
        if let Some(value) = value {
            object.insert(name.into(), Value::from(value));
        }
    }
    if let Some(climbed) = climbed {
        object.insert("climbed".into(), (*climbed).into());
    }
    Value::from(object).to_string()
}

/// Asks one test as of `now` (Unix seconds); if it fails, what was expected and what came.
pub fn ask(
    snapshot: &Snapshot,
    test: &SnapshotTest,
    now: i64,
    coverage: &mut Coverage,
) -> Result<(), String> {
    coverage.tests += 1;
    let expect: Map<String, Value> = serde_json::from_str(&test.expect).map_err(|error| error.to_string())?;
    let mut query = match Query::from_json(test.query.as_bytes()) {
        Ok(query) => query,
        Err(bad) => {
            let got = Map::from_iter([("error".to_owned(), Value::from(Code::BadRequest.text()))]);
            return compare(&expect, &got).map_err(|other| format!("{other}: {bad}"));
        }
    };
    query.company = Some(test.company.as_str().into());
    let chances = if query.client.is_none() && query.phone.is_none() { CHANCES } else { 1 };
    for chance in 0..chances {
        // Any odd multiplier spreads the few chances over all hashes.
        let moment =
            Moment { now, chance: chance.wrapping_mul(0x9e37_79b9_7f4a_7c15), standings: &NO_STANDINGS };
        let answer = select(snapshot, &query, moment);
        let got = match &answer.result {
            Ok(selection) => {
                coverage.note(snapshot, selection);
                let mut json = Vec::new();
                write_selection(&mut json, snapshot, selection);
                serde_json::from_slice(&json).unwrap_or_default()
            }
            Err(code) => Map::from_iter([("error".to_owned(), Value::from(code.text()))]),
        };
        compare(&expect, &got)?;
    }
    Ok(())
}

fn compare(expect: &Map<String, Value>, got: &Map<String, Value>) -> Result<(), String> {
    let other: Vec<String> = expect
        .iter()
        .filter(|(name, value)| got.get(*name) != Some(value))
        .map(|(name, value)| match got.get(name).or_else(|| got.get("error")) {
            Some(came) if got.contains_key(name) => format!("expected {name} {value}, got {came}"),
            Some(error) => format!("expected {name} {value}, got the error {error}"),
            None if name == "error" => {
                let account = got.get("account").unwrap_or(&Value::Null);
                format!("expected the error {value}, got the account {account}")
            }
            None => format!("expected {name} {value}, got none"),
        })
        .collect();
    if other.is_empty() { Ok(()) } else { Err(other.join("; ")) }
}
