//! Regions, which ISO 3166-1 calls countries, and their calling codes.

use std::fmt;

use super::{CodeEntry, table};

/// An ISO 3166-1 alpha-2 country: one of the 249 assigned codes, or AC, TA or XK, which libphonenumber uses.
///
/// Holds an index into the alphabetical list of all regions. Regions therefore sort by their letters, and a
/// set of regions fits into 256 bits ([`RegionSet`](crate::RegionSet)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(u8);

impl Region {
    /// The number of regions. Every index is below this number.
    pub const COUNT: usize = table::REGIONS.len();

    /// Parses two ASCII letters in upper or lower case. Returns `None` if no region has these letters, or if
    /// the text has other characters, including spaces.
    pub fn from_alpha2(text: &str) -> Option<Region> {
        let &[first, second] = text.as_bytes() else { return None };
        let slot = letter(first)? * 26 + letter(second)?;
        BY_LETTERS.get(slot).copied().and_then(Region::from_index)
    }

    /// Returns the two letters in upper case, such as `GB`.
    #[allow(clippy::indexing_slicing, reason = "no Region is made with an index of COUNT or more")]
    pub const fn alpha2(self) -> &'static str {
        table::REGIONS[self.0 as usize].0
    }

    /// Returns the position in the alphabetical list, which is below [`COUNT`](Region::COUNT).
    ///
    /// The index is not stable between versions: if ISO assigns a new code, all later codes get another
    /// index.
    pub const fn index(self) -> u8 {
        self.0
    }

    /// Returns the region at a position of the alphabetical list. Returns `None` beyond the end of the list.
    pub fn from_index(index: u8) -> Option<Region> {
        (usize::from(index) < Region::COUNT).then_some(Region(index))
    }

    /// Returns the calling code of the region's numbers. Returns `None` for the seven regions that have no
    /// numbers of their own in libphonenumber's data: AQ, BV, GS, HM, PN, TF and UM.
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

/// The value in [`BY_LETTERS`] for two letters that are no region.
const NO_REGION: u8 = u8::MAX;

/// The index of each region by its two letters, in rows of 26. A look-up is one memory access.
static BY_LETTERS: [u8; 26 * 26] = by_letters();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time: a wrong index fails the build")]
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

/// Returns 0 to 25 for the letters A to Z in either case.
fn letter(byte: u8) -> Option<usize> {
    byte.is_ascii_alphabetic().then(|| usize::from(byte.to_ascii_uppercase() - b'A'))
}

/// A calling code that ITU-T E.164 assigns: one to three digits, as a number from 1 to 999.
///
/// No calling code is a prefix of another one, so the digits of a number determine its calling code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallingCode(u16);

impl CallingCode {
    /// Returns the calling code as a number, such as 44.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Returns the main region of the code, which is the first one in libphonenumber's list: US for +1.
    /// Returns `None` for a code whose numbers belong to no country, such as +800.
    pub fn main_region(self) -> Option<Region> {
        self.regions().next()
    }

    /// Returns the regions of the code in libphonenumber's order, the main region first. Most codes have one
    /// region, +1 has 25. A code whose numbers belong to no country has none.
    pub fn regions(self) -> impl Iterator<Item = Region> {
        let indices = self.entry().map(|entry| entry.regions).unwrap_or_default();
        indices.iter().filter_map(|index| Region::from_index(*index))
    }

    /// Returns the calling code with this number, if the number is assigned.
    pub(super) fn assigned(number: u16) -> Option<CallingCode> {
        let code = CallingCode(number);
        code.entry().is_some().then_some(code)
    }

    /// Returns the calling code at the front of ASCII digits, if they begin with one.
    pub(super) fn at_front_of(digits: &[u8]) -> Option<CallingCode> {
        let mut number = 0;
        for digit in digits.iter().take(3) {
            number = number * 10 + u16::from(digit.wrapping_sub(b'0'));
            if number == 0 {
                return None; // No code begins with 0: 01 is not +1.
            }
            if let Some(code) = CallingCode::assigned(number) {
                return Some(code);
            }
        }
        None
    }

    /// Returns the number of digits of the code, from 1 to 3.
    pub(super) fn length(self) -> usize {
        match self.0 {
            0..=9 => 1,
            10..=99 => 2,
            _ => 3,
        }
    }

    /// Returns the entry of the code in the table.
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

/// The value in [`BY_NUMBER`] for a number that is no calling code. It is beyond the last of the codes.
const NO_CODE: u8 = u8::MAX;

/// The index of each calling code in the table, by number. Reading the code of a phone number takes at most
/// three memory accesses.
static BY_NUMBER: [u8; 1000] = by_number();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time: a wrong index fails the build")]
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
