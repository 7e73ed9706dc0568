//! International phone numbers, parsed.

use std::fmt;

use super::automaton::{State, StateMark};
use super::{CallingCode, Region, table};

/// The fewest digits of a number, calling code included; the shortest valid ones have 6 (+43, +49, +98).
const MIN_DIGITS: usize = 5;
/// The most digits that E.164 allows, calling code included.
const MAX_DIGITS: usize = 15;

/// An E.164 number: 5 to 15 digits that begin with an assigned calling code. 18 bytes, no heap.
///
/// A phone number is personal data. `Debug` shows the calling code alone, and there is no `Display`: code that writes a number
/// has to call [`digits`](E164::digits).
///
/// ```
/// use switchboard_model::{E164, Region};
///
/// let toronto = E164::parse("+14165550123").unwrap();
/// assert_eq!(toronto.region(), Region::from_alpha2("CA"));
/// assert!(E164::parse("07400 123456").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct E164 {
    /// ASCII digits with zero bytes behind them: equal numbers are equal bytes.
    digits: [u8; MAX_DIGITS],
    length: u8,
    code: CallingCode,
}

impl E164 {
    /// Reads a number: at most one leading `+`, then ASCII digits and nothing else. Removes no national prefix: all digits
    /// behind the calling code are the national number.
    ///
    /// # Errors
    /// The text has other characters, fewer than 5 or more than 15 digits, or no assigned calling code at its front.
    pub fn parse(text: &str) -> Result<E164, InvalidE164> {
        let text = text.strip_prefix('+').unwrap_or(text).as_bytes();
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(InvalidE164::NotDigits);
        }
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&text.len()) {
            return Err(InvalidE164::Length);
        }
        let code = CallingCode::at_front_of(text).ok_or(InvalidE164::UnassignedCallingCode)?;
        let mut digits = [0; MAX_DIGITS];
        digits.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Ok(E164 { digits, length: text.len() as u8, code })
    }

    /// Returns the digits, calling code first, without `+`.
    pub fn digits(&self) -> &str {
        // Never empty: the digits are ASCII, and `length` is the length of the text that they were read from.
        self.ascii().and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Returns the calling code with which the digits begin.
    pub fn calling_code(&self) -> CallingCode {
        self.code
    }

    /// Returns the region, and whether the number is valid. Takes a load for each national digit, besides what
    /// [`region`](E164::region) takes.
    pub fn origin(&self) -> Origin {
        Origin::from_parts(self.code, self.national())
    }

    /// Returns the region that the number belongs to. Takes a load for each digit that distinguishes the regions of its
    /// calling code: for most codes none.
    pub fn region(&self) -> Option<Region> {
        region(self.code, self.national())
    }

    fn national(&self) -> &[u8] {
        self.ascii().and_then(|digits| digits.get(self.code.length()..)).unwrap_or_default()
    }

    fn ascii(&self) -> Option<&[u8]> {
        self.digits.get(..usize::from(self.length))
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164({}…)", self.code)
    }
}

/// Why a text is not an E.164 number. Never holds or shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidE164 {
    /// The text has other characters than one leading `+` and ASCII digits.
    #[error("a phone number is an optional + and digits, with nothing between them")]
    NotDigits,
    /// The text has fewer than 5 or more than 15 digits.
    #[error("a phone number has 5 to 15 digits, its calling code included")]
    Length,
    /// No assigned calling code is at the front. National numbers, which begin with 0, get this error.
    #[error("a phone number begins with an assigned calling code, such as +44")]
    UnassignedCallingCode,
}

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
    fn from_parts(code: CallingCode, national: &[u8]) -> Origin {
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
fn region(code: CallingCode, national: &[u8]) -> Option<Region> {
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
