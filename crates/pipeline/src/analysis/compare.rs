//! Whether two decisions, one of each snapshot, are the same, and if not, how they differ.

use std::collections::HashMap;
use std::rc::Rc;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::candidates::{Difference, ids};
use super::decision::{Decision, Served};
use super::survey::Survey;
use switchboard_snapshot::{GroupIdx, Snapshot};

/// How a decision changes; what is worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// There was an answer, and is none.
    BecomesError,
    /// There was none, and is none for another reason.
    OtherError,
    /// There was none, and is one.
    Answered,
    /// Another rule, level or pool.
    Moved,
    /// The same step, other accounts in it.
    Accounts,
    /// The same step and accounts, on another level above the query's OU.
    Level,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 6] =
        [Kind::BecomesError, Kind::OtherError, Kind::Answered, Kind::Moved, Kind::Accounts, Kind::Level];

    /// For programs.
    pub const fn text(self) -> &'static str {
        match self {
            Kind::BecomesError => "becomes_error",
            Kind::OtherError => "other_error",
            Kind::Answered => "answered",
            Kind::Moved => "moved",
            Kind::Accounts => "accounts",
            Kind::Level => "level",
        }
    }
}

/// Two snapshots as of the same time.
pub struct Comparison<'s> {
    /// What is.
    pub old: Survey<'s>,
    /// What is to be.
    pub new: Survey<'s>,
    /// By groups; steps of one group are many.
    differences: HashMap<(GroupIdx, GroupIdx), Option<Rc<Difference<'s>>>, Xxh3DefaultBuilder>,
    kinds: HashMap<(Decision, Decision), Option<Kind>, Xxh3DefaultBuilder>,
}

impl<'s> Comparison<'s> {
    /// Of two snapshots as of `now`, Unix seconds.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot, now: i64) -> Comparison<'s> {
        Comparison {
            old: Survey::new(old, now),
            new: Survey::new(new, now),
            differences: HashMap::default(),
            kinds: HashMap::default(),
        }
    }

    /// How a decision changes, if it does.
    pub fn kind(&mut self, old: &Decision, new: &Decision) -> Option<Kind> {
        if let Some(&known) = self.kinds.get(&(*old, *new)) {
            return known;
        }
        let kind = match (old, new) {
            (Decision::Served(_), Decision::Refused(_)) => Some(Kind::BecomesError),
            (Decision::Refused(_), Decision::Served(_)) => Some(Kind::Answered),
            (Decision::Refused(old), Decision::Refused(new)) => (old != new).then_some(Kind::OtherError),
            (Decision::Served(old), Decision::Served(new)) => {
                let elsewhere = self.is_elsewhere(old, new);
                match (old.climbed == new.climbed, self.difference(old, new)) {
                    _ if elsewhere => Some(Kind::Moved),
                    (false, Some(_)) => Some(Kind::Moved),
                    (false, None) => Some(Kind::Level),
                    (true, difference) => difference.map(|_| Kind::Accounts),
                }
            }
        };
        self.kinds.insert((*old, *new), kind);
        kind
    }

    /// In which accounts two steps differ, if they do.
    pub fn difference(&mut self, old: &Served, new: &Served) -> Option<Rc<Difference<'s>>> {
        let Comparison { old: before, new: now, differences, .. } = self;
        let difference = differences.entry((old.group, new.group)).or_insert_with(|| {
            let (old, new) = (before.available(old), now.available(new));
            let ids = (ids(before, old), ids(now, new));
            let sides = ((before.snapshot(), old), (now.snapshot(), new));
            Difference::between(sides.0, sides.1, (&ids.0, &ids.1)).map(Rc::new)
        });
        difference.clone()
    }

    fn is_elsewhere(&self, old: &Served, new: &Served) -> bool {
        let (before, now) = (self.old.snapshot(), self.new.snapshot());
        old.rule != new.rule || old.pool(before) != new.pool(now) || old.ou(before) != new.ou(now)
    }
}
