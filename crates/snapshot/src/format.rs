//! What a snapshot stores: sorted slices, `u32` indices, one arena of text. No pointers between
//! records but indices, so that every one of them can be checked in one pass when a file is opened.
//!
//! All integers are little-endian (rkyv's `little_endian` feature), so a file reads the same everywhere.

use rkyv::{Archive, Serialize};

/// "None" in every `u32` index.
pub const NONE: u32 = u32::MAX;
/// "No country" in every `u8` country; countries are indices of [`switchboard_model::Region`].
pub const NO_COUNTRY: u8 = u8::MAX;
/// "None" in every `u8` role: a spare account's.
pub const NO_ROLE: u8 = u8::MAX;
/// A dedicated account's role: the conversation role of its channel.
pub const CONVERSATION_ROLE: u8 = 254;
/// The bit of a step's `rule` that marks the last step of a run.
pub const LAST_OF_RUN: u8 = 0x80;
/// "None" in every `u16` column.
pub const NO_COLUMN: u16 = u16::MAX;

/// Bytes of an OU's id that are copied into its record. They confirm nearly every id without a read of its text, which
/// is elsewhere in memory.
pub const ID_PREFIX_BYTES: usize = 16;

/// Returns an id's first bytes, with zeros behind a shorter one.
pub fn id_prefix(id: &[u8]) -> [u8; ID_PREFIX_BYTES] {
    let mut prefix = [0; ID_PREFIX_BYTES];
    prefix.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
    prefix
}

/// Declares the stored records and, from the same tokens, the text whose digest the header carries:
/// a field added, moved or retyped makes older files unreadable instead of misread.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Archive, Serialize, Debug, Clone, Default, PartialEq, Eq, Hash)]
        #[rkyv(attr(doc = "As stored."))]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* })*

        /// The records' names, fields and types.
        pub const SCHEMA: &str = concat!($(stringify!($name), "{", $(stringify!($field), ":", stringify!($type), ",",)* "}",)*);
    };
}

records! {
    /// A run of bytes in [`Tables::text`].
    Span {
        /// The first byte.
        start: u32,
        /// The number of bytes.
        len: u32,
    }

    /// A run of records in another table.
    Range {
        /// The first record.
        start: u32,
        /// The number of records.
        len: u32,
    }

    /// A tenant.
    Company {
        /// The id.
        id: Span,
        /// The company's organizational units, in order of their ids.
        ous: Range,
        /// The company's pools, in order of their ids.
        pools: Range,
        /// The company's accounts, in order of their ids.
        accounts: Range,
        /// The first of the company's [`Tables::columns`], one for each channel of the snapshot.
        columns: u32,
        /// The number of channels that the company has pools of.
        column_count: u16,
        /// 1: an unavailable dedicated account falls back to the pools; 0: it is an error.
        dedicated_falls_back: u8,
        /// The first of the company's [`Tables::chain_starts`].
        chain_starts: u32,
    }

    /// A channel.
    Channel {
        /// The id.
        id: Span,
        /// The role that talks to clients on the channel.
        conversation_role: u8,
    }

    /// An organizational unit.
    Ou {
        /// The id.
        id: Span,
        /// See [`id_prefix`].
        id_prefix: [u8; ID_PREFIX_BYTES],
        /// The company.
        company: u32,
        /// The number of OUs above this one. The depth of a level less, it is how far a query climbed.
        depth: u32,
    }

    /// A pool.
    Pool {
        /// The id.
        id: Span,
    }

    /// What an answer says of an account itself: its id and its address, one behind the other, escaped as JSON
    /// and without quotes.
    IdAndAddress {
        /// The first byte in [`Tables::text`].
        start: u32,
        /// The bytes of both.
        len: u16,
        /// The bytes of the id, escaped.
        id_len: u16,
    }

    /// An official account.
    Account {
        /// Unix seconds from which it may be selected; `i64::MIN`: always.
        available_from: i64,
        /// The id and address, for answers.
        id_and_address: IdAndAddress,
        /// Which of [`Tables::suffixes`] follows them in an answer.
        suffix: u16,
        /// The channel.
        channel: u16,
        /// The condition in the registry.
        state: u8,
        /// The country, or [`NO_COUNTRY`].
        country: u8,
        /// The role, [`CONVERSATION_ROLE`] or [`NO_ROLE`].
        role: u8,
        /// The bytes of the id.
        id_len: u8,
        /// 1 to 1000.
        weight: u16,
        /// The first byte of the id in the text; its length is `id_len`. Where nothing is escaped, it is that of
        /// `id_and_address`.
        id: u32,
        /// The pool that it is shared through, or [`NONE`].
        pool: u32,
        /// The company.
        company: u32,
        /// XXH3-64 of the id: the pick draws with it.
        id_hash: u64,
    }

    /// A user's own account on one channel.
    Dedicated {
        /// The user's id.
        user: Span,
        /// The company.
        company: u32,
        /// The channel.
        channel: u32,
        /// The account.
        account: u32,
    }

    /// A slot of a hash index; see `hash_index`.
    Slot {
        /// Half of the key's hash.
        fingerprint: u32,
        /// The record, or [`NONE`] where the slot is free.
        record: u32,
    }

    /// Where the chain of an (OU, channel, role) begins.
    ChainStart {
        /// The first level that has pools, or [`NONE`].
        level: u32,
        /// The level's `overrides`, so that both are fetched at once; 0 where there is no level.
        overrides: u32,
    }

    /// What serves a client of a country that has steps of its own.
    CountryOverride {
        /// The run.
        run: u32,
        /// Where the run's first candidates are among the [`Tables::members`], so that both are fetched at once;
        /// 0 where it has none.
        members: u32,
    }

    /// One level of a chain: an OU's pools of one channel, for one role. A chain is a level and
    /// those that its `next` leads to. All OUs that reach the same level share it.
    ///
    /// A run of steps is named by its first one; it ends with the first that is marked [`LAST_OF_RUN`].
    Level {
        /// One bit for each country whose run differs from `default_run`: bit `c % 64` of word `c / 64`.
        overridden: [u64; 4],
        /// The first of the level's [`Tables::overrides`], one for each bit set, in order.
        overrides: u32,
        /// The run of every other country.
        default_run: u32,
        /// The run of a client that belongs to no country, or [`NONE`] where it has no step.
        no_country_run: u32,
        /// The first of the level's [`Tables::level_pools`].
        pools: u32,
        /// The OU.
        ou: u32,
        /// The OU's depth.
        depth: u32,
        /// The level that the chain continues with, or [`NONE`].
        next: u32,
    }

    /// A pool of a level.
    LevelPool {
        /// The pool.
        pool: u32,
        /// `,"ou":"…","pool":"…","climbed":`: the location of an account in an answer.
        location: Span,
    }

    /// A step: one rule at one pool.
    Step {
        /// The candidates: its group's [`Tables::members`], here so that a pick need not look there. None where
        /// it has no group.
        members: Range,
        /// The group, or [`NONE`] where there are no candidates.
        group: u32,
        /// The pool: which of the level's.
        slot: u16,
        /// The rule, and [`LAST_OF_RUN`] where a run ends.
        rule: u8,
        /// The country that is looked for; [`NO_COUNTRY`]: the client's.
        country: u8,
    }

    /// Equal candidates; never empty.
    Group {
        /// The group's [`Tables::members`], ordered by (weight, cell).
        members: Range,
        /// The group's [`Tables::classes`]; none where a scan is fast enough.
        classes: Range,
    }

    /// The members of a group that have one weight.
    Class {
        /// The class's [`Tables::members`].
        members: Range,
        /// The first of the class's [`Tables::cells`], or [`NONE`] where a scan is fast enough.
        cells: u32,
    }

    /// A candidate: what a pick, and then an answer, needs of the account, so that neither reads its record.
    Member {
        /// The account's.
        id_hash: u64,
        /// The account's.
        id_and_address: IdAndAddress,
        /// The account.
        account: u32,
        /// The account's.
        weight: u16,
        /// The account's.
        suffix: u16,
    }

    /// A whole registry.
    Tables {
        /// Tenants, in order of their ids.
        companies: Vec<Company>,
        /// Channels, in order of their ids.
        channels: Vec<Channel>,
        /// Organizational units, company by company.
        ous: Vec<Ou>,
        /// Pools, company by company.
        pools: Vec<Pool>,
        /// Accounts, company by company.
        accounts: Vec<Account>,
        /// Dedicated accounts by user.
        dedicated: Vec<Dedicated>,
        /// Company and channel to column, or [`NO_COLUMN`].
        columns: Vec<u16>,
        /// (Role, OU, column) to chain.
        chain_starts: Vec<ChainStart>,
        /// Levels.
        levels: Vec<Level>,
        /// The levels' pools, in the order they are tried.
        level_pools: Vec<LevelPool>,
        /// The runs of countries that differ from their level's default.
        overrides: Vec<CountryOverride>,
        /// Runs of steps, each stored once.
        steps: Vec<Step>,
        /// Groups.
        groups: Vec<Group>,
        /// Classes of large groups.
        classes: Vec<Class>,
        /// Members of groups.
        members: Vec<Member>,
        /// Cell to first member, within the class; one more entry than there are cells.
        cells: Vec<u32>,
        /// `","channel":"…","role":"…","country":"…","rule":"`: how an answer continues behind the address.
        suffixes: Vec<Span>,
        /// Company id to company.
        company_index: Vec<Slot>,
        /// (Company, OU id) to OU.
        ou_index: Vec<Slot>,
        /// (Company, account id) to account.
        account_index: Vec<Slot>,
        /// (Company, channel, user id) to dedicated account.
        user_index: Vec<Slot>,
        /// Every text of the snapshot, UTF-8.
        text: Vec<u8>,
    }
}

/// Layout is part of the format: a changed size makes older files unreadable. One cache line is 64 bytes.
const _: () = {
    assert!(size_of::<ArchivedSpan>() == 8);
    assert!(size_of::<ArchivedRange>() == 8);
    assert!(size_of::<ArchivedCompany>() == 44);
    assert!(size_of::<ArchivedChannel>() == 12);
    assert!(size_of::<ArchivedOu>() == 32);
    assert!(size_of::<ArchivedPool>() == 8);
    assert!(size_of::<ArchivedIdAndAddress>() == 8);
    assert!(size_of::<ArchivedAccount>() == 48);
    assert!(size_of::<ArchivedDedicated>() == 20);
    assert!(size_of::<ArchivedSlot>() == 8);
    assert!(size_of::<ArchivedChainStart>() == 8);
    assert!(size_of::<ArchivedCountryOverride>() == 8);
    assert!(size_of::<ArchivedLevel>() == 64);
    assert!(size_of::<ArchivedLevelPool>() == 12);
    assert!(size_of::<ArchivedStep>() == 16);
    assert!(size_of::<ArchivedGroup>() == 16);
    assert!(size_of::<ArchivedClass>() == 12);
    assert!(size_of::<ArchivedMember>() == 24);
};
