//! `tests.toml`: expected selections.

use serde_json::{Map, Value};

use super::document::Document;
use super::fields::{Field, Fields, as_text, unknown_word};
use super::repair;
use crate::layout::Source;
use crate::shown;
use crate::{Code, Expectation, Findings, Mark, Test};

const KEYS: [&str; 3] = ["name", "query", "expect"];
/// The fields of a query, as a gateway may send them.
const QUERY: [&str; 11] = [
    "company", "channel", "ou", "phone", "country", "client", "user", "role", "current", "exclude",
    "fallback",
];
const EXPECT: [&str; 6] = ["account", "rule", "ou", "pool", "climbed", "error"];
const RULES: [&str; 6] = ["current", "dedicated", "country", "calling_code", "geography", "default_region"];
/// The problems that a query by itself can have.
const PROBLEMS: [&str; 11] = [
    "bad_request",
    "client_required",
    "invalid_phone",
    "invalid_country",
    "unknown_company",
    "unknown_channel",
    "unknown_ou",
    "no_pool",
    "no_account",
    "no_account_available",
    "dedicated_unavailable",
];
/// As many accounts as a query may exclude.
const MOST_EXCLUDED: usize = 64;

/// Reads a company's tests. One that is faulty is left out, since its answer would mean nothing.
pub(super) fn read(company: &str, source: Source<'_>, findings: &mut Findings) -> Vec<Test> {
    let Some(sound) = repair::sound(source, findings) else { return Vec::new() };
    let document = Document::parse(source.0, &sound);
    document.root().demand_known(&["test"], findings);
    let (entries, _) = document.entries("test", findings);
    entries.iter().filter_map(|fields| test(company, fields, findings)).collect()
}

fn test(company: &str, fields: &Fields<'_>, findings: &mut Findings) -> Option<Test> {
    let before = findings.added();
    let meant = fields.demand_known(&KEYS, findings);
    let place = fields.place();
    let name = match fields.text("name", findings).given() {
        Some(name) => name.into(),
        None => format!("line {}", place.line).into(),
    };
    let demand = |key: &'static str, findings: &mut Findings| match fields.table(key, findings) {
        Field::Given(inner, _) => Some(inner),
        Field::Absent if !meant.contains(&key) => {
            fields.missing(key, "the test", findings);
            None
        }
        Field::Absent | Field::Faulty => None,
    };
    let asked = demand("query", findings).map(|inner| query(company, &inner, findings));
    let expect = demand("expect", findings).map(|inner| expectation(&inner, findings));
    let (Some(asked), Some(expect)) = (asked, expect) else { return None };
    (findings.added() == before).then(|| Test { name, query: asked.into(), expect, place })
}

/// The query as the JSON object that a gateway would send.
fn query(company: &str, fields: &Fields<'_>, findings: &mut Findings) -> String {
    fields.demand_known(&QUERY, findings);
    let mut json = Map::new();
    for (key, value, place, _) in fields.each() {
        // No value of a query is ever repeated in a finding: it may be a client's.
        match key {
            "exclude" => {
                let Field::Given(list, _) = fields.texts(key, findings) else { continue };
                if list.len() > MOST_EXCLUDED {
                    let message = format!("`exclude` names {} accounts", list.len());
                    let help = format!("a query excludes at most {MOST_EXCLUDED}");
                    findings.add(&place, Code::InvalidValue, message, help).value("exclude");
                }
                json.insert(key.to_owned(), list.iter().map(|(id, _)| Value::from(*id)).collect());
            }
            "company" => {
                let named = as_text(key, value, &place, findings);
                if named.is_some_and(|named| named != company) {
                    let message = format!("`company` is not {}, whose folder this is", shown(company));
                    let help = "remove it: a test asks its own company";
                    findings.add(&place, Code::InvalidValue, message, help).value("company");
                }
            }
            _ if QUERY.contains(&key) => {
                if let Some(text) = as_text(key, value, &place, findings) {
                    json.insert(key.to_owned(), Value::from(text));
                }
            }
            _ => {}
        }
    }
    Value::Object(json).to_string()
}

fn expectation(fields: &Fields<'_>, findings: &mut Findings) -> Expectation {
    let unknown = fields.demand_known(&EXPECT, findings);
    if fields.each().is_empty() && unknown.is_empty() {
        let message = "`expect` is empty, so the test can never fail";
        let help = format!("give at least one of {}", EXPECT.join(", "));
        findings.add(&fields.place(), Code::InvalidValue, message, help).value("expect");
    }
    let mut text = |key: &str| fields.text(key, findings).given().map(Box::from);
    let (account, ou, pool) = (text("account"), text("ou"), text("pool"));
    Expectation {
        account,
        rule: word(fields, "rule", &RULES, findings),
        ou,
        pool,
        climbed: fields
            .integer("climbed", findings)
            .and_then(findings, |climbed, place, findings| {
                let levels = u32::try_from(climbed).ok();
                if levels.is_none() {
                    let message =
                        format!("`climbed` is {}, which is no number of levels", shown(&climbed.to_string()));
                    let help = "write 0 for the query's own OU, 1 for its parent, …";
                    findings.add(place, Code::InvalidValue, message, help).value("climbed");
                }
                levels
            })
            .given(),
        error: word(fields, "error", &PROBLEMS, findings),
    }
}

fn word(fields: &Fields<'_>, key: &str, known: &[&str], findings: &mut Findings) -> Option<Box<str>> {
    fields
        .text(key, findings)
        .and_then(findings, |text, place, findings| {
            if known.contains(&text) {
                return Some(text.into());
            }
            unknown_word(key, text, known.iter().copied(), place, Mark::Value(key.into()), findings);
            None
        })
        .given()
}
