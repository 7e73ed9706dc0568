//! Live standings: accounts that are draining or suspended while the daemon runs, whatever the registry
//! says. They only restrict.
//!
//! [`Standings`] passes changes to the [`StandingsWriter`], which writes them to the journal and then to the
//! [`Store`](super::Store); the [`Expirer`] removes standings at their end.

mod expiry;
mod journal;
mod standing;
mod writer;

pub use expiry::Expirer;
pub use journal::{JournalContents, write_record};
pub use standing::{
    AccountKey, InvalidStanding, MAX_REASON_BYTES, Standing, StandingCounts, StandingError, StandingsEvent,
    StandingsObserver, Until,
};
pub use writer::{JournalState, Standings, StandingsWriter};
