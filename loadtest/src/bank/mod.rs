//! The demo: Meridian Bank, in sixty countries, on all channels. What a person would write by hand
//! is written by hand (company.toml, tests.toml, what the pools hold); the OUs, the accounts and
//! their numbers are worked out from it.

mod accounts;
mod offices;
mod tree;

use crate::{
    error::Result,
    output::{self, Sheet},
};
use clap::Args;
use std::path::PathBuf;

/// The company's id.
const BANK: &str = "meridian";

/// Where the bank goes, and what it is drawn from.
#[derive(Args)]
pub struct Bank {
    /// The registry's folder: empty, or made here; the bank is its subfolder meridian
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Decides which accounts drain or rest, and where the users are; 1 is the one checked in
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Writes the bank: the same seed, the same bytes.
pub fn generate(bank: &Bank) -> Result<()> {
    output::empty_dir(&bank.output)?;
    let dir = bank.output.join(BANK);
    output::make_dir(&dir)?;
    for (name, text) in
        [("company.toml", include_str!("company.toml")), ("tests.toml", include_str!("tests.toml"))]
    {
        let mut sheet = Sheet::create(dir.join(name))?;
        sheet.text(text)?;
        sheet.finish()?;
    }
    tree::write(&dir, BANK)?;
    accounts::write(&dir, BANK, bank.seed)
}

#[cfg(test)]
mod tests;
