//! The corruption matrix. No damaged file changes an answer, and each one is rejected once, at the right
//! stage.
//!
//! All cases are opened in this process. A sample of every kind is also loaded by a running daemon. The long
//! test loads all of them.

mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchboard_pipeline::build;
use switchboard_snapshot::{RejectionStage, file};

use crate::expected;
use crate::harness::{DaemonProcess, get};
use cases::{Case, GENERATION};

fn counted(cases: &[&Case]) -> String {
    let mut kinds = BTreeMap::<&str, usize>::new();
    cases.iter().for_each(|case| *kinds.entry(case.kind).or_default() += 1);
    format!("{} corruptions: {kinds:?}", cases.len())
}

#[test]
fn every_corruption_is_rejected_at_its_stage() {
    let all = cases::all();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.swb");
    let mut wrong = Vec::new();
    for case in &all {
        // Read as the daemon does: if the header announces another length, only the header is read.
        fs::write(&path, &case.bytes).unwrap();
        let opened = build::open_tested(file::read(&path).unwrap());
        let stage = opened.as_ref().err().map(|rejection| rejection.stage);
        let expected = if case.stages.is_empty() {
            stage.is_none()
        } else {
            stage.is_some_and(|at| case.stages.contains(&at))
        };
        if !expected {
            let reason = opened.err().map(|rejection| rejection.reason);
            wrong.push(format!("{}: {:?} ({reason:?}), not {:?}", case.name, stage, case.stages));
        }
    }
    println!("{}", counted(&all.iter().collect::<Vec<_>>()));
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), all.len());
    assert!(all.len() > 700);
}

/// Returns the answers of the daemon to these queries.
fn answers(daemon: &DaemonProcess, queries: &[String]) -> Vec<String> {
    queries.iter().map(|query| daemon.get(query).1).collect()
}

fn queries() -> Vec<String> {
    let query = |test: &expected::Expected| {
        let fields = test.query.iter().map(|(field, value)| format!("{field}={}", value.replace('+', "%2B")));
        let fields = fields.filter(|field| !field.starts_with("client=")).collect::<Vec<_>>().join("&");
        // The query has a client id, because without one equal candidates take turns.
        format!("/v1/select?company=acme&client=c&{fields}")
    };
    let tests = expected::of("acme");
    tests
        .iter()
        .map(query)
        .chain([format!("/v1/explain{}", &query(&tests[0])["/v1/select".len()..])])
        .collect()
}

/// Returns the number of rejections in total and of each stage.
fn rejections(daemon: &DaemonProcess) -> (f64, Vec<f64>) {
    let text = get(&daemon.admin, "/metrics").1;
    let of = |stage: &RejectionStage| {
        let series = format!("switchboard_snapshot_rejections_total{{stage=\"{}\"}} ", stage.as_str());
        let line = text.lines().find_map(|line| line.strip_prefix(&series)).unwrap();
        line.parse::<f64>().unwrap()
    };
    let stages: Vec<f64> = RejectionStage::ALL.iter().map(of).collect();
    (stages.iter().sum(), stages)
}

fn replace(path: &Path, bytes: &[u8]) {
    let other = path.with_extension("next");
    fs::write(&other, bytes).unwrap();
    fs::rename(&other, path).unwrap();
}

#[test]
fn daemon_rejects_each_corruption_once_and_answers_as_before() {
    rejects_each_once_and_answers_as_before(12);
}

#[test]
#[ignore = "long: every corruption, a thousand reloads"]
fn daemon_rejects_each_corruption_once_and_answers_as_before_long() {
    rejects_each_once_and_answers_as_before(usize::MAX);
}

fn rejects_each_once_and_answers_as_before(most_of_a_kind: usize) {
    let all = cases::all();
    let broken: Vec<&Case> = all.iter().filter(|case| !case.stages.is_empty()).collect();
    // At most this many cases of each kind, spread over all cases of the kind.
    let kind_size = |kind| broken.iter().filter(|case| case.kind == kind).count();
    let mut of_kind = BTreeMap::<&str, usize>::new();
    let mut sampled = broken.clone();
    sampled.retain(|case| {
        let number = of_kind.entry(case.kind).or_default();
        *number += 1;
        number.is_multiple_of(kind_size(case.kind).div_ceil(most_of_a_kind))
    });

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.swb");
    let mut files = cases::registry();
    let sound = cases::sound(&files, GENERATION);
    fs::write(&path, &sound).unwrap();
    let daemon = DaemonProcess::start(&["--snapshot", path.to_str().unwrap()]);
    let queries = queries();
    let before = answers(&daemon, &queries);
    assert!(before.iter().all(|answer| answer.contains("\"generation\":100")), "{before:#?}");

    let mut memory = None;
    let reject = |case: &Case| {
        let (sum, stages) = rejections(&daemon);
        replace(&path, &case.bytes);
        let stage = daemon.log("snapshot rejected")["stage"].as_str().unwrap().to_owned();
        let (more, of_stage) = rejections(&daemon);
        assert!(case.stages.iter().any(|expected| expected.as_str() == stage), "{}: {stage}", case.name);
        assert_eq!(more, sum + 1.0, "{}", case.name);
        let counted = RejectionStage::ALL.iter().position(|at| at.as_str() == stage).unwrap();
        assert_eq!(of_stage[counted], stages[counted] + 1.0, "{}", case.name);
        assert_eq!(daemon.metric("switchboard_snapshots_alive"), 1.0, "{}", case.name);
        assert_eq!(answers(&daemon, &queries), before, "{}", case.name);
    };
    for (number, case) in sampled.iter().enumerate() {
        reject(case);
        if number == 9 {
            // By now, all buffers have their final size.
            memory = Some(daemon.metric("process_resident_memory_bytes"));
        }
    }
    let grown = daemon.metric("process_resident_memory_bytes") - memory.unwrap();
    let (mib, file) = (1024.0 * 1024.0, sound.len() as f64);
    // A daemon that keeps every fourth rejected file exceeds this limit.
    assert!(
        grown < f64::max(2.0 * mib, sampled.len() as f64 * file / 8.0).min(8.0 * mib),
        "{grown} bytes more"
    );

    files.retain(|path| path.starts_with("acme/"));
    let older = Case {
        name: "older".into(),
        kind: "generation",
        bytes: cases::sound(&files, GENERATION - 1).to_vec(),
        stages: vec![RejectionStage::Generation],
    };
    let other = Case {
        name: "same generation".into(),
        bytes: cases::sound(&files, GENERATION).to_vec(),
        stages: older.stages.clone(),
        ..older
    };
    reject(&older);
    reject(&other);
    println!("{}, and 2 generations; {grown} bytes more in memory", counted(&sampled));

    for case in all.iter().filter(|case| case.stages.is_empty()) {
        replace(&path, &case.bytes);
        daemon.log("snapshot published");
    }
    let files = cases::registry();
    replace(&path, &cases::sound(&files, GENERATION + 50));
    daemon.log("snapshot published");
    let after = answers(&daemon, &queries);
    let expected: Vec<String> =
        before.iter().map(|answer| answer.replace("\"generation\":100", "\"generation\":150")).collect();
    assert_eq!(after, expected);
}
