//! The words that every other crate shares: phone numbers and regions, roles and conditions, rules, errors and fields of a
//! query, ids, moments.
//!
//! Nothing here reads a file, a clock or the network.

mod account;
pub mod numbering;
mod query_field;
mod region_set;
mod rule;
mod select_error;
mod time;

pub use account::{Condition, Role};
pub use numbering::{CallingCode, E164, InvalidE164, Origin, Region};
pub use query_field::{MAX_CLIENT_BYTES, MAX_EXCLUDED, MAX_QUERY_BYTES, QueryField};
pub use region_set::RegionSet;
pub use rule::Rule;
pub use select_error::SelectError;
pub use time::{UnixMillis, UnixSeconds};

/// The most bytes of an id.
pub const MAX_ID_BYTES: usize = 128;

/// Returns whether a text is an id: 1 to 128 bytes of printable ASCII without space, comma, slash or quote.
///
/// So ids stand unescaped in CSV cells, URLs, labels of metrics and comma-separated lists.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'/' | b'"' | b'\''))
}
