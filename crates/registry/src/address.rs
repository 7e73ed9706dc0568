//! What an account's address must look like, by the channel's kind.

use std::borrow::Cow;

use super::AddressKind;
use switchboard_model::E164;

/// In characters.
const LONGEST_HANDLE: usize = 128;
/// The longest address that mail can be sent to (RFC 5321, section 4.5.3.1, without its brackets).
const LONGEST_EMAIL: usize = 254;

impl AddressKind {
    /// What to write, for findings.
    pub(super) const fn wanted(self) -> &'static str {
        match self {
            AddressKind::Phone => "a phone number in E.164 with its `+` and without spaces",
            AddressKind::Email => "an e-mail address such as `service@company.example`",
            AddressKind::Handle => "a handle of 1 to 128 printable characters without spaces",
        }
    }

    /// Whether an address is of this kind. A phone number need not be a valid one, since ranges are
    /// opened every month; it must begin with an assigned calling code.
    pub(super) fn fits(self, address: &str) -> bool {
        match self {
            AddressKind::Phone => address.starts_with('+') && E164::parse(address).is_ok(),
            AddressKind::Email => is_email(address),
            AddressKind::Handle => {
                !address.is_empty()
                    && address.chars().count() <= LONGEST_HANDLE
                    && !address.chars().any(|letter| letter.is_whitespace() || letter.is_control())
            }
        }
    }

    /// The form in which two addresses that reach the same account are equal.
    pub(super) fn canonical(self, address: &str) -> Cow<'_, str> {
        match self {
            AddressKind::Phone => Cow::Borrowed(address.strip_prefix('+').unwrap_or(address)),
            AddressKind::Email if address.chars().any(char::is_uppercase) => {
                Cow::Owned(address.to_lowercase())
            }
            AddressKind::Email | AddressKind::Handle => Cow::Borrowed(address),
        }
    }
}

/// `local@domain` with a dot in the domain: meant to catch a number or a handle in the wrong row,
/// not to judge what RFC 5322 allows.
fn is_email(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || ",;<>()\"@".contains(letter);
    address.len() <= LONGEST_EMAIL
        && !local.is_empty()
        && !local.chars().any(odd)
        && domain.contains('.')
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails() {
        for good in ["a@b.example", "first.last+tag@sub.b-c.example"] {
            assert!(AddressKind::Email.fits(good), "{good}");
        }
        for bad in
            ["", "a", "@b.example", "a@", "a@b", "a@b..c", "a@-b.c", "a b@c.d", "a@b@c.d", "+447400123456"]
        {
            assert!(!AddressKind::Email.fits(bad), "{bad}");
        }
    }

    #[test]
    fn handles() {
        assert!(AddressKind::Handle.fits("@acme_gb"));
        assert!(!AddressKind::Handle.fits(""));
        assert!(!AddressKind::Handle.fits("two words"));
        assert!(!AddressKind::Handle.fits(&"x".repeat(129)));
    }

    #[test]
    fn phones_need_their_plus() {
        assert!(AddressKind::Phone.fits("+447400123456"));
        assert!(!AddressKind::Phone.fits("447400123456"));
        assert!(!AddressKind::Phone.fits("+44 7400 123456"));
    }
}
