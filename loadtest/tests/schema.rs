//! `docs/loadtest.md` and the JSON Schema document each field of a report, and each key of a scenario, and no
//! other.
#![cfg(test)]

#[path = "../../tests/harness/generated_file.rs"]
mod generated_file;

use generated_file::assert_generated;
use loadtest::report::{
    files::read,
    model::{Report, SCHEMA},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

const MARKER: &str = "<!-- Generated from the types by loadtest/tests/schema.rs. -->\n";
/// Arguments of `cargo test` that run these tests.
const THIS_TEST: &str = "-p loadtest --test schema";

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn docs() -> String {
    fs::read_to_string(below("../docs/loadtest.md")).unwrap()
}

fn schema() -> Value {
    schemars::schema_for!(Report).to_value()
}

/// Returns a table of the fields for each type, in the order in which the types refer to each other.
fn field_tables(schema: &Value) -> String {
    let mut types = vec!["Report".to_owned()];
    let mut tables = String::new();
    let mut done = 0;
    while let Some(name) = types.get(done).cloned() {
        done += 1;
        let of = if name == "Report" { schema } else { &schema["$defs"][&name] };
        let about = of["description"].as_str().unwrap().replace('\n', " ");
        write!(tables, "\n### {name}\n\n{about}\n\n| field | description |\n|---|---|\n").unwrap();
        for (field, property) in of["properties"].as_object().unwrap() {
            let mut about = property["description"].as_str().unwrap().replace('\n', " ");
            for other in property.to_string().split("#/$defs/").skip(1) {
                let (other, _) = other.split_once('"').unwrap();
                write!(about, " See [{other}](#{}).", other.to_lowercase()).unwrap();
                if types.iter().all(|known| known != other) {
                    types.push(other.to_owned());
                }
            }
            writeln!(tables, "| `{field}` | {about} |").unwrap();
        }
    }
    tables
}

#[test]
fn checked_in_schema_is_that_of_the_types() {
    let generated = format!("{:#}\n", schema());
    assert_generated("../docs/schema/loadtest-report.schema.json", generated.as_bytes(), THIS_TEST);
}

#[test]
fn docs_have_each_field_of_a_report() {
    let docs = docs();
    let (text, _) = docs.split_once(MARKER).expect("the marker of the generated tables");
    let generated = format!("{text}{MARKER}{}", field_tables(&schema()));
    assert_generated("../docs/loadtest.md", generated.as_bytes(), THIS_TEST);
    assert!(text.contains(&format!("`schema` is {SCHEMA}.")));
}

#[test]
fn reports_match_the_schema_and_changed_ones_do_not() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for entry in fs::read_dir(below("tests/fixtures/reports")).unwrap() {
        let path = entry.unwrap().path();
        let mut report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let wrong: Vec<_> = schema.iter_errors(&report).map(|it| it.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        report["runs"][0]["steps"][0]["corrected"]["p99"] = "fast".into();
        assert!(!schema.is_valid(&report), "{}", path.display());
    }
}

#[test]
fn unreadable_report_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        let error = read(&path).expect_err("no report");
        assert_eq!(error.exit_code(), 3);
        error.to_string()
    };
    assert!(error("hello").contains("name the JSON file that `loadtest run` wrote"));
    assert!(error("{}").contains("missing field `schema`"));
    let newer = error(r#"{"schema": 99, "new": 1}"#);
    assert!(newer.contains("schema is 99, but this program reads schema 1: use a newer loadtest"), "{newer}");
    assert!(error(r#"{"schema": 0}"#).contains("run the scenario again"));
    let cut = error(r#"{"schema": 1, "scenario": "steady"}"#);
    for part in ["report.json", "missing field `started`", "run the scenario again"] {
        assert!(cut.contains(part), "{cut}");
    }
    fs::remove_file(&path).unwrap();
    assert!(read(&path).expect_err("gone").to_string().contains("cannot read"));
}

/// The parser lists the keys that it expects in its error on an unknown one.
#[test]
fn docs_have_each_key_of_a_scenario() {
    let docs = docs();
    let section = docs.split("\n## Scenarios\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut keys = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let mut table = String::new();
        for name in row.split('|').nth(1).unwrap().split(", ").map(|name| name.trim().trim_matches('`')) {
            // `.client` after `mix.phone` is a key of the same table.
            let (of, key) = name.split_once('.').unwrap_or(("", name));
            if !name.starts_with('.') {
                table = of.to_owned();
            }
            keys.insert((table.clone(), key.to_owned()));
        }
    }
    let tables = [
        "mix",
        "registry",
        "reload",
        "standings",
        "slow_clients",
        "new_connections",
        "open_pages",
        "sweep",
        "demand",
    ];
    for table in [""].into_iter().chain(tables) {
        let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        let text = format!("about = 'a'\n{head}unknown_key = 1");
        let why = toml::from_str::<loadtest::scenario::Scenario>(&text).unwrap_err().to_string();
        let expected = why.split("expected").nth(1).unwrap_or_else(|| panic!("{why}"));
        let expected: BTreeSet<_> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let own = expected.into_iter().filter(|key| !table.is_empty() || !tables.contains(&key.as_str()));
        let documented = keys.iter().filter(|(of, _)| of == table).map(|(_, key)| key.clone());
        assert_eq!(documented.collect::<BTreeSet<_>>(), own.collect(), "[{table}]");
    }
}
