//! The generated registries, and the demo bank that is checked in.
#![cfg(test)]

#[path = "../../tests/harness/generated_file.rs"]
mod generated_file;

use generated_file::assert_generated;
use generator::{BankArguments, Error, RegistryArguments, generate_bank, generate_registry};
use std::{collections::HashSet, fs, path::Path};

fn arguments(output: &Path, companies: usize, seed: u64) -> RegistryArguments {
    RegistryArguments { accounts: 3_000, ous: 400, pools: 120, companies, seed, output: output.to_owned() }
}

/// Returns the path and the bytes of every file below `dir`.
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
fn same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, seed) in [("one", 7), ("two", 7), ("other", 8)] {
        generate_registry(&arguments(&dir.path().join(name), 2, seed)).expect(name);
    }
    let one = files(&dir.path().join("one"));
    assert_eq!(one.len(), 8, "two companies of four files");
    assert!(one == files(&dir.path().join("two")), "one seed gave different bytes");
    assert!(one != files(&dir.path().join("other")), "two seeds gave the same bytes");
}

#[test]
fn counts_are_as_requested_and_ids_and_addresses_are_unique() {
    let dir = tempfile::tempdir().expect("a folder");
    generate_registry(&arguments(dir.path(), 1, 1)).expect("generated");
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
fn smallest_sizes_are_generated() {
    for (accounts, ous, pools) in [(4, 1, 1), (40, 2, 9), (100, 30, 20)] {
        let dir = tempfile::tempdir().expect("a folder");
        let arguments = RegistryArguments { accounts, ous, pools, ..arguments(dir.path(), 1, 3) };
        generate_registry(&arguments).expect("generated");
    }
}

#[test]
fn folder_with_files_and_too_few_accounts_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("mine"), "mine").expect("a file");
    let generated =
        |path: &Path, accounts| generate_registry(&RegistryArguments { accounts, ..arguments(path, 1, 1) });
    assert!(matches!(generated(dir.path(), 3_000), Err(Error::Usage(_))));
    let below = dir.path().join("mine").join("below");
    assert!(matches!(generated(&below, 3_000), Err(Error::File(_))));
    assert!(matches!(generated(&dir.path().join("few"), 100), Err(Error::Usage(_))));
    assert!(!dir.path().join("few").exists());
}

#[test]
fn accounts_that_are_checked_in_are_the_generated_ones() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo").join("meridian");
    let dir = tempfile::tempdir().expect("a folder");
    generate_bank(&BankArguments { output: dir.path().to_owned(), seed: 1 }).expect("generated");
    let generated = fs::read(dir.path().join("meridian").join("accounts.csv")).expect("a file");
    assert_generated("../config/demo/meridian/accounts.csv", &generated, "-p registry-generator");
    assert_eq!(fs::read_dir(&checked_in).expect("config/demo").count(), 4, "a file too many");
}
