//! Where a number belongs: walks over its national digits, as far as each has to go.

use super::{CallingCode, Region, table};

/// Where a number belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The region; none where the calling code's numbers belong to no country, such as +800.
    pub region: Option<Region>,
    /// True for a number that is not valid: it is of an unassigned or new range, or of a wrong length.
    /// Its region is then the one of its longest known prefix (the most leading digits that some valid
    /// number begins with) where that is one region, else the main region of its calling code.
    /// False wherever there is no region.
    pub guessed: bool,
}

/// What is known of a number by the time its walk is in a state.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// Nothing new, and a number that ends here is not valid.
    Open,
    /// A number that ends here is valid, and of the region that is known by now.
    Valid,
    /// All valid numbers that begin so are of this region.
    Settles(Region),
    /// So they are, and a number that ends here is valid.
    #[allow(dead_code, reason = "in no state of today's table, but the next one may have it")]
    SettlesValid(Region),
    /// A number that ends here is valid and of this region, though longer ones may be of others.
    ValidIn(Region),
}

/// A state of the automaton that all calling codes share: what it tells, and the state after each digit,
/// 0 where no valid number goes on so. 22 bytes; the table says how many there are.
///
/// Calling codes of one region, and numbers whose region is settled, share states: those say no more than
/// which numbers are valid, so that a numbering plan that many regions have is there once.
pub(super) struct State(pub(super) Mark, pub(super) [u16; 10]);

impl Origin {
    /// The origin of a number by its calling code and the ASCII digits behind it.
    pub(super) fn of(code: CallingCode, national: &[u8]) -> Origin {
        let region = region(code, national);
        Origin { region, guessed: region.is_some() && !is_valid(code, national) }
    }
}

/// Whether some region has this number: a step for each of its digits.
fn is_valid(code: CallingCode, national: &[u8]) -> bool {
    let start = code.entry().and_then(|entry| table::STATES.get(usize::from(entry.start)));
    let end = national.iter().fold(start, |state, digit| state.and_then(|state| state.after(*digit)));
    matches!(end, Some(State(Mark::Valid | Mark::SettlesValid(_) | Mark::ValidIn(_), _)))
}

/// The region: there is no walk where one region has the code, and it ends where the region is settled.
pub(super) fn region(code: CallingCode, national: &[u8]) -> Option<Region> {
    let entry = code.entry()?;
    let main = match entry.regions {
        [main, _, ..] => Some(*main),
        alone => return alone.first().copied(),
    };
    let mut state = table::STATES.get(usize::from(entry.start));
    for digit in national {
        state = state.and_then(|state| state.after(*digit));
        match state {
            Some(State(Mark::Settles(region) | Mark::SettlesValid(region), _)) => return Some(*region),
            Some(_) => {}
            None => return main,
        }
    }
    match state {
        Some(State(Mark::ValidIn(region), _)) => Some(*region),
        _ => main,
    }
}

impl State {
    /// The state after an ASCII digit, if any valid number goes on so.
    fn after(&self, digit: u8) -> Option<&'static State> {
        match *self.1.get(usize::from(digit.wrapping_sub(b'0')))? {
            0 => None,
            next => table::STATES.get(usize::from(next)),
        }
    }
}
