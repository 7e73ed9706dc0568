//! Stands in for the snapshots of `switchboard-snapshot`.

use super::{AccountIdx, CompanyIdx};

/// A generation number, and the accounts of one company.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    /// The ids of the accounts, by their index.
    accounts: Vec<&'static str>,
}

impl Snapshot {
    /// Creates a snapshot with these accounts.
    pub fn new(generation: u64, accounts: &[&'static str]) -> Snapshot {
        Snapshot { generation, accounts: accounts.to_vec() }
    }

    /// Returns the number of the generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns true for each account: all accounts are free.
    pub fn free_accounts(&self) -> impl Iterator<Item = bool> {
        self.accounts.iter().map(|_| true)
    }

    /// Returns the only company, whatever the id is.
    pub fn find_company(&self, _id: &str) -> Option<CompanyIdx> {
        Some(CompanyIdx::new(0))
    }

    /// Returns the index of an account, if the snapshot has it.
    pub fn find_account(&self, _company: CompanyIdx, id: &str) -> Option<AccountIdx> {
        let found = self.accounts.iter().position(|account| *account == id);
        found.and_then(|at| u32::try_from(at).ok()).map(AccountIdx::new)
    }
}
