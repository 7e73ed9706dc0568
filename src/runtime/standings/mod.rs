//! Live standings: accounts that are draining or suspended while the daemon runs, whatever the registry
//! says. They only restrict.
//!
//! [`standing`] is the value; the [`Store`](super::Store) holds them and shows them to selection;
//! [`journal`] keeps them on disk, one [`record`] a change; [`keeper`] is the thread through which every
//! change goes: it writes, and takes over from another process; [`lifter`] is the one that lifts what has ended.

pub mod journal;
pub mod keeper;
pub mod lifter;
pub mod record;
pub mod standing;

pub use journal::Journal;
pub use keeper::{Keeper, Standings};
pub use lifter::Lifter;
pub use standing::{Counts, Key, Refused, Standing};
