//! Phone numbers, calling codes and regions.
//!
//! * [`Region`] is what ISO 3166-1 calls a country. It takes one byte.
//! * [`CallingCode`] is the part of a number before the national number, by ITU-T E.164. Twelve calling codes
//!   are shared by several regions.
//! * [`E164`] is an international number. An acyclic automaton over the national digits finds its region,
//!   with one memory access per digit and no allocation.
//!
//! All three read one table, which `tests/numbering/generate.rs` generates from libphonenumber's data. The
//! table is part of the program. This file has the types of the table, which stores regions as indices into
//! its list of regions.
//!
//! [`E164::parse`] reads a trunk zero behind the calling code, as in `+44 (0) 7797…`, as no part of the number.
//!
//! A phone number is personal data. No error and no `Debug` output of this module shows one.

mod e164;
mod region;
#[rustfmt::skip]
mod table;

pub use e164::{E164, InvalidE164, Origin};
pub use region::{CallingCode, Region};

/// An assigned calling code in the table.
struct CodeEntry {
    number: u16,
    /// Index of the state in which a walk over the national digits starts. These numbers may have a trunk
    /// zero.
    start: u16,
    /// Index of the state in which a walk over the digits after a trunk zero starts. The zero is not part of a
    /// number that is valid by this walk. 0 if no number of the code has a trunk zero.
    trunk: u16,
    /// Indices of the regions that share the code, the main region first.
    regions: &'static [u8],
}

/// What is known about a number after the digits that were read so far.
#[derive(Clone, Copy)]
enum StateMark {
    /// Nothing new is known. A number that ends here is not valid.
    Open,
    /// A number that ends here is valid and belongs to the region that is already known.
    Valid,
    /// All valid numbers with these digits belong to this region.
    Settles(u8),
    /// All valid numbers with these digits belong to this region. A number that ends here is valid.
    #[allow(dead_code, reason = "no state of the current table has this mark; a later table may")]
    SettlesValid(u8),
    /// A number that ends here is valid and belongs to this region. Longer numbers may belong to other
    /// regions.
    ValidIn(u8),
}

/// A state: its mark, and for each digit the index of the next state. The index is 0 if no valid number
/// continues with the digit.
///
/// A state has 22 bytes. All calling codes share the states. Once the region is settled, the remaining states
/// only say which numbers are valid, so a numbering plan that many regions use is stored once.
struct State(StateMark, [u16; 10]);

/// Returns the index of a region in the table's list. Only the table calls this function, at compile time.
#[allow(clippy::panic, clippy::indexing_slicing, reason = "only the table calls it, at compile time")]
const fn index_of(regions: &[(&str, u16)], alpha2: &str) -> u8 {
    let letters = alpha2.as_bytes();
    let mut index = 0;
    while index < regions.len() {
        let listed = regions[index].0.as_bytes();
        if listed[0] == letters[0] && listed[1] == letters[1] {
            return index as u8;
        }
        index += 1;
    }
    panic!("the table names a region that it does not list")
}
