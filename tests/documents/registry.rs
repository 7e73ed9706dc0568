//! `docs/registry.md`: its registry compiles, and its tables have the keys, columns and findings of the code.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use switchboard_model::{Condition, Role, UnixSeconds};
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_registry::{Code, Files, Finding, check, read};
use switchboard_snapshot::NoProgress;

use super::page::{Page, quoted};
use crate::expected::NOW;

const PAGE: &str = "docs/registry.md";
/// The tables of keys: the heading, the schema that the readers agree with, and the table's place in it.
const KEYS: [(&str, &str, &str); 7] = [
    ("## company.toml", "company", ""),
    ("### Organizational units", "company", "/properties/ou/items"),
    ("### Pools", "company", "/properties/pool/items"),
    ("## channels.toml", "channels", "/properties/channel/additionalProperties"),
    ("## tests.toml", "tests", "/properties/test/items"),
    ("### query", "tests", "/properties/test/items/properties/query"),
    ("### expect", "tests", "/properties/test/items/properties/expect"),
];
/// The tables of columns, and the smallest header row that the reader accepts.
const COLUMNS: [(&str, &str); 2] = [("ous.csv", "id"), ("accounts.csv", "id,channel,address")];

fn findings(files: &Files) -> Vec<Finding> {
    let (registry, mut findings) = read(files);
    check(&registry, &mut findings);
    findings.into_iter().collect()
}

/// Returns the findings of a company whose sheet has this header row.
fn findings_of_header(sheet: &str, header: &str) -> Vec<Finding> {
    let files = [("a/company.toml".to_owned(), String::new()), (format!("a/{sheet}"), format!("{header}\n"))];
    findings(&Files::from_iter(files))
}

#[test]
fn registry_of_the_page_compiles_without_findings() {
    let page = Page::read(PAGE);
    let blocks = page.blocks();
    let files: Vec<(&str, &str)> = blocks
        .iter()
        .filter(|block| block.caption.starts_with("`example/"))
        .map(|block| (block.caption.trim_matches('`'), block.text))
        .collect();
    assert_eq!(files.len(), 3);
    let built = build_snapshot(&Files::from_iter(files), 1, UnixSeconds(NOW), BuildMode::Strict, &NoProgress);
    let built = built.unwrap_or_else(|failure| panic!("{:?}", failure.findings));
    assert!(built.findings.is_empty(), "{:?}", built.findings);
    assert!(built.coverage.tests >= 4);
}

#[test]
fn tables_of_keys_have_the_keys_of_the_schemas() {
    let page = Page::read(PAGE);
    for (heading, schema, pointer) in KEYS {
        let path = super::root().join(format!("docs/schema/{schema}.schema.json"));
        let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let table = schema.pointer(pointer).unwrap();
        page.assert_rows(heading, table["properties"].as_object().unwrap().keys());
        let required: BTreeSet<&str> =
            table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for row in page.rows(heading) {
            let key = &table["properties"][name(&row)];
            assert_eq!(row[2] == "required", required.contains(&*name(&row)), "{heading}: {row:?}");
            if let Some(default) = key.get("default") {
                assert_eq!(row[2], format!("`{default}`"), "{heading}: {row:?}");
            }
            for word in key.get("enum").and_then(Value::as_array).into_iter().flatten() {
                let word = word.as_str().unwrap();
                assert!(row.iter().any(|cell| cell.contains(word)), "{heading}: {row:?}: no {word}");
            }
        }
    }
}

#[test]
fn table_of_built_in_channels_has_their_profiles() {
    let page = Page::read(PAGE);
    let (registry, _) = read(&Files::default());
    let rows: BTreeSet<Vec<String>> = page
        .rows("### Built-in channels")
        .iter()
        .map(|row| row.iter().map(|cell| cell.replace('`', "")).collect())
        .collect();
    let profiles = registry.channels.iter().map(|profile| {
        let roles = [(profile.pool_roles.primary, "primary"), (profile.pool_roles.secondary, "secondary")];
        let roles: Vec<&str> =
            roles.iter().filter(|(demanded, _)| *demanded).map(|(_, role)| *role).collect();
        vec![
            profile.id.to_string(),
            profile.conversation_role.as_str().to_owned(),
            roles.join(", "),
            format!("{:?}", profile.address).to_lowercase(),
            profile.dedicated_since.map_or("never".to_owned(), |since| since.to_string()),
        ]
    });
    assert_eq!(rows, profiles.collect());
}

#[test]
fn tables_of_columns_have_the_columns_of_the_readers() {
    let page = Page::read(PAGE);
    for (sheet, required) in COLUMNS {
        let heading = format!("## {sheet}");
        let found = findings_of_header(sheet, &format!("{required},zzzzzzzz"));
        let unknown = found.iter().find(|finding| finding.code == Code::UnknownColumn).unwrap();
        let columns = quoted(&unknown.help);
        page.assert_rows(&heading, &columns);
        for row in page.rows(&heading) {
            let others: Vec<&str> = columns.iter().copied().filter(|column| *column != name(&row)).collect();
            let found = findings_of_header(sheet, &others.join(","));
            let is_required = found.iter().any(|finding| finding.code == Code::MissingColumn);
            assert_eq!(row[2] == "required", is_required, "{heading}: {row:?}: {found:?}");
        }
    }
    let rows = page.rows("## accounts.csv");
    let words = |column: &str| quoted(rows.iter().find(|row| name(row) == column).unwrap()[1]);
    assert_eq!(words("role"), Role::ALL.map(Role::as_str).into());
    assert_eq!(words("state"), Condition::ALL.map(Condition::as_str).into());
}

#[test]
fn table_of_findings_has_every_code_with_its_severity() {
    let page = Page::read(PAGE);
    page.assert_rows("## Findings", Code::ALL.iter().map(|code| code.as_str()));
    for row in page.rows("## Findings") {
        let codes = Code::ALL.iter().filter(|code| code.as_str() == name(&row));
        let severities: Vec<String> = codes.map(|code| code.severity().to_string()).collect();
        assert_eq!(row[1], severities.join(" or "), "{row:?}");
    }
}

#[test]
fn keys_and_columns_name_known_findings() {
    let page = Page::read(PAGE);
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let sheets = COLUMNS.map(|(sheet, _)| format!("## {sheet}"));
    for heading in KEYS.iter().map(|(heading, ..)| *heading).chain(sheets.iter().map(String::as_str)) {
        for row in page.rows(heading) {
            let unknown: Vec<_> = quoted(row[4]).into_iter().filter(|code| !known.contains(code)).collect();
            assert!(unknown.is_empty(), "{heading}: {row:?}: {unknown:?}");
        }
    }
}

/// Returns the key or column that a row is about.
fn name(row: &[&str]) -> String {
    row[0].replace('`', "")
}
