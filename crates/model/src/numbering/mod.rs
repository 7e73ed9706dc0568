//! Phone numbers, calling codes and regions: where a number belongs.
//!
//! Three parsed newtypes with no conversions between them but through one table, which is generated from
//! libphonenumber's data (`tests/numbering/generate.rs` says how) and built into the program:
//!
//! * [`Region`]: what ISO 3166-1 calls a country, one byte;
//! * [`CallingCode`]: what ITU-T E.164 puts before the national number; twelve are shared by regions;
//! * [`E164`]: an international number, and its [`Origin`]: an acyclic automaton over the national digits
//!   that takes one load per digit and allocates nothing.
//!
//! A phone number is personal data: no error and no `Debug` here shows one.

mod calling_code;
mod e164;
mod origin;
mod region;
#[rustfmt::skip]
mod table;

pub use calling_code::CallingCode;
pub use e164::{E164, InvalidE164};
pub use origin::Origin;
pub use region::Region;
