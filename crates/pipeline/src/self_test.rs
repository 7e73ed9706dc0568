//! Runs expected selections: a registry's tests before a snapshot is written, and a snapshot's stored tests
//! before it is served.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use switchboard_model::{Role, Rule, SelectError, UnixSeconds};
use switchboard_registry::Expectation;
use switchboard_select::{
    BadQuery, Location, NO_STANDINGS, Query, SelectContext, Selection, select, write_selection,
};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{AccountIdx, OuIdx, PoolIdx, Snapshot};

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

/// Parses the expected fields of an answer, which [`expectation`] wrote. Ignores what it never writes.
pub(super) fn parse_expectation(json: &str) -> Expectation {
    let object: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    Expectation {
        account: text("account").map(Into::into),
        rule: text("rule").and_then(|rule| Rule::ALL.into_iter().find(|it| it.as_str() == rule)),
        ou: text("ou").map(Into::into),
        pool: text("pool").map(Into::into),
        climbed: object.get("climbed").and_then(Value::as_u64).and_then(|climbed| climbed.try_into().ok()),
        error: text("error").and_then(|error| SelectError::ALL.into_iter().find(|it| it.as_str() == error)),
    }
}

/// The times at which the results of a company's tests can change. Between two of them no account of the
/// company becomes available.
pub struct Timeline {
    /// A time before all dates, and then every `available_from` of the company, in ascending order.
    times: Vec<UnixSeconds>,
    now: UnixSeconds,
}

/// The results of a test over the times of a [`Timeline`].
pub struct TestHistory {
    /// The failure at the present time. `None` if the test holds now.
    pub failure_now: Option<TestFailure>,
    /// The first later time at which a test that holds now fails, and the failure.
    pub next_failure: Option<(UnixSeconds, TestFailure)>,
    /// The first later time at which a test that fails now holds.
    pub next_pass: Option<UnixSeconds>,
    /// Whether the test holds at each time of the timeline.
    holds: Vec<bool>,
}

impl Timeline {
    /// Creates the timeline of a company from the dates at which its accounts become available.
    pub fn new(dates: impl Iterator<Item = UnixSeconds>, now: UnixSeconds) -> Timeline {
        let mut times: Vec<UnixSeconds> = std::iter::once(UnixSeconds::MIN).chain(dates).collect();
        times.sort_unstable();
        times.dedup();
        Timeline { times, now }
    }

    /// Returns the index of the last time that has come.
    fn index_of_now(&self) -> usize {
        self.times.partition_point(|time| *time <= self.now).saturating_sub(1)
    }
}

impl TestHistory {
    /// Returns whether the test holds when no account rests any more.
    pub fn holds_at_the_end(&self) -> bool {
        self.holds.last() == Some(&true)
    }

    /// Returns whether the test holds at the present or at any other time of the timeline.
    pub fn holds_at_some_time(&self) -> bool {
        self.holds.contains(&true)
    }
}

/// Runs one test at all times of a timeline, and adds the steps of the present time to `coverage`.
///
/// Needs about as many selections as the answer changes, times the logarithm of the number of dates. As time
/// passes, accounts only become available, so an answer that is the same at two times is the same between
/// them.
pub fn run_at_all_times(
    snapshot: &Snapshot,
    test: &SnapshotTest,
    timeline: &Timeline,
    coverage: &mut TestCoverage,
) -> TestHistory {
    let failure_now = run_test(snapshot, test, timeline.now, coverage).err();
    let mut holds = vec![failure_now.is_none(); timeline.times.len()];
    if let (2.., Ok(prepared)) = (timeline.times.len(), PreparedTest::new(test)) {
        prepared.judge(snapshot, &timeline.times, &mut holds);
    }
    let now = timeline.index_of_now();
    let first_later = |wanted: bool| {
        let later = timeline.times.iter().zip(&holds).skip(now + 1);
        later.filter(|(_, holds)| **holds == wanted).map(|(time, _)| *time).next()
    };
    let next_pass = failure_now.as_ref().and_then(|_| first_later(true));
    let next_failure = first_later(false).filter(|_| failure_now.is_none()).and_then(|time| {
        let failure = run_test(snapshot, test, time, &mut TestCoverage::default()).err()?;
        Some((time, failure))
    });
    TestHistory { failure_now, next_failure, next_pass, holds }
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
    let prepared = PreparedTest::new(test)?;
    let query = match prepared.query {
        Ok(ref query) => query,
        Err(fault) => {
            let got = Map::from_iter([("error".to_owned(), Value::from(SelectError::BadRequest.as_str()))]);
            let differences = differences(&prepared.expect, &got);
            let is_expected = differences.is_empty();
            return if is_expected { Ok(()) } else { Err(TestFailure::BadQuery { differences, fault }) };
        }
    };
    for repeat in 0..prepared.repeats {
        let answer = answer(snapshot, query, now, repeat);
        if let Ok(selection) = &answer {
            coverage.add(snapshot, selection);
        }
        let differences = prepared.differences(snapshot, &answer)?;
        if !differences.is_empty() {
            return Err(TestFailure::Differs(differences));
        }
    }
    Ok(())
}

/// A test whose texts are parsed.
struct PreparedTest<'t> {
    query: Result<Query<'t>, BadQuery>,
    expect: Map<String, Value>,
    /// Number of selections, each with another random number.
    repeats: u64,
}

type SelectResult = Result<Selection, SelectError>;
/// The parts of an answer that a test can compare. The account only if the test expects one.
type Compared = Result<(Option<AccountIdx>, Rule, Option<Location>), SelectError>;

impl<'t> PreparedTest<'t> {
    fn new(test: &'t SnapshotTest) -> Result<PreparedTest<'t>, TestFailure> {
        let expect: Map<String, Value> = serde_json::from_str(&test.expect)?;
        let mut query = Query::from_json(test.query.as_bytes());
        let mut repeats = 1;
        if let Ok(query) = &mut query {
            query.company = Some(test.company.as_str().into());
            // The step of an answer does not depend on the pick, so only the account can differ.
            let picks_at_random = query.picks_at_random() && expect.contains_key("account");
            repeats = if picks_at_random { RANDOM_REPEATS } else { 1 };
        }
        Ok(PreparedTest { query, expect, repeats })
    }

    /// Compares an answer with the expectation.
    fn differences(
        &self,
        snapshot: &Snapshot,
        answer: &SelectResult,
    ) -> serde_json::Result<Vec<FieldDifference>> {
        let got = match answer {
            Ok(selection) => {
                let mut json = Vec::new();
                write_selection(&mut json, snapshot, selection);
                serde_json::from_slice(&json)?
            }
            Err(error) => Map::from_iter([("error".to_owned(), Value::from(error.as_str()))]),
        };
        Ok(differences(&self.expect, &got))
    }

    fn compared(&self, answer: &SelectResult) -> Compared {
        let has_account = self.expect.contains_key("account");
        answer.map(|it| (has_account.then_some(it.account), it.rule, it.location))
    }

    /// Sets `holds` for each time. Leaves it unchanged for a malformed query, whose result is the same at all
    /// times.
    fn judge(&self, snapshot: &Snapshot, times: &[UnixSeconds], holds: &mut [bool]) {
        let Ok(query) = &self.query else { return };
        holds.fill(true);
        let last = times.len().saturating_sub(1);
        let mut judged: Vec<(Compared, bool)> = Vec::new();
        for repeat in 0..self.repeats {
            let at = |index: usize| {
                let now = times.get(index).copied().unwrap_or_default();
                answer(snapshot, query, now, repeat)
            };
            // Ranges of which the answers at the first and at the last time are known.
            let mut ranges = vec![((0, at(0)), (last, at(last)))];
            while let Some(((first, before), (last, after))) = ranges.pop() {
                if !holds.get(first..=last).unwrap_or_default().contains(&true) {
                    continue;
                }
                if self.compared(&before) != self.compared(&after) && first + 1 < last {
                    let middle = first + (last - first) / 2;
                    let between = at(middle);
                    ranges.push(((first, before), (middle, between)));
                    ranges.push(((middle, between), (last, after)));
                    continue;
                }
                // The last time is in the next range too, or it is the last of all.
                for (answer, range) in [(before, first..last), (after, last..last + 1)] {
                    let key = self.compared(&answer);
                    let is_expected = match judged.iter().find(|(earlier, _)| *earlier == key) {
                        Some((_, is_expected)) => *is_expected,
                        None => {
                            let is_expected =
                                self.differences(snapshot, &answer).is_ok_and(|it| it.is_empty());
                            judged.push((key, is_expected));
                            is_expected
                        }
                    };
                    if !is_expected {
                        holds.get_mut(range).unwrap_or_default().fill(false);
                    }
                }
            }
        }
    }
}

/// Returns the answer to a query. A repetition gives another random number, for a query that names no client.
fn answer(snapshot: &Snapshot, query: &Query<'_>, now: UnixSeconds, repeat: u64) -> SelectResult {
    // An odd multiplier spreads the few numbers over all hashes.
    let random = repeat.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    select(snapshot, query, SelectContext { now, random, standings: &NO_STANDINGS }).result
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
