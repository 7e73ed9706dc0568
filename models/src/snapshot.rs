//! Stands in for snapshots.

use super::{AccountIdx, CompanyIdx};

/// A generation's number and its one company's accounts.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    /// The accounts' ids, by their index.
    accounts: Vec<&'static str>,
}

impl Snapshot {
    /// Of these accounts.
    pub fn new(generation: u64, accounts: &[&'static str]) -> Snapshot {
        Snapshot { generation, accounts: accounts.to_vec() }
    }

    /// Its number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All of them are.
    pub fn free_accounts(&self) -> impl Iterator<Item = bool> {
        self.accounts.iter().map(|_| true)
    }

    /// There is one company.
    pub fn find_company(&self, _id: &str) -> Option<CompanyIdx> {
        Some(CompanyIdx::new(0))
    }

    /// The index of an account.
    pub fn find_account(&self, _company: CompanyIdx, id: &str) -> Option<AccountIdx> {
        let found = self.accounts.iter().position(|account| *account == id);
        found.and_then(|at| u32::try_from(at).ok()).map(AccountIdx::new)
    }
}
