//! Finds records by id: companies, channels, organizational units, accounts and dedicated accounts.

use super::{Records, Snapshot, prefetch_record};
use crate::hash_index;
use crate::{AccountIdx, ChannelIdx, CompanyIdx, OuIdx};

/// The look-up of an OU, which [`Snapshot::probe_ou`] begins and [`Snapshot::find_ou`] completes.
#[derive(Debug, Clone, Copy)]
pub struct OuProbe {
    pub(super) hash: u64,
}

impl Snapshot {
    /// Finds the company with this id. Takes constant time.
    #[inline]
    pub fn find_company(&self, id: &str) -> Option<CompanyIdx> {
        let tables = self.tables();
        let hash = hash_index::hash(0, id.as_bytes());
        let found = hash_index::find(&tables.company_index, hash, |at| {
            tables.span(&tables.companies.at(at).id) == id.as_bytes()
        });
        found.map(CompanyIdx::new)
    }

    /// Finds the channel with this id. Compares all channels, because that is faster than hashing for a few
    /// channels.
    #[inline]
    pub fn find_channel(&self, id: &str) -> Option<ChannelIdx> {
        let tables = self.tables();
        let found = tables.channels.iter().position(|channel| {
            // Most ids differ in length, so their text need not be read.
            channel.id.len.to_native() as usize == id.len() && tables.span(&channel.id) == id.as_bytes()
        });
        found.map(|at| ChannelIdx::new(at as u32))
    }

    /// Begins to look up an OU: hashes its id, and prefetches the slot of the hash. Pass the result to
    /// [`find_ou`](Snapshot::find_ou).
    #[inline]
    pub fn probe_ou(&self, company: CompanyIdx, id: &str) -> OuProbe {
        let hash = hash_index::hash(u64::from(company.get()), id.as_bytes());
        let slots = &self.tables().ou_index;
        prefetch_record(slots.get(hash_index::position(hash, slots.len())));
        OuProbe { hash }
    }

    /// Prefetches the record of the OU that a probe will probably find.
    #[inline]
    pub fn prefetch_ou(&self, OuProbe { hash }: OuProbe) {
        let tables = self.tables();
        let slot = tables.ou_index.get(hash_index::position(hash, tables.ou_index.len()));
        prefetch_record(slot.and_then(|slot| tables.ous.get(slot.record.to_native() as usize)));
    }

    /// Finds the company's OU with this id. The probe must be the one of this company and id. Takes constant
    /// time.
    #[inline]
    pub fn find_ou(&self, company: CompanyIdx, id: &str, OuProbe { hash }: OuProbe) -> Option<OuIdx> {
        let tables = self.tables();
        let found = hash_index::find(&tables.ou_index, hash, |at| {
            let ou = tables.ous.at(at);
            let same = match ou.id_prefix.get(..id.len()) {
                // The record contains the whole id if the id is short.
                Some(id_prefix) => ou.id.len.to_native() as usize == id.len() && id_prefix == id.as_bytes(),
                None => tables.span(&ou.id) == id.as_bytes(),
            };
            same && ou.company.to_native() == company.get()
        });
        found.map(OuIdx::new)
    }

    /// Finds the company's account with this id. Takes constant time.
    #[inline]
    pub fn find_account(&self, company: CompanyIdx, id: &str) -> Option<AccountIdx> {
        let tables = self.tables();
        let hash = hash_index::hash(u64::from(company.get()), id.as_bytes());
        let found = hash_index::find(&tables.account_index, hash, |at| {
            tables.accounts.at(at).company.to_native() == company.get()
                && self.account(AccountIdx::new(at)).id_bytes() == id.as_bytes()
        });
        found.map(AccountIdx::new)
    }

    /// Finds the dedicated account of a user on a channel. Takes constant time.
    #[inline]
    pub fn find_dedicated(&self, company: CompanyIdx, channel: ChannelIdx, user: &str) -> Option<AccountIdx> {
        let tables = self.tables();
        let hash = hash_index::hash(hash_index::user_scope(company.get(), channel.get()), user.as_bytes());
        let found = hash_index::find(&tables.user_index, hash, |at| {
            let dedicated = tables.dedicated.at(at);
            dedicated.company.to_native() == company.get()
                && dedicated.channel.to_native() == channel.get()
                && tables.span(&dedicated.user) == user.as_bytes()
        })?;
        Some(AccountIdx::new(tables.dedicated.at(found).account.to_native()))
    }
}
