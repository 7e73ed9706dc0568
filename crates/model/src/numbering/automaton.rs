//! The types of the generated table: calling codes, and the automaton that finds the region of a number and whether the number is
//! valid. Regions are indices into the table's list.

/// An assigned calling code in the table.
pub(super) struct CodeEntry {
    pub(super) number: u16,
    /// Index of the state in which a walk over the national digits starts. 0 where numbers belong to no country.
    pub(super) start: u16,
    /// The regions that share the code, the main region first.
    pub(super) regions: &'static [u8],
}

/// What the digits read so far say about a number.
#[derive(Clone, Copy)]
pub(super) enum StateMark {
    /// Nothing new. A number that ends here is not valid.
    Open,
    /// A number that ends here is valid, and of the region that is known by now.
    Valid,
    /// All valid numbers with these digits are of this region.
    Settles(u8),
    /// All valid numbers with these digits are of this region, and a number that ends here is valid.
    #[allow(dead_code, reason = "no state of today's table has it, but the next table may")]
    SettlesValid(u8),
    /// A number that ends here is valid and of this region. Longer numbers may be of other regions.
    ValidIn(u8),
}

/// A state: its mark, and the index of the state after each digit, 0 where no valid number goes on with that digit.
///
/// 22 bytes. All calling codes share the states. Codes of one region, and numbers whose region is settled, share states that
/// only say which numbers are valid, so a numbering plan that many regions use is stored once.
pub(super) struct State(pub(super) StateMark, pub(super) [u16; 10]);

/// Returns the index of a region in the table's list. For the table alone, at compile time.
#[allow(clippy::panic, clippy::indexing_slicing, reason = "only the table calls it, at compile time")]
pub(super) const fn index_of(regions: &[(&str, u16)], alpha2: &str) -> u8 {
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
