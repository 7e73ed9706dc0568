//! From a query and a snapshot to the account that talks to the client.
//!
//! Pure: no I/O, no lock, no clock, no allocation. The time, a random number and the live standings are passed in with the
//! query. [`select()`] and [`trace()`] run the same selection; the second records each step, and [`explain()`] returns the
//! record as JSON.
//!
//! Reading order: `query/` and `client` (what is asked), `walk/` (the steps of a selection), `overlay` (live standings),
//! `pick` (one of several equal candidates), `answer` and `reason` (the result), `interleaved` (several selections in
//! turns), `tracer`, `trace` and `explain`.
//!
//! ```
//! use switchboard_model::UnixSeconds;
//! use switchboard_select::{NO_STANDINGS, Query, SelectContext, select, write_selection};
//! use switchboard_snapshot::Snapshot;
//!
//! fn answer(snapshot: &Snapshot, query: &Query<'_>, now: UnixSeconds) -> Option<Vec<u8>> {
//!     let context = SelectContext { now, random: 7, standings: &NO_STANDINGS };
//!     let selection = select(snapshot, query, context).result.ok()?;
//!     let mut json = Vec::new();
//!     write_selection(&mut json, snapshot, &selection);
//!     Some(json)
//! }
//! ```

mod answer;
mod explain;
mod interleaved;
mod overlay;
mod pick;
mod query;
mod tracer;
mod walk;

pub use answer::{Answer, CurrentIgnored, Location, Selection, write_selection};
pub use explain::{MAX_LISTED_CANDIDATES, Trace, TracedCurrent, TracedStep, explain, explanation, trace};
pub use interleaved::{LANES, select_interleaved};
pub use overlay::{NO_STANDINGS, Overlay};
pub use query::{BadQuery, Client, Excluded, Fallback, NOT_A_QUERY, Query, QueryFields};
pub use tracer::{Availability, ChainStep, CurrentOutcome, NoTrace, ResolvedQuery, TracedLevel, Tracer};
pub use walk::{SelectContext, select, select_with};
