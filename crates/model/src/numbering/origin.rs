//! Where a number belongs: two walks over its national digits, each as far as it has to go.

use super::automaton::{State, StateMark};
use super::{CallingCode, Region, table};

/// Where a number belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The region; none where the calling code's numbers belong to no country, such as +800.
    pub region: Option<Region>,
    /// Whether the number is not valid: of an unassigned or a new range, or of a wrong length. Its region is then the
    /// region of its longest known prefix (the most leading digits with which some valid number begins) where that is one
    /// region, else the main region of its calling code. False where there is no region.
    pub guessed: bool,
}

impl Origin {
    /// Returns the origin of a number from its calling code and the ASCII digits behind the code.
    pub(super) fn from_parts(code: CallingCode, national: &[u8]) -> Origin {
        let region = region(code, national);
        Origin { region, guessed: region.is_some() && !is_valid(code, national) }
    }
}

/// Returns whether some region has this number. Takes a step for each digit.
fn is_valid(code: CallingCode, national: &[u8]) -> bool {
    let start = code.entry().and_then(|entry| state(entry.start));
    let end = national.iter().fold(start, |state, digit| state.and_then(|state| after(state, *digit)));
    matches!(end, Some(State(StateMark::Valid | StateMark::SettlesValid(_) | StateMark::ValidIn(_), _)))
}

/// Returns the region. Where one region has the code there is no walk; else the walk ends where the region is settled.
pub(super) fn region(code: CallingCode, national: &[u8]) -> Option<Region> {
    let entry = code.entry()?;
    let main = match entry.regions {
        [main, _, ..] => *main,
        alone => return alone.first().and_then(|only| Region::from_index(*only)),
    };
    let mut state = state(entry.start);
    for digit in national {
        state = state.and_then(|state| after(state, *digit));
        match state {
            Some(State(StateMark::Settles(region) | StateMark::SettlesValid(region), _)) => {
                return Region::from_index(*region);
            }
            Some(_) => {}
            None => return Region::from_index(main),
        }
    }
    Region::from_index(match state {
        Some(State(StateMark::ValidIn(region), _)) => *region,
        _ => main,
    })
}

/// Returns the state by its index in the table.
fn state(index: u16) -> Option<&'static State> {
    table::STATES.get(usize::from(index))
}

/// Returns the state after an ASCII digit, if any valid number goes on with that digit.
fn after(from: &State, digit: u8) -> Option<&'static State> {
    match *from.1.get(usize::from(digit.wrapping_sub(b'0')))? {
        0 => None,
        next => state(next),
    }
}
