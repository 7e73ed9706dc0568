//! International numbers, parsed.

use std::fmt;

use super::{CallingCode, Origin, Region, origin};

/// The fewest digits of a number, calling code included; the shortest valid ones have 6 (+43, +49, +98).
const SHORTEST: usize = 5;
/// The most digits that E.164 allows, calling code included.
const LONGEST: usize = 15;

/// An E.164 number: 5 to 15 digits that begin with an assigned calling code. 18 bytes, no heap.
///
/// Its `Debug` shows the calling code alone, and it has no `Display`: a phone number is personal data,
/// and whoever writes one out has to ask for its [`digits`](E164::digits).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct E164 {
    /// ASCII digits, zero bytes behind them, so that equal numbers are equal bytes.
    digits: [u8; LONGEST],
    length: u8,
    code: CallingCode,
}

impl E164 {
    /// Reads a number: one leading `+` or none, then ASCII digits and nothing else. No spaces, no dashes;
    /// no national prefix is taken off either: what follows the calling code is the national number.
    pub fn parse(text: &str) -> Result<E164, InvalidE164> {
        let text = text.strip_prefix('+').unwrap_or(text).as_bytes();
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(InvalidE164::NotDigits);
        }
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(InvalidE164::Length);
        }
        let code = CallingCode::of_number(text).ok_or(InvalidE164::UnassignedCallingCode)?;
        let mut digits = [0; LONGEST];
        digits.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Ok(E164 { digits, length: text.len() as u8, code })
    }

    /// The digits, calling code first, without `+`.
    pub fn digits(&self) -> &str {
        // Always the digits: they are ASCII, and the length is that of the text they were read from.
        self.ascii().and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The calling code that the digits begin with.
    pub fn calling_code(&self) -> CallingCode {
        self.code
    }

    /// Where the number belongs, and whether it is valid: one step through the table per national digit, and before that
    /// what [`region`](E164::region) takes.
    pub fn origin(&self) -> Origin {
        Origin::of(self.code, self.national())
    }

    /// The region that the number belongs to: a step for each of the digits that tell the regions of a calling code
    /// apart, which are none for most codes.
    pub fn region(&self) -> Option<Region> {
        origin::region(self.code, self.national())
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

/// Why a text is not an E.164 number. It never holds or shows the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidE164 {
    /// Something besides one leading `+` and ASCII digits.
    #[error("a phone number is an optional + and digits, with nothing between them")]
    NotDigits,
    /// Fewer than 5 or more than 15 digits.
    #[error("a phone number has 5 to 15 digits, its calling code included")]
    Length,
    /// No assigned calling code at the front; national numbers, which begin with 0, end here.
    #[error("a phone number begins with an assigned calling code, such as +44")]
    UnassignedCallingCode,
}
