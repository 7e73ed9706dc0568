//! One file of each format version, as it was written when the version was made. A change of the format that forgets to raise
//! the version, or the schema's digest, shows here and not at whoever still has files.

use switchboard_model::UnixSeconds;
use switchboard_select::{NO_STANDINGS, Query, SelectContext, select, write_selection};
use switchboard_snapshot::{Snapshot, header};

use super::{acme, aligned, as_json};
use crate::expected;
use crate::harness::assert_generated;

#[test]
fn the_golden_file_is_what_is_written_today_and_answers() {
    let today = acme();
    let file = format!("tests/fixtures/snapshots/{}.swb", header::VERSION);
    // Files of the old format may be in use: then raise the version before the new one is written.
    assert_generated(&file, &today, "golden");

    let golden = Snapshot::open(aligned(&today)).unwrap();
    let moment = SelectContext { now: UnixSeconds(expected::NOW), random: 0, standings: &NO_STANDINGS };
    let mut selected = 0;
    for test in expected::of("acme") {
        let json = as_json(&test);
        let query = Query::from_json(json.as_bytes()).ok().unwrap();
        if let Ok(selection) = select(&golden, &query, moment).result {
            let mut answer = Vec::new();
            write_selection(&mut answer, &golden, &selection);
            test.hold(&serde_json::from_slice(&answer).unwrap());
            selected += 1;
        }
    }
    assert!(selected >= 30, "{selected}");
}
