//! Asks the walk for every country.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::decision::{Decision, Served};
use super::row::Row;
use switchboard_select::tracer::{Step, Tracer};
use switchboard_select::walk::walk;
use switchboard_select::{Code, Moment, Outcome, Overlay, Query};
use switchboard_snapshot::view::{Candidate, LevelRef};
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, OuIdx, Snapshot};

/// The decisions of a snapshot as of one time, as far as they were asked for.
pub struct Survey<'s> {
    snapshot: &'s Snapshot,
    now: i64,
    standings: Overlay,
    rows: Vec<Rc<Row>>,
    by_content: HashMap<Rc<Row>, usize, Xxh3DefaultBuilder>,
    by_start: HashMap<Start, usize, Xxh3DefaultBuilder>,
    available: HashMap<GroupIdx, Box<[Candidate<'s>]>, Xxh3DefaultBuilder>,
}

/// Where a query enters the chains, which is all that the walk takes of an OU: the level that the chain begins at,
/// and the OU's depth, from which it is told how far a query climbed.
type Start = (Option<LevelIdx>, u32);

impl<'s> Survey<'s> {
    /// Of a snapshot as of `now`, Unix seconds.
    pub fn new(snapshot: &'s Snapshot, now: i64) -> Survey<'s> {
        Survey {
            snapshot,
            now,
            standings: Overlay::of(snapshot.free_accounts()),
            rows: Vec::new(),
            by_content: HashMap::default(),
            by_start: HashMap::default(),
            available: HashMap::default(),
        }
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// The decisions of a company's OU on a channel: the number of the row. Equal rows have one number.
    pub fn ask(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx) -> usize {
        let role = self.snapshot.channel(channel).conversation_role();
        let level = self.snapshot.chain(company, ou, channel, role).map(LevelRef::idx);
        let start = (level, self.snapshot.ou(ou).depth());
        if let Some(&row) = self.by_start.get(&start) {
            return row;
        }
        let row = self.walk_all(company, ou, channel);
        let row = self.keep(row);
        self.by_start.insert(start, row);
        row
    }

    /// One decision for every country: that there is none, for a reason that holds for all of them.
    pub fn refuse(&mut self, code: Code) -> usize {
        self.keep(Row::of(|_| Decision::Refused(code)))
    }

    /// A row by its number.
    pub fn row(&self, number: usize) -> Rc<Row> {
        self.rows
            .get(number)
            .map_or_else(|| Rc::new(Row::of(|_| Decision::Refused(Code::Internal))), Rc::clone)
    }

    /// Every row that was asked for.
    pub fn rows(&self) -> &[Rc<Row>] {
        &self.rows
    }

    /// The candidates of a decision that can be had, in the order of their ids: one of them is picked.
    pub fn available(&self, served: &Served) -> &[Candidate<'s>] {
        self.available.get(&served.group).map_or(&[], |members| members)
    }

    fn keep(&mut self, row: Row) -> usize {
        match self.by_content.entry(Rc::new(row)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.rows.push(Rc::clone(new.key()));
                *new.insert(self.rows.len() - 1)
            }
        }
    }

    fn walk_all(&mut self, company: CompanyIdx, ou: OuIdx, channel: ChannelIdx) -> Row {
        let Survey { snapshot, now, standings, available, .. } = self;
        let moment = Moment { now: *now, chance: 0, standings };
        let mut query = Query {
            company: Some(snapshot.company(company).id().into()),
            channel: snapshot.channel(channel).id().into(),
            ou: snapshot.ou(ou).id().into(),
            ..Query::default()
        };
        let mut last = Last { snapshot, available, group: None };
        Row::of(|region| {
            query.country = Some(region.alpha2().into());
            match walk(snapshot, &query, moment, &mut last).result {
                Err(code) => Decision::Refused(code),
                // The last step that is visited is the one that answers.
                Ok(selection) => match selection.found.zip(last.group) {
                    Some((found, group)) => Decision::Served(Served {
                        rule: selection.rule,
                        climbed: found.climbed,
                        ou: found.ou,
                        pool: found.pool,
                        group,
                    }),
                    // Without a user there is no dedicated account.
                    None => Decision::Refused(Code::Internal),
                },
            }
        })
    }
}

/// The last step that the walk came to, and who of each step can be had.
struct Last<'s, 'a> {
    snapshot: &'s Snapshot,
    available: &'a mut HashMap<GroupIdx, Box<[Candidate<'s>]>, Xxh3DefaultBuilder>,
    group: Option<GroupIdx>,
}

impl<'s> Tracer for Last<'s, '_> {
    const WHOLE_CHAIN: bool = false;

    fn step(&mut self, step: Step<'_>, outcome: impl Fn(AccountIdx) -> Outcome) {
        self.group = step.stored.group();
        let Some(group) = self.group else { return };
        self.available.entry(group).or_insert_with(|| {
            let is_available = |candidate: &Candidate<'_>| outcome(candidate.account()) == Outcome::Available;
            let mut available: Vec<Candidate<'s>> =
                self.snapshot.candidates_of(group).iter().filter(is_available).collect();
            // A company's accounts are numbered in the order of their ids.
            available.sort_unstable_by_key(|candidate| candidate.account());
            available.into()
        });
    }
}
