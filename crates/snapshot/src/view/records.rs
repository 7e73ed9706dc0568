//! Reads companies, channels, organizational units, pools and accounts, and their texts in answers.

use std::borrow::Cow;

use super::{Records, Snapshot, as_id, prefetch_record};
use crate::format::{
    ArchivedAccount, ArchivedChannel, ArchivedCompany, ArchivedIdAndAddress, ArchivedOu, ArchivedPool,
    ArchivedTables, CONVERSATION_ROLE, NO_COLUMN, NONE,
};
use crate::{AccountIdx, ChannelIdx, CompanyIdx, LevelPoolIdx, OuIdx, PoolIdx};
use switchboard_model::{AddressKind, Condition, Region, Role, UnixSeconds};

/// A reference to a company of the snapshot.
#[derive(Clone, Copy)]
pub struct CompanyRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedCompany,
    idx: CompanyIdx,
}

/// A reference to a channel of the snapshot.
#[derive(Clone, Copy)]
pub struct ChannelRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedChannel,
    idx: ChannelIdx,
}

/// A reference to an organizational unit (OU) of the snapshot.
#[derive(Clone, Copy)]
pub struct OuRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedOu,
    idx: OuIdx,
}

/// A reference to a pool of the snapshot.
#[derive(Clone, Copy)]
pub struct PoolRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedPool,
}

/// A reference to an account of the snapshot.
#[derive(Clone, Copy)]
pub struct AccountRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedAccount,
}

/// The number of records of each kind in a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// Number of companies in the snapshot.
    pub companies: usize,
    /// Number of channels in the snapshot.
    pub channels: usize,
    /// Number of organizational units of all companies.
    pub ous: usize,
    /// Number of pools of all companies.
    pub pools: usize,
    /// Number of accounts of all companies.
    pub accounts: usize,
    /// Number of dedicated accounts of all companies.
    pub dedicated: usize,
    /// Number of distinct levels of all chains.
    pub levels: usize,
    /// Number of distinct steps of all levels.
    pub steps: usize,
    /// Number of groups of equal candidates.
    pub groups: usize,
    /// Number of candidates of all groups.
    pub candidates: usize,
    /// Length of the arena of text in bytes.
    pub text_bytes: usize,
}

/// The position of the text that an answer contains about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountJson {
    start: u32,
    len: u16,
    id_len: u16,
    suffix: u16,
}

/// The text that an answer contains about an account, escaped as JSON, without its outer quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountPieces<'s> {
    /// The id of the account.
    pub id: &'s [u8],
    /// The address of the account.
    pub address: &'s [u8],
    /// The fields after the address: `","channel":"…","role":"…","country":"…","rule":"`.
    pub suffix: &'s [u8],
}

impl Snapshot {
    /// Returns the company at an index of this snapshot.
    #[inline]
    pub fn company(&self, idx: CompanyIdx) -> CompanyRef<'_> {
        let tables = self.tables();
        CompanyRef { tables, record: tables.companies.at(idx.get()), idx }
    }

    /// Returns the channel at an index of this snapshot.
    #[inline]
    pub fn channel(&self, idx: ChannelIdx) -> ChannelRef<'_> {
        let tables = self.tables();
        ChannelRef { tables, record: tables.channels.at(idx.get()), idx }
    }

    /// Returns the organizational unit at an index of this snapshot.
    #[inline]
    pub fn ou(&self, idx: OuIdx) -> OuRef<'_> {
        let tables = self.tables();
        OuRef { tables, record: tables.ous.at(idx.get()), idx }
    }

    /// Returns the pool at an index of this snapshot.
    #[inline]
    pub fn pool(&self, idx: PoolIdx) -> PoolRef<'_> {
        let tables = self.tables();
        PoolRef { tables, record: tables.pools.at(idx.get()) }
    }

    /// Returns the account at an index of this snapshot.
    #[inline]
    pub fn account(&self, idx: AccountIdx) -> AccountRef<'_> {
        let tables = self.tables();
        AccountRef { tables, record: tables.accounts.at(idx.get()) }
    }

    /// Returns all companies, in the order of their ids.
    pub fn companies(&self) -> impl ExactSizeIterator<Item = CompanyRef<'_>> {
        let tables = self.tables();
        let number = |(at, record)| CompanyRef { tables, record, idx: CompanyIdx::new(at as u32) };
        tables.companies.iter().enumerate().map(number)
    }

    /// Returns all channels, in the order of their ids.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = ChannelRef<'_>> {
        let tables = self.tables();
        let number = |(at, record)| ChannelRef { tables, record, idx: ChannelIdx::new(at as u32) };
        tables.channels.iter().enumerate().map(number)
    }

    /// Returns the company if the snapshot has exactly one. A query need not name it.
    #[inline]
    pub fn only_company(&self) -> Option<CompanyIdx> {
        (self.tables().companies.len() == 1).then_some(CompanyIdx::new(0))
    }

    /// Returns the accounts of a company with their indices, in the order of their ids.
    pub fn accounts_of(
        &self,
        company: CompanyIdx,
    ) -> impl ExactSizeIterator<Item = (AccountIdx, AccountRef<'_>)> {
        let tables = self.tables();
        let range = &tables.companies.at(company.get()).accounts;
        let first = range.start.to_native();
        let number = move |(at, record)| (AccountIdx::new(first + at as u32), AccountRef { tables, record });
        tables.accounts.range(range).iter().enumerate().map(number)
    }

    /// Returns the id of the user that an account is dedicated to. Returns `None` for any other account.
    pub fn user_of(&self, account: AccountIdx) -> Option<&str> {
        let tables = self.tables();
        // The users are in the order of their accounts.
        let at =
            tables.dedicated.binary_search_by_key(&account.get(), |user| user.account.to_native()).ok()?;
        str::from_utf8(tables.span(&tables.dedicated.at(at as u32).user)).ok()
    }

    /// Returns the users of a company that have dedicated accounts, with the channels of the accounts.
    pub fn users(&self, company: CompanyIdx) -> impl Iterator<Item = (&str, ChannelIdx)> {
        let tables = self.tables();
        let range = &tables.companies.at(company.get()).accounts;
        let (start, end) = (range.start.to_native(), range.start.to_native() + range.len.to_native());
        let first = tables.dedicated.partition_point(|user| user.account.to_native() < start);
        let own = tables.dedicated.iter().skip(first).take_while(move |user| user.account.to_native() < end);
        own.map(|user| {
            let id = str::from_utf8(tables.span(&user.user)).unwrap_or_default();
            (id, ChannelIdx::new(user.channel.to_native()))
        })
    }

    /// Returns the number of records of each kind.
    pub fn counts(&self) -> RecordCounts {
        let tables = self.tables();
        RecordCounts {
            companies: tables.companies.len(),
            channels: tables.channels.len(),
            ous: tables.ous.len(),
            pools: tables.pools.len(),
            accounts: tables.accounts.len(),
            dedicated: tables.dedicated.len(),
            levels: tables.levels.len(),
            steps: tables.steps.len(),
            groups: tables.groups.len(),
            candidates: tables.members.len(),
            text_bytes: tables.text.len(),
        }
    }

    /// Returns for every account, in order, whether the registry leaves it unrestricted: it is active and has
    /// no `available_from`.
    pub fn free_accounts(&self) -> impl Iterator<Item = bool> {
        let tables = self.tables();
        tables.accounts.iter().map(|record| AccountRef { tables, record }.is_available_at(UnixSeconds::MIN))
    }

    /// Prefetches the text that an answer contains about an account.
    #[inline]
    pub fn prefetch_account_json(&self, json: AccountJson) {
        prefetch_record(self.tables().text.get(json.start as usize));
    }

    /// Returns the text that an answer contains about an account.
    #[inline]
    pub fn account_pieces(&self, json: AccountJson) -> AccountPieces<'_> {
        let tables = self.tables();
        let both = tables.slice(json.start, u32::from(json.len));
        let (id, address) = both.split_at_checked(usize::from(json.id_len)).unwrap_or_default();
        AccountPieces { id, address, suffix: tables.span(tables.suffixes.at(u32::from(json.suffix))) }
    }

    /// Prefetches the JSON of a location in an answer.
    #[inline]
    pub fn prefetch_location_json(&self, level_pool: LevelPoolIdx) {
        let tables = self.tables();
        let start = tables.level_pools.at(level_pool.get()).location.start.to_native();
        prefetch_record(tables.text.get(start as usize));
    }

    /// Returns the JSON of a location in an answer: `,"ou":"…","pool":"…","climbed":`.
    #[inline]
    pub fn location_json(&self, level_pool: LevelPoolIdx) -> &[u8] {
        let tables = self.tables();
        tables.span(&tables.level_pools.at(level_pool.get()).location)
    }
}

impl<'s> CompanyRef<'s> {
    /// Returns the index of the company in the snapshot.
    pub fn idx(self) -> CompanyIdx {
        self.idx
    }

    /// Returns the id of the company.
    pub fn id(self) -> &'s str {
        self.tables.id(&self.record.id)
    }

    /// Returns the company's organizational units, in the order of their ids.
    pub fn ous(self) -> impl ExactSizeIterator<Item = OuRef<'s>> {
        let CompanyRef { tables, record, .. } = self;
        let first = record.ous.start.to_native();
        let number = move |(at, record)| OuRef { tables, record, idx: OuIdx::new(first + at as u32) };
        tables.ous.range(&record.ous).iter().enumerate().map(number)
    }

    /// Returns the number of the company's accounts.
    pub fn account_count(self) -> usize {
        self.record.accounts.len.to_native() as usize
    }

    /// Returns whether the company has a pool of a channel.
    pub fn has_pools_of(self, channel: ChannelIdx) -> bool {
        self.tables.columns.at(self.record.columns.to_native() + channel.get()).to_native() != NO_COLUMN
    }

    /// Returns whether a selection continues with the pools after an unavailable dedicated account. If not,
    /// the selection ends with an error.
    #[inline]
    pub fn dedicated_falls_back(self) -> bool {
        self.record.dedicated_falls_back != 0
    }
}

impl<'s> ChannelRef<'s> {
    /// Returns the index of the channel in the snapshot.
    pub fn idx(self) -> ChannelIdx {
        self.idx
    }

    /// Returns the id of the channel.
    pub fn id(self) -> &'s str {
        self.tables.id(&self.record.id)
    }

    /// Returns the conversation role, which is the role that talks to clients on this channel.
    #[inline]
    pub fn conversation_role(self) -> Role {
        // `open` verified that the byte is 0 or 1.
        if self.record.conversation_role == Role::Primary as u8 { Role::Primary } else { Role::Secondary }
    }

    /// Returns the kind of address that accounts of this channel have.
    pub fn address_kind(self) -> AddressKind {
        // `open` verified that the number is that of a kind.
        AddressKind::from_stored(self.record.address_kind).unwrap_or(AddressKind::Handle)
    }
}

impl<'s> OuRef<'s> {
    /// Returns the index of the organizational unit in the snapshot.
    pub fn idx(self) -> OuIdx {
        self.idx
    }

    /// Returns the id of the organizational unit.
    pub fn id(self) -> &'s str {
        self.tables.id(&self.record.id)
    }

    /// Returns the index of the OU's company.
    pub fn company(self) -> CompanyIdx {
        CompanyIdx::new(self.record.company.to_native())
    }

    /// Returns the number of OUs above this one.
    #[inline]
    pub fn depth(self) -> u32 {
        self.record.depth.to_native()
    }
}

impl<'s> PoolRef<'s> {
    /// Returns the id of the pool.
    pub fn id(self) -> &'s str {
        self.tables.id(&self.record.id)
    }

    /// Returns the organizational units that the pool is allocated to, in the order of their ids.
    pub fn ous(self) -> impl ExactSizeIterator<Item = OuRef<'s>> {
        let tables = self.tables;
        let ous = tables.pool_ous.range(&self.record.ous).iter();
        ous.map(move |ou| OuRef {
            tables,
            record: tables.ous.at(ou.to_native()),
            idx: OuIdx::new(ou.to_native()),
        })
    }
}

impl<'s> AccountRef<'s> {
    /// Returns the id of the account.
    pub fn id(self) -> &'s str {
        as_id(self.id_bytes())
    }

    /// Returns the id of the account as bytes.
    #[inline]
    pub fn id_bytes(self) -> &'s [u8] {
        self.tables.slice(self.record.id.to_native(), u32::from(self.record.id_len))
    }

    /// Returns the address of the account, as the registry has it.
    pub fn address(self) -> Cow<'s, str> {
        self.tables.address_of(self.record)
    }

    /// Returns the index of the account's company.
    pub fn company(self) -> CompanyIdx {
        CompanyIdx::new(self.record.company.to_native())
    }

    /// Returns the index of the account's channel.
    #[inline]
    pub fn channel(self) -> ChannelIdx {
        ChannelIdx::new(u32::from(self.record.channel.to_native()))
    }

    /// Returns the pool that shares the account. Returns `None` for a dedicated or spare account.
    #[inline]
    pub fn pool(self) -> Option<PoolIdx> {
        let pool = self.record.pool.to_native();
        (pool != NONE).then_some(PoolIdx::new(pool))
    }

    /// Returns the country of the account, if it has one.
    #[inline]
    pub fn country(self) -> Option<Region> {
        self.record.country()
    }

    /// Returns the role of the account. A dedicated account has none, and a spare account may have none.
    #[inline]
    pub fn role(self) -> Option<Role> {
        self.record.role()
    }

    /// Returns whether the account is dedicated to a user.
    #[inline]
    pub fn is_dedicated(self) -> bool {
        self.record.is_dedicated()
    }

    /// Returns the weight of the account among equal candidates, from 1 to 1000.
    pub fn weight(self) -> u16 {
        self.record.weight.to_native()
    }

    /// Returns the condition of the account in the registry, without a standing.
    #[inline]
    pub fn condition(self) -> Condition {
        self.record.condition()
    }

    /// Returns the time from which the account may be selected. Returns `None` if it may always be selected.
    pub fn available_from(self) -> Option<UnixSeconds> {
        let from = UnixSeconds(self.record.available_from.to_native());
        (from != UnixSeconds::MIN).then_some(from)
    }

    /// Returns whether the account rests, because its `available_from` is later than `now`.
    #[inline]
    pub fn is_resting(self, now: UnixSeconds) -> bool {
        self.record.available_from.to_native() > now.0
    }

    /// Returns whether the registry makes the account available at the time `now`: the account is active and
    /// does not rest.
    #[inline]
    pub fn is_available_at(self, now: UnixSeconds) -> bool {
        !self.is_resting(now) && self.condition() == Condition::Active
    }

    /// Returns the position of the text that an answer contains about the account.
    #[inline]
    pub fn json(self) -> AccountJson {
        AccountJson::new(&self.record.id_and_address, self.record.suffix.to_native())
    }
}

impl AccountJson {
    #[inline]
    pub(super) fn new(text: &ArchivedIdAndAddress, suffix: u16) -> AccountJson {
        let (start, len, id_len) = (text.start.to_native(), text.len.to_native(), text.id_len.to_native());
        AccountJson { start, len, id_len, suffix }
    }
}

impl ArchivedAccount {
    #[inline]
    pub(crate) fn condition(&self) -> Condition {
        match self.state {
            0 => Condition::Active,
            1 => Condition::Draining,
            _ => Condition::Suspended,
        }
    }

    #[inline]
    pub(crate) fn country(&self) -> Option<Region> {
        Region::from_index(self.country)
    }

    #[inline]
    pub(crate) fn role(&self) -> Option<Role> {
        role(self.role)
    }

    #[inline]
    pub(crate) fn is_dedicated(&self) -> bool {
        self.role == CONVERSATION_ROLE
    }
}

impl ArchivedTables {
    /// Returns the address of an account, as the registry has it.
    pub(crate) fn address_of(&self, account: &ArchivedAccount) -> Cow<'_, str> {
        let text = &account.id_and_address;
        let both = self.slice(text.start.to_native(), u32::from(text.len.to_native()));
        let escaped = both.get(usize::from(text.id_len.to_native())..).unwrap_or_default();
        // `open` verified that the text is UTF-8 and escaped as JSON.
        unescaped(str::from_utf8(escaped).unwrap_or_default())
    }
}

/// Returns a text without its JSON escapes. Borrows a text that has none, as nearly all texts.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    serde_json::from_str(&format!("\"{text}\"")).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[inline]
fn role(stored: u8) -> Option<Role> {
    match stored {
        0 => Some(Role::Primary),
        1 => Some(Role::Secondary),
        _ => None,
    }
}
