//! Regions, which ISO 3166-1 calls countries.

use std::fmt;

use super::{CallingCode, table};

/// An ISO 3166-1 alpha-2 country: one of the 249 assigned codes, or AC, TA or XK, which libphonenumber uses.
///
/// Holds an index into the alphabetical list. So regions sort by their letters, and a set of them fits into 256 bits
/// ([`RegionSet`](crate::RegionSet)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(u8);

impl Region {
    /// The number of regions; every index is below it.
    pub const COUNT: usize = 252;

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

    /// Returns the region that the table names. A wrong name fails the build.
    #[allow(clippy::panic, clippy::indexing_slicing, reason = "only the table calls it, at compile time")]
    pub(super) const fn named(alpha2: &str) -> Region {
        let mut index = 0;
        while index < Region::COUNT {
            let (a, b) = (table::REGIONS[index].0.as_bytes(), alpha2.as_bytes());
            if a[0] == b[0] && a[1] == b[1] {
                return Region(index as u8);
            }
            index += 1;
        }
        panic!("the table names a region that it does not list")
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
