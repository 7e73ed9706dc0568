//! The demo registry: copies for tests to change, and the expected selections of its tests.toml.

use std::fs;
use std::path::{Path, PathBuf};

use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildFailure, BuildMode, build_snapshot};
use switchboard_registry::Files;
use switchboard_snapshot::{NoProgress, Snapshot};
use tempfile::TempDir;
use toml::Value;

/// The time of builds and queries in tests where no account depends on the time, in Unix seconds.
pub const NOW: i64 = 1_790_000_000;

/// Returns the path of the demo registry.
pub fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo")
}

/// Returns a temporary registry with a copy of the demo's company `acme`. Tests may change its files.
pub fn acme() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("acme")).unwrap();
    for file in ["company.toml", "accounts.csv", "tests.toml"] {
        fs::copy(demo().join("acme").join(file), folder.path().join("acme").join(file)).unwrap();
    }
    folder
}

/// Compiles the files of a registry. Panics if the registry has errors.
pub fn compiled(files: &Files, generation: u64) -> Snapshot {
    match build_snapshot(files, generation, UnixSeconds(NOW), BuildMode::Strict, &NoProgress) {
        Ok(compiled) => compiled.snapshot,
        Err(BuildFailure { findings, .. }) => panic!("{findings:?}"),
    }
}

/// Replaces every occurrence of a text in a file of a registry. Panics if there is none.
pub fn edit(root: &Path, file: &str, from: &str, to: &str) {
    let path = root.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// One `[[test]]` of a tests.toml.
pub struct Expected {
    pub name: String,
    /// Fields and values. Lists have commas, as on a command line.
    pub query: Vec<(String, String)>,
    pub expect: toml::Table,
}

/// Returns the tests of one company of the demo.
pub fn of(company: &str) -> Vec<Expected> {
    let text = fs::read_to_string(demo().join(company).join("tests.toml")).unwrap();
    let document: toml::Table = text.parse().unwrap();
    let tests = document["test"].as_array().unwrap().iter();
    tests
        .map(|test| Expected {
            name: test["name"].as_str().unwrap().to_owned(),
            query: test["query"].as_table().unwrap().iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
            expect: test["expect"].as_table().unwrap().clone(),
        })
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Integer(number) => number.to_string(),
        other => panic!("no test has {other:?}"),
    }
}

impl Expected {
    /// Asserts that an answer, a selection or a problem, has the expected values.
    pub fn hold(&self, answer: &serde_json::Value) {
        for (field, value) in &self.expect {
            let field = if field == "error" { "code" } else { field };
            let got = match &answer[field] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(got, plain(value), "{}: {field} of {answer}", self.name);
        }
        assert!(!self.expect.is_empty());
    }
}
