//! Checks references between records. A checksum proves that bytes are unchanged, not that they are consistent: a file
//! may come from a faulty or a hostile writer, and all readers index without checks after this.
//!
//! Everything that the compiler does for each registry is required here: owners partition the tables without gap or
//! overlap, ids ascend, every text is UTF-8 and every piece of JSON is what an answer needs in its place, and a step's
//! candidates are exactly the accounts of its pool, channel, role and country. Records are visited once; runs once for
//! each level and country that uses them, which is what compiling them took.

mod chains;
mod groups;
mod indices;
mod records;
mod runs;
mod texts;

use std::panic::resume_unwind;
use std::thread;

use super::format::*;
use super::rejection::{Rejection, RejectionStage};
use groups::Groups;
use runs::Runs;
use switchboard_model::Region;
use texts::Texts;

/// From this many accounts on, two threads are faster than one, because half of the time is spent waiting for memory: a
/// million accounts take 125 ms instead of 180.
const MIN_ACCOUNTS_FOR_TWO_THREADS: usize = 1 << 16;

/// Checks every index, order and limit.
pub(super) fn verify(all: &ArchivedTables) -> Result<(), Rejection> {
    let texts = Texts::new(&all.text)?;
    records::verify_companies(all, &texts)?;
    let records = || {
        let hashes = records::verify_accounts(all, &texts)?;
        indices::verify(all, &texts, &hashes)
    };
    let chains = || {
        let runs = Runs::new(all, Groups::new(all)?)?;
        chains::verify(all, &texts, &runs)
    };
    if all.accounts.len() < MIN_ACCOUNTS_FOR_TWO_THREADS {
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
    RejectionStage::Index.rejection(format!("a record is out of order: {what}"))
}

/// Returns the record at an index, which must exist.
fn record<'a, T>(records: &'a [T], at: u32, what: &str) -> Result<&'a T, Rejection> {
    records.get(at as usize).ok_or_else(|| {
        RejectionStage::Index.rejection(format!("a record points at {what} {at}, of {}", records.len()))
    })
}

/// Returns the records of a run, which must exist.
fn run<'a, T>(records: &'a [T], start: u32, len: u64, what: &str) -> Result<&'a [T], Rejection> {
    let end = u64::from(start) + len;
    records.get(start as usize..end as usize).ok_or_else(|| {
        RejectionStage::Index
            .rejection(format!("a record points at {what} {start}..{end}, of {}", records.len()))
    })
}

/// Divides a table among its owners: each part begins where the last one ended, and the last ends with the table.
struct Partition<'a, T> {
    records: &'a [T],
    next: usize,
    what: &'static str,
}

impl<'a, T> Partition<'a, T> {
    fn new(records: &'a [T], what: &'static str) -> Partition<'a, T> {
        Partition { records, next: 0, what }
    }

    /// Takes the next part, which must begin at `start`.
    fn take(&mut self, start: u32, len: u64) -> Result<&'a [T], Rejection> {
        let part = run(self.records, start, len, self.what)?;
        require(start as usize == self.next, self.what)?;
        self.next += part.len();
        Ok(part)
    }

    fn take_range(&mut self, range: &ArchivedRange) -> Result<&'a [T], Rejection> {
        self.take(range.start.to_native(), u64::from(range.len.to_native()))
    }

    fn finish(self) -> Result<(), Rejection> {
        require(self.next == self.records.len(), self.what)
    }
}

/// Whether a stored country is one, or [`NO_COUNTRY`].
fn is_country_or_none(stored: u8) -> bool {
    stored == NO_COUNTRY || Region::from_index(stored).is_some()
}
