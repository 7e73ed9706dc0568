//! Checks the oracle against the expected selections of the example company.

use std::path::Path;

use oracle::{Oracle, Query, Verdict};
use serde_json::{Map, Value};
use switchboard_registry::{Expectation, Files};

use super::properties::sound;
use super::registries::NOW;

/// Least number of tests of the example company.
const TESTS: usize = 44;

#[test]
fn oracle_answers_the_examples_tests_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/acme");
    let mut files = Files::default();
    for file in std::fs::read_dir(&folder).expect("the example's folder") {
        let file = file.expect("a file of the example").path();
        let name = format!("acme/{}", file.file_name().expect("its name").to_string_lossy());
        files.insert(name, std::fs::read(&file).expect("its content"));
    }
    let registry = sound(&files).expect("a sound example");
    let oracle = Oracle::new(&registry);
    let tests = &registry.companies[0].tests;
    assert!(tests.len() >= TESTS, "{} tests", tests.len());
    let failed: Vec<String> = tests
        .iter()
        .filter_map(|test| {
            let why = difference(&oracle.answer(&parse_query(&test.query), NOW), &test.expect)?;
            Some(format!("{}: {}: {why}", test.place, test.name))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Parses the query of a test.
fn parse_query(text: &str) -> Query {
    let mut fields: Map<String, Value> = serde_json::from_str(text).expect("an object");
    let mut take = |name: &str| fields.remove(name).map(|value| value.as_str().expect("a text").to_owned());
    let mut query = Query {
        company: take("company"),
        channel: take("channel"),
        ou: take("ou"),
        phone: take("phone"),
        country: take("country"),
        bsuid: take("bsuid"),
        client: take("client"),
        user: take("user"),
        role: take("role"),
        current: take("current"),
        fallback: take("fallback"),
        ..Query::default()
    };
    if let Some(Value::Array(ids)) = fields.remove("exclude") {
        query.exclude = ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect();
    }
    assert!(fields.is_empty(), "fields that the oracle does not know: {fields:?}");
    query
}

/// Returns how a verdict differs from the expectation, if it differs.
fn difference(verdict: &Verdict<'_>, expect: &Expectation) -> Option<String> {
    let Expectation { account, rule, ou, pool, climbed, error } = expect;
    let selected = match verdict {
        Verdict::Refused(code) if error.is_some_and(|error| error.as_str() == *code) => return None,
        Verdict::Refused(code) => return Some((*code).to_owned()),
        Verdict::Selected(selected) => selected,
    };
    let found = selected.found.as_ref();
    let ids: Vec<&str> = selected.candidates.iter().map(|account| &*account.id).collect();
    let same = error.is_none()
        && account.as_deref().is_none_or(|id| ids == [id])
        && rule.is_none_or(|rule| rule.as_str() == selected.rule)
        && ou.as_deref().is_none_or(|ou| found.is_some_and(|found| found.ou == ou))
        && pool.as_deref().is_none_or(|pool| found.is_some_and(|found| found.pool == pool))
        && climbed.is_none_or(|climbed| found.is_some_and(|found| found.climbed == climbed as usize));
    (!same).then(|| format!("{} of {ids:?} at {found:?}", selected.rule))
}
