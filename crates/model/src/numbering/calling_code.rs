//! Calling codes and the regions that share them.

use std::fmt;

use super::automaton::CodeEntry;
use super::{Region, table};

/// A calling code that ITU-T E.164 assigns: one to three digits, as a number from 1 to 999.
///
/// No code begins with another code, so the code of a number can be read from the number's front.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallingCode(u16);

impl CallingCode {
    /// Returns the digits as a number, such as 44.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Returns the first region that libphonenumber lists for the code, which has the most numbers: US for +1. None for a
    /// code whose numbers belong to no country, such as +800.
    pub fn main_region(self) -> Option<Region> {
        self.entry()?.regions.first().copied()
    }

    /// Returns the regions of the code in libphonenumber's order, the main region first: one for most codes, 25 for +1,
    /// none where numbers belong to no country.
    pub fn regions(self) -> impl Iterator<Item = Region> {
        self.entry().map(|entry| entry.regions).unwrap_or_default().iter().copied()
    }

    /// Returns the calling code with these digits, if it is assigned.
    pub(super) fn assigned(number: u16) -> Option<CallingCode> {
        let code = CallingCode(number);
        code.entry().is_some().then_some(code)
    }

    /// Returns the calling code with which these ASCII digits begin.
    pub(super) fn at_front_of(digits: &[u8]) -> Option<CallingCode> {
        let mut number = 0;
        for digit in digits.iter().take(3) {
            number = number * 10 + u16::from(digit.wrapping_sub(b'0'));
            if number == 0 {
                return None; // no code begins with 0: 01 is not +1
            }
            if let Some(code) = CallingCode::assigned(number) {
                return Some(code);
            }
        }
        None
    }

    /// Returns how many digits the code has.
    pub(super) fn length(self) -> usize {
        match self.0 {
            0..=9 => 1,
            10..=99 => 2,
            _ => 3,
        }
    }

    /// Returns the table's entry of the code.
    pub(super) fn entry(self) -> Option<&'static CodeEntry> {
        let place = BY_NUMBER.get(usize::from(self.0))?;
        table::CODES.get(usize::from(*place))
    }
}

impl fmt::Display for CallingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for CallingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// Stands in [`BY_NUMBER`] for a number that is no calling code: an index beyond the 215 codes.
const NO_CODE: u8 = u8::MAX;

/// Index in the list of codes, by number: 1,000 bytes. Reading a code takes at most three loads.
static BY_NUMBER: [u8; 1000] = by_number();

#[allow(clippy::indexing_slicing, reason = "at compile time: a wrong index fails the build")]
const fn by_number() -> [u8; 1000] {
    assert!(table::CODES.len() < NO_CODE as usize);
    let mut places = [NO_CODE; 1000];
    let mut place = 0;
    while place < table::CODES.len() {
        places[table::CODES[place].number as usize] = place as u8;
        place += 1;
    }
    places
}
