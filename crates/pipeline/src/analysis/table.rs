//! Decides for every country, by the selection that the daemon runs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::decision::{Decision, Row, ServingStep};
use switchboard_model::{SelectError, UnixSeconds};
use switchboard_select::{Availability, ChainStep, Overlay, Query, SelectContext, Tracer, select_with};
use switchboard_snapshot::view::{Candidate, LevelRef};
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, OuIdx, Snapshot};

/// The decisions of a snapshot as of one time, for the OUs and channels that [`row_of`](DecisionTable::row_of) was called
/// with.
pub struct DecisionTable<'s> {
    snapshot: &'s Snapshot,
    now: UnixSeconds,
    standings: Overlay,
    rows: Vec<Rc<Row>>,
    by_content: HashMap<Rc<Row>, usize, Xxh3DefaultBuilder>,
    by_start: HashMap<ChainEntry, usize, Xxh3DefaultBuilder>,
    available: HashMap<GroupIdx, Box<[Candidate<'s>]>, Xxh3DefaultBuilder>,
}

/// All that a selection depends on of an OU: the level that its chain begins at, and its depth.
type ChainEntry = (Option<LevelIdx>, u32);

impl<'s> DecisionTable<'s> {
    /// Returns an empty table of a snapshot's decisions as of `now`.
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

    /// Returns the snapshot.
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Decides for a company's OU on a channel. Returns the number of the row; equal rows have one number.
    pub fn row_of(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx) -> usize {
        let role = self.snapshot.channel(channel).conversation_role();
        let level = self.snapshot.chain(company, ou, channel, role).map(LevelRef::idx);
        let start = (level, self.snapshot.ou(ou).depth());
        if let Some(&row) = self.by_start.get(&start) {
            return row;
        }
        let row = self.decide(company, ou, channel);
        let row = self.store(row);
        self.by_start.insert(start, row);
        row
    }

    /// Returns the number of the row that refuses every country for one reason.
    pub fn row_of_refusals(&mut self, error: SelectError) -> usize {
        self.store(Row::from_fn(|_| Decision::Refused(error)))
    }

    /// Returns a row by its number in this table.
    #[allow(clippy::indexing_slicing, reason = "rows are numbered by this table")]
    pub fn row(&self, number: usize) -> Rc<Row> {
        Rc::clone(&self.rows[number])
    }

    /// Returns every row.
    pub fn rows(&self) -> &[Rc<Row>] {
        &self.rows
    }

    /// Returns the available candidates of a step, in order of their ids: a selection picks one of them.
    pub fn available(&self, step: &ServingStep) -> &[Candidate<'s>] {
        self.available.get(&step.group).map_or(&[], |members| members)
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

    fn decide(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx) -> Row {
        let DecisionTable { snapshot, now, standings, available, .. } = self;
        let context = SelectContext { now: *now, random: 0, standings };
        let mut query = Query {
            company: Some(snapshot.company(company).id().into()),
            channel: snapshot.channel(channel).id().into(),
            ou: snapshot.ou(ou).id().into(),
            ..Query::default()
        };
        let mut last = LastStep { snapshot, available, group: None };
        Row::from_fn(|region| {
            query.country = Some(region.alpha2().into());
            match select_with(snapshot, &query, context, &mut last).result {
                Err(error) => Decision::Refused(error),
                // The last step that is visited is the one that answers.
                Ok(selection) => match selection.location.zip(last.group) {
                    Some((location, group)) => Decision::Served(ServingStep {
                        rule: selection.rule,
                        climbed: location.climbed,
                        ou: location.ou,
                        pool: location.pool,
                        group,
                    }),
                    // Never: without a user there is no dedicated account.
                    None => Decision::Refused(SelectError::NoAccount),
                },
            }
        })
    }
}

/// Records the last step that a selection visits, and the available candidates of each step.
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
            // A company's accounts are numbered in the order of their ids.
            available.sort_unstable_by_key(|candidate| candidate.account());
            available.into()
        });
    }
}
