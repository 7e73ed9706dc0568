use super::{BANK, Bank, generate};
use std::{fs, path::Path};

/// `SWITCHBOARD_REGENERATE=1` writes what is generated over what is checked in.
#[test]
fn the_bank_is_checked_in_as_it_is_generated() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo").join(BANK);
    let dir = tempfile::tempdir().expect("a folder");
    generate(&Bank { output: dir.path().to_owned(), seed: 1 }).expect("generated");
    let regenerate = std::env::var_os("SWITCHBOARD_REGENERATE").is_some_and(|v| v == "1");
    for name in ["accounts.csv", "company.toml", "ous.csv", "tests.toml"] {
        let fresh = fs::read_to_string(dir.path().join(BANK).join(name)).expect("a file");
        if regenerate {
            fs::create_dir_all(&checked_in).expect("config/demo");
            fs::write(checked_in.join(name), &fresh).expect("config/demo");
        }
        let stored = fs::read_to_string(checked_in.join(name)).unwrap_or_default();
        // Git may have changed the ends of lines on the way.
        let line = fresh.lines().zip(stored.lines()).position(|(a, b)| a != b);
        assert!(
            fresh.lines().eq(stored.lines()),
            "config/demo/{BANK}/{name} is not what loadtest generates (line {}): to write it anew, run \
             SWITCHBOARD_REGENERATE=1 cargo test -p loadtest",
            line.unwrap_or(fresh.lines().count().min(stored.lines().count())) + 1
        );
    }
    assert_eq!(fs::read_dir(&checked_in).expect("config/demo").count(), 4, "a file too many");
}
