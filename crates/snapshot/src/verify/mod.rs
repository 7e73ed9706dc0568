//! What no checksum can say: that the records belong together. A file may be whole and still come from
//! a faulty or a hostile writer, and everything behind this module takes the records at their word.
//!
//! So whatever the compiler does for every registry is demanded here: tables are tiled by their owners
//! without gap or overlap, ids ascend, every text is UTF-8 and every piece of JSON what an answer needs in
//! its place, and a step's candidates are the accounts of its pool, channel, role and country, all of them
//! and no other. Records are visited once; runs once for each level and country that uses them, which is
//! what compiling them took.

mod accounts;
mod chains;
mod companies;
mod countries;
mod groups;
mod indices;
mod runs;
mod shares;
mod texts;

use std::panic::resume_unwind;
use std::thread;

use super::format::*;
use super::rejection::{Rejection, Stage};
use groups::Groups;
use runs::Runs;
use texts::Texts;

/// From so many accounts on, two threads prove more quickly than one: half of the time goes into waiting
/// for memory. A million take 125 ms instead of 180.
const MANY: usize = 1 << 16;

/// Every index, order and limit.
pub(super) fn verify(all: &ArchivedContents) -> Result<(), Rejection> {
    let texts = Texts::new(&all.text)?;
    companies::verify(all, &texts)?;
    let records = || {
        let hashes = accounts::verify(all, &texts)?;
        indices::verify(all, &texts, &hashes)
    };
    let chains = || {
        let runs = Runs::new(all, Groups::new(all)?)?;
        chains::verify(all, &texts, &runs)
    };
    if all.accounts.len() < MANY {
        return records().and_then(|()| chains());
    }
    thread::scope(|scope| match thread::Builder::new().spawn_scoped(scope, chains) {
        Ok(other) => {
            let records = records();
            records.and(other.join().unwrap_or_else(|panic| resume_unwind(panic)))
        }
        Err(_) => records().and_then(|()| chains()),
    })
}

fn require(holds: bool, what: &str) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(refusal(what)) }
}

fn refusal(what: &str) -> Rejection {
    Stage::Index.rejection(format!("a record is out of order: {what}"))
}

/// The record at an index, which must be there.
fn record<'a, T>(records: &'a [T], at: u32, what: &str) -> Result<&'a T, Rejection> {
    records.get(at as usize).ok_or_else(|| {
        Stage::Index.rejection(format!("a record points at {what} {at}, of {}", records.len()))
    })
}

/// The records of a run, which must be there.
fn run<'a, T>(records: &'a [T], start: u32, len: u64, what: &str) -> Result<&'a [T], Rejection> {
    let end = u64::from(start) + len;
    records.get(start as usize..end as usize).ok_or_else(|| {
        Stage::Index.rejection(format!("a record points at {what} {start}..{end}, of {}", records.len()))
    })
}

/// Hands out a table run by run: each begins where the last one ended, and the last ends with the table.
struct Tiles<'a, T> {
    records: &'a [T],
    next: usize,
    what: &'static str,
}

impl<'a, T> Tiles<'a, T> {
    fn new(records: &'a [T], what: &'static str) -> Tiles<'a, T> {
        Tiles { records, next: 0, what }
    }

    /// The next run, which is said to begin here and to be so long.
    fn take(&mut self, start: u32, len: u64) -> Result<&'a [T], Rejection> {
        let tile = run(self.records, start, len, self.what)?;
        require(start as usize == self.next, self.what)?;
        self.next += tile.len();
        Ok(tile)
    }

    fn take_range(&mut self, range: &ArchivedRange) -> Result<&'a [T], Rejection> {
        self.take(range.start.to_native(), u64::from(range.len.to_native()))
    }

    fn finish(self) -> Result<(), Rejection> {
        require(self.next == self.records.len(), self.what)
    }
}

/// Whether a stored country is one, or none.
fn is_country_or_none(stored: u8) -> bool {
    stored == NO_COUNTRY || switchboard_model::Region::from_index(stored).is_some()
}
