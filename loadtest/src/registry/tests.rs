use super::{Size, generate};
use std::{collections::HashSet, fs, path::Path};

fn size(output: &Path, companies: usize, seed: u64) -> Size {
    Size { accounts: 3_000, ous: 400, pools: 120, companies, seed, output: output.to_owned() }
}

/// Every file below `dir`, its path within and its bytes.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for company in fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path()) {
        for file in fs::read_dir(&company).expect("a folder").map(|e| e.expect("an entry").path()) {
            let name = file.strip_prefix(dir).expect("below").display().to_string();
            found.push((name, fs::read(&file).expect("a file")));
        }
    }
    found.sort();
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, seed) in [("one", 7), ("two", 7), ("other", 8)] {
        generate(&size(&dir.path().join(name), 2, seed)).expect(name);
    }
    let one = files(&dir.path().join("one"));
    assert_eq!(one.len(), 8, "two companies of four files");
    assert!(one == files(&dir.path().join("two")), "one seed gave different bytes");
    assert!(one != files(&dir.path().join("other")), "two seeds gave the same bytes");
}

#[test]
fn counts_are_those_asked_for_and_no_id_or_address_comes_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    generate(&size(dir.path(), 1, 1)).expect("generated");
    let read = |name: &str| fs::read_to_string(dir.path().join("corp").join(name)).expect("a file");
    assert_eq!(read("ous.csv").lines().count(), 401);
    assert_eq!(read("company.toml").matches("[[pool]]").count(), 120);
    let accounts = read("accounts.csv");
    let (mut ids, mut addresses) = (HashSet::new(), HashSet::new());
    for row in accounts.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells.len(), 10, "{row}");
        assert!(ids.insert(cells[0]), "id twice: {row}");
        assert!(addresses.insert((cells[1], cells[3])), "address twice: {row}");
    }
    assert_eq!(ids.len(), 3_000);
}

#[test]
fn the_smallest_registries_are_registries_too() {
    for (accounts, ous, pools) in [(4, 1, 1), (40, 2, 9), (100, 30, 20)] {
        let dir = tempfile::tempdir().expect("a folder");
        let size = Size { accounts, ous, pools, companies: 1, seed: 3, output: dir.path().to_owned() };
        generate(&size).expect("generated");
    }
}

#[test]
fn nothing_is_written_into_a_folder_in_use_or_for_what_cannot_be() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("mine"), "mine").expect("a file");
    assert_eq!(generate(&size(dir.path(), 1, 1)).expect_err("in use").exit_code(), 2);
    let below = dir.path().join("mine").join("below");
    assert_eq!(generate(&size(&below, 1, 1)).expect_err("a file").exit_code(), 3);
    let few = Size { accounts: 100, ..size(&dir.path().join("few"), 1, 1) };
    assert_eq!(generate(&few).expect_err("too few").exit_code(), 2);
    assert!(!dir.path().join("few").exists());
}
