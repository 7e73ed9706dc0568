//! Runs expected selections: a registry's tests before anything is written, a snapshot's own before it is served.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use switchboard_model::{Role, Rule, SelectError, UnixSeconds};
use switchboard_registry::Expectation;
use switchboard_select::{NO_STANDINGS, Query, SelectContext, Selection, select, write_selection};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{OuIdx, PoolIdx, Snapshot};

/// How often a test is repeated whose answer is picked at random, because its query names no client.
const RANDOM_REPEATS: u64 = 16;

/// The steps of the chains that tests cover.
#[derive(Debug, Default)]
pub struct TestCoverage {
    /// Tests that ran.
    pub tests: usize,
    pub(super) covered: BTreeSet<StepKey>,
}

/// A step of a level: its OU, pool, rule and role.
pub(super) type StepKey = (OuIdx, PoolIdx, Rule, Option<Role>);

/// How many steps have candidates, and how many of these tests cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoveredSteps {
    /// Steps with candidates.
    pub steps: usize,
    /// Steps that tests cover.
    pub covered: usize,
}

impl TestCoverage {
    fn add(&mut self, snapshot: &Snapshot, selection: &Selection) {
        if let Some(location) = selection.location {
            let role = snapshot.account(selection.account).role();
            self.covered.insert((location.ou, location.pool, selection.rule, role));
        }
    }
}

impl CoveredSteps {
    /// Returns the share of covered steps in percent; 100 if there are no steps.
    pub fn percent(self) -> f64 {
        if self.steps == 0 { 100.0 } else { self.covered as f64 * 100.0 / self.steps as f64 }
    }
}

/// Returns the fields that an answer must have, as a JSON object.
pub fn expectation(expect: &Expectation) -> String {
    let Expectation { account, rule, ou, pool, climbed, error } = expect;
    let texts = [
        ("account", account.as_deref()),
        ("rule", rule.map(Rule::as_str)),
        ("ou", ou.as_deref()),
        ("pool", pool.as_deref()),
        ("error", error.map(SelectError::as_str)),
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

/// Runs one test as of `now`.
///
/// # Errors
/// What was expected, and what the answer was.
pub fn run_test(
    snapshot: &Snapshot,
    test: &SnapshotTest,
    now: UnixSeconds,
    coverage: &mut TestCoverage,
) -> Result<(), String> {
    coverage.tests += 1;
    let expect: Map<String, Value> = serde_json::from_str(&test.expect).map_err(|error| error.to_string())?;
    let mut query = match Query::from_json(test.query.as_bytes()) {
        Ok(query) => query,
        Err(bad) => {
            let got = Map::from_iter([("error".to_owned(), Value::from(SelectError::BadRequest.as_str()))]);
            return compare(&expect, &got).map_err(|other| format!("{other}: {bad}"));
        }
    };
    query.company = Some(test.company.as_str().into());
    let picks_at_random = query.client.is_none() && query.phone.is_none();
    let repeats = if picks_at_random { RANDOM_REPEATS } else { 1 };
    for repeat in 0..repeats {
        // Any odd multiplier spreads the few numbers over all hashes.
        let random = repeat.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let context = SelectContext { now, random, standings: &NO_STANDINGS };
        let answer = select(snapshot, &query, context);
        let got = match &answer.result {
            Ok(selection) => {
                coverage.add(snapshot, selection);
                let mut json = Vec::new();
                write_selection(&mut json, snapshot, selection);
                serde_json::from_slice(&json).map_err(|error| error.to_string())?
            }
            Err(error) => Map::from_iter([("error".to_owned(), Value::from(error.as_str()))]),
        };
        compare(&expect, &got)?;
    }
    Ok(())
}

fn compare(expect: &Map<String, Value>, got: &Map<String, Value>) -> Result<(), String> {
    let differences: Vec<String> = expect
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
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}
