//! International phone numbers, and the region that a number belongs to.

use std::fmt;

use super::{CallingCode, Region, State, StateMark, table};

/// The minimum number of digits, calling code included. The shortest valid numbers have 6 (+43, +49, +98).
const MIN_DIGITS: usize = 5;
/// The maximum number of digits by E.164, calling code included.
const MAX_DIGITS: usize = 15;

/// An E.164 number: 5 to 15 digits that begin with an assigned calling code. Takes 18 bytes and no heap
/// memory.
///
/// A phone number is personal data. `Debug` shows the calling code only, and the type has no `Display`. Code
/// that writes a number must call [`digits`](E164::digits).
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
    /// ASCII digits, padded with zero bytes. Equal numbers have equal bytes.
    digits: [u8; MAX_DIGITS],
    length: u8,
    code: CallingCode,
}

impl E164 {
    /// Parses a number: an optional `+`, then 5 to 15 ASCII digits. The `+` may be left out of a valid number
    /// only, because the ten digits of a US number without its calling code would become a number of another
    /// country.
    ///
    /// Removes a trunk zero behind the calling code, as in `+44 (0) 7797…`, where the number is then valid and
    /// libphonenumber's parser removes the zero too. Keeps a zero that is part of the number, as in Italy.
    ///
    /// # Errors
    /// Returns an error if the text has other characters, fewer than 5 or more than 15 digits, does not begin
    /// with an assigned calling code, or is a number without `+` that is not valid.
    #[inline]
    pub fn parse(text: &str) -> Result<E164, InvalidE164> {
        E164::read(text, !text.starts_with('+'))
    }

    /// Parses like [`parse`](E164::parse). Accepts a number without `+` that is not valid, for a comparison
    /// with the numbers of a list.
    ///
    /// # Errors
    /// Returns the other errors of [`parse`](E164::parse).
    #[inline]
    pub fn parse_lenient(text: &str) -> Result<E164, InvalidE164> {
        E164::read(text, false)
    }

    #[inline]
    fn read(text: &str, must_be_valid: bool) -> Result<E164, InvalidE164> {
        let text = text.strip_prefix('+').unwrap_or(text).as_bytes();
        let mut digits = [0; MAX_DIGITS];
        let Some(front) = digits.get_mut(..text.len()) else {
            let are_digits = text.iter().all(u8::is_ascii_digit);
            return Err(if are_digits { InvalidE164::Length } else { InvalidE164::NotDigits });
        };
        front.copy_from_slice(text);
        // Counts in the whole array, because a loop of constant length is compiled to a few vector instructions.
        if digits.iter().filter(|byte| byte.is_ascii_digit()).count() != text.len() {
            return Err(InvalidE164::NotDigits);
        }
        if text.len() < MIN_DIGITS {
            return Err(InvalidE164::Length);
        }
        let code = CallingCode::at_front_of(text).ok_or(InvalidE164::UnassignedCallingCode)?;
        let mut number = E164 { digits, length: text.len() as u8, code };
        if text.get(code.length()) == Some(&b'0') {
            number.remove_trunk_zero();
        }
        if must_be_valid && !number.is_valid() {
            return Err(InvalidE164::NotValidWithoutPlus);
        }
        Ok(number)
    }

    /// Removes the zero behind the calling code, if the rest is a valid number that is written so.
    #[cold]
    fn remove_trunk_zero(&mut self) {
        let rest = self.national().get(1..).unwrap_or_default();
        let trunk = self.code.entry().and_then(|entry| state(entry.trunk));
        if trunk.is_some_and(|trunk| is_valid_from(trunk, rest)) {
            let zero = self.code.length();
            let length = usize::from(self.length);
            self.digits.copy_within(zero + 1..length, zero);
            self.digits.iter_mut().skip(length - 1).for_each(|digit| *digit = 0);
            self.length -= 1;
        }
    }

    /// Returns the digits without `+`, calling code first.
    pub fn digits(&self) -> &str {
        // Never empty: the digits are ASCII, and `length` is their number.
        self.ascii().and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Returns the calling code at the front of the digits.
    pub fn calling_code(&self) -> CallingCode {
        self.code
    }

    /// Returns the region of the number, and whether the number is valid. Costs one memory access per
    /// national digit more than [`region`](E164::region).
    pub fn origin(&self) -> Origin {
        Origin::from_parts(self.code, self.national())
    }

    /// Returns whether the number is valid: its range is assigned and its length is right, by libphonenumber.
    /// Takes one step per digit.
    pub fn is_valid(&self) -> bool {
        is_valid(self.code, self.national())
    }

    /// Returns the region of the number. Returns `None` if numbers of the calling code belong to no country.
    ///
    /// Costs one memory access for each digit that is needed to distinguish the regions of the calling code.
    /// Most calling codes have one region and need none.
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

/// The reason why a text is not an E.164 number. Does not hold the text, because the text may be a phone
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidE164 {
    /// The text has a character that is neither a leading `+` nor an ASCII digit.
    #[error("a phone number consists of an optional + and digits, without spaces or other characters")]
    NotDigits,
    /// The text has fewer than 5 or more than 15 digits.
    #[error("a phone number has 5 to 15 digits, including its calling code")]
    Length,
    /// The text does not begin with an assigned calling code. A national number, which begins with 0, has
    /// this error.
    #[error("a phone number begins with an assigned calling code, such as +44")]
    UnassignedCallingCode,
    /// The text has no `+`, and its digits are not a valid number.
    #[error("a phone number without its + must be valid; write the + and the calling code")]
    NotValidWithoutPlus,
}

/// The region of a number, and how reliable it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The region. `None` if numbers of the calling code belong to no country, such as +800.
    pub region: Option<Region>,
    /// Whether the region is a guess because the number is not valid: its range is unassigned or new, or its
    /// length is wrong. Always false if there is no region.
    ///
    /// The guess is the region of the longest prefix that some valid number has. If that prefix has several
    /// regions, the guess is the main region of the calling code.
    pub guessed: bool,
}

impl Origin {
    /// Finds the origin of a number from its calling code and the ASCII digits after the code.
    fn from_parts(code: CallingCode, national: &[u8]) -> Origin {
        let region = region(code, national);
        Origin { region, guessed: region.is_some() && !is_valid(code, national) }
    }
}

/// Returns whether the number is valid in some region. Takes one step per digit.
fn is_valid(code: CallingCode, national: &[u8]) -> bool {
    code.entry().and_then(|entry| state(entry.start)).is_some_and(|start| is_valid_from(start, national))
}

/// Returns whether a walk over ASCII digits ends with a valid number.
fn is_valid_from(start: &'static State, digits: &[u8]) -> bool {
    let end = digits.iter().try_fold(start, |state, digit| after(state, *digit));
    matches!(end, Some(State(StateMark::Valid | StateMark::SettlesValid(_) | StateMark::ValidIn(_), _)))
}

/// Finds the region. Reads the national digits only if several regions share the code, and only until the
/// region is settled.
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

/// Returns the state at an index of the table.
fn state(index: u16) -> Option<&'static State> {
    table::STATES.get(usize::from(index))
}

/// Returns the state after an ASCII digit. Returns `None` if no valid number continues with the digit.
fn after(from: &State, digit: u8) -> Option<&'static State> {
    match *from.1.get(usize::from(digit.wrapping_sub(b'0')))? {
        0 => None,
        next => state(next),
    }
}
