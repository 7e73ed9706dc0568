//! Runs expected selections: a registry's tests before a snapshot is written, and a snapshot's stored tests
//! before it is served.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use switchboard_model::{Role, Rule, SelectError, UnixSeconds};
use switchboard_registry::Expectation;
use switchboard_select::{BadQuery, NO_STANDINGS, Query, SelectContext, Selection, select, write_selection};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{OuIdx, PoolIdx, Snapshot};

/// Number of runs of a test whose answer is picked at random, because its query names no client.
const RANDOM_REPEATS: u64 = 16;

/// The steps of the chains that the tests cover.
#[derive(Debug, Default)]
pub struct TestCoverage {
    /// Number of tests that ran.
    pub tests: usize,
    pub(super) covered: BTreeSet<StepKey>,
}

/// Identifies a step of a level: its OU, pool, rule and role.
pub(super) type StepKey = (OuIdx, PoolIdx, Rule, Role);

/// Number of steps with candidates, and number of those that the tests cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoveredSteps {
    /// Number of steps with candidates.
    pub steps: usize,
    /// Number of steps that the tests cover.
    pub covered: usize,
}

/// The reason why a test fails.
#[derive(Debug, thiserror::Error)]
pub enum TestFailure {
    /// The expectation is not a JSON object.
    #[error(transparent)]
    NotJson(#[from] serde_json::Error),
    /// The answer differs from the expectation.
    #[error("{}", joined(.0))]
    Differs(Vec<FieldDifference>),
    /// The query is malformed, and the test does not expect this.
    #[error("{}: {fault}", joined(.differences))]
    BadQuery {
        /// The differences between the answer to a malformed query and the expectation.
        differences: Vec<FieldDifference>,
        /// The fault of the query.
        fault: BadQuery,
    },
}

/// The difference between an expected field and the answer. Values are JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldDifference {
    /// The field has another value.
    #[error("expected {field} {expected}, got {got}")]
    OtherValue {
        /// The name of the field.
        field: String,
        /// The value that the test expects.
        expected: Value,
        /// The value in the answer.
        got: Value,
    },
    /// The answer is an error, and has no such field.
    #[error("expected {field} {expected}, got the error {error}")]
    Error {
        /// The name of the field.
        field: String,
        /// The value that the test expects.
        expected: Value,
        /// The code of the error.
        error: Value,
    },
    /// An account was selected instead of an error.
    #[error("expected the error {expected}, got the account {account}")]
    Selected {
        /// The code of the expected error.
        expected: Value,
        /// The id of the selected account.
        account: Value,
    },
    /// The answer has no such field.
    #[error("expected {field} {expected}, got none")]
    Missing {
        /// The name of the field.
        field: String,
        /// The value that the test expects.
        expected: Value,
    },
}

impl TestCoverage {
    fn add(&mut self, snapshot: &Snapshot, selection: &Selection) {
        let role = snapshot.account(selection.account).role();
        // A dedicated account has neither a location nor a role.
        if let (Some(location), Some(role)) = (selection.location, role) {
            self.covered.insert((location.ou, location.pool, selection.rule, role));
        }
    }
}

impl CoveredSteps {
    /// Returns the share of covered steps in percent. Returns 100 if there are no steps.
    pub fn percent(self) -> f64 {
        if self.steps == 0 { 100.0 } else { self.covered as f64 * 100.0 / self.steps as f64 }
    }
}

/// Returns the expected fields of an answer, as a JSON object.
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

/// Runs one test at the time `now`, and adds its steps to `coverage`.
///
/// # Errors
/// Returns the differences if the answer is not the expected one.
pub fn run_test(
    snapshot: &Snapshot,
    test: &SnapshotTest,
    now: UnixSeconds,
    coverage: &mut TestCoverage,
) -> Result<(), TestFailure> {
    coverage.tests += 1;
    let expect: Map<String, Value> = serde_json::from_str(&test.expect)?;
    let mut query = match Query::from_json(test.query.as_bytes()) {
        Ok(query) => query,
        Err(fault) => {
            let got = Map::from_iter([("error".to_owned(), Value::from(SelectError::BadRequest.as_str()))]);
            let differences = differences(&expect, &got);
            let is_expected = differences.is_empty();
            return if is_expected { Ok(()) } else { Err(TestFailure::BadQuery { differences, fault }) };
        }
    };
    query.company = Some(test.company.as_str().into());
    let picks_at_random = query.client.is_none() && query.phone.is_none();
    let repeats = if picks_at_random { RANDOM_REPEATS } else { 1 };
    for repeat in 0..repeats {
        // An odd multiplier spreads the few numbers over all hashes.
        let random = repeat.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let context = SelectContext { now, random, standings: &NO_STANDINGS };
        let answer = select(snapshot, &query, context);
        let got = match &answer.result {
            Ok(selection) => {
                coverage.add(snapshot, selection);
                let mut json = Vec::new();
                write_selection(&mut json, snapshot, selection);
                serde_json::from_slice(&json)?
            }
            Err(error) => Map::from_iter([("error".to_owned(), Value::from(error.as_str()))]),
        };
        let differences = differences(&expect, &got);
        if !differences.is_empty() {
            return Err(TestFailure::Differs(differences));
        }
    }
    Ok(())
}

/// Compares the fields of an answer with the fields that a test expects.
fn differences(expect: &Map<String, Value>, got: &Map<String, Value>) -> Vec<FieldDifference> {
    let differing = expect.iter().filter(|(name, value)| got.get(*name) != Some(value));
    let difference = |(name, value): (&String, &Value)| {
        let (field, expected) = (name.clone(), value.clone());
        match (got.get(name), got.get("error")) {
            (Some(got), _) => FieldDifference::OtherValue { field, expected, got: got.clone() },
            (None, Some(error)) => FieldDifference::Error { field, expected, error: error.clone() },
            (None, None) if name == "error" => {
                let account = got.get("account").cloned().unwrap_or(Value::Null);
                FieldDifference::Selected { expected, account }
            }
            (None, None) => FieldDifference::Missing { field, expected },
        }
    };
    differing.map(difference).collect()
}

fn joined(differences: &[FieldDifference]) -> String {
    differences.iter().map(FieldDifference::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(expect: &Value, got: &Value) -> String {
        let differences = differences(expect.as_object().unwrap(), got.as_object().unwrap());
        TestFailure::Differs(differences).to_string()
    }

    #[test]
    fn failure_names_what_was_expected_and_what_the_answer_was() {
        let selected = json!({"account": "a", "climbed": 1});
        assert_eq!(
            failure(&json!({"account": "b", "climbed": 0}), &selected),
            r#"expected account "b", got "a"; expected climbed 0, got 1"#
        );
        assert_eq!(failure(&json!({"pool": "p"}), &selected), r#"expected pool "p", got none"#);
        assert_eq!(
            failure(&json!({"error": "no_pool"}), &selected),
            r#"expected the error "no_pool", got the account "a""#
        );
        assert_eq!(
            failure(&json!({"account": "a"}), &json!({"error": "no_pool"})),
            r#"expected account "a", got the error "no_pool""#
        );
        assert_eq!(
            failure(&json!({"error": "no_account"}), &json!({"error": "no_pool"})),
            r#"expected error "no_account", got "no_pool""#
        );
    }

    #[test]
    fn failure_of_a_malformed_query_adds_the_fault() {
        let fault = Query::from_json(b"[]").err().unwrap();
        let expected = json!({"account": "a"});
        let got = json!({"error": "bad_request"});
        let differences = differences(expected.as_object().unwrap(), got.as_object().unwrap());
        let failure = TestFailure::BadQuery { differences, fault: fault.clone() };
        let text = format!(r#"expected account "a", got the error "bad_request": {fault}"#);
        assert_eq!(failure.to_string(), text);
    }
}
