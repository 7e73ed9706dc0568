//! What one OU, channel and country come to.

use switchboard_select::{Code, Rule};
use switchboard_snapshot::Snapshot;
use switchboard_snapshot::view::Records;

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
    pub ou: u32,
    /// The pool.
    pub pool: u32,
    /// The step's group.
    pub group: u32,
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
        id(snapshot.text(&snapshot.contents().pools.at(self.pool).id))
    }

    /// The id of the OU that they are found at.
    pub fn ou<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        id(snapshot.text(&snapshot.contents().ous.at(self.ou).id))
    }
}

/// An id of a snapshot: printable ASCII, as was proved when it was opened.
pub fn id(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}
