//! The words that all crates of Switchboard share: phone numbers, countries, roles, conditions, rules, the
//! errors and fields of a query, ids and times.
//!
//! The crate has no state and does no I/O. No function reads a file, a clock or the network. Most types are
//! small `Copy` values that know their text in files, queries and answers.
//!
//! The main entry points are:
//!
//! * [`E164::parse`] reads a phone number, and [`E164::region`] finds the country of the number.
//! * [`Region`] is one country of ISO 3166-1. [`RegionSet`] is a set of countries in 32 bytes.
//! * [`Rule`] says why an account was selected. [`SelectError`] says why no account was selected.
//! * [`QueryField`] names the fields of a query.
//! * [`UnixSeconds`] and [`UnixMillis`] are points in time, read from RFC 3339.
//! * [`is_id`] checks the id of a company, a channel, an organizational unit, a pool or an account.
//!   [`is_user_id`] checks the id of a user.
//! * [`AddressKind`] says which addresses the accounts of a channel have, and in which form addresses are
//!   compared.
//!
//! # Example: the country of a phone number
//!
//! Twelve calling codes belong to several countries. +1 belongs to 25, so the digits after the code decide:
//!
//! ```
//! use switchboard_model::{E164, Region};
//!
//! let number = E164::parse("+14165550123")?;
//! assert_eq!(number.calling_code().to_string(), "+1");
//! assert_eq!(number.region(), Region::from_alpha2("CA"));
//! # Ok::<(), switchboard_model::InvalidE164>(())
//! ```
//!
//! # Where to begin reading
//!
//! Begin with `outcome.rs`, which has the terms of a selection. [`numbering`] is the only module with an
//! algorithm. Its table is generated, so skip `numbering/table.rs`.

mod address;
mod id;
pub mod numbering;
mod outcome;
mod query_field;
mod region_set;
mod text_enum;
mod time;

pub use address::{AddressBuffer, AddressKind};
pub use id::{
    InvisibleChar, MAX_ID_BYTES, MAX_USER_ID_BYTES, find_invisible, is_id, is_invisible, is_user_id,
};
pub use numbering::{CallingCode, E164, InvalidE164, Origin, Region};
pub use outcome::{Condition, Role, Rule, SelectError};
pub use query_field::{MAX_CLIENT_BYTES, MAX_EXCLUDED, MAX_QUERY_BYTES, QueryField, bsuid_region};
pub use region_set::RegionSet;
pub use time::{UnixMillis, UnixSeconds};
