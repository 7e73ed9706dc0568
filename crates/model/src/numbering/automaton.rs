//! The automaton that tells a number's region and whether the number is valid: its types. `table` has its states.

use super::{Region, table};

/// An assigned calling code in the table.
pub(super) struct CodeEntry {
    pub(super) number: u16,
    /// Index of the state in which a walk over the national digits starts. 0 where numbers belong to no country.
    pub(super) start: u16,
    /// The regions that share the code, the main region first.
    pub(super) regions: &'static [Region],
}

/// What the digits read so far say about a number.
#[derive(Clone, Copy)]
pub(super) enum StateMark {
    /// Nothing new. A number that ends here is not valid.
    Open,
    /// A number that ends here is valid, and of the region that is known by now.
    Valid,
    /// All valid numbers with these digits are of this region.
    Settles(Region),
    /// All valid numbers with these digits are of this region, and a number that ends here is valid.
    #[allow(dead_code, reason = "no state of today's table has it, but the next table may")]
    SettlesValid(Region),
    /// A number that ends here is valid and of this region. Longer numbers may be of other regions.
    ValidIn(Region),
}

/// A state: its mark, and the index of the state after each digit, 0 where no valid number goes on with that digit.
///
/// 22 bytes. All calling codes share the states. Codes of one region, and numbers whose region is settled, share states that
/// only say which numbers are valid, so a numbering plan that many regions use is stored once.
pub(super) struct State(pub(super) StateMark, pub(super) [u16; 10]);

impl State {
    /// Returns the state by its index in the table.
    pub(super) fn by_index(index: u16) -> Option<&'static State> {
        table::STATES.get(usize::from(index))
    }

    /// Returns the state after an ASCII digit, if any valid number goes on with that digit.
    pub(super) fn after(&self, digit: u8) -> Option<&'static State> {
        match *self.1.get(usize::from(digit.wrapping_sub(b'0')))? {
            0 => None,
            next => State::by_index(next),
        }
    }
}
