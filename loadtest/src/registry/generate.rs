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
