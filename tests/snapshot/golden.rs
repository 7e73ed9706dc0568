//! A golden file for the current format version. If the format changes without a new version or schema
//! digest, this test fails, before a daemon misreads the file of a user.

use switchboard_model::UnixSeconds;
use switchboard_select::{NO_STANDINGS, Query, SelectContext, select, write_selection};
use switchboard_snapshot::{Snapshot, header};

use super::{acme, aligned, as_json};
use crate::expected;
use crate::harness::assert_generated;

#[test]
fn golden_file_equals_todays_output_and_answers_the_tests() {
    let today = acme();
    let file = format!("tests/fixtures/snapshots/{}.swb", header::VERSION);
    // If this fails, snapshots of the old format are in use: increase `VERSION` before you write the new
    // file.
    assert_generated(&file, &today, "--test contract golden");

    let golden = Snapshot::open(aligned(&today)).unwrap();
    let context = SelectContext { now: UnixSeconds(expected::NOW), random: 0, standings: &NO_STANDINGS };
    let mut selected = 0;
    for test in expected::of("acme") {
        let json = as_json(&test);
        let query = Query::from_json(json.as_bytes()).ok().unwrap();
        if let Ok(selection) = select(&golden, &query, context).result {
            let mut answer = Vec::new();
            write_selection(&mut answer, &golden, &selection);
            test.hold(&serde_json::from_slice(&answer).unwrap());
            selected += 1;
        }
    }
    assert!(selected >= 30, "{selected}");
}
