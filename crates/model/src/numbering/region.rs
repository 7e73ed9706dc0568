//! Regions, which ISO 3166-1 calls countries, and the calling codes that they share.

use std::fmt;

use super::automaton::CodeEntry;
use super::table;

/// An ISO 3166-1 alpha-2 country: one of the 249 assigned codes, or AC, TA or XK, which libphonenumber uses.
///
/// Holds an index into the alphabetical list. So regions sort by their letters, and a set of them fits into 256 bits
/// ([`RegionSet`](crate::RegionSet)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(u8);

impl Region {
    /// The number of regions; every index is below it.
    pub const COUNT: usize = table::REGIONS.len();

    /// Returns the region of two ASCII letters in upper or lower case, if there is one. Trims nothing.
    pub fn from_alpha2(text: &str) -> Option<Region> {
        let &[first, second] = text.as_bytes() else { return None };
        let slot = letter(first)? * 26 + letter(second)?;
        BY_LETTERS.get(slot).copied().and_then(Region::from_index)
    }

    /// Returns the two letters in upper case, such as "GB".
    #[allow(clippy::indexing_slicing, reason = "no Region is made with an index of COUNT or more")]
    pub const fn alpha2(self) -> &'static str {
        table::REGIONS[self.0 as usize].0
    }

    /// Returns the place in the alphabetical list, below [`COUNT`](Region::COUNT). Not stable: a code that ISO assigns anew
    /// moves the codes behind it.
    pub const fn index(self) -> u8 {
        self.0
    }

    /// Returns the region at a place in the alphabetical list, if there is one.
    pub fn from_index(index: u8) -> Option<Region> {
        (usize::from(index) < Region::COUNT).then_some(Region(index))
    }

    /// Returns the calling code of the region's numbers. None for the seven regions to which libphonenumber gives no
    /// numbers of their own: AQ, BV, GS, HM, PN, TF, UM.
    pub fn calling_code(self) -> Option<CallingCode> {
        let (_, code) = table::REGIONS.get(usize::from(self.0))?;
        CallingCode::assigned(*code)
    }

    /// Returns all regions in alphabetical order.
    pub fn all() -> impl Iterator<Item = Region> {
        (0..=u8::MAX).map_while(Region::from_index)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha2())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha2())
    }
}

/// Stands in [`BY_LETTERS`] for two letters that name no region.
const NO_REGION: u8 = u8::MAX;

/// Index of the region by its letters, 26 a row: 676 bytes. A look-up is one load.
static BY_LETTERS: [u8; 26 * 26] = by_letters();

#[allow(clippy::indexing_slicing, reason = "at compile time: a wrong index fails the build")]
const fn by_letters() -> [u8; 26 * 26] {
    let mut indices = [NO_REGION; 26 * 26];
    let mut index = 0;
    while index < Region::COUNT {
        let letters = table::REGIONS[index].0.as_bytes();
        indices[(letters[0] - b'A') as usize * 26 + (letters[1] - b'A') as usize] = index as u8;
        index += 1;
    }
    indices
}

/// Returns 0 to 25 for A to Z in either case.
fn letter(byte: u8) -> Option<usize> {
    byte.is_ascii_alphabetic().then(|| usize::from(byte.to_ascii_uppercase() - b'A'))
}

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
        self.regions().next()
    }

    /// Returns the regions of the code in libphonenumber's order, the main region first: one for most codes, 25 for +1,
    /// none where numbers belong to no country.
    pub fn regions(self) -> impl Iterator<Item = Region> {
        let indices = self.entry().map(|entry| entry.regions).unwrap_or_default();
        indices.iter().filter_map(|index| Region::from_index(*index))
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
