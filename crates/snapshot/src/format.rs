//! The stored records of a snapshot: sorted tables, `u32` indices between them, and one arena of text.
//!
//! A run is the list of the steps of one level for some client countries.
//!
//! Records refer to each other by index only, never by pointer, so that one pass can verify all references
//! when a file is opened. Integers are little-endian (rkyv's feature `little_endian`), so a file is the same
//! on every machine.

use rkyv::{Archive, Serialize};

/// The value of a `u32` index that refers to no record.
pub const NONE: u32 = u32::MAX;
/// The value of a `u8` country for "no country". Other values are indices of [`switchboard_model::Region`].
pub const NO_COUNTRY: u8 = u8::MAX;
/// The value of a `u8` role for "no role", which a spare account may have.
pub const NO_ROLE: u8 = u8::MAX;
/// The value of a `u8` role for "the conversation role of the channel", which every dedicated account has.
pub const CONVERSATION_ROLE: u8 = 254;
/// The bit of a step's `rule` that marks the last step of a run.
pub const LAST_OF_RUN: u8 = 0x80;
/// The value of a `u16` column for "the company has no pools of the channel".
pub const NO_COLUMN: u16 = u16::MAX;

/// The number of bytes of an OU's id that its record contains. They are enough to confirm almost every id
/// without reading the text, which would be another cache miss.
pub const ID_PREFIX_BYTES: usize = 16;

/// Returns the first bytes of an id, padded with zeros.
pub fn id_prefix(id: &[u8]) -> [u8; ID_PREFIX_BYTES] {
    let mut prefix = [0; ID_PREFIX_BYTES];
    prefix.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
    prefix
}

/// Declares the stored records, and `SCHEMA`, a text of their fields and types. The header contains the
/// digest of this text. A program with other records therefore rejects the file instead of misreading it.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Archive, Serialize, Debug, Clone, Default, PartialEq, Eq, Hash)]
        #[rkyv(attr(doc = "The archived form of the record."))]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* })*

        /// The names, fields and types of all records, as one text.
        pub const SCHEMA: &str = concat!($(stringify!($name), "{", $(stringify!($field), ":", stringify!($type), ",",)* "}",)*);
    };
}

records! {
    /// A range of bytes in [`Tables::text`].
    Span {
        /// Offset of the first byte.
        start: u32,
        /// Number of bytes in the range.
        len: u32,
    }

    /// A range of records in another table.
    Range {
        /// Index of the first record.
        start: u32,
        /// Number of records in the range.
        len: u32,
    }

    /// A company, which is a tenant of the snapshot.
    Company {
        /// Text of the company's id.
        id: Span,
        /// The company's OUs, in the order of their ids.
        ous: Range,
        /// The company's pools, in the order of their ids.
        pools: Range,
        /// The company's accounts, in the order of their ids.
        accounts: Range,
        /// Index of the company's first entry in [`Tables::columns`]. The company has one entry for each
        /// channel of the snapshot.
        columns: u32,
        /// Number of channels for which the company has pools.
        column_count: u16,
        /// 1 if a selection continues with the pools after an unavailable dedicated account, 0 if it ends
        /// with an error.
        dedicated_falls_back: u8,
        /// Index of the company's first entry in [`Tables::chain_starts`].
        chain_starts: u32,
    }

    /// A channel of the registry.
    Channel {
        /// Text of the channel's id.
        id: Span,
        /// Number of the role that talks to clients on the channel.
        conversation_role: u8,
        /// Number of the kind of address that accounts of the channel have.
        address_kind: u8,
    }

    /// An organizational unit (OU) of a company.
    Ou {
        /// Text of the OU's id.
        id: Span,
        /// First bytes of the id, from [`id_prefix`].
        id_prefix: [u8; ID_PREFIX_BYTES],
        /// Index of the OU's company.
        company: u32,
        /// Number of OUs above this one. The field `climbed` of an answer is the difference of two depths.
        depth: u32,
    }

    /// A pool of a company.
    Pool {
        /// Text of the pool's id.
        id: Span,
        /// The pool's [`Tables::pool_ous`].
        ous: Range,
    }

    /// The text that an answer contains about an account: its id followed by its address, both escaped as
    /// JSON, without quotes.
    IdAndAddress {
        /// Offset of the first byte in [`Tables::text`].
        start: u32,
        /// Number of bytes of id and address together.
        len: u16,
        /// Number of bytes of the escaped id.
        id_len: u16,
    }

    /// An official account of a company.
    Account {
        /// Time in Unix seconds from which the account may be selected. `i64::MIN` stands for "always".
        available_from: i64,
        /// Text of the id and the address, for answers.
        id_and_address: IdAndAddress,
        /// Index of the [`Tables::suffixes`] that follows the address in an answer.
        suffix: u16,
        /// Index of the account's channel.
        channel: u16,
        /// Number of the condition in the registry.
        state: u8,
        /// Index of the country, or [`NO_COUNTRY`].
        country: u8,
        /// Number of the role, or [`CONVERSATION_ROLE`], or [`NO_ROLE`].
        role: u8,
        /// Number of bytes of the unescaped id.
        id_len: u8,
        /// Weight among equal candidates, from 1 to 1000.
        weight: u16,
        /// Offset of the unescaped id in [`Tables::text`]. The same as in `id_and_address` if nothing is
        /// escaped.
        id: u32,
        /// Index of the pool that shares the account, or [`NONE`].
        pool: u32,
        /// Index of the account's company.
        company: u32,
        /// XXH3-64 of the id, from which the pick draws.
        id_hash: u64,
    }

    /// The dedicated account of a user on one channel.
    Dedicated {
        /// Text of the user's id.
        user: Span,
        /// Index of the user's company.
        company: u32,
        /// Index of the account's channel.
        channel: u32,
        /// Index of the dedicated account.
        account: u32,
    }

    /// A slot of a hash index. The module `hash_index` describes the index.
    Slot {
        /// Lower half of the key's hash.
        fingerprint: u32,
        /// Index of the record, or [`NONE`] if the slot is free.
        record: u32,
    }

    /// The start of the chain of an OU, a channel and a role.
    ChainStart {
        /// Index of the first level that has pools, or [`NONE`].
        level: u32,
        /// Copy of the level's `overrides`, so that both can be prefetched at once. 0 if there is no level.
        overrides: u32,
    }

    /// The run of one country, if it differs from the default run of its level.
    CountryOverride {
        /// Index of the run's first step.
        run: u32,
        /// Index of the run's first candidates in [`Tables::members`], so that both can be prefetched at
        /// once. 0 if the run has no candidates.
        members: u32,
    }

    /// A level of a chain: the pools of one OU and one channel, for one role.
    ///
    /// A chain is a level, followed by the levels that `next` links to. OUs whose chains reach the same level
    /// share it. A run is a list of steps. It is identified by its first step and ends with the step that has
    /// [`LAST_OF_RUN`].
    Level {
        /// The countries whose run differs from `default_run`, as a region set: bit `c % 64` of word
        /// `c / 64`.
        overridden: [u64; 4],
        /// Index of the level's first entry in [`Tables::overrides`]. The level has one entry for each
        /// country of `overridden`.
        overrides: u32,
        /// Index of the run for clients of all other countries.
        default_run: u32,
        /// Index of the run for clients of no country, or [`NONE`] if that run has no step.
        no_country_run: u32,
        /// Index of the level's first entry in [`Tables::level_pools`].
        pools: u32,
        /// Index of the level's OU.
        ou: u32,
        /// Depth of the level's OU.
        depth: u32,
        /// Index of the level at which the chain continues, or [`NONE`].
        next: u32,
    }

    /// A pool as part of a level.
    LevelPool {
        /// Index of the pool in the table of pools.
        pool: u32,
        /// JSON of the location in an answer: `,"ou":"…","pool":"…","climbed":`.
        location: Span,
    }

    /// A step: one rule, applied to one pool of the level.
    Step {
        /// Copy of the group's `members`, so that a pick need not read the group. Empty if there is no group.
        members: Range,
        /// Index of the group of candidates, or [`NONE`] if there are no candidates.
        group: u32,
        /// Position of the pool among the pools of the level.
        slot: u16,
        /// Number of the rule, with the bit [`LAST_OF_RUN`] in the last step of a run.
        rule: u8,
        /// Country of the candidates. [`NO_COUNTRY`] if the client's country decides.
        country: u8,
    }

    /// A group of equal candidates, which is never empty.
    Group {
        /// The group's [`Tables::members`], in the order of weight, hash and account.
        members: Range,
        /// The group's [`Tables::classes`]. Empty if the group is small enough to scan.
        classes: Range,
    }

    /// A class: the members of a group that have the same weight.
    Class {
        /// The range of the class in [`Tables::members`].
        members: Range,
        /// Index of the class's first entry in [`Tables::cells`], or [`NONE`] if the class is small enough to
        /// scan.
        cells: u32,
    }

    /// A candidate. Contains copies of all fields that a pick and an answer need, so that neither reads the
    /// account.
    Member {
        /// Copy of the account's `id_hash`.
        id_hash: u64,
        /// Copy of the account's `id_and_address`.
        id_and_address: IdAndAddress,
        /// Index of the account in the table of accounts.
        account: u32,
        /// Copy of the account's `weight`.
        weight: u16,
        /// Copy of the account's `suffix`.
        suffix: u16,
    }

    /// All tables of a snapshot.
    Tables {
        /// All companies, in the order of their ids.
        companies: Vec<Company>,
        /// All channels, in the order of their ids.
        channels: Vec<Channel>,
        /// All OUs, grouped by company.
        ous: Vec<Ou>,
        /// All pools, grouped by company.
        pools: Vec<Pool>,
        /// Indices of the OUs that each pool is allocated to, in ascending order, grouped by pool.
        pool_ous: Vec<u32>,
        /// All accounts, grouped by company.
        accounts: Vec<Account>,
        /// All dedicated accounts with their users, in the order of the accounts.
        dedicated: Vec<Dedicated>,
        /// For each company and channel the column in the company's chain starts, or [`NO_COLUMN`].
        columns: Vec<u16>,
        /// For each company the chain starts by role, OU and column.
        chain_starts: Vec<ChainStart>,
        /// The levels of all chains, each stored once.
        levels: Vec<Level>,
        /// The pools of all levels, in the order in which a level tries them.
        level_pools: Vec<LevelPool>,
        /// The country overrides of all levels, grouped by level.
        overrides: Vec<CountryOverride>,
        /// The steps of all runs. Equal runs are stored once.
        steps: Vec<Step>,
        /// All groups of equal candidates.
        groups: Vec<Group>,
        /// The classes of large groups, grouped by group.
        classes: Vec<Class>,
        /// The members of all groups, grouped by group.
        members: Vec<Member>,
        /// For each large class the position of the first member of each cell, and at the end the number of
        /// members.
        cells: Vec<u32>,
        /// JSON that follows the address in an answer: `","channel":"…","role":"…","country":"…","rule":"`.
        suffixes: Vec<Span>,
        /// Hash index of the companies by id.
        company_index: Vec<Slot>,
        /// Hash index of the OUs by company and id.
        ou_index: Vec<Slot>,
        /// Hash index of the accounts by company and id.
        account_index: Vec<Slot>,
        /// Hash index of the dedicated accounts by company, channel and user id.
        user_index: Vec<Slot>,
        /// Hash index of the accounts by channel and the normal form of the address. A slot is the index of
        /// an account, or [`NONE`]. It has no fingerprint, because the index is large and seldom read.
        address_index: Vec<u32>,
        /// The arena of text: all texts of the snapshot in UTF-8.
        text: Vec<u8>,
    }
}

// The layout is part of the format: if a size changes, older files cannot be read. A cache line has 64 bytes.
const _: () = {
    assert!(size_of::<ArchivedSpan>() == 8);
    assert!(size_of::<ArchivedRange>() == 8);
    assert!(size_of::<ArchivedCompany>() == 44);
    assert!(size_of::<ArchivedChannel>() == 12);
    assert!(size_of::<ArchivedOu>() == 32);
    assert!(size_of::<ArchivedPool>() == 16);
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
