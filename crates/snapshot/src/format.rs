//! What a snapshot stores: sorted slices, `u32` indices, one arena of text. No pointers between
//! records but indices, so that every one of them can be checked in one pass when a file is opened.
//!
//! All integers are little-endian (rkyv's `little_endian` feature), so a file reads the same everywhere.

use rkyv::{Archive, Serialize};

/// "None" in every `u32` index.
pub const NONE: u32 = u32::MAX;
/// "No country" in every `u8` country; countries are indices of [`switchboard_model::Region`].
pub const NO_COUNTRY: u8 = u8::MAX;
/// "None" in every `u8` role: a spare account's, which nobody talks on.
pub const NO_ROLE: u8 = u8::MAX;
/// A dedicated account's role: the conversation role, whichever that is.
pub const CONVERSATION: u8 = 254;
/// What the last step of a run has in its `rule` besides.
pub const LAST: u8 = 0x80;
/// "None" in every `u16` column.
pub const NO_COLUMN: u16 = u16::MAX;

/// Bytes of an id that stand in the record: with them nearly every id is confirmed without a look at its text, which
/// lies elsewhere.
pub const HEAD: usize = 16;

/// An id's first bytes, with zeros behind one that is shorter.
pub fn head(id: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
    head
}

/// Declares the stored records and, from their very tokens, the text whose digest the header carries:
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
    /// A run of bytes in [`Contents::text`].
    Span {
        /// First byte.
        start: u32,
        /// Bytes.
        len: u32,
    }

    /// A run of records in another slice.
    Range {
        /// First record.
        start: u32,
        /// Records.
        len: u32,
    }

    /// A tenant.
    Company {
        /// Its id.
        id: Span,
        /// Its organizational units, in order of their ids.
        ous: Range,
        /// Its pools, in order of their ids.
        pools: Range,
        /// Its accounts, in order of their ids.
        accounts: Range,
        /// First of its [`Contents::columns`], one for each channel of the snapshot.
        columns: u32,
        /// How many channels it has pools of.
        column_count: u16,
        /// 1: an unavailable dedicated account falls back to the pools; 0: it is an error.
        dedicated_falls_back: u8,
        /// First of its [`Contents::entries`].
        entries: u32,
    }

    /// A channel.
    Channel {
        /// Its id.
        id: Span,
        /// The role that clients are talked to on.
        conversation_role: u8,
    }

    /// An organizational unit.
    Ou {
        /// Its id.
        id: Span,
        /// See [`head`].
        head: [u8; HEAD],
        /// Its company.
        company: u32,
        /// How many OUs are above it: what a level's own is taken from to tell how far a query climbed.
        depth: u32,
    }

    /// A pool.
    Pool {
        /// Its id.
        id: Span,
    }

    /// What an answer says of an account itself: its id and its address, one behind the other, escaped as JSON
    /// and without quotes.
    Lead {
        /// First byte in [`Contents::text`].
        start: u32,
        /// Bytes of both.
        len: u16,
        /// Bytes of the id, escaped.
        id_len: u16,
    }

    /// An official account.
    Account {
        /// Unix seconds from which it may be selected; `i64::MIN`: always.
        available_from: i64,
        /// Its id and address, for answers.
        lead: Lead,
        /// Which of [`Contents::tails`] follows them in an answer.
        tail: u16,
        /// Its channel.
        channel: u16,
        /// Its condition in the registry.
        state: u8,
        /// Its country, or [`NO_COUNTRY`].
        country: u8,
        /// Its role, [`CONVERSATION`] or [`NO_ROLE`].
        role: u8,
        /// Bytes of its id.
        id_len: u8,
        /// 1 to 1000.
        weight: u16,
        /// First byte of its id in the text; its length is `id_len`. Where nothing is escaped, the lead's.
        id: u32,
        /// The pool it is shared through, or [`NONE`].
        pool: u32,
        /// Its company.
        company: u32,
        /// XXH3-64 of its id: what the pick is drawn from.
        id_hash: u64,
    }

    /// A user's own account on one channel.
    Dedicated {
        /// The user's id.
        user: Span,
        /// Its company.
        company: u32,
        /// Its channel.
        channel: u32,
        /// The account.
        account: u32,
    }

    /// A slot of a hash index; see [`super::hash_index`].
    Slot {
        /// Half of the key's hash.
        fingerprint: u32,
        /// The record, or [`NONE`] where the slot is free.
        record: u32,
    }

    /// Where the chain of an (OU, channel, role) begins.
    Entry {
        /// The first level that has pools, or [`NONE`].
        level: u32,
        /// The level's, so that both are fetched at once; 0 where there is none.
        exceptions: u32,
    }

    /// What a client of an excepted country is served by.
    Exception {
        /// The run.
        run: u32,
        /// Where the run's first candidates are among the [`Contents::members`], so that both are fetched at once;
        /// 0 where it has none.
        members: u32,
    }

    /// One level of a chain: an OU's pools of one channel, for one role. A chain is a level and
    /// those that its `next` leads to. All OUs that reach the same level share it.
    ///
    /// A run of steps is named by its first one; it ends with the first that is marked [`LAST`].
    Level {
        /// One bit for each country whose run differs from `otherwise`: bit `c % 64` of word `c / 64`.
        excepted: [u64; 4],
        /// First of its [`Contents::exceptions`], one for each bit set, in order.
        exceptions: u32,
        /// The run of every other country.
        otherwise: u32,
        /// The run of a client that belongs to no country, or [`NONE`] where it has no step.
        stateless: u32,
        /// First of its [`Contents::level_pools`].
        pools: u32,
        /// The OU.
        ou: u32,
        /// That OU's depth.
        depth: u32,
        /// Where the search goes on, or [`NONE`].
        next: u32,
    }

    /// A pool of a level.
    LevelPool {
        /// The pool.
        pool: u32,
        /// `,"ou":"…","pool":"…","climbed":`: how an answer tells where an account was found.
        place: Span,
    }

    /// A step: one rule at one pool.
    Step {
        /// The candidates: its group's [`Contents::members`], here so that a pick need not look there. None where
        /// it has no group.
        members: Range,
        /// The group, or [`NONE`] where there are no candidates.
        group: u32,
        /// The pool: which of the level's.
        slot: u16,
        /// The rule, and [`LAST`] where a run ends.
        rule: u8,
        /// The country that is looked for; [`NO_COUNTRY`]: the client's.
        country: u8,
    }

    /// Equal candidates; never empty.
    Group {
        /// Its [`Contents::members`], ordered by (weight, cell).
        members: Range,
        /// Its [`Contents::classes`]; none where a scan is quick enough.
        classes: Range,
    }

    /// The members of a group that are of one weight.
    Class {
        /// Its [`Contents::members`].
        members: Range,
        /// First of its [`Contents::cells`], or [`NONE`] where a scan is quick enough.
        cells: u32,
    }

    /// A candidate: what a pick, and then an answer, needs of the account, so that neither looks there.
    Member {
        /// The account's `id_hash`.
        id_hash: u64,
        /// The account's.
        lead: Lead,
        /// The account.
        account: u32,
        /// The account's weight.
        weight: u16,
        /// The account's.
        tail: u16,
    }

    /// A whole registry.
    Contents {
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
        entries: Vec<Entry>,
        /// Levels.
        levels: Vec<Level>,
        /// The levels' pools, in the order they are tried.
        level_pools: Vec<LevelPool>,
        /// The runs of the levels' excepted countries.
        exceptions: Vec<Exception>,
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
        /// `","channel":"…","role":"…","country":"…","rule":"`: how an answer goes on behind the address.
        tails: Vec<Span>,
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
    assert!(size_of::<ArchivedLead>() == 8);
    assert!(size_of::<ArchivedAccount>() == 48);
    assert!(size_of::<ArchivedDedicated>() == 20);
    assert!(size_of::<ArchivedSlot>() == 8);
    assert!(size_of::<ArchivedEntry>() == 8);
    assert!(size_of::<ArchivedException>() == 8);
    assert!(size_of::<ArchivedLevel>() == 64);
    assert!(size_of::<ArchivedLevelPool>() == 12);
    assert!(size_of::<ArchivedStep>() == 16);
    assert!(size_of::<ArchivedGroup>() == 16);
    assert!(size_of::<ArchivedClass>() == 12);
    assert!(size_of::<ArchivedMember>() == 24);
};
