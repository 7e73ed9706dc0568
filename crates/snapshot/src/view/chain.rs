//! Reads the chain of an OU: its start, its levels, their steps, and the candidates of a step.

use super::{AccountJson, Records, Snapshot, prefetch_record};
use crate::format::{
    ArchivedClass, ArchivedLevel, ArchivedMember, ArchivedStep, ArchivedTables, LAST_OF_RUN, NO_COLUMN, NONE,
};
use crate::rendezvous::{CELLS, MIN_CELLED_CLASS};
use crate::{
    AccountIdx, ChainStartIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, LevelPoolIdx, OuIdx, PoolIdx,
};
use switchboard_model::{Region, RegionSet, Role, Rule};

/// The approximate number of candidates in a cache line.
const CANDIDATES_PER_LINE: u32 = 64 / size_of::<ArchivedMember>() as u32;
/// The maximum number of cache lines of candidates that are prefetched. The processor itself prefetches the
/// lines after them.
const MAX_LINES: u32 = 4;

/// The rule of a step whose stored number is unknown. No such step is read, because `Snapshot::open` rejects
/// it. A value costs less here than a panic.
const RULE_OF_UNKNOWN_NUMBER: Rule = Rule::DefaultRegion;

/// A level of a chain: the pools of one OU and one channel, for one role. OUs whose chains reach the same
/// level share it.
#[derive(Clone, Copy)]
pub struct LevelRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedLevel,
}

/// The steps of a level for one client, in the order in which a selection tries them.
#[derive(Clone)]
pub struct Steps<'s> {
    tables: &'s ArchivedTables,
    run: Run<'s>,
    /// The index of the level's first pool in the table of level pools.
    first_pool: u32,
}

/// A step of a chain: one rule, applied to one pool.
#[derive(Clone, Copy)]
pub struct StepRef<'s> {
    pub(super) tables: &'s ArchivedTables,
    pub(super) record: &'s ArchivedStep,
    first_pool: u32,
}

/// The clients for which a list of steps applies.
#[derive(Debug, Clone, Copy)]
pub struct RunClients {
    /// The countries of the clients.
    pub countries: RegionSet,
    /// Whether the clients include clients of no country.
    pub no_country: bool,
}

impl RunClients {
    fn from_countries(countries: RegionSet) -> RunClients {
        RunClients { countries, no_country: false }
    }
}

/// Equal candidates of a step, ordered by weight, then by the hash of the id, then by account.
#[derive(Clone, Copy)]
pub struct Candidates<'s>(&'s [ArchivedMember]);

/// A candidate of a step: the fields of an account that a pick and an answer need.
#[derive(Clone, Copy)]
pub struct Candidate<'s>(&'s ArchivedMember);

/// The candidates of a large group that have the same weight.
#[derive(Clone, Copy)]
pub struct Class<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedClass,
}

/// The candidates of a class by cell.
#[derive(Clone, Copy)]
pub struct CellDirectory<'s> {
    /// The position of the first candidate of each cell, and at the end the number of candidates.
    cells: &'s [rkyv::rend::u32_le],
    candidates: &'s [ArchivedMember],
}

impl Snapshot {
    /// Returns the index of the chain start of an OU, a channel and a role, and prefetches it. Returns `None`
    /// if the company has no pool of the channel.
    #[inline]
    pub fn prefetch_chain(
        &self,
        company: CompanyIdx,
        ou: OuIdx,
        channel: ChannelIdx,
        role: Role,
    ) -> Option<ChainStartIdx> {
        let tables = self.tables();
        let company = tables.companies.at(company.get());
        let column = tables.columns.at(company.columns.to_native() + channel.get()).to_native();
        if column == NO_COLUMN {
            return None;
        }
        let ou = ou.get() - company.ous.start.to_native();
        let row = role as u32 * company.ous.len.to_native() + ou;
        let entry = row * u32::from(company.column_count.to_native()) + u32::from(column);
        let entry = company.chain_starts.to_native() + entry;
        prefetch_record(tables.chain_starts.get(entry as usize));
        Some(ChainStartIdx::new(entry))
    }

    /// Returns the first level of a chain, and prefetches it. Returns `None` if no level has a pool.
    #[inline]
    pub fn first_level(&self, start: ChainStartIdx) -> Option<LevelRef<'_>> {
        let tables = self.tables();
        let entry = tables.chain_starts.at(start.get());
        // Two cache lines are enough for the overrides of almost all levels.
        let overrides = entry.overrides.to_native();
        for at in [overrides, overrides.saturating_add(8)] {
            prefetch_record(tables.overrides.get(at as usize));
        }
        let level = level(tables, entry.level.to_native());
        prefetch_record(level.map(|level| level.record));
        level
    }

    /// Returns the first level of the chain of an OU, a channel and a role. Returns `None` if no level has a
    /// pool.
    pub fn chain(
        &self,
        company: CompanyIdx,
        ou: OuIdx,
        channel: ChannelIdx,
        role: Role,
    ) -> Option<LevelRef<'_>> {
        self.first_level(self.prefetch_chain(company, ou, channel, role)?)
    }

    /// Returns the levels of all chains.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = LevelRef<'_>> {
        let tables = self.tables();
        tables.levels.iter().map(|record| LevelRef { tables, record })
    }

    /// Returns the candidates of the group at an index.
    pub fn candidates_of(&self, group: GroupIdx) -> Candidates<'_> {
        let tables = self.tables();
        Candidates(tables.members.range(&tables.groups.at(group.get()).members))
    }

    /// Returns the first level of every chain. The order is not specified.
    pub fn chain_starts(&self) -> impl Iterator<Item = Option<LevelIdx>> {
        self.tables().chain_starts.iter().map(|entry| {
            let level = entry.level.to_native();
            (level != NONE).then_some(LevelIdx::new(level))
        })
    }
}

#[inline]
fn level(tables: &ArchivedTables, at: u32) -> Option<LevelRef<'_>> {
    (at != NONE).then(|| LevelRef { tables, record: tables.levels.at(at) })
}

impl<'s> LevelRef<'s> {
    /// Returns the index of the level. The index is computed, because storing it would make copies of levels
    /// larger.
    pub fn idx(self) -> LevelIdx {
        let offset = std::ptr::from_ref(self.record).addr() - self.tables.levels.as_ptr().addr();
        LevelIdx::new((offset / size_of::<ArchivedLevel>()) as u32)
    }

    /// Returns the index of the level's OU.
    #[inline]
    pub fn ou(self) -> OuIdx {
        OuIdx::new(self.record.ou.to_native())
    }

    /// Returns the depth of the level's OU.
    #[inline]
    pub fn depth(self) -> u32 {
        self.record.depth.to_native()
    }

    /// Returns the level at which the chain continues, if there is one.
    #[inline]
    pub fn next(self) -> Option<LevelRef<'s>> {
        level(self.tables, self.record.next.to_native())
    }

    /// Returns the steps for clients of this country, or for clients of no country.
    #[inline]
    pub fn steps(self, country: Option<Region>) -> Steps<'s> {
        let LevelRef { tables, record } = self;
        let first = match country {
            None => record.no_country_run.to_native(),
            Some(region) => match record.overridden().rank(region) {
                Some(rank) => {
                    let country_override = tables.overrides.at(record.overrides.to_native() + rank);
                    let members = country_override.members.to_native();
                    prefetch_record(tables.members.get(members as usize));
                    country_override.run.to_native()
                }
                None => record.default_run.to_native(),
            },
        };
        self.run(first)
    }

    /// Returns the distinct lists of steps, each with the clients for which it applies.
    pub fn runs(self) -> impl Iterator<Item = (RunClients, Steps<'s>)> {
        let LevelRef { tables, record } = self;
        let overridden = record.overridden();
        let others = Region::all().collect::<RegionSet>().difference(overridden);
        let overrides = (record.overrides.to_native()..).map(|at| tables.overrides.at(at).run.to_native());
        let of_country = |(country, run): (Region, u32)| (RunClients::from_countries(country.into()), run);
        let runs = overridden.iter().zip(overrides).map(of_country).chain([
            (RunClients::from_countries(others), record.default_run.to_native()),
            (RunClients { countries: RegionSet::EMPTY, no_country: true }, record.no_country_run.to_native()),
        ]);
        runs.map(move |(clients, first)| (clients, self.run(first)))
    }

    #[inline]
    fn run(self, first: u32) -> Steps<'s> {
        let run = Run::new(self.tables, first);
        Steps { tables: self.tables, run, first_pool: self.record.pools.to_native() }
    }
}

/// The stored steps of a run, in the order in which a selection tries them.
#[derive(Clone)]
pub(crate) struct Run<'s> {
    /// The steps of the run, followed by steps of other runs.
    steps: &'s [ArchivedStep],
}

impl<'s> Run<'s> {
    /// Returns the run that begins with this step. The run is empty if the index is [`NONE`].
    #[inline]
    pub(crate) fn new(tables: &'s ArchivedTables, first: u32) -> Run<'s> {
        Run { steps: tables.steps.get(first as usize..).unwrap_or_default() }
    }
}

impl<'s> Iterator for Run<'s> {
    type Item = &'s ArchivedStep;

    #[inline]
    fn next(&mut self) -> Option<&'s ArchivedStep> {
        let (step, rest) = self.steps.split_first()?;
        self.steps = if step.is_last() { &[] } else { rest };
        Some(step)
    }
}

impl Steps<'_> {
    /// Prefetches the record of the first step.
    #[inline]
    pub fn prefetch_first(&self) {
        prefetch_record(self.run.steps.first());
    }

    /// Prefetches the candidates and the pool of the first step.
    #[inline]
    pub fn prefetch_candidates(&self) {
        let Some(step) = self.clone().next() else { return };
        let (tables, members) = (step.tables, &step.record.members);
        let start = members.start.to_native() as usize;
        let lines = members.len.to_native().div_ceil(CANDIDATES_PER_LINE).min(MAX_LINES) as usize;
        for line in 0..lines {
            prefetch_record(tables.members.get(start + line * CANDIDATES_PER_LINE as usize));
        }
        prefetch_record(tables.level_pools.get(step.level_pool().get() as usize));
    }
}

impl<'s> Iterator for Steps<'s> {
    type Item = StepRef<'s>;

    #[inline]
    fn next(&mut self) -> Option<StepRef<'s>> {
        let record = self.run.next()?;
        Some(StepRef { tables: self.tables, record, first_pool: self.first_pool })
    }
}

impl ArchivedLevel {
    /// Returns the countries that have a run of their own.
    #[inline]
    pub(crate) fn overridden(&self) -> RegionSet {
        RegionSet::from_words(self.overridden.map(|word| word.to_native()))
    }
}

impl ArchivedStep {
    #[inline]
    pub(crate) fn rule(&self) -> Option<Rule> {
        Rule::from_stored(self.rule & !LAST_OF_RUN)
    }

    #[inline]
    pub(crate) fn country(&self) -> Option<Region> {
        Region::from_index(self.country)
    }

    #[inline]
    pub(crate) fn is_last(&self) -> bool {
        self.rule & LAST_OF_RUN != 0
    }
}

impl<'s> StepRef<'s> {
    /// Returns the rule of the step.
    #[inline]
    pub fn rule(self) -> Rule {
        self.record.rule().unwrap_or(RULE_OF_UNKNOWN_NUMBER)
    }

    /// Returns the pool at its level, which answers contain as the location of the account.
    #[inline]
    pub fn level_pool(self) -> LevelPoolIdx {
        LevelPoolIdx::new(self.first_pool + u32::from(self.record.slot.to_native()))
    }

    /// Returns the index of the step's pool.
    #[inline]
    pub fn pool(self) -> PoolIdx {
        PoolIdx::new(self.tables.level_pools.at(self.level_pool().get()).pool.to_native())
    }

    /// Returns the country of the candidates, if the step names one. Returns `None` if the client's country
    /// decides.
    #[inline]
    pub fn country(self) -> Option<Region> {
        self.record.country()
    }

    /// Returns the group of the step's candidates. Returns `None` if there are no candidates.
    #[inline]
    pub fn group(self) -> Option<GroupIdx> {
        let group = self.record.group.to_native();
        (group != NONE).then_some(GroupIdx::new(group))
    }

    /// Returns the candidates of the step.
    #[inline]
    pub fn candidates(self) -> Candidates<'s> {
        Candidates(self.tables.members.range(&self.record.members))
    }

    /// Returns the classes of the step's candidates. Returns no class if the candidates are few enough to
    /// scan.
    #[inline]
    pub fn classes(self) -> impl ExactSizeIterator<Item = Class<'s>> {
        let StepRef { tables, record, .. } = self;
        let few = (record.members.len.to_native() as usize) < MIN_CELLED_CLASS;
        let classes = match few {
            true => &[],
            false => tables.classes.range(&tables.groups.at(record.group.to_native()).classes),
        };
        classes.iter().map(move |record| Class { tables, record })
    }
}

impl<'s> Candidates<'s> {
    /// Returns the number of candidates.
    #[inline]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no candidate.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first candidate, which has the smallest weight.
    #[inline]
    pub fn first(self) -> Option<Candidate<'s>> {
        self.0.first().map(Candidate)
    }

    /// Returns the last candidate, which has the greatest weight.
    #[inline]
    pub fn last(self) -> Option<Candidate<'s>> {
        self.0.last().map(Candidate)
    }

    /// Returns all candidates in their order.
    #[inline]
    pub fn iter(self) -> impl ExactSizeIterator<Item = Candidate<'s>> {
        self.0.iter().map(Candidate)
    }

    /// Returns the candidates in parts of `size` candidates. The last part may be shorter.
    #[inline]
    pub fn chunks(self, size: usize) -> impl Iterator<Item = Candidates<'s>> {
        self.0.chunks(size).map(Candidates)
    }

    /// Returns the candidates of each weight as one part, in ascending order of weight.
    #[inline]
    pub fn by_weight(self) -> impl Iterator<Item = Candidates<'s>> {
        // A linear scan, because a binary search would wait for memory at each step.
        self.0.chunk_by(|one, next| one.weight == next.weight).map(Candidates)
    }
}

impl Candidate<'_> {
    /// Returns the index of the candidate's account.
    #[inline]
    pub fn account(self) -> AccountIdx {
        AccountIdx::new(self.0.account.to_native())
    }

    /// Returns the weight of the account, from 1 to 1000.
    #[inline]
    pub fn weight(self) -> u16 {
        self.0.weight.to_native()
    }

    /// Returns XXH3-64 of the account's id, from which the pick draws.
    #[inline]
    pub fn id_hash(self) -> u64 {
        self.0.id_hash.to_native()
    }

    /// Returns the position of the text that an answer contains about the account.
    #[inline]
    pub fn json(self) -> AccountJson {
        AccountJson::new(&self.0.id_and_address, self.0.suffix.to_native())
    }
}

impl<'s> Class<'s> {
    /// Returns the candidates of the class.
    #[inline]
    pub fn candidates(self) -> Candidates<'s> {
        Candidates(self.tables.members.range(&self.record.members))
    }

    /// Returns the directory of the class. Returns `None` if the candidates are few enough to scan.
    #[inline]
    pub fn cells(self) -> Option<CellDirectory<'s>> {
        let first = self.record.cells.to_native();
        if first == NONE {
            return None;
        }
        let cells = self.tables.cells.get(first as usize..)?.get(..=CELLS as usize)?;
        Some(CellDirectory { cells, candidates: self.candidates().0 })
    }
}

impl<'s> CellDirectory<'s> {
    /// Returns the candidates of a cell, which is below [`CELLS`].
    #[inline]
    pub fn candidates(self, cell: u32) -> Candidates<'s> {
        let (start, end) = (self.cells.at(cell).to_native(), self.cells.at(cell + 1).to_native());
        Candidates(self.candidates.get(start as usize..end as usize).unwrap_or_default())
    }
}
