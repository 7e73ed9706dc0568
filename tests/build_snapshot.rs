//! The build of a snapshot from the files of a registry: no errors, and reproducible bytes.

use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildFailure, build_snapshot};
use switchboard_registry::Files;
use switchboard_snapshot::NoProgress;

use crate::expected::{NOW, demo};

const GENERATION: u64 = 7;

fn demo_files() -> Files {
    Files::read_dir(&demo()).unwrap()
}

#[test]
fn demo_registry_has_no_errors_and_passes_its_tests() {
    let built = build_snapshot(&demo_files(), GENERATION, UnixSeconds(NOW), &NoProgress).unwrap_or_else(
        |BuildFailure { findings, .. }| {
            panic!("{}", findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())
        },
    );
    assert!(built.coverage.tests >= 45);
}

#[test]
fn same_registry_and_generation_give_the_same_bytes() {
    let bytes = || {
        build_snapshot(&demo_files(), GENERATION, UnixSeconds(NOW), &NoProgress)
            .ok()
            .unwrap()
            .snapshot
            .bytes()
            .to_vec()
    };
    assert_eq!(bytes(), bytes());
}
