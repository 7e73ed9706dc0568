//! By id: companies, channels, OUs, accounts, users.

use super::{Records, Snapshot, fetch};
use crate::index;
use switchboard_model::Condition;

impl Snapshot {
    /// The company with this id.
    pub fn company(&self, id: &str) -> Option<u32> {
        let contents = self.contents();
        let hash = index::hash(0, id.as_bytes());
        index::find(&contents.company_index, hash, |at| {
            self.text(&contents.companies.at(at).id) == id.as_bytes()
        })
    }

    /// The channel with this id. There are a handful: a scan is quicker than a hash.
    pub fn channel(&self, id: &str) -> Option<u32> {
        self.contents()
            .channels
            .iter()
            .position(|channel| {
                // Most are told apart by their lengths, without a look at their text.
                channel.id.len.to_native() as usize == id.len() && self.text(&channel.id) == id.as_bytes()
            })
            .map(|at| at as u32)
    }

    /// Where to look for the company's OU with this id: is fetched while whoever asks does something else.
    pub fn seek_ou(&self, company: u32, id: &str) -> Sought {
        let hash = index::hash(u64::from(company), id.as_bytes());
        let slots = &self.contents().ou_index;
        fetch(slots.get(index::position(hash, slots.len())));
        Sought { hash }
    }

    /// The company's OU with this id, which was sought.
    pub fn ou(&self, company: u32, id: &str, Sought { hash }: Sought) -> Option<u32> {
        let contents = self.contents();
        index::find(&contents.ou_index, hash, |at| {
            let ou = contents.ous.at(at);
            let same = match ou.head.get(..id.len()) {
                // All of a short id stands in the record.
                Some(head) => ou.id.len.to_native() as usize == id.len() && head == id.as_bytes(),
                None => self.text(&ou.id) == id.as_bytes(),
            };
            same && ou.company.to_native() == company
        })
    }

    /// The company's account with this id.
    pub fn account(&self, company: u32, id: &str) -> Option<u32> {
        let contents = self.contents();
        let hash = index::hash(u64::from(company), id.as_bytes());
        index::find(&contents.account_index, hash, |at| {
            let account = contents.accounts.at(at);
            account.company.to_native() == company && self.account_id(account) == id.as_bytes()
        })
    }

    /// Of every account, whether the registry has it as active from always on.
    pub fn free_accounts(&self) -> impl Iterator<Item = bool> {
        self.contents().accounts.iter().map(|account| {
            account.condition() == Condition::Active && account.available_from.to_native() == i64::MIN
        })
    }

    /// The user's own account on this channel.
    pub fn dedicated(&self, company: u32, channel: u32, user: &str) -> Option<u32> {
        let contents = self.contents();
        let hash = index::hash(index::user_scope(company, channel), user.as_bytes());
        let found = index::find(&contents.user_index, hash, |at| {
            let dedicated = contents.dedicated.at(at);
            dedicated.company.to_native() == company
                && dedicated.channel.to_native() == channel
                && self.text(&dedicated.user) == user.as_bytes()
        })?;
        Some(contents.dedicated.at(found).account.to_native())
    }
}

/// What [`Snapshot::ou`] looks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sought {
    pub(super) hash: u64,
}
