//! The chain of an OU: where it begins, its levels, their steps, and the candidates of a step.

use super::{AccountJson, Records, Snapshot, prefetch_record};
use crate::format::{
    ArchivedClass, ArchivedLevel, ArchivedMember, ArchivedStep, ArchivedTables, LAST_OF_RUN, NO_COLUMN, NONE,
};
use crate::rendezvous::{CELLS, MIN_CELLED_CLASS};
use crate::{
    AccountIdx, ChainStartIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, LevelPoolIdx, OuIdx, PoolIdx,
};
use switchboard_model::{Region, RegionSet, Role, Rule};

/// Candidates in a cache line, about.
const CANDIDATES_PER_LINE: u32 = 64 / size_of::<ArchivedMember>() as u32;
/// Lines of candidates that are requested at once: the processor itself prefetches those behind them.
const MAX_LINES: u32 = 4;

/// A level of a chain: an OU's pools of one channel, for one role. All OUs whose chains reach a level share it.
#[derive(Clone, Copy)]
pub struct LevelRef<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedLevel,
}

/// The steps of a level for one client, in order.
#[derive(Clone)]
pub struct Steps<'s> {
    tables: &'s ArchivedTables,
    run: Run<'s>,
    /// The level's first pool.
    first_pool: u32,
}

/// A step: one rule at one pool.
#[derive(Clone, Copy)]
pub struct StepRef<'s> {
    pub(super) tables: &'s ArchivedTables,
    pub(super) record: &'s ArchivedStep,
    first_pool: u32,
}

/// The clients that a list of steps serves.
#[derive(Debug, Clone, Copy)]
pub struct RunClients {
    /// Their countries.
    pub countries: RegionSet,
    /// Whether clients of no country are among them.
    pub no_country: bool,
}

impl RunClients {
    fn from_countries(countries: RegionSet) -> RunClients {
        RunClients { countries, no_country: false }
    }
}

/// Equal candidates, ordered by weight, then by cell.
#[derive(Clone, Copy)]
pub struct Candidates<'s>(&'s [ArchivedMember]);

/// An account as a candidate of a step: all that a pick and an answer need of it.
#[derive(Clone, Copy)]
pub struct Candidate<'s>(&'s ArchivedMember);

/// The candidates of a large group that have one weight.
#[derive(Clone, Copy)]
pub struct Class<'s> {
    tables: &'s ArchivedTables,
    record: &'s ArchivedClass,
}

/// Where in a class the candidates of each cell are.
#[derive(Clone, Copy)]
pub struct CellDirectory<'s> {
    /// Cell to first candidate; one more entry than there are cells.
    cells: &'s [rkyv::rend::u32_le],
    candidates: &'s [ArchivedMember],
}

impl Snapshot {
    /// Returns which record says where the chain of (OU, channel, role) begins, and prefetches it.
    /// `None` if the company has no pool of the channel.
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

    /// Returns the level where a chain begins, and prefetches it.
    #[inline]
    pub fn first_level(&self, start: ChainStartIdx) -> Option<LevelRef<'_>> {
        let tables = self.tables();
        let entry = tables.chain_starts.at(start.get());
        // Nearly all levels have few enough overrides for two cache lines.
        let overrides = entry.overrides.to_native();
        for at in [overrides, overrides.saturating_add(8)] {
            prefetch_record(tables.overrides.get(at as usize));
        }
        let level = level(tables, entry.level.to_native());
        prefetch_record(level.map(|level| level.record));
        level
    }

    /// Returns the level where the chain of (OU, channel, role) begins.
    pub fn chain(
        &self,
        company: CompanyIdx,
        ou: OuIdx,
        channel: ChannelIdx,
        role: Role,
    ) -> Option<LevelRef<'_>> {
        self.first_level(self.prefetch_chain(company, ou, channel, role)?)
    }

    /// Returns all levels.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = LevelRef<'_>> {
        let tables = self.tables();
        tables.levels.iter().map(|record| LevelRef { tables, record })
    }

    /// Returns the candidates of a group.
    pub fn candidates_of(&self, group: GroupIdx) -> Candidates<'_> {
        let tables = self.tables();
        Candidates(tables.members.range(&tables.groups.at(group.get()).members))
    }

    /// Returns the first level of the chain of every (role, OU, channel with pools), in no documented order.
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
    /// The index. Computed, because a selection copies levels and never needs it.
    pub fn idx(self) -> LevelIdx {
        let offset = std::ptr::from_ref(self.record).addr() - self.tables.levels.as_ptr().addr();
        LevelIdx::new((offset / size_of::<ArchivedLevel>()) as u32)
    }

    /// The level's OU.
    #[inline]
    pub fn ou(self) -> OuIdx {
        OuIdx::new(self.record.ou.to_native())
    }

    /// The depth of the level's OU.
    #[inline]
    pub fn depth(self) -> u32 {
        self.record.depth.to_native()
    }

    /// Returns the level that the chain continues with.
    #[inline]
    pub fn next(self) -> Option<LevelRef<'s>> {
        level(self.tables, self.record.next.to_native())
    }

    /// Returns the steps for a client of this country, or of no country.
    #[inline]
    pub fn steps(self, country: Option<Region>) -> Steps<'s> {
        let LevelRef { tables, record } = self;
        let first = match country {
            None => record.no_country_run.to_native(),
            Some(region) => match record.overridden().rank(region) {
                Some(rank) => {
                    let exception = tables.overrides.at(record.overrides.to_native() + rank);
                    let members = exception.members.to_native();
                    prefetch_record(tables.members.get(members as usize));
                    exception.run.to_native()
                }
                None => record.default_run.to_native(),
            },
        };
        self.run(first)
    }

    /// Returns the distinct lists of steps, each with the clients that it serves.
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

/// The stored steps of a run, in order.
#[derive(Clone)]
pub(crate) struct Run<'s> {
    /// These steps and, behind the last one, others.
    steps: &'s [ArchivedStep],
}

impl<'s> Run<'s> {
    /// The run that begins with this step; an empty one if the index is [`NONE`].
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
    /// Prefetches the first step.
    #[inline]
    pub fn prefetch_first(&self) {
        prefetch_record(self.run.steps.first());
    }

    /// Prefetches the first step's candidates, and its pool.
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
    /// The countries that have steps of their own.
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
    /// The step's rule.
    #[inline]
    pub fn rule(self) -> Rule {
        self.record.rule().unwrap_or(Rule::DefaultRegion)
    }

    /// The pool at its level: where answers say that an account was found.
    #[inline]
    pub fn level_pool(self) -> LevelPoolIdx {
        LevelPoolIdx::new(self.first_pool + u32::from(self.record.slot.to_native()))
    }

    /// The step's pool.
    #[inline]
    pub fn pool(self) -> PoolIdx {
        PoolIdx::new(self.tables.level_pools.at(self.level_pool().get()).pool.to_native())
    }

    /// The country that the step looks for; `None`: the client's.
    #[inline]
    pub fn country(self) -> Option<Region> {
        self.record.country()
    }

    /// The group of the step's candidates; `None` if there are no candidates.
    #[inline]
    pub fn group(self) -> Option<GroupIdx> {
        let group = self.record.group.to_native();
        (group != NONE).then_some(GroupIdx::new(group))
    }

    /// The step's candidates.
    #[inline]
    pub fn candidates(self) -> Candidates<'s> {
        Candidates(self.tables.members.range(&self.record.members))
    }

    /// Returns the classes of the step's candidates; none if the candidates are few enough to scan.
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
    /// How many there are.
    #[inline]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first candidate.
    #[inline]
    pub fn first(self) -> Option<Candidate<'s>> {
        self.0.first().map(Candidate)
    }

    /// Returns the last candidate.
    #[inline]
    pub fn last(self) -> Option<Candidate<'s>> {
        self.0.last().map(Candidate)
    }

    /// Returns every candidate.
    #[inline]
    pub fn iter(self) -> impl ExactSizeIterator<Item = Candidate<'s>> {
        self.0.iter().map(Candidate)
    }

    /// Returns the candidates in pieces of `size`, the last of which may be shorter.
    #[inline]
    pub fn chunks(self, size: usize) -> impl Iterator<Item = Candidates<'s>> {
        self.0.chunks(size).map(Candidates)
    }

    /// Returns the candidates of each weight.
    #[inline]
    pub fn by_weight(self) -> impl Iterator<Item = Candidates<'s>> {
        // One after the other, in order: a binary search would wait for memory at each step.
        self.0.chunk_by(|one, next| one.weight == next.weight).map(Candidates)
    }
}

impl Candidate<'_> {
    /// The account.
    #[inline]
    pub fn account(self) -> AccountIdx {
        AccountIdx::new(self.0.account.to_native())
    }

    /// The account's weight.
    #[inline]
    pub fn weight(self) -> u16 {
        self.0.weight.to_native()
    }

    /// XXH3-64 of the account's id: the pick draws with it.
    #[inline]
    pub fn id_hash(self) -> u64 {
        self.0.id_hash.to_native()
    }

    /// Where the text lies that an answer says of the account.
    #[inline]
    pub fn json(self) -> AccountJson {
        AccountJson::new(&self.0.id_and_address, self.0.suffix.to_native())
    }
}

impl<'s> Class<'s> {
    /// The candidates of the class.
    #[inline]
    pub fn candidates(self) -> Candidates<'s> {
        Candidates(self.tables.members.range(&self.record.members))
    }

    /// The candidates by cell; `None` if they are few enough to scan.
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
    /// Returns the candidates of a cell.
    #[inline]
    pub fn candidates(self, cell: u32) -> Candidates<'s> {
        let (start, end) = (self.cells.at(cell).to_native(), self.cells.at(cell + 1).to_native());
        Candidates(self.candidates.get(start as usize..end as usize).unwrap_or_default())
    }
}
