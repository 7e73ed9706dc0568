//! Floor 3. A query and a snapshot to the account that talks to the client.
//!
//! Pure: no I/O, no lock, no clock, no allocation. The time, the chance and the live standings of the
//! moment are handed in with the query. [`select()`] and [`climb()`] are the same walk; the second has a
//! tracer along, and [`explain()`] is what it notes as JSON.
//!
//! Reading order: [`query`], [`query_json`] and `query_plain`, [`client`], [`overlay`], [`walk`], [`tracer`], [`together`],
//! [`pick`], [`selection`], [`reason`] and [`code`], [`answer`], [`climb`](mod@climb), [`explain`](mod@explain).

pub mod answer;
pub mod client;
pub mod climb;
pub mod code;
pub mod explain;
pub mod overlay;
pub mod pick;
pub mod query;
pub mod query_json;
mod query_plain;
pub mod reason;
pub mod selection;
pub mod together;
pub mod tracer;
pub mod walk;

pub use answer::{write_problem, write_selection};
pub use climb::{Climb, climb};
pub use code::Code;
pub use explain::explain;
pub use overlay::{NO_STANDINGS, Overlay};
pub use query::{BadQuery, Fallback, Fields, Query};
pub use reason::{Ignored, Outcome, Rule};
pub use selection::{Answer, Found, Selection};
pub use together::select_together;
pub use walk::{Moment, select};
