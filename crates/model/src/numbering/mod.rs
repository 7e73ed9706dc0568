//! Phone numbers, calling codes and regions: where a number belongs.
//!
//! * [`Region`]: what ISO 3166-1 calls a country; one byte.
//! * [`CallingCode`]: what ITU-T E.164 puts before the national number. Regions share twelve of them.
//! * [`E164`]: an international number, and its [`Origin`]. An acyclic automaton over the national digits finds the region: one
//!   load a digit, no allocation.
//!
//! One table behind the three is generated from libphonenumber's data (`tests/numbering/generate.rs` says how) and built into the
//! program. A phone number is personal data: no error and no `Debug` here shows one.

mod automaton;
mod e164;
mod region;
#[rustfmt::skip]
mod table;

pub use e164::{E164, InvalidE164, Origin};
pub use region::{CallingCode, Region};
