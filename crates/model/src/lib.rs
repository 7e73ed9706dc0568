//! The words that every other crate shares: phone numbers and regions, roles and conditions, rules, errors and fields of a
//! query, ids, moments.
//!
//! Nothing here reads a file, a clock or the network.

mod account;
mod id;
pub mod numbering;
mod query_field;
mod region_set;
mod rfc3339;
mod rule;
mod select_error;
mod time;

pub use account::{Condition, Role};
pub use id::{MAX_ID_BYTES, is_id};
pub use numbering::{CallingCode, E164, InvalidE164, Origin, Region};
pub use query_field::{MAX_CLIENT_BYTES, MAX_EXCLUDED, MAX_QUERY_BYTES, QueryField};
pub use region_set::RegionSet;
pub use rule::Rule;
pub use select_error::SelectError;
pub use time::{UnixMillis, UnixSeconds};
