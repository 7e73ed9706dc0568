//! `loadtest registry`: the size of a registry, and its generation.

use super::{
    accounts::{self, Division},
    pools::{self, Pools},
    self_tests,
    tree::GeneratedTree,
};
use crate::{
    error::{Error, Result},
    output,
    rng::SeededRng,
};
use clap::Args;
use std::path::{Path, PathBuf};

/// A primary, a secondary, and some more to choose from.
const MIN_ACCOUNTS_PER_POOL: usize = 4;

/// The size of a registry, and its folder: the arguments of `loadtest registry`.
#[derive(Args)]
pub struct Size {
    /// Accounts, over all companies: 96 % in pools, 3 % dedicated to users, 1 % spare
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    pub accounts: usize,
    /// Organizational units, over all companies
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub ous: usize,
    /// Pools, over all companies
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub pools: usize,
    /// Companies; everything else is divided among them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub companies: usize,
    /// Another seed gives another registry; the same seed gives the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The registry's folder: empty, or made here
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// Writes the registry, with a folder for each company.
///
/// # Errors
/// The counts do not fit together, or the folder is in use or cannot be written.
pub fn generate(size: &Size) -> Result<()> {
    let &Size { accounts, ous, pools, companies, seed, ref output } = size;
    if companies == 0 || ous < companies || pools < companies {
        let what = "each company needs an OU and a pool: take more OUs and pools, or fewer companies";
        return Err(Error::Usage(what.to_owned()));
    }
    if accounts / companies < MIN_ACCOUNTS_PER_POOL * pools.div_ceil(companies) {
        return Err(Error::Usage(format!(
            "{accounts} accounts are too few for {pools} pools, at {MIN_ACCOUNTS_PER_POOL} a pool: \
             take more accounts or fewer pools"
        )));
    }
    output::empty_dir(output)?;
    let even = |total: usize, n: usize| total / companies + usize::from(n < total % companies);
    for n in 0..companies {
        let id = if companies == 1 { "corp".to_owned() } else { format!("corp-{:03}", n + 1) };
        let rng = &mut SeededRng::new(seed, n as u64);
        company(output, &id, even(accounts, n), even(ous, n), even(pools, n), rng)?;
    }
    Ok(())
}

fn company(
    output: &Path,
    id: &str,
    accounts: usize,
    ous: usize,
    pools: usize,
    rng: &mut SeededRng,
) -> Result<()> {
    let dir = output.join(id);
    output::make_dir(&dir)?;
    let division = Division::new(accounts);
    let tree = GeneratedTree::new(id, ous, rng);
    let mut pools = Pools::new(&tree, pools, division.shared, rng);
    tree.write(&dir)?;
    pools::write(&dir, &tree, &pools)?;
    let dedicated = accounts::write(&dir, id, &tree, &mut pools, &division, rng)?;
    self_tests::write(&dir, &tree, &pools, &dedicated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, fs};

    fn size(output: &Path, companies: usize, seed: u64) -> Size {
        Size { accounts: 3_000, ous: 400, pools: 120, companies, seed, output: output.to_owned() }
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
    fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
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
    fn counts_are_as_asked_and_no_id_or_address_comes_twice() {
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
    fn the_smallest_sizes_are_generated() {
        for (accounts, ous, pools) in [(4, 1, 1), (40, 2, 9), (100, 30, 20)] {
            let dir = tempfile::tempdir().expect("a folder");
            let size = Size { accounts, ous, pools, companies: 1, seed: 3, output: dir.path().to_owned() };
            generate(&size).expect("generated");
        }
    }

    #[test]
    fn a_folder_in_use_and_too_few_accounts_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("mine"), "mine").expect("a file");
        assert_eq!(generate(&size(dir.path(), 1, 1)).expect_err("in use").exit_code(), 2);
        let below = dir.path().join("mine").join("below");
        assert_eq!(generate(&size(&below, 1, 1)).expect_err("a file").exit_code(), 3);
        let few = Size { accounts: 100, ..size(&dir.path().join("few"), 1, 1) };
        assert_eq!(generate(&few).expect_err("too few").exit_code(), 2);
        assert!(!dir.path().join("few").exists());
    }
}
