//! The kinds of address that an account can have, and the form of each kind.

use std::borrow::Cow;

use switchboard_model::E164;

/// The maximum length of a handle in characters.
const MAX_HANDLE_CHARS: usize = 128;
/// The maximum length of an e-mail address in bytes: the path of RFC 5321, section 4.5.3.1, without its
/// brackets.
const MAX_EMAIL_BYTES: usize = 254;

/// The kind of address that the accounts of a channel have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// A phone number in E.164, written with its `+`.
    Phone,
    /// An e-mail address of the form `local@domain`.
    Email,
    /// 1 to 128 printable characters without spaces.
    Handle,
}

impl AddressKind {
    /// Returns the description of a valid address, for messages.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            AddressKind::Phone => "a phone number in E.164 with its `+` and without spaces",
            AddressKind::Email => "an e-mail address such as `service@company.example`",
            AddressKind::Handle => "a handle of 1 to 128 printable characters without spaces",
        }
    }

    /// Returns whether the address is of this kind. A phone number must begin with an assigned calling code.
    /// It may be outside the ranges that are known to be valid, because new ranges are opened every month.
    pub(crate) fn accepts(self, address: &str) -> bool {
        match self {
            AddressKind::Phone => address.starts_with('+') && E164::parse(address).is_ok(),
            AddressKind::Email => is_email(address),
            AddressKind::Handle => {
                !address.is_empty()
                    && address.chars().count() <= MAX_HANDLE_CHARS
                    && !address.chars().any(|letter| letter.is_whitespace() || letter.is_control())
            }
        }
    }

    /// Returns the canonical form. Two addresses that reach the same account have the same canonical form.
    pub(crate) fn canonical(self, address: &str) -> Cow<'_, str> {
        match self {
            AddressKind::Phone => Cow::Borrowed(address.strip_prefix('+').unwrap_or(address)),
            AddressKind::Email if address.chars().any(char::is_uppercase) => {
                Cow::Owned(address.to_lowercase())
            }
            AddressKind::Email | AddressKind::Handle => Cow::Borrowed(address),
        }
    }
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
    let is_forbidden =
        |letter: char| letter.is_whitespace() || letter.is_control() || ",;<>()\"@".contains(letter);
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
        for good in ["a@b.example", "first.last+tag@sub.b-c.example"] {
            assert!(AddressKind::Email.accepts(good), "{good}");
        }
        for bad in
            ["", "a", "@b.example", "a@", "a@b", "a@b..c", "a@-b.c", "a b@c.d", "a@b@c.d", "+447400123456"]
        {
            assert!(!AddressKind::Email.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn handles_are_one_word_of_at_most_128_characters() {
        assert!(AddressKind::Handle.accepts("@acme_gb"));
        assert!(!AddressKind::Handle.accepts(""));
        assert!(!AddressKind::Handle.accepts("two words"));
        assert!(!AddressKind::Handle.accepts(&"x".repeat(129)));
    }

    #[test]
    fn phones_need_their_plus_and_have_no_spaces() {
        assert!(AddressKind::Phone.accepts("+447400123456"));
        assert!(!AddressKind::Phone.accepts("447400123456"));
        assert!(!AddressKind::Phone.accepts("+44 7400 123456"));
    }
}
