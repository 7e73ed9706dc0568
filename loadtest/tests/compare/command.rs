//! `loadtest compare` prints the changes and exits with the documented codes.

use crate::synthetic::{Noise, steady};
use loadtest::report::model::Report;
use serde_json::Value;
use std::{fs, path::Path, process::Command};

struct Output {
    code: Option<i32>,
    out: String,
    err: String,
}

fn compare(folder: &Path, a: &Report, b: &Report, more: &[&str]) -> Output {
    for (name, report) in [("a.json", a), ("b.json", b)] {
        fs::write(folder.join(name), serde_json::to_string(report).unwrap()).unwrap();
    }
    command(folder, &[&["a.json", "b.json"], more].concat())
}

fn command(folder: &Path, arguments: &[&str]) -> Output {
    let done = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("compare")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

fn worse() -> (Report, Report) {
    let mut noise = Noise::new(7, 0.01);
    let (before, mut after) = (steady(7, &mut noise), steady(7, &mut noise));
    after.runs.iter_mut().for_each(|run| run.steps[0].corrected.p99 *= 1.1);
    (before, after)
}

#[test]
fn slower_report_is_named_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let (before, mut after) = worse();
    after.setup.seed = 8;
    let said = compare(folder.path(), &before, &after, &[]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), "loadtest: worse beyond the noise: p99\n"));
    let p99 =
        said.out.lines().find(|line| line.starts_with("p99 ") && !line.contains("uncorrected")).unwrap();
    assert!(p99.ends_with("slower") && p99.contains("%"), "{p99}");
    let p50 = said.out.lines().find(|line| line.starts_with("p50 ")).unwrap();
    assert!(p50.ends_with("within the noise"), "{p50}");
    assert!(
        said.out.contains("differs  seed: 7 in A, 8 in B")
            && said.out.contains("the daemon may not be the cause")
    );
    assert!(said.out.find("differs") < said.out.find("change"));
    assert!(!said.out.contains('\x1b'), "colour in a pipe");
}

#[test]
fn faster_report_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let (after, before) = worse();
    let said = compare(folder.path(), &before, &after, &[]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.contains("  faster\n") && said.out.contains("0 worse, 1 better"), "{}", said.out);
}

#[test]
fn json_has_the_figures_run_by_run() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = worse();
    let said = compare(folder.path(), &before, &after, &["--format", "json"]);
    assert_eq!(said.code, Some(1));
    let whole: Value = serde_json::from_str(&said.out).unwrap();
    let changes = whole["changes"].as_array().unwrap();
    let p99 = changes.iter().find(|change| change["figure"] == "p99").unwrap();
    assert_eq!(
        (&p99["verdict"], &p99["unit"], p99["a"].as_array().unwrap().len()),
        (&"worse".into(), &"microseconds".into(), 7)
    );
    assert!((5.0..15.0).contains(&p99["change_percent"].as_f64().unwrap()));
}

#[test]
fn single_runs_exit_with_0_because_the_noise_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = Noise::new(8, 0.01);
    let (before, mut after) = (steady(1, &mut noise), steady(1, &mut noise));
    after.runs[0].steps[0].corrected.p99 *= 3.0;
    let said = compare(folder.path(), &before, &after, &[]);
    assert_eq!(said.code, Some(0));
    assert!(
        said.out.contains("noise unknown: no repeated runs") && said.out.contains("No figure can be judged")
    );
}

#[test]
fn reports_that_cannot_be_compared_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (before, mut after) = worse();
    after.runs.iter_mut().for_each(|run| run.steps[0].invalid = Some("late".to_owned()));
    let said = compare(folder.path(), &before, &after, &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("b.json: no run is valid"), "{}", said.err);
    let gone = command(folder.path(), &["a.json", "gone.json"]);
    assert_eq!(gone.code, Some(3));
    assert!(gone.err.contains("cannot read gone.json"), "{}", gone.err);
    fs::write(folder.path().join("other.json"), r#"{"schema": 7}"#).unwrap();
    let other = command(folder.path(), &["a.json", "other.json"]);
    assert_eq!(other.code, Some(3));
    assert!(other.err.contains("other.json: the report's schema is 7"), "{}", other.err);
    assert_eq!(command(folder.path(), &["a.json"]).code, Some(2));
}
