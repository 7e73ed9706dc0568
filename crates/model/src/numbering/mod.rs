//! Phone numbers, calling codes and regions.
//!
//! * [`Region`] is what ISO 3166-1 calls a country. It takes one byte.
//! * [`CallingCode`] is the part of a number before the national number, by ITU-T E.164. Twelve calling codes
//!   are shared by several regions.
//! * [`E164`] is an international number. An acyclic automaton over the national digits finds its region,
//!   with one memory access per digit and no allocation.
//!
//! All three read one table, which `tests/numbering/generate.rs` generates from libphonenumber's data. The
//! table is part of the program.
//!
//! [`E164::parse`] reads a trunk zero behind the calling code, as in `+44 (0) 7797…`, as no part of the number.
//!
//! A phone number is personal data. No error and no `Debug` output of this module shows one.

mod automaton;
mod e164;
mod region;
#[rustfmt::skip]
mod table;

pub use e164::{E164, InvalidE164, Origin};
pub use region::{CallingCode, Region};
