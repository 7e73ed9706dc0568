//! Generates a large registry of the requested size.

use crate::{
    accounts::{self, Division},
    error::{Error, Result},
    pools::{self, Pools},
    rng::SeededRng,
    self_tests, text_file,
    tree::GeneratedTree,
};
use clap::Args;
use std::path::{Path, PathBuf};

/// A primary account, a secondary account, and two more.
const MIN_ACCOUNTS_PER_POOL: usize = 4;

/// The size of a registry, its seed and its folder: the arguments of `loadtest registry`.
#[derive(Args)]
pub struct RegistryArguments {
    /// Number of accounts of all companies together: 96 % in pools, 3 % dedicated to users, 1 % spare
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    pub accounts: usize,
    /// Number of organizational units of all companies together
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub ous: usize,
    /// Number of pools of all companies together
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub pools: usize,
    /// Number of companies; the other counts are divided among them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub companies: usize,
    /// Seed of the random numbers: the same arguments give the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Folder of the registry; it is created, or must be empty
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// Writes a registry with a folder for each company.
///
/// # Errors
/// The counts contradict each other, the folder has files, or a file cannot be written.
pub fn generate_registry(arguments: &RegistryArguments) -> Result<()> {
    let &RegistryArguments { accounts, ous, pools, companies, seed, ref output } = arguments;
    if companies == 0 || ous < companies || pools < companies {
        let reason = "each company needs an OU and a pool: choose more OUs and pools, or fewer companies";
        return Err(Error::Usage(reason.to_owned()));
    }
    if accounts / companies < MIN_ACCOUNTS_PER_POOL * pools.div_ceil(companies) {
        return Err(Error::Usage(format!(
            "{accounts} accounts are too few for {pools} pools, because a pool needs {MIN_ACCOUNTS_PER_POOL}: choose \
             more accounts or fewer pools"
        )));
    }
    text_file::make_empty_dir(output)?;
    let even = |total: usize, n: usize| total / companies + usize::from(n < total % companies);
    for n in 0..companies {
        let id = if companies == 1 { "corp".to_owned() } else { format!("corp-{:03}", n + 1) };
        let rng = &mut SeededRng::new(seed, n as u64);
        write_company(output, &id, even(accounts, n), even(ous, n), even(pools, n), rng)?;
    }
    Ok(())
}

fn write_company(
    output: &Path,
    id: &str,
    accounts: usize,
    ous: usize,
    pools: usize,
    rng: &mut SeededRng,
) -> Result<()> {
    let dir = output.join(id);
    text_file::make_dir(&dir)?;
    let division = Division::new(accounts);
    let tree = GeneratedTree::new(id, ous, rng);
    let mut pools = Pools::new(&tree, pools, division.shared, rng);
    tree.write(&dir)?;
    pools::write(&dir, &tree, &pools)?;
    let dedicated = accounts::write(&dir, id, &tree, &mut pools, &division, rng)?;
    self_tests::write(&dir, &tree, &pools, &dedicated)
}
