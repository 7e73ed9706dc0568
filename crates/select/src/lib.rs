//! Selects the account that talks to a client, from a query and a snapshot.
//!
//! Selection is a pure function: no I/O, no lock, no clock, no allocation. The caller passes in the time, a
//! random number and the live standings. The entry points are:
//!
//! * [`Query`]: a query, read from JSON by [`Query::from_json`] or field by field by [`QueryFields`].
//! * [`select()`]: selects the account. [`select_interleaved`] does the same for several queries at a time.
//! * [`write_selection`]: appends the selection as JSON.
//! * [`explain()`]: runs the same selection, and returns every step as JSON. [`trace()`] returns the steps as
//!   values.
//! * [`Overlay`]: the live standings, which every worker reads while they change.
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
//!
//! Begin to read in `query`, which has the fields of a query, and in `walk`, which has the steps of a
//! selection in order, and runs several selections at a time. `pick` picks one of several equal candidates.
//! `answer` has the result and the observer of a selection, and `explain` records what it observes.

mod answer;
mod explain;
mod overlay;
mod pick;
mod query;
mod walk;

pub use answer::{
    Answer, Availability, ChainStep, CurrentIgnored, CurrentOutcome, Location, NoTrace, ResolvedQuery,
    Selection, TracedLevel, Tracer, write_selection,
};
pub use explain::{
    MAX_LISTED_CANDIDATES, Trace, TracedCurrent, TracedStep, TracedUser, explain, explanation, trace,
};
pub use overlay::{NO_STANDINGS, Overlay};
pub use query::{
    BadQuery, Client, CountrySource, Excluded, Fallback, NOT_AN_OBJECT, Query, QueryFields, unknown_field,
};
pub use walk::{LANES, SelectContext, select, select_interleaved, select_with};
