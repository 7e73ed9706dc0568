//! The table of decisions: one row for each OU and channel, with a decision for every country. [`RuleCounts`]
//! counts the decisions of a row by rule.

use std::cell::OnceCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use switchboard_model::{Region, Role, Rule, SelectError, UnixSeconds};
use switchboard_select::{Availability, ChainStep, Overlay, Query, SelectContext, Tracer, select_with};
use switchboard_snapshot::view::{Candidate, LevelRef};
use switchboard_snapshot::{
    AccountIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, OuIdx, PoolIdx, Snapshot,
};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

/// The answer to an invite if only the client's country is known. Indices belong to the snapshot of the
/// table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// One of the accounts of this step serves.
    Served(ServingStep),
    /// No account serves, for this reason.
    Refused(SelectError),
}

/// The step whose candidates serve. The client's id or phone decides which candidate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServingStep {
    /// The rule of the step.
    pub rule: Rule,
    /// Number of OUs that the step's OU is above the query's OU. 0 is the query's own OU.
    pub climbed: u32,
    /// The OU whose level has the step.
    pub ou: OuIdx,
    /// The pool of the step.
    pub pool: PoolIdx,
    /// The group of the step's candidates.
    pub group: GroupIdx,
}

impl Decision {
    /// Returns the name of the rule, or the code of the error.
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Served(step) => step.rule.as_str(),
            Decision::Refused(error) => error.as_str(),
        }
    }

    /// Returns the step that serves, if the decision is an account.
    pub fn served(&self) -> Option<&ServingStep> {
        match self {
            Decision::Served(served) => Some(served),
            Decision::Refused(_) => None,
        }
    }
}

impl ServingStep {
    /// Returns the id of the pool.
    pub fn pool<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.pool(self.pool).id()
    }

    /// Returns the id of the OU whose level has the step.
    pub fn ou<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.ou(self.ou).id()
    }
}

/// The decisions of one OU, channel and role, one for every country. Equal decisions are stored once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    distinct: Box<[Decision]>,
    /// For each region, by its index: the position of its decision in `distinct`.
    cells: Box<[u8]>,
}

impl Row {
    /// Creates a row. Calls `decide` once for each country.
    pub fn from_fn(decide: impl FnMut(Region) -> Decision) -> Row {
        let mut row = RowBuilder { distinct: Vec::new(), cells: Vec::with_capacity(Region::COUNT) };
        for decision in Region::all().map(decide) {
            let position = row.position_of(decision);
            row.cells.push(position);
        }
        row.build()
    }

    /// Returns the distinct decisions, in the order of their first countries.
    pub fn distinct(&self) -> &[Decision] {
        &self.distinct
    }

    /// Returns for each region, by its index, the position of its decision in [`distinct`](Row::distinct).
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// Returns every country with its decision, in alphabetical order.
    pub fn countries(&self) -> impl Iterator<Item = (Region, &Decision)> {
        let decisions = self.cells.iter().filter_map(|&cell| self.distinct.get(usize::from(cell)));
        Region::all().zip(decisions)
    }
}

/// A row in the making.
struct RowBuilder {
    /// Decisions of the row, in any order. Some may have no country.
    distinct: Vec<Decision>,
    /// For each region, by its index: the position of its decision in `distinct`.
    cells: Vec<u16>,
}

impl RowBuilder {
    /// Copies the row of an OU for an OU that is `levels` below, and has no pools.
    fn below(row: &Row, levels: u32) -> RowBuilder {
        let distinct = row.distinct.iter().map(|decision| match *decision {
            Decision::Served(step) => {
                Decision::Served(ServingStep { climbed: step.climbed + levels, ..step })
            }
            refused @ Decision::Refused(_) => refused,
        });
        RowBuilder { distinct: distinct.collect(), cells: row.cells.iter().copied().map(u16::from).collect() }
    }

    fn position_of(&mut self, decision: Decision) -> u16 {
        // Decisions of neighboring countries are often equal.
        let known = self.distinct.iter().rposition(|known| *known == decision);
        let position = known.unwrap_or_else(|| {
            self.distinct.push(decision);
            self.distinct.len() - 1
        });
        // Two bytes suffice: there are fewer than 256 countries, and a decision is added for one of them.
        position as u16
    }

    fn set(&mut self, country: Region, position: u16) {
        if let Some(cell) = self.cells.get_mut(usize::from(country.index())) {
            *cell = position;
        }
    }

    /// Orders the decisions by their first countries, and drops those of no country.
    fn build(self) -> Row {
        let mut positions = vec![None; self.distinct.len()];
        let mut distinct = Vec::with_capacity(self.distinct.len());
        let mut order = |old: &u16| {
            let old = usize::from(*old);
            let (Some(new), Some(decision)) = (positions.get_mut(old), self.distinct.get(old)) else {
                return 0;
            };
            *new.get_or_insert_with(|| {
                distinct.push(*decision);
                // A byte suffices: there are fewer than 256 countries.
                (distinct.len() - 1) as u8
            })
        };
        let cells = self.cells.iter().map(&mut order).collect();
        Row { distinct: distinct.into(), cells }
    }
}

/// Number of countries that each rule serves. Each decision counts once: by its rule, or as `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// Served by an account of the client's country.
    pub country: usize,
    /// Served by an account of the same calling code.
    pub calling_code: usize,
    /// Served because of a mapping.
    pub geography: usize,
    /// Served because of a pool's default country.
    pub default_region: usize,
    /// Served by no account.
    pub none: usize,
    /// Number of decisions above that are served on a level above the OU, by any rule.
    pub climbed: usize,
    /// Number of decisions for each error code.
    pub reasons: BTreeMap<&'static str, usize>,
}

impl RuleCounts {
    /// Counts the decisions of a row.
    pub fn from_row(row: &Row) -> RuleCounts {
        let mut counts = RuleCounts::default();
        let mut countries = [0; Region::COUNT];
        for &cell in row.cells() {
            if let Some(countries) = countries.get_mut(usize::from(cell)) {
                *countries += 1;
            }
        }
        for (decision, countries) in row.distinct().iter().zip(countries) {
            let count = match decision.served() {
                None => {
                    *counts.reasons.entry(decision.as_str()).or_default() += countries;
                    &mut counts.none
                }
                Some(served) => {
                    counts.climbed += if served.climbed > 0 { countries } else { 0 };
                    match served.rule {
                        Rule::CallingCode => &mut counts.calling_code,
                        Rule::Geography => &mut counts.geography,
                        Rule::DefaultRegion => &mut counts.default_region,
                        Rule::Country | Rule::Current | Rule::Dedicated => &mut counts.country,
                    }
                }
            };
            *count += countries;
        }
        counts
    }

    /// Adds `other`, multiplied by `times`.
    pub fn add(&mut self, other: &RuleCounts, times: usize) {
        let RuleCounts { country, calling_code, geography, default_region, none, climbed, reasons } = other;
        self.country += country * times;
        self.calling_code += calling_code * times;
        self.geography += geography * times;
        self.default_region += default_region * times;
        self.none += none * times;
        self.climbed += climbed * times;
        for (reason, count) in reasons {
            *self.reasons.entry(reason).or_default() += count * times;
        }
    }

    /// Returns the number of all decisions.
    pub fn total(&self) -> usize {
        self.country + self.calling_code + self.geography + self.default_region + self.none
    }
}

/// The decisions of a snapshot at one time, for the OUs, channels and roles that [`row_of`](DecisionTable::row_of)
/// was called with.
///
/// The table runs a selection only where its result is not known from the level above in the chain. Two facts
/// suffice, which tests compare with a selection for each country:
///
/// * A level whose steps have no candidates for a country decides as the level above decides.
/// * A level decides equally for two countries if both have the same steps there, and the level above decides
///   equally for both.
pub struct DecisionTable<'s> {
    snapshot: &'s Snapshot,
    now: UnixSeconds,
    standings: Overlay,
    rows: Vec<Rc<Row>>,
    by_content: HashMap<Rc<Row>, usize, Xxh3DefaultBuilder>,
    by_start: HashMap<ChainEntry, usize, Xxh3DefaultBuilder>,
    /// The groups that serve, with their available candidates once they are read.
    available: HashMap<GroupIdx, OnceCell<Box<[Candidate<'s>]>>, Xxh3DefaultBuilder>,
}

/// The properties of an OU that a selection depends on: the first level of its chain, and its depth.
type ChainEntry = (Option<LevelIdx>, u32);

/// The OU, channel and role of a row, in a company.
#[derive(Clone, Copy)]
struct RowKey {
    company: CompanyIdx,
    ou: OuIdx,
    channel: ChannelIdx,
    role: Role,
}

impl<'s> DecisionTable<'s> {
    /// Creates an empty table for a snapshot at the time `now`, without standings.
    pub fn new(snapshot: &'s Snapshot, now: UnixSeconds) -> DecisionTable<'s> {
        DecisionTable::with_standings(snapshot, now, Overlay::from_free(snapshot.free_accounts()))
    }

    /// Creates an empty table for a snapshot at the time `now`. `standings` has the live conditions of the
    /// snapshot's accounts. They must not change any more: copy those of a running daemon.
    pub fn with_standings(snapshot: &'s Snapshot, now: UnixSeconds, standings: Overlay) -> DecisionTable<'s> {
        DecisionTable {
            snapshot,
            now,
            standings,
            rows: Vec::new(),
            by_content: HashMap::default(),
            by_start: HashMap::default(),
            available: HashMap::default(),
        }
    }

    /// Returns the snapshot that the table decides for.
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Returns the standings that the table decides with.
    pub fn standings(&self) -> &Overlay {
        &self.standings
    }

    /// Decides for a company's OU on a channel, in a role. Returns the number of the row. Equal rows have the
    /// same number.
    pub fn row_of(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx, role: Role) -> usize {
        let key = RowKey { company, ou, channel, role };
        let level = self.snapshot.chain(company, ou, channel, role);
        let depth = self.snapshot.ou(ou).depth();
        let start = (level.map(LevelRef::idx), depth);
        if let Some(&row) = self.by_start.get(&start) {
            return row;
        }
        let row = match level {
            Some(level) => {
                let row = self.row_of_level(key, level);
                match depth.saturating_sub(level.depth()) {
                    0 => return row,
                    levels => RowBuilder::below(&self.row(row), levels).build(),
                }
            }
            None => Row::from_fn(|country| self.select(key, country)),
        };
        self.store_for(start, row)
    }

    /// Returns the number of the row that refuses every country with this error.
    pub fn row_of_refusals(&mut self, error: SelectError) -> usize {
        self.store(Row::from_fn(|_| Decision::Refused(error)))
    }

    /// Returns a row by its number in this table.
    #[allow(clippy::indexing_slicing, reason = "this table assigns the numbers")]
    pub fn row(&self, number: usize) -> Rc<Row> {
        Rc::clone(&self.rows[number])
    }

    /// Returns the available candidates of a step, in the order of their ids. A selection picks one of them.
    pub fn available(&self, step: &ServingStep) -> &[Candidate<'s>] {
        self.available.get(&step.group).map_or(&[], |cell| {
            cell.get_or_init(|| {
                let context = self.context();
                let is_available = |candidate: &Candidate<'_>| {
                    context.availability(self.snapshot, candidate.account()) == Availability::Available
                };
                let candidates = self.snapshot.candidates_of(step.group).iter();
                let mut available: Vec<Candidate<'s>> = candidates.filter(is_available).collect();
                // The accounts of a company are numbered in the order of their ids.
                available.sort_unstable_by_key(|candidate| candidate.account());
                available.into()
            })
        })
    }

    /// Returns the ids of the available accounts of a decision, in order.
    pub fn available_ids(&self, decision: &Decision) -> Vec<&'s str> {
        let available = decision.served().map_or(&[][..], |served| self.available(served));
        available.iter().map(|candidate| self.snapshot.account(candidate.account()).id()).collect()
    }

    fn context(&self) -> SelectContext<'_> {
        SelectContext { now: self.now, random: 0, standings: &self.standings }
    }

    fn store(&mut self, row: Row) -> usize {
        match self.by_content.entry(Rc::new(row)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.rows.push(Rc::clone(new.key()));
                *new.insert(self.rows.len() - 1)
            }
        }
    }

    fn store_for(&mut self, start: ChainEntry, row: Row) -> usize {
        let row = self.store(row);
        self.by_start.insert(start, row);
        row
    }

    /// Returns the number of the row of a level's own OU. `key` has another OU whose chain has the level.
    fn row_of_level(&mut self, key: RowKey, level: LevelRef<'s>) -> usize {
        let start = |level: LevelRef<'_>| (Some(level.idx()), level.depth());
        let mut unknown = Vec::new();
        let mut next = Some(level);
        let mut row = loop {
            let Some(level) = next else { break self.row_of_refusals(SelectError::NoAccount) };
            match self.by_start.get(&start(level)) {
                Some(&row) => break row,
                None => unknown.push(level),
            }
            next = level.next();
        };
        for level in unknown.into_iter().rev() {
            let decided = self.decide(RowKey { ou: level.ou(), ..key }, level, &self.row(row));
            row = self.store_for(start(level), decided);
        }
        row
    }

    /// Decides for the OU of a level. `above` is the row of the level that is next in the chain.
    fn decide(&mut self, key: RowKey, level: LevelRef<'s>, above: &Row) -> Row {
        let climbed = level.next().map_or(0, |next| level.depth().saturating_sub(next.depth()));
        let mut row = RowBuilder::below(above, climbed);
        for (clients, mut steps) in level.runs() {
            if steps.all(|step| step.group().is_none()) {
                continue;
            }
            // The decision if a step of this level serves, else by the decision of the level above.
            let mut of_level = None;
            let mut by_above: Vec<(u16, u16)> = Vec::new();
            for country in clients.countries.iter() {
                let at = row.cells.get(usize::from(country.index())).copied().unwrap_or_default();
                let known = || by_above.iter().find(|(above, _)| *above == at).map(|&(_, position)| position);
                let position = of_level.or_else(known).unwrap_or_else(|| {
                    let decision = self.select(key, country);
                    let position = row.position_of(decision);
                    match decision.served() {
                        Some(step) if step.climbed == 0 => of_level = Some(position),
                        _ => by_above.push((at, position)),
                    }
                    position
                });
                row.set(country, position);
            }
        }
        row.build()
    }

    /// Decides for one country by a selection.
    fn select(&mut self, RowKey { company, ou, channel, role }: RowKey, country: Region) -> Decision {
        let snapshot = self.snapshot;
        let query = Query {
            company: Some(snapshot.company(company).id().into()),
            channel: snapshot.channel(channel).id().into(),
            ou: snapshot.ou(ou).id().into(),
            role: Some(role),
            country: Some(country.alpha2().into()),
            ..Query::default()
        };
        let mut last = LastStep { group: None };
        match select_with(snapshot, &query, self.context(), &mut last).result {
            Err(error) => Decision::Refused(error),
            // The last step that the selection visits is the one that serves.
            Ok(selection) => match selection.location.zip(last.group) {
                Some((location, group)) => {
                    self.available.entry(group).or_default();
                    Decision::Served(ServingStep {
                        rule: selection.rule,
                        climbed: location.climbed,
                        ou: location.ou,
                        pool: location.pool,
                        group,
                    })
                }
                // Cannot happen: without a user there is no dedicated account.
                None => Decision::Refused(SelectError::NoAccount),
            },
        }
    }
}

/// Tracer that records the group of the last step of a selection.
struct LastStep {
    group: Option<GroupIdx>,
}

impl Tracer for LastStep {
    const WHOLE_CHAIN: bool = false;

    fn step(&mut self, step: ChainStep<'_>, _: impl Fn(AccountIdx) -> Availability) {
        self.group = step.stored.group();
    }
}
