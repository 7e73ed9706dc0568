//! One file of each format version, as it was written when the version was made. A change of the format that forgets to raise
//! the version, or the schema's digest, shows here and not at whoever still has files.

use std::path::{Path, PathBuf};

use switchboard_select::{Moment, NO_STANDINGS, Query, select, write_selection};
use switchboard_snapshot::{Snapshot, header};

use super::{acme, aligned, as_json};
use crate::expected;

const REMEDY: &str = "raise header::VERSION if files of the old format are out; then write the new one: \
    SWITCHBOARD_REGENERATE=1 cargo test --test contract golden";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/snapshots/{}.swb", header::VERSION))
}

#[test]
fn the_golden_file_is_what_is_written_today_and_answers() {
    let today = acme();
    if std::env::var_os("SWITCHBOARD_REGENERATE").is_some_and(|value| value == "1") {
        std::fs::write(path(), &today).unwrap();
    }
    let golden = std::fs::read(path()).unwrap_or_else(|error| panic!("{error}: {REMEDY}"));
    assert!(golden == *today, "the bytes of format version {} are others now: {REMEDY}", header::VERSION);

    let golden = Snapshot::open(aligned(&golden)).unwrap();
    let moment = Moment { now: 1_790_000_000, chance: 0, standings: &NO_STANDINGS };
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
