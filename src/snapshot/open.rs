//! From untrusted bytes to a [`Snapshot`]: header, length, checksum, archive, then every index, order
//! and limit. rkyv proves the shape of the records; that account 7 exists is proved here.

use rkyv::rancor;
use rkyv::util::AlignedVec;

use super::format::*;
use super::header::{self, BadHeader, Header};
use super::rendezvous::{CELLS, cell};
use super::view::{Snapshot, SnapshotTest};

/// Where in opening a snapshot was refused: the label of the rejections that SREs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Magic, version, schema.
    Header,
    /// Fewer or more bytes than the header says.
    Length,
    /// The bytes are not those that were written.
    Checksum,
    /// Not an archive of the records.
    Archive,
    /// A record that points where nothing is, or out of order.
    Index,
    /// Its own expected selections are not what it selects.
    Tests,
    /// A generation that is not newer than the one in service.
    Generation,
    /// The registry has findings.
    Registry,
}

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// Where.
    pub stage: Stage,
    /// What, with the remedy where there is one.
    pub reason: String,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 8] = [
        Stage::Header,
        Stage::Length,
        Stage::Checksum,
        Stage::Archive,
        Stage::Index,
        Stage::Tests,
        Stage::Generation,
        Stage::Registry,
    ];

    /// As a metric's label.
    pub const fn text(self) -> &'static str {
        match self {
            Stage::Header => "header",
            Stage::Length => "length",
            Stage::Checksum => "checksum",
            Stage::Archive => "archive",
            Stage::Index => "index",
            Stage::Tests => "tests",
            Stage::Generation => "generation",
            Stage::Registry => "registry",
        }
    }

    /// A rejection at this stage.
    pub fn rejection(self, reason: impl Into<String>) -> Rejection {
        Rejection { stage: self, reason: reason.into() }
    }
}

impl From<BadHeader> for Rejection {
    fn from(bad: BadHeader) -> Rejection {
        let stage = if matches!(bad, BadHeader::Short(_)) { Stage::Length } else { Stage::Header };
        stage.rejection(bad.to_string())
    }
}

impl Snapshot {
    /// Proves the bytes sound, and takes them over.
    pub fn open(bytes: AlignedVec) -> Result<Snapshot, Rejection> {
        let header = Header::read(&bytes)?;
        let body = bytes.get(header::LEN..).unwrap_or_default();
        if bytes.len() as u128 != header.file_len() {
            let reason = format!(
                "the header announces {} bytes in all, and there are others: it is still being written, or was cut \
                 short",
                header.file_len()
            );
            return Err(Stage::Length.rejection(reason));
        }
        if header::checksum(&bytes, body) != header.checksum {
            let reason = "the checksum does not match: the file was damaged; copy or compile it again";
            return Err(Stage::Checksum.rejection(reason));
        }
        let (archive, tests) = body.split_at(header.contents_len as usize);
        let contents = rkyv::access::<ArchivedContents, rancor::Error>(archive)
            .map_err(|error| Stage::Archive.rejection(format!("not an archive of the records: {error}")))?;
        verify(contents)?;
        let tests = read_tests(tests)?;
        Ok(Snapshot::verified(bytes, header, tests))
    }
}

/// One JSON object a line.
fn read_tests(bytes: &[u8]) -> Result<Vec<SnapshotTest>, Rejection> {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()
        .map_err(|error| Stage::Archive.rejection(format!("a test of the snapshot is none: {error}")))
}

/// Every index, order and limit.
fn verify(all: &ArchivedContents) -> Result<(), Rejection> {
    let text = Bound { what: "text", len: all.text.len() };
    let ous = Bound { what: "OUs", len: all.ous.len() };
    let pools = Bound { what: "pools", len: all.pools.len() };
    let accounts = Bound { what: "accounts", len: all.accounts.len() };
    let companies = Bound { what: "companies", len: all.companies.len() };
    let channels = Bound { what: "channels", len: all.channels.len() };
    let levels = Bound { what: "levels", len: all.levels.len() };
    let runs = Bound { what: "runs", len: all.runs.len() };
    let members = Bound { what: "members", len: all.members.len() };

    if std::str::from_utf8(&all.text).is_err() {
        return Err(Stage::Index.rejection("a text is not UTF-8"));
    }
    for company in all.companies.iter() {
        text.span(&company.id)?;
        ous.range(&company.ous)?;
        pools.range(&company.pools)?;
        accounts.range(&company.accounts)?;
        let columns = u64::from(company.columns.to_native());
        Bound { what: "columns", len: all.columns.len() }.run(columns, channels.len as u64)?;
        let rows = u64::from(company.ous.len.to_native()) * u64::from(company.column_count.to_native());
        let entries = u64::from(company.entries.to_native());
        Bound { what: "entries", len: all.entries.len() }.run(entries, rows * 2)?;
        let own = columns as usize..columns as usize + channels.len;
        for column in all.columns.get(own).unwrap_or_default().iter().map(|column| column.to_native()) {
            require(column == NO_COLUMN || column < company.column_count.to_native(), "column")?;
        }
    }
    for channel in all.channels.iter() {
        text.span(&channel.id)?;
        require(channel.conversation_role <= 1, "role")?;
    }
    for (at, ou) in all.ous.iter().enumerate() {
        text.span(&ou.id)?;
        text.span(&ou.json)?;
        let company = all.companies.get(ou.company.to_native() as usize);
        let own = company.map(|company| company.ous.start.to_native() as usize..end(&company.ous) as usize);
        require(own.is_some_and(|own| own.contains(&at)), "company of an OU")?;
    }
    for pool in all.pools.iter() {
        text.span(&pool.id)?;
        text.span(&pool.json)?;
    }
    let tails = Bound { what: "tails", len: all.tails.len() };
    for tail in all.tails.iter() {
        text.span(tail)?;
    }
    for account in all.accounts.iter() {
        text.span(&account.json)?;
        text.run(u64::from(account.id.to_native()), u64::from(account.id_len))?;
        pools.index_or_none(account.pool.to_native())?;
        tails.index(account.tail.to_native())?;
        companies.index(account.company.to_native())?;
        channels.index(u32::from(account.channel.to_native()))?;
        require((1..=1000).contains(&account.weight.to_native()), "weight")?;
        require(account.role <= 1 || account.role >= CONVERSATION, "role")?;
        require(account.state <= 2, "state")?;
    }
    for dedicated in all.dedicated.iter() {
        text.span(&dedicated.user)?;
        companies.index(dedicated.company.to_native())?;
        channels.index(dedicated.channel.to_native())?;
        accounts.index(dedicated.account.to_native())?;
        let account = all.accounts.get(dedicated.account.to_native() as usize);
        require(account.is_some_and(|account| account.company == dedicated.company), "company of a user")?;
    }
    verify_chains(all, &levels, &runs, &ous, &pools)?;
    verify_groups(all, &members, &accounts)?;
    verify_index(&all.company_index, &companies)?;
    verify_index(&all.ou_index, &ous)?;
    verify_index(&all.account_index, &accounts)?;
    verify_index(&all.user_index, &Bound { what: "dedicated accounts", len: all.dedicated.len() })
}

fn verify_chains(
    all: &ArchivedContents,
    levels: &Bound,
    runs: &Bound,
    ous: &Bound,
    pools: &Bound,
) -> Result<(), Rejection> {
    for entry in all.entries.iter() {
        levels.index_or_none(entry.level.to_native())?;
    }
    // Runs lie one behind the other, as do groups and classes: so whoever looks at all of them looks at
    // every step, member and class once.
    let mut next = 0;
    let mut slots = Vec::with_capacity(all.runs.len());
    for run in all.runs.iter() {
        Bound { what: "steps", len: all.steps.len() }.range(run)?;
        require(run.start.to_native() == next, "order of runs")?;
        next = end(run);
        slots.push(run_of(&all.steps, run).iter().map(|step| u64::from(step.slot.to_native()) + 1).max());
    }
    for run in all.exceptions.iter() {
        runs.index(run.to_native())?;
    }
    for pool in all.level_pools.iter() {
        pools.index(pool.to_native())?;
    }
    let groups = Bound { what: "groups", len: all.groups.len() };
    for step in all.steps.iter() {
        groups.index_or_none(step.group.to_native())?;
        require(step.rule < 4, "rule")?;
    }
    for (at, level) in all.levels.iter().enumerate() {
        let bits: u32 = level.excepted.iter().map(|word| word.to_native().count_ones()).sum();
        let first = u64::from(level.exceptions.to_native());
        Bound { what: "exceptions", len: all.exceptions.len() }.run(first, u64::from(bits))?;
        runs.index(level.otherwise.to_native())?;
        runs.index(level.stateless.to_native())?;
        ous.index(level.ou.to_native())?;
        // A level lies behind the one that it leads to: so no chain can run in a circle.
        let next = level.next.to_native();
        require(next == NONE || (next as usize) < at, "next level")?;
        let exceptions = all.exceptions.iter().skip(first as usize).take(bits as usize);
        let own = exceptions.map(|run| run.to_native());
        for run in own.chain([level.otherwise.to_native(), level.stateless.to_native()]) {
            let slots = slots.get(run as usize).copied().flatten().unwrap_or_default();
            let pools = u64::from(level.pools.to_native()) + slots;
            require(pools <= all.level_pools.len() as u64, "pool of a step")?;
        }
    }
    Ok(())
}

fn verify_groups(all: &ArchivedContents, members: &Bound, accounts: &Bound) -> Result<(), Rejection> {
    for member in all.members.iter() {
        accounts.index(member.account.to_native())?;
        require((1..=1000).contains(&member.weight.to_native()), "weight")?;
    }
    let classes = Bound { what: "classes", len: all.classes.len() };
    let (mut next_member, mut next_class) = (0, 0);
    for group in all.groups.iter() {
        members.range(&group.members)?;
        classes.range(&group.classes)?;
        require(group.members.len.to_native() > 0, "empty group")?;
        require(group.members.start.to_native() == next_member, "order of groups")?;
        require(group.classes.start.to_native() == next_class, "order of classes")?;
        for class in run_of(&all.classes, &group.classes) {
            require(class.members.start.to_native() == next_member, "members of a class")?;
            require(class.members.len.to_native() > 0, "empty class")?;
            next_member = end(&class.members);
        }
        let whole = group.classes.len.to_native() == 0 || next_member == end(&group.members);
        require(whole, "classes of a group")?;
        (next_member, next_class) = (end(&group.members), end(&group.classes));
        one_pool(all, group)?;
    }
    for class in all.classes.iter() {
        members.range(&class.members)?;
        let own = run_of(&all.members, &class.members);
        require(
            own.windows(2).all(|pair| matches!(pair, [a, b] if a.weight == b.weight)),
            "weights of a class",
        )?;
        if class.cells.to_native() == NONE {
            continue;
        }
        let first = u64::from(class.cells.to_native());
        Bound { what: "cells", len: all.cells.len() }.run(first, u64::from(CELLS) + 1)?;
        let cells = all.cells.get(first as usize..first as usize + CELLS as usize + 1).unwrap_or_default();
        require(cells.first().is_some_and(|&start| start == 0), "first cell")?;
        require(cells.last().is_some_and(|&end| end == class.members.len), "last cell")?;
        for (at, pair) in cells.windows(2).enumerate() {
            let [start, end] = pair else { continue };
            let (start, end) = (start.to_native() as usize, end.to_native() as usize);
            let here = own.get(start..end);
            let right =
                here.is_some_and(|here| here.iter().all(|m| cell(m.id_hash.to_native()) as usize == at));
            require(right, "members of a cell")?;
        }
    }
    Ok(())
}

/// The members of a group are equals: of one pool, and so of one company and channel, and of one role.
fn one_pool(all: &ArchivedContents, group: &ArchivedGroup) -> Result<(), Rejection> {
    let mut accounts = run_of(&all.members, &group.members)
        .iter()
        .filter_map(|member| all.accounts.get(member.account.to_native() as usize));
    let first = accounts.next();
    let like_first = |account: &ArchivedAccount| {
        first.is_some_and(|first| {
            (account.pool, account.role, account.company, account.channel)
                == (first.pool, first.role, first.company, first.channel)
        })
    };
    require(accounts.all(like_first), "pool of a member")
}

/// Half empty at least, so that probes end; and every record there.
fn verify_index(slots: &[ArchivedSlot], records: &Bound) -> Result<(), Rejection> {
    require(slots.len().is_power_of_two(), "size of an index")?;
    let mut taken = 0;
    for slot in slots.iter().filter(|slot| slot.record.to_native() != NONE) {
        records.index(slot.record.to_native())?;
        taken += 1;
    }
    require(taken < slots.len(), "full index")
}

fn end(range: &ArchivedRange) -> u32 {
    range.start.to_native().saturating_add(range.len.to_native())
}

fn run_of<'a, T>(records: &'a [T], range: &ArchivedRange) -> &'a [T] {
    let start = range.start.to_native() as usize;
    records.get(start..start.saturating_add(range.len.to_native() as usize)).unwrap_or_default()
}

fn require(holds: bool, what: &str) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(Stage::Index.rejection(format!("a record is out of order: {what}"))) }
}

/// How many records there are of a kind.
struct Bound {
    what: &'static str,
    len: usize,
}

impl Bound {
    fn index(&self, at: u32) -> Result<(), Rejection> {
        self.run(u64::from(at), 1)
    }

    fn index_or_none(&self, at: u32) -> Result<(), Rejection> {
        if at == NONE { Ok(()) } else { self.index(at) }
    }

    fn range(&self, range: &ArchivedRange) -> Result<(), Rejection> {
        self.run(u64::from(range.start.to_native()), u64::from(range.len.to_native()))
    }

    fn span(&self, span: &ArchivedSpan) -> Result<(), Rejection> {
        self.run(u64::from(span.start.to_native()), u64::from(span.len.to_native()))
    }

    fn run(&self, start: u64, len: u64) -> Result<(), Rejection> {
        if start + len <= self.len as u64 {
            return Ok(());
        }
        let Bound { what, len: there } = self;
        Err(Stage::Index.rejection(format!("a record points at {what} {start}..{}, of {there}", start + len)))
    }
}
