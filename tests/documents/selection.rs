//! `docs/selection.md`: its examples are the answers of the code, and show every rule and every error.

use std::collections::BTreeSet;

use serde_json::Value;
use switchboard::api::problem::{from_error, write_problem};
use switchboard_model::{Rule, SelectError, UnixSeconds};
use switchboard_registry::Files;
use switchboard_select::{
    CurrentIgnored, NO_STANDINGS, Query, QueryFields, SelectContext, select, write_selection,
};
use switchboard_snapshot::Snapshot;

use super::page::Page;
use crate::expected::{NOW, compiled, demo};
use crate::harness::assert_generated;

const PAGE: &str = "docs/selection.md";
const COMMAND: &str = "switchboard select --format json ";
/// The generation of the embedded demo registry.
const GENERATION: u64 = 1;

/// Returns what `switchboard select` prints for these fields.
pub(super) fn answer(snapshot: &Snapshot, fields: &str) -> String {
    let mut query = Query::default();
    let mut reader = QueryFields::new(&mut query);
    for field in fields.split_whitespace() {
        let (name, value) = field.split_once('=').unwrap();
        reader.set(name, value.into());
    }
    let mut json = Vec::new();
    if let Err(bad) = reader.finish() {
        write_problem(&mut json, from_error(SelectError::BadRequest), Some(&bad.to_string()), None);
    } else {
        let context = SelectContext { now: UnixSeconds(NOW), random: 0, standings: &NO_STANDINGS };
        match select(snapshot, &query, context).result {
            Ok(selection) => write_selection(&mut json, snapshot, &selection),
            Err(error) => write_problem(&mut json, from_error(error), None, Some(GENERATION)),
        }
    }
    json.push(b'\n');
    String::from_utf8(json).unwrap()
}

#[test]
fn examples_of_the_selection_page_are_the_answers_of_the_code() {
    let snapshot = compiled(&Files::read_dir(&demo()).unwrap(), GENERATION);
    let page = Page::read(PAGE);
    let blocks = page.blocks();
    let mut text = page.text.clone();
    let mut shown = BTreeSet::new();
    // From the end, so that the offsets of earlier blocks stay.
    for pair in blocks.windows(2).rev() {
        let [asked, answered] = pair else { unreachable!() };
        let Some(fields) = asked.text.strip_prefix(COMMAND) else { continue };
        assert_eq!((asked.language, answered.language), ("sh", "json"), "{fields}");
        let answer = answer(&snapshot, fields);
        let json: Value = serde_json::from_str(&answer).unwrap();
        shown.extend([&json["rule"], &json["code"]].into_iter().filter_map(Value::as_str).map(str::to_owned));
        let start = answered.text.as_ptr().addr() - page.text.as_ptr().addr();
        text.replace_range(start..start + answered.text.len(), &answer);
    }
    assert_generated(PAGE, text.as_bytes(), "--test contract documents::selection");

    let rules = Rule::ALL.into_iter().map(Rule::as_str);
    let all: BTreeSet<String> =
        rules.chain(SelectError::ALL.into_iter().map(SelectError::as_str)).map(str::to_owned).collect();
    assert_eq!(shown, all, "{PAGE}: an example for each rule and for each error");
}

#[test]
fn reasons_to_ignore_current_have_a_row_each() {
    Page::read(PAGE).assert_rows("## current", CurrentIgnored::ALL.map(CurrentIgnored::as_str));
}
