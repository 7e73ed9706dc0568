//! An answer that is not byte for byte as foretold, read and compared field by field.

use super::{
    answer::{Answer, Problem, Selection},
    candidates::Candidate,
    kind::Kind,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt::Write as _};

/// Candidates that are named before the others are counted.
const NAMED: usize = 5;

/// What problems of each code call themselves: the same in every answer.
pub(super) type Titles = BTreeMap<Kind, [Value; 2]>;

/// What is wrong with an answer; nothing, where it says the same in other bytes (an escape, say).
pub(super) fn differs(
    answer: &Answer,
    body: &[u8],
    generation: u64,
    phone: Option<&str>,
    titles: &mut Titles,
) -> Option<String> {
    let said: Map<String, Value> = match serde_json::from_slice(body) {
        Ok(said) => said,
        Err(error) => return Some(format!("not a JSON object: {error}: {}", String::from_utf8_lossy(body))),
    };
    match answer {
        Answer::Selection(selection) => selects(selection, &said, generation),
        Answer::Problem(problem) => refuses(problem, &said, generation, phone, titles),
    }
}

/// The candidate that an answer names.
pub(super) fn named<'s>(selection: &'s Selection, body: &[u8]) -> Option<&'s Candidate> {
    let said: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let id = said.get("account")?.as_str()?;
    selection.candidates.all().iter().find(|candidate| candidate.id() == id)
}

fn selects(selection: &Selection, said: &Map<String, Value>, generation: u64) -> Option<String> {
    let Some(id) = said.get("account").and_then(Value::as_str) else {
        return Some(format!("no account, but {}, for the rule {}", shown(said), selection.rule.text()));
    };
    let all = selection.candidates.all();
    let Some(candidate) = all.iter().find(|candidate| candidate.id() == id) else {
        let mut named: Vec<&str> = all.iter().take(NAMED).map(|candidate| candidate.id()).collect();
        let more = format!("and {} more", all.len().saturating_sub(NAMED));
        if all.len() > NAMED {
            named.push(&more);
        }
        let rest = String::from_utf8_lossy(&selection.rest);
        return Some(format!("account {id} is none of {}, …{rest}: {}", named.join(", "), shown(said)));
    };
    let mut wanted = candidate.start().to_vec();
    wanted.extend_from_slice(&selection.rest);
    wanted.extend_from_slice(format!("{generation}}}").as_bytes());
    // Made of texts that were escaped one by one: always an object.
    let wanted: Map<String, Value> = serde_json::from_slice(&wanted).unwrap_or_default();
    compare(said, &wanted)
}

fn refuses(
    problem: &Problem,
    said: &Map<String, Value>,
    generation: u64,
    phone: Option<&str>,
    titles: &mut Titles,
) -> Option<String> {
    let text =
        |name: &str| said.get(name).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    let mut wanted = Map::new();
    for name in ["type", "title", "status", "detail", "code", "generation"] {
        let value = match name {
            "status" => Value::from(problem.code.status()),
            "code" => Value::from(problem.code.text()),
            "generation" => Value::from(generation),
            // Texts for people: there must be one.
            name => text(name).cloned().unwrap_or_else(|| Value::from("a text for people")),
        };
        wanted.insert(name.to_owned(), value);
    }
    if let Some(why) = compare(said, &wanted) {
        return Some(why);
    }
    let digits = phone.map(|phone| phone.trim_start_matches('+')).filter(|digits| digits.len() >= 5);
    if digits.is_some_and(|digits| shown(said).contains(digits)) {
        return Some("the problem repeats the client's phone number".to_owned());
    }
    let named = ["type", "title"].map(|name| said.get(name).cloned().unwrap_or_default());
    let before = titles.entry(problem.code).or_insert_with(|| named.clone());
    (*before != named).then(|| format!("{} was {before:?} before: {}", problem.code.text(), shown(said)))
}

/// Every field, and their order.
fn compare(said: &Map<String, Value>, wanted: &Map<String, Value>) -> Option<String> {
    let mut why = String::new();
    for (name, value) in wanted {
        // Writing to a String cannot fail.
        let _ = match said.get(name) {
            Some(other) if other == value => Ok(()),
            Some(other) => write!(why, "{name} is {other}, not {value}; "),
            None => write!(why, "{name} is missing, not {value}; "),
        };
    }
    for name in said.keys().filter(|name| !wanted.contains_key(*name)) {
        let _ = write!(why, "{name} should not be there; ");
    }
    if why.is_empty() && !said.keys().eq(wanted.keys()) {
        why.push_str("its fields are in another order; ");
    }
    (!why.is_empty()).then(|| why + &shown(said))
}

fn shown(said: &Map<String, Value>) -> String {
    Value::from(said.clone()).to_string()
}
