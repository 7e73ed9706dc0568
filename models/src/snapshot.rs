//! Stands in for snapshots.

/// A generation's number and its one company's accounts.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    contents: Contents,
}

/// The accounts, by their index.
#[derive(Debug)]
pub struct Contents {
    /// Their ids.
    pub accounts: Vec<&'static str>,
}

impl Snapshot {
    /// Of these accounts.
    pub fn new(generation: u64, accounts: &[&'static str]) -> Snapshot {
        Snapshot { generation, contents: Contents { accounts: accounts.to_vec() } }
    }

    /// Its number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The accounts.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// All of them are.
    pub fn free_accounts(&self) -> impl Iterator<Item = bool> {
        self.contents.accounts.iter().map(|_| true)
    }

    /// There is one company.
    pub fn company(&self, _id: &str) -> Option<u32> {
        Some(0)
    }

    /// The index of an account.
    pub fn account(&self, _company: u32, id: &str) -> Option<u32> {
        let found = self.contents.accounts.iter().position(|account| *account == id);
        found.and_then(|at| u32::try_from(at).ok())
    }
}
