//! Large registries, drawn from a seed: same arguments, same bytes.
//!
//! A company is planned in memory, its tree and then its pools; its accounts are written as they
//! are drawn. A million accounts in 100,000 OUs and 20,000 pools: 4 s on one core and 95 MB, most
//! of it libphonenumber's patterns.

mod accounts;
mod expected;
mod pools;
mod settings;
mod tree;
mod world;

use self::{accounts::Division, pools::Pools, tree::Tree};
use crate::{
    dice::Dice,
    error::{Error, Result},
    output,
};
use clap::Args;
use std::path::{Path, PathBuf};

/// A pool holds a primary and a secondary at least, and a little more to choose from.
const ACCOUNTS_PER_POOL: usize = 4;

/// How large a registry is to be, and where it goes.
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

/// Writes the registry, one folder a company.
pub fn generate(size: &Size) -> Result<()> {
    let &Size { accounts, ous, pools, companies, seed, ref output } = size;
    if companies == 0 || ous < companies || pools < companies {
        let what = "each company needs an OU and a pool: take more OUs and pools, or fewer companies";
        return Err(Error::Usage(what.to_owned()));
    }
    if accounts / companies < ACCOUNTS_PER_POOL * pools.div_ceil(companies) {
        return Err(Error::Usage(format!(
            "{accounts} accounts are too few for {pools} pools, at {ACCOUNTS_PER_POOL} a pool: \
             take more accounts or fewer pools"
        )));
    }
    output::empty_dir(output)?;
    let even = |total: usize, n: usize| total / companies + usize::from(n < total % companies);
    for n in 0..companies {
        let id = if companies == 1 { "corp".to_owned() } else { format!("corp-{:03}", n + 1) };
        let dice = &mut Dice::new(seed, n as u64);
        company(output, &id, even(accounts, n), even(ous, n), even(pools, n), dice)?;
    }
    Ok(())
}

fn company(
    output: &Path,
    id: &str,
    accounts: usize,
    ous: usize,
    pools: usize,
    dice: &mut Dice,
) -> Result<()> {
    let dir = output.join(id);
    output::make_dir(&dir)?;
    let division = Division::of(accounts);
    let tree = Tree::grow(id, ous, dice);
    let mut pools = Pools::plan(&tree, pools, division.shared, dice);
    tree.write(&dir)?;
    settings::write(&dir, &tree, &pools)?;
    let dedicated = accounts::write(&dir, id, &tree, &mut pools, &division, dice)?;
    expected::write(&dir, &tree, &pools, &dedicated)
}

#[cfg(test)]
mod tests;
