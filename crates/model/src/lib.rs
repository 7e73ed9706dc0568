//! The words that every other crate shares: phone numbers and regions, roles and conditions, ids, moments.
//!
//! Nothing here reads a file, a clock or the network.

mod account;
mod id;
pub mod numbering;
pub mod rfc3339;

pub use account::{Condition, Role};
pub use id::{MAX_ID_BYTES, is_id};
pub use numbering::{CallingCode, E164, InvalidE164, Origin, Region};
