//! Ids, and the characters that ids and addresses must not have.

use std::fmt;

use unicode_general_category::{GeneralCategory, get_general_category};

/// The maximum length of an id in bytes. The ids of users have their own limit, [`MAX_USER_ID_BYTES`].
pub const MAX_ID_BYTES: usize = 128;
/// The maximum length of the id of a user in bytes.
pub const MAX_USER_ID_BYTES: usize = 256;

/// Returns whether a text is an id: 1 to 128 bytes of printable ASCII without space, comma, slash or quote.
///
/// An id needs no quotes in a CSV cell and in a comma-separated list. The id of a user may have more
/// characters ([`is_user_id`]).
///
/// ```
/// use switchboard_model::is_id;
///
/// assert!(is_id("emea-whatsapp"));
/// assert!(!is_id("emea whatsapp"));
/// ```
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'/' | b'"' | b'\''))
}

/// Returns whether a text is the id of a user: 1 to 256 bytes of UTF-8 without white space, control or format
/// characters.
///
/// These ids come from directories of people, so they have more characters than other ids.
///
/// ```
/// use switchboard_model::is_user_id;
///
/// assert!(is_user_id("o'neil@bank.example") && is_user_id("müller@bank.example"));
/// assert!(!is_user_id("ann neil") && !is_user_id("ann\u{200b}"));
/// ```
#[inline]
pub fn is_user_id(text: &str) -> bool {
    (1..=MAX_USER_ID_BYTES).contains(&text.len())
        && (text.bytes().all(|byte| byte.is_ascii_graphic()) || find_invisible(text).is_none())
}

/// A character that no id and no address has, because a person does not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvisibleChar {
    /// White space, a control character or a format character.
    pub character: char,
    /// The position in the text in characters, from 1.
    pub position: usize,
}

impl InvisibleChar {
    /// Returns whether the character is a blank, which a person sees as a gap between letters.
    pub fn is_blank(&self) -> bool {
        self.character.is_whitespace() && !self.character.is_control()
    }
}

/// Writes the character with its article and its position, such as `a blank at position 2`.
impl fmt::Display for InvisibleChar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvisibleChar { character, position } = *self;
        match character {
            ' ' => out.write_str("a blank")?,
            _ if self.is_blank() => write!(out, "the blank U+{:04X}", u32::from(character))?,
            _ => write!(out, "the invisible character U+{:04X}", u32::from(character))?,
        }
        write!(out, " at position {position}")
    }
}

/// Returns the first character of a text that is white space, a control character or a format character.
///
/// Control and format characters are those of the Unicode categories Cc and Cf. Format characters are for
/// example the zero width space, the marks of the writing direction, and the soft hyphen.
///
/// ```
/// use switchboard_model::find_invisible;
///
/// let found = find_invisible("ann\u{200b}@bank.example").unwrap();
/// assert_eq!(found.to_string(), "the invisible character U+200B at position 4");
/// ```
pub fn find_invisible(text: &str) -> Option<InvisibleChar> {
    (1..).zip(text.chars()).find_map(|(position, character)| {
        is_invisible(character).then_some(InvisibleChar { character, position })
    })
}

/// Returns whether a character is white space, a control character or a format character.
pub fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || (!character.is_ascii() && get_general_category(character) == GeneralCategory::Format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_printable_ascii_without_separators_and_quotes() {
        assert!(is_id("a") && is_id(&"x".repeat(MAX_ID_BYTES)) && is_id("a.b:c@d#e_f-g\\"));
        for bad in
            ["", &"x".repeat(MAX_ID_BYTES + 1), "a b", "a,b", "a/b", "a\"b", "a'b", "ä", "a\t", "a\u{7f}"]
        {
            assert!(!is_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn ids_of_users_have_every_visible_character() {
        let longest = "ü".repeat(MAX_USER_ID_BYTES / 2);
        for good in [
            "a",
            "o'neil@bank.example",
            "müller@bank.example",
            "李雷",
            "a,b/c\"d",
            "🙂",
            "e\u{301}",
            &longest,
        ] {
            assert!(is_user_id(good), "{good:?}");
        }
        for bad in [
            "",
            " ",
            "a b",
            "a ",
            "a\u{a0}b",
            "a\u{2028}",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{202e}b",
            "a\0",
            "a\u{7f}",
            "a\u{85}",
            "a\u{e0041}",
            "a\u{180e}",
            &format!("{longest}x"),
        ] {
            assert!(!is_user_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn invisible_characters_are_found_at_their_position() {
        for (text, found) in [
            ("\u{200b}", "the invisible character U+200B at position 1"),
            ("@acme\u{200e}", "the invisible character U+200E at position 6"),
            ("äb\tc", "the invisible character U+0009 at position 3"),
            ("a\u{e0001}", "the invisible character U+E0001 at position 2"),
            ("a b", "a blank at position 2"),
            ("ä\u{a0}b", "the blank U+00A0 at position 2"),
            ("\u{3000}", "the blank U+3000 at position 1"),
        ] {
            assert_eq!(find_invisible(text).map(|found| found.to_string()).as_deref(), Some(found));
        }
        assert_eq!(find_invisible("ä@b.example"), None);
    }
}
