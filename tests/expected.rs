//! The demo registry, for whoever asks it: copies to be broken, and the expected selections of its tests.toml.

use std::fs;
use std::path::{Path, PathBuf};

use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildFailure, build_snapshot};
use switchboard_registry::Files;
use switchboard_snapshot::{NoProgress, Snapshot};
use tempfile::TempDir;
use toml::Value;

/// When snapshots are built and queries asked, in tests where no account depends on the time.
pub const NOW: i64 = 1_790_000_000;

/// The demo registry.
pub fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo")
}

/// A registry of the demo's `acme` alone, in a folder of its own, to be changed and broken.
pub fn acme() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("acme")).unwrap();
    for file in ["company.toml", "accounts.csv", "tests.toml"] {
        fs::copy(demo().join("acme").join(file), folder.path().join("acme").join(file)).unwrap();
    }
    folder
}

/// Compiles files that pass every check.
pub fn compiled(files: &Files, generation: u64) -> Snapshot {
    match build_snapshot(files, generation, UnixSeconds(NOW), &NoProgress) {
        Ok(compiled) => compiled.snapshot,
        Err(BuildFailure { findings, .. }) => panic!("{findings:?}"),
    }
}

/// Replaces a text in a file of a registry, wherever it stands.
pub fn edit(root: &Path, file: &str, from: &str, to: &str) {
    let path = root.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// One `[[test]]`.
pub struct Expected {
    pub name: String,
    /// Field and value; lists comma-separated, as on a command line.
    pub query: Vec<(String, String)>,
    pub expect: toml::Table,
}

/// The tests of a company of the demo.
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
    /// Holds an answer, a selection or a problem, to what is expected.
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
