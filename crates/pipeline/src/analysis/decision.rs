//! What one OU, channel and country come to.

use switchboard_select::{Code, Rule};
use switchboard_snapshot::{GroupIdx, OuIdx, PoolIdx, Snapshot};

/// What is answered to an invite of a client of whom only the country is known. Numbers are the snapshot's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// An account.
    Served(Served),
    /// None, and why.
    Refused(Code),
}

/// Which accounts serve: one of the step's candidates, by the client's id or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Served {
    /// The rule.
    pub rule: Rule,
    /// Levels above the query's OU.
    pub climbed: u32,
    /// The OU they are found at.
    pub ou: OuIdx,
    /// The pool.
    pub pool: PoolIdx,
    /// The step's group.
    pub group: GroupIdx,
}

impl Decision {
    /// The rule, or the problem's code.
    pub fn text(&self) -> &'static str {
        match self {
            Decision::Served(served) => served.rule.text(),
            Decision::Refused(code) => code.text(),
        }
    }

    /// Where an account serves, how.
    pub fn served(&self) -> Option<&Served> {
        match self {
            Decision::Served(served) => Some(served),
            Decision::Refused(_) => None,
        }
    }
}

impl Served {
    /// The pool's id.
    pub fn pool<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.pool(self.pool).id()
    }

    /// The id of the OU that they are found at.
    pub fn ou<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.ou(self.ou).id()
    }
}
