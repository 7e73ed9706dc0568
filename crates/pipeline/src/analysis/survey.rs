//! Asks the walk for every country.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::decision::{Decision, Served, id};
use super::row::Row;
use switchboard_select::tracer::{Step, Tracer};
use switchboard_select::walk::walk;
use switchboard_select::{Code, Moment, Outcome, Overlay, Query};
use switchboard_snapshot::Snapshot;
use switchboard_snapshot::format::{ArchivedLevel, ArchivedMember, NONE};
use switchboard_snapshot::view::Records;

/// The decisions of a snapshot as of one time, as far as they were asked for.
pub struct Survey<'s> {
    snapshot: &'s Snapshot,
    now: i64,
    standings: Overlay,
    rows: Vec<Rc<Row>>,
    by_content: HashMap<Rc<Row>, usize, Xxh3DefaultBuilder>,
    by_start: HashMap<Start, usize, Xxh3DefaultBuilder>,
    available: HashMap<u32, Box<[&'s ArchivedMember]>, Xxh3DefaultBuilder>,
}

/// Where a query enters the chains, which is all that the walk takes of an OU: where the level lies that the
/// chain begins at (0: there is none), and how deep the OU is, from which it is told how far a query climbed.
type Start = (usize, u32);

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
    pub fn ask(&mut self, company: u32, ou: u32, channel: u32) -> usize {
        let contents = self.snapshot.contents();
        let role = contents.channels.at(channel).conversation_role();
        let level = self.snapshot.chain(company, ou, channel, role);
        let level = level.map_or(0, |level: &ArchivedLevel| std::ptr::from_ref(level).addr());
        let start = (level, contents.ous.at(ou).depth.to_native());
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
    pub fn available(&self, served: &Served) -> &[&'s ArchivedMember] {
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

    fn walk_all(&mut self, company: u32, ou: u32, channel: u32) -> Row {
        let Survey { snapshot, now, standings, available, .. } = self;
        let contents = snapshot.contents();
        let moment = Moment { now: *now, chance: 0, standings };
        let mut query = Query {
            company: Some(id(snapshot.text(&contents.companies.at(company).id)).into()),
            channel: id(snapshot.text(&contents.channels.at(channel).id)).into(),
            ou: id(snapshot.text(&contents.ous.at(ou).id)).into(),
            ..Query::default()
        };
        let mut last = Last { snapshot, available, group: NONE };
        Row::of(|region| {
            query.country = Some(region.alpha2().into());
            match walk(snapshot, &query, moment, &mut last).result {
                Err(code) => Decision::Refused(code),
                Ok(selection) => match selection.found {
                    // Where nothing is wanted of the rest of the chain, the last step is the one that answers.
                    Some(found) => Decision::Served(Served {
                        rule: selection.rule,
                        climbed: found.climbed,
                        ou: found.ou,
                        pool: found.pool,
                        group: last.group,
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
    available: &'a mut HashMap<u32, Box<[&'s ArchivedMember]>, Xxh3DefaultBuilder>,
    group: u32,
}

impl<'s> Tracer for Last<'s, '_> {
    const WHOLE_CHAIN: bool = false;

    fn step(&mut self, step: Step<'_>, outcome: impl Fn(u32) -> Outcome) {
        self.group = step.stored.group.to_native();
        if self.group == NONE {
            return;
        }
        self.available.entry(self.group).or_insert_with(|| {
            let group = self.snapshot.contents().groups.at(self.group);
            let members = self.snapshot.contents().members.range(&group.members).iter();
            let can_be_had =
                |member: &&ArchivedMember| outcome(member.account.to_native()) == Outcome::Available;
            let mut available: Vec<&ArchivedMember> = members.filter(can_be_had).collect();
            // A company's accounts are numbered in the order of their ids.
            available.sort_unstable_by_key(|member| member.account.to_native());
            available.into()
        });
    }
}
