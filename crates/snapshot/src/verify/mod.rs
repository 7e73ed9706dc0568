//! Verifies that the records of a snapshot are consistent. Each file of this folder verifies one kind of
//! record.
//!
//! A checksum only shows that the bytes are unchanged. The file may still come from a faulty or hostile
//! writer, and after this check all readers use stored indices without checking them.
//!
//! The check requires every property that the compiler guarantees. Owners divide the tables without gaps or
//! overlaps. Ids ascend. Every text is UTF-8, and every piece of JSON is exactly what an answer needs. The
//! candidates of a step are exactly the accounts of its pool, channel, role and country. Each record is
//! visited once, and each run once for every level and country that uses it, so the check takes about as long
//! as compiling.

mod chains;
mod groups;
mod records;
mod texts;

use std::panic::resume_unwind;
use std::thread;

use super::format::*;
use super::header::{Rejection, RejectionStage};
use chains::Runs;
use groups::Groups;
use switchboard_model::Region;
use texts::Texts;

/// The minimum number of accounts for two threads. Half of the time is spent waiting for memory, so two
/// threads are faster: a million accounts take 125 ms instead of 180 ms.
const MIN_ACCOUNTS_FOR_TWO_THREADS: usize = 1 << 16;

/// Verifies every index, order and limit of all tables.
pub(super) fn verify(all: &ArchivedTables) -> Result<(), Rejection> {
    let texts = Texts::new(&all.text)?;
    records::verify_companies(all, &texts)?;
    let records = || {
        let hashes = records::verify_accounts(all, &texts)?;
        records::verify_indices(all, &texts, &hashes)
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

/// Rejects the snapshot with the fault, unless the condition holds.
fn require(holds: bool, fault: &str) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(inconsistent(fault)) }
}

/// Returns the rejection of inconsistent records. `fault` is a statement about them.
fn inconsistent(fault: &str) -> Rejection {
    RejectionStage::Index.rejection(format!("the records are inconsistent: {fault}"))
}

/// Returns the record at an index. Rejects an index beyond the end of the table.
fn record<'a, T>(records: &'a [T], at: u32, what: &str) -> Result<&'a T, Rejection> {
    records.get(at as usize).ok_or_else(|| {
        inconsistent(&format!("a record refers to {what} {at}, but there are {}", records.len()))
    })
}

/// Returns a range of records. Rejects a range beyond the end of the table.
fn run<'a, T>(records: &'a [T], start: u32, len: u64, what: &str) -> Result<&'a [T], Rejection> {
    let end = u64::from(start) + len;
    records.get(start as usize..end as usize).ok_or_else(|| {
        inconsistent(&format!("a record refers to {what} {start}..{end}, but there are {}", records.len()))
    })
}

/// Checks that owners divide a table completely: each part begins where the previous one ends, and the last
/// part ends with the table. `what` names the records of the table.
struct Partition<'a, T> {
    records: &'a [T],
    next: usize,
    what: &'static str,
}

impl<'a, T> Partition<'a, T> {
    fn new(records: &'a [T], what: &'static str) -> Partition<'a, T> {
        Partition { records, next: 0, what }
    }

    /// Returns the next part, which must begin at `start`.
    fn take(&mut self, start: u32, len: u64) -> Result<&'a [T], Rejection> {
        let part = run(self.records, start, len, self.what)?;
        if start as usize != self.next {
            return Err(inconsistent(&format!("two ranges of {} overlap or leave a gap", self.what)));
        }
        self.next += part.len();
        Ok(part)
    }

    fn take_range(&mut self, range: &ArchivedRange) -> Result<&'a [T], Rejection> {
        self.take(range.start.to_native(), u64::from(range.len.to_native()))
    }

    fn finish(self) -> Result<(), Rejection> {
        if self.next != self.records.len() {
            return Err(inconsistent(&format!("some {} belong to no record", self.what)));
        }
        Ok(())
    }
}

/// Returns whether a stored country is the index of a region, or [`NO_COUNTRY`].
fn is_country_or_none(stored: u8) -> bool {
    stored == NO_COUNTRY || Region::from_index(stored).is_some()
}
