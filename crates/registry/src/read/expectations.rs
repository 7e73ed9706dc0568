//! Reads `tests.toml`, the file of a company's expected selections.

use serde_json::{Map, Value};
use switchboard_model::{MAX_EXCLUDED, QueryField, Rule, SelectError};

use super::layout::SourceFile;
use super::recover::parse_recovering;
use super::toml::{Document, Field, Table, as_text};
use crate::redact::quoted;
use crate::{Code, Expectation, Findings, Span, Test};

const TEST_KEYS: [&str; 3] = ["name", "query", "expect"];
const EXPECT_KEYS: [&str; 6] = ["account", "rule", "ou", "pool", "climbed", "error"];

/// Reads the tests of a company. Leaves out a faulty test, because its result would be meaningless.
pub(super) fn read_tests(company: &str, file: SourceFile<'_>, findings: &mut Findings) -> Vec<Test> {
    let Some(text) = parse_recovering(file, findings) else { return Vec::new() };
    let document = Document::parse(file, &text);
    document.root().report_unknown_keys(&["test"], findings);
    let (entries, _) = document.entries("test", findings);
    entries.iter().filter_map(|keys| read_test(company, keys, findings)).collect()
}

fn read_test(company: &str, keys: &Table<'_>, findings: &mut Findings) -> Option<Test> {
    let added = findings.added();
    let meant = keys.report_unknown_keys(&TEST_KEYS, findings);
    let place = keys.place();
    let name = match keys.text("name", findings).given() {
        Some(name) => name.into(),
        None => format!("line {}", place.line).into(),
    };
    let required_table = |key: &'static str, findings: &mut Findings| match keys.table(key, findings) {
        Field::Given(table, _) => Some(table),
        Field::Absent if !meant.contains(&key) => {
            keys.report_missing(key, "the test", findings);
            None
        }
        Field::Absent | Field::Faulty => None,
    };
    let query = required_table("query", findings).map(|table| read_query(company, &table, findings));
    let expect = required_table("expect", findings).map(|table| read_expectation(&table, findings));
    let (Some(query), Some(expect)) = (query, expect) else { return None };
    (findings.added() == added).then(|| Test { name, query: query.into(), expect, place })
}

/// Reads the query. Returns the JSON object that a gateway would send.
fn read_query(company: &str, table: &Table<'_>, findings: &mut Findings) -> String {
    table.report_unknown_keys(&QueryField::ALL.map(QueryField::as_str), findings);
    let mut json = Map::new();
    for entry in table.entries() {
        let (key, place) = (entry.key, &entry.place);
        // Findings do not repeat the values of a query, because a value may be a client's phone number.
        match QueryField::parse(key) {
            Some(QueryField::Exclude) => {
                let Field::Given(list, _) = table.texts(key, findings) else { continue };
                if list.len() > MAX_EXCLUDED {
                    let message = format!(
                        "`exclude` lists {} accounts, but at most {MAX_EXCLUDED} are allowed",
                        list.len()
                    );
                    let help = "shorten the list";
                    findings.add(place, Code::InvalidValue, message, help).primary(Span::value(key));
                }
                json.insert(key.to_owned(), list.iter().map(|(id, _)| Value::from(*id)).collect());
            }
            Some(QueryField::Company) => {
                let named = as_text(key, entry.value, place, findings);
                if named.is_some_and(|named| named != company) {
                    let message = format!(
                        "`company` differs from {}, the company that this file belongs to",
                        quoted(company)
                    );
                    let help = "remove the key: a test always queries its own company";
                    findings.add(place, Code::InvalidValue, message, help).primary(Span::value(key));
                }
            }
            Some(_) => {
                if let Some(text) = as_text(key, entry.value, place, findings) {
                    json.insert(key.to_owned(), Value::from(text));
                }
            }
            None => {}
        }
    }
    Value::Object(json).to_string()
}

fn read_expectation(table: &Table<'_>, findings: &mut Findings) -> Expectation {
    let meant = table.report_unknown_keys(&EXPECT_KEYS, findings);
    if table.entries().is_empty() && meant.is_empty() {
        let message = "`expect` is empty, so the test can never fail";
        let help = format!("write at least one of {}", EXPECT_KEYS.join(", "));
        findings.add(&table.place(), Code::InvalidValue, message, help).primary(Span::value("expect"));
    }
    let mut text = |key: &str| table.text(key, findings).given().map(Box::from);
    let (account, ou, pool) = (text("account"), text("ou"), text("pool"));
    let rules = Rule::ALL.map(|rule| (rule.as_str(), rule));
    let errors = SelectError::ALL.map(|error| (error.as_str(), error));
    let rule = table.choice("rule", &rules, findings).given();
    let climbed = table
        .integer("climbed", findings)
        .and_then(findings, |climbed, place, findings| {
            let levels = u32::try_from(climbed).ok();
            if levels.is_none() {
                let message =
                    format!("`climbed` is {}, which is not a number of OUs", quoted(&climbed.to_string()));
                let help = "write 0 for the query's own OU, 1 for its parent, and so on";
                findings.add(place, Code::InvalidValue, message, help).primary(Span::value("climbed"));
            }
            levels
        })
        .given();
    let error = table.choice("error", &errors, findings).given();
    Expectation { account, rule, ou, pool, climbed, error }
}
