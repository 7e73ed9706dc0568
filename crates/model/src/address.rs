//! The kinds of address that an account can have, the form of each kind, and the normal form in which
//! addresses are compared.

use crate::{E164, find_invisible, is_invisible};

/// The maximum length of a handle in characters.
const MAX_HANDLE_CHARS: usize = 128;
/// The maximum length of an e-mail address in bytes: the path of RFC 5321, section 4.5.3.1, without its
/// brackets.
const MAX_EMAIL_BYTES: usize = 254;
/// The maximum length of a normal form that is not a part of the address. A letter of an e-mail's domain may
/// take three bytes in lower case where it took two.
const MAX_BUFFERED_BYTES: usize = MAX_EMAIL_BYTES * 3 / 2;

/// The kind of address that the accounts of a channel have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum AddressKind {
    /// A phone number in E.164, written with its `+`.
    Phone = 0,
    /// An e-mail address of the form `local@domain`.
    Email = 1,
    /// 1 to 128 printable characters without spaces.
    Handle = 2,
}

/// The memory in which [`AddressKind::normal_form`] writes a normal form that differs from the address. The
/// answer path has one on the stack, because it allocates nothing.
#[derive(Debug)]
pub struct AddressBuffer([u8; MAX_BUFFERED_BYTES]);

impl AddressBuffer {
    /// Creates an empty buffer.
    pub const fn new() -> AddressBuffer {
        AddressBuffer([0; MAX_BUFFERED_BYTES])
    }

    /// Writes characters and returns them as one text. Returns `None` if they are too long.
    fn write(&mut self, characters: impl Iterator<Item = char>) -> Option<&str> {
        let mut end = 0;
        for character in characters {
            let to = self.0.get_mut(end..end + character.len_utf8())?;
            end += character.encode_utf8(to).len();
        }
        self.0.get(..end).and_then(|written| str::from_utf8(written).ok())
    }
}

impl Default for AddressBuffer {
    fn default() -> AddressBuffer {
        AddressBuffer::new()
    }
}

impl AddressKind {
    /// Returns the kind by its number in snapshots. Returns `None` if no kind has the number.
    pub const fn from_stored(number: u8) -> Option<AddressKind> {
        match number {
            0 => Some(AddressKind::Phone),
            1 => Some(AddressKind::Email),
            2 => Some(AddressKind::Handle),
            _ => None,
        }
    }

    /// Returns the description of a valid address, for messages.
    pub const fn description(self) -> &'static str {
        match self {
            AddressKind::Phone => "a phone number in E.164 with its `+` and without spaces",
            AddressKind::Email => "an e-mail address such as `service@company.example`",
            AddressKind::Handle => "a handle of 1 to 128 printable characters without spaces",
        }
    }

    /// Returns whether a registry may have this address. A phone number must begin with `+` and an assigned
    /// calling code. The number may be outside the ranges that are known to be valid, because new ranges are
    /// opened every month.
    pub fn accepts(self, address: &str) -> bool {
        match self {
            AddressKind::Phone => address.starts_with('+') && E164::parse(address).is_ok(),
            AddressKind::Email => is_email(address),
            AddressKind::Handle => is_handle(address),
        }
    }

    /// Returns the normal form of an address. Two addresses that reach the same account have the same normal
    /// form. Returns `None` if the address is not of this kind.
    ///
    /// The normal form of a phone number is its E.164 digits without `+`. The number may be written without
    /// `+`. A trunk zero behind the calling code is removed where [`E164::parse`] removes it. The domain of
    /// an e-mail address is in lower case, and its local part is as written. A handle is as written.
    ///
    /// ```
    /// use switchboard_model::{AddressBuffer, AddressKind};
    ///
    /// let mut buffer = AddressBuffer::new();
    /// let normal = AddressKind::Email.normal_form("Service@Acme.Example", &mut buffer);
    /// assert_eq!(normal, Some("Service@acme.example"));
    /// let normal = AddressKind::Phone.normal_form("+447400123456", &mut buffer);
    /// assert_eq!(normal, Some("447400123456"));
    /// ```
    pub fn normal_form<'t>(self, address: &'t str, buffer: &'t mut AddressBuffer) -> Option<&'t str> {
        match self {
            AddressKind::Phone => {
                let number = E164::parse_lenient(address).ok()?;
                buffer.write(number.digits().chars())
            }
            AddressKind::Email if !is_email(address) => None,
            AddressKind::Email => match address.rsplit_once('@') {
                Some((local, domain)) if domain.chars().any(char::is_uppercase) => {
                    let domain = domain.chars().flat_map(char::to_lowercase);
                    buffer.write(local.chars().chain(['@']).chain(domain))
                }
                _ => Some(address),
            },
            AddressKind::Handle => is_handle(address).then_some(address),
        }
    }
}

fn is_handle(address: &str) -> bool {
    !address.is_empty() && address.chars().count() <= MAX_HANDLE_CHARS && find_invisible(address).is_none()
}

/// Returns whether the text has the form `local@domain` with a dot in the domain. Finds a number or a handle
/// in the wrong row. Does not cover all of RFC 5322.
fn is_email(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    let is_forbidden = |letter: char| is_invisible(letter) || ",;<>()\"@".contains(letter);
    address.len() <= MAX_EMAIL_BYTES
        && !local.is_empty()
        && !local.chars().any(is_forbidden)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_have_one_local_part_and_a_domain_with_a_dot() {
        for good in ["a@b.example", "first.last+tag@sub.b-c.example", "o'neil@müller.example"] {
            assert!(AddressKind::Email.accepts(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.example",
            "a@",
            "a@b",
            "a@b..c",
            "a@-b.c",
            "a b@c.d",
            "a@b@c.d",
            "+447400123456",
            "a\u{200b}@b.example",
            "a@b\u{ad}.example",
            "\u{feff}a@b.example",
            "a\u{202e}@b.example",
        ] {
            assert!(!AddressKind::Email.accepts(bad), "{bad:?}");
        }
    }

    #[test]
    fn handles_are_one_word_of_at_most_128_visible_characters() {
        for good in ["@acme_gb", "微信号", &"ü".repeat(128)] {
            assert!(AddressKind::Handle.accepts(good), "{good:?}");
        }
        for bad in ["", "two words", "\u{200b}", "@acme\u{200e}", "a\u{a0}b", "a\u{1}", &"x".repeat(129)] {
            assert!(!AddressKind::Handle.accepts(bad), "{bad:?}");
        }
    }

    #[test]
    fn phones_need_their_plus_and_have_no_spaces() {
        assert!(AddressKind::Phone.accepts("+447400123456"));
        assert!(!AddressKind::Phone.accepts("447400123456"));
        assert!(!AddressKind::Phone.accepts("+44 7400 123456"));
    }

    #[test]
    fn normal_forms_are_equal_for_one_account() {
        let normal = |kind: AddressKind, address: &str| {
            kind.normal_form(address, &mut AddressBuffer::new()).map(str::to_owned)
        };
        for (kind, address, expected) in [
            (AddressKind::Phone, "+447400123456", Some("447400123456")),
            (AddressKind::Phone, "447400123456", Some("447400123456")),
            (AddressKind::Phone, "+3361234560", Some("3361234560")),
            (AddressKind::Phone, "3361234560", Some("3361234560")),
            (AddressKind::Phone, " 447400123456", None),
            (AddressKind::Phone, "07400123456", None),
            (AddressKind::Email, "Ann@B.Example", Some("Ann@b.example")),
            (AddressKind::Email, "ann@MÜLLER.example", Some("ann@müller.example")),
            (AddressKind::Email, "ann@b", None),
            (AddressKind::Handle, "@Acme", Some("@Acme")),
            (AddressKind::Handle, "@ acme", None),
        ] {
            assert_eq!(normal(kind, address).as_deref(), expected, "{address}");
        }
        let longest = format!("a@{}.e", "İ".repeat(125));
        assert!(longest.len() == MAX_EMAIL_BYTES && normal(AddressKind::Email, &longest).is_some());
    }
}
