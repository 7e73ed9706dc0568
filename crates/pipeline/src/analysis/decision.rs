//! The table of decisions: one row for each OU and channel, with a decision for every country. [`RuleCounts`]
//! counts the decisions of a row by rule.

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
        let mut known: HashMap<Decision, u8> = HashMap::new();
        let mut distinct = Vec::new();
        let cells = Region::all().map(decide).map(|decision| {
            // A byte suffices: there are fewer than 256 countries.
            *known.entry(decision).or_insert_with(|| {
                distinct.push(decision);
                (distinct.len() - 1) as u8
            })
        });
        let cells = cells.collect();
        Row { distinct: distinct.into(), cells }
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
        for (_, decision) in row.countries() {
            let count = match decision.served() {
                None => {
                    *counts.reasons.entry(decision.as_str()).or_default() += 1;
                    &mut counts.none
                }
                Some(served) => {
                    counts.climbed += usize::from(served.climbed > 0);
                    match served.rule {
                        Rule::CallingCode => &mut counts.calling_code,
                        Rule::Geography => &mut counts.geography,
                        Rule::DefaultRegion => &mut counts.default_region,
                        Rule::Country | Rule::Current | Rule::Dedicated => &mut counts.country,
                    }
                }
            };
            *count += 1;
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
pub struct DecisionTable<'s> {
    snapshot: &'s Snapshot,
    now: UnixSeconds,
    standings: Overlay,
    rows: Vec<Rc<Row>>,
    by_content: HashMap<Rc<Row>, usize, Xxh3DefaultBuilder>,
    by_start: HashMap<ChainEntry, usize, Xxh3DefaultBuilder>,
    available: HashMap<GroupIdx, Box<[Candidate<'s>]>, Xxh3DefaultBuilder>,
}

/// The properties of an OU that a selection depends on: the first level of its chain, and its depth.
type ChainEntry = (Option<LevelIdx>, u32);

impl<'s> DecisionTable<'s> {
    /// Creates an empty table for a snapshot at the time `now`.
    pub fn new(snapshot: &'s Snapshot, now: UnixSeconds) -> DecisionTable<'s> {
        DecisionTable {
            snapshot,
            now,
            standings: Overlay::from_free(snapshot.free_accounts()),
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

    /// Decides for a company's OU on a channel, in a role. Returns the number of the row. Equal rows have the
    /// same number.
    pub fn row_of(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx, role: Role) -> usize {
        let level = self.snapshot.chain(company, ou, channel, role).map(LevelRef::idx);
        let start = (level, self.snapshot.ou(ou).depth());
        if let Some(&row) = self.by_start.get(&start) {
            return row;
        }
        let row = self.decide(company, ou, channel, role);
        let row = self.store(row);
        self.by_start.insert(start, row);
        row
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

    /// Returns all rows, in the order of their numbers.
    pub fn rows(&self) -> &[Rc<Row>] {
        &self.rows
    }

    /// Returns the available candidates of a step, in the order of their ids. A selection picks one of them.
    pub fn available(&self, step: &ServingStep) -> &[Candidate<'s>] {
        self.available.get(&step.group).map_or(&[], |members| members)
    }

    /// Returns the ids of the available accounts of a decision, in order.
    pub fn available_ids(&self, decision: &Decision) -> Vec<&'s str> {
        let available = decision.served().map_or(&[][..], |served| self.available(served));
        available.iter().map(|candidate| self.snapshot.account(candidate.account()).id()).collect()
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

    fn decide(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx, role: Role) -> Row {
        let DecisionTable { snapshot, now, standings, available, .. } = self;
        let context = SelectContext { now: *now, random: 0, standings };
        let mut query = Query {
            company: Some(snapshot.company(company).id().into()),
            channel: snapshot.channel(channel).id().into(),
            ou: snapshot.ou(ou).id().into(),
            role: Some(role),
            ..Query::default()
        };
        let mut last = LastStep { snapshot, available, group: None };
        Row::from_fn(|region| {
            query.country = Some(region.alpha2().into());
            match select_with(snapshot, &query, context, &mut last).result {
                Err(error) => Decision::Refused(error),
                // The last step that the selection visits is the one that serves.
                Ok(selection) => match selection.location.zip(last.group) {
                    Some((location, group)) => Decision::Served(ServingStep {
                        rule: selection.rule,
                        climbed: location.climbed,
                        ou: location.ou,
                        pool: location.pool,
                        group,
                    }),
                    // Cannot happen: without a user there is no dedicated account.
                    None => Decision::Refused(SelectError::NoAccount),
                },
            }
        })
    }
}

/// Tracer that records the last step of a selection, and the available candidates of each step.
struct LastStep<'s, 'a> {
    snapshot: &'s Snapshot,
    available: &'a mut HashMap<GroupIdx, Box<[Candidate<'s>]>, Xxh3DefaultBuilder>,
    group: Option<GroupIdx>,
}

impl<'s> Tracer for LastStep<'s, '_> {
    const WHOLE_CHAIN: bool = false;

    fn step(&mut self, step: ChainStep<'_>, availability: impl Fn(AccountIdx) -> Availability) {
        self.group = step.stored.group();
        let Some(group) = self.group else { return };
        self.available.entry(group).or_insert_with(|| {
            let is_available =
                |candidate: &Candidate<'_>| availability(candidate.account()) == Availability::Available;
            let mut available: Vec<Candidate<'s>> =
                self.snapshot.candidates_of(group).iter().filter(is_available).collect();
            // The accounts of a company are numbered in the order of their ids.
            available.sort_unstable_by_key(|candidate| candidate.account());
            available.into()
        });
    }
}
