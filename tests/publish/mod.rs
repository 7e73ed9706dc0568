//! The build of a snapshot from the files of a registry.

use std::path::Path;

use switchboard_pipeline::{Refused, publish};
use switchboard_registry::Files;

use crate::expected::NOW;

const GENERATION: u64 = 7;

fn demo() -> Files {
    Files::read_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo")).unwrap()
}

#[test]
fn demo_registry_has_no_errors_and_passes_its_tests() {
    let compiled =
        publish(&demo(), GENERATION, NOW, &|_, _, _| {}).unwrap_or_else(|Refused { findings, .. }| {
            panic!("{}", findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())
        });
    assert!(compiled.coverage.tests >= 45);
}

#[test]
fn same_registry_and_generation_give_the_same_bytes() {
    let bytes = || publish(&demo(), GENERATION, NOW, &|_, _, _| {}).ok().unwrap().snapshot.bytes().to_vec();
    assert_eq!(bytes(), bytes());
}
