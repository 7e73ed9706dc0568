//! Live standings: an administrator makes an account draining or suspended while the daemon runs. A standing
//! can only restrict an account more than the registry does.
//!
//! [`Standings`] sends changes to the [`StandingsWriter`], which writes them to the journal and then to the
//! [`Store`](super::Store). The [`Expirer`] removes standings that expire.

mod journal;
mod shared;
mod standing;
mod writer;

pub use journal::{JournalContents, write_record};
pub use shared::{Exchange, OverruledRecord, SharedStatus, StartExchange};
pub use standing::{
    AccountKey, Author, InvalidStanding, MAX_REASON_BYTES, Reach, Standing, StandingCounts, StandingError,
    StandingsEvent, StandingsObserver, Until,
};
pub use writer::{
    ChangeLog, ChangeLogError, Expirer, JournalState, LoggedChange, Standings, StandingsWriter,
};
