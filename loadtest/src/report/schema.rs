//! The JSON Schema of a report: made from its types, checked in for programs that read reports, and held to what is written.

use super::model::Report;
use serde_json::Value;
use std::{fs, path::PathBuf};

const REMEDY: &str = "SWITCHBOARD_REGENERATE=1 cargo test -p loadtest --lib report::schema";

fn below(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn schema() -> Value {
    schemars::schema_for!(Report).to_value()
}

#[test]
fn what_is_checked_in_is_what_the_types_say() {
    let path = below("../docs/schema/loadtest-report.schema.json");
    let made = format!("{:#}\n", schema());
    if std::env::var_os("SWITCHBOARD_REGENERATE").is_some_and(|value| value == "1") {
        fs::write(&path, &made).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(made == found, "{}: not what the types say. Write it anew with\n    {REMEDY}", path.display());
}

#[test]
fn reports_are_of_it() {
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
