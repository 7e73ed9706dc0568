//! What a request comes to: a rule, or a problem.

use oracle::Verdict;
use serde::{Deserialize, Serialize};

/// A rule or a problem's code, as answers have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The account that the client already talks to.
    Current,
    /// The user's own account.
    Dedicated,
    /// An account of the client's country.
    Country,
    /// One that shares its calling code.
    CallingCode,
    /// One of the country that it is mapped to.
    Geography,
    /// One of the pool's default country.
    DefaultRegion,
    /// A query that is none.
    BadRequest,
    /// Neither phone nor country.
    ClientRequired,
    /// A phone that is none.
    InvalidPhone,
    /// A country that is none.
    InvalidCountry,
    /// A company that does not exist.
    UnknownCompany,
    /// A channel that does not exist.
    UnknownChannel,
    /// An OU that does not exist.
    UnknownOu,
    /// No level has a pool.
    NoPool,
    /// No step has an account.
    NoAccount,
    /// All that there are are out of use.
    NoAccountAvailable,
    /// The user's own account is out of use.
    DedicatedUnavailable,
}

impl Kind {
    /// Every kind, rules first.
    pub(super) const ALL: [Kind; 17] = [
        Kind::Current,
        Kind::Dedicated,
        Kind::Country,
        Kind::CallingCode,
        Kind::Geography,
        Kind::DefaultRegion,
        Kind::BadRequest,
        Kind::ClientRequired,
        Kind::InvalidPhone,
        Kind::InvalidCountry,
        Kind::UnknownCompany,
        Kind::UnknownChannel,
        Kind::UnknownOu,
        Kind::NoPool,
        Kind::NoAccount,
        Kind::NoAccountAvailable,
        Kind::DedicatedUnavailable,
    ];

    /// As answers have it, and the status of the answer.
    const fn texts(self) -> (&'static str, u16) {
        match self {
            Kind::Current => ("current", 200),
            Kind::Dedicated => ("dedicated", 200),
            Kind::Country => ("country", 200),
            Kind::CallingCode => ("calling_code", 200),
            Kind::Geography => ("geography", 200),
            Kind::DefaultRegion => ("default_region", 200),
            Kind::BadRequest => ("bad_request", 400),
            Kind::ClientRequired => ("client_required", 400),
            Kind::InvalidPhone => ("invalid_phone", 400),
            Kind::InvalidCountry => ("invalid_country", 400),
            Kind::UnknownCompany => ("unknown_company", 404),
            Kind::UnknownChannel => ("unknown_channel", 404),
            Kind::UnknownOu => ("unknown_ou", 404),
            Kind::NoPool => ("no_pool", 422),
            Kind::NoAccount => ("no_account", 422),
            Kind::NoAccountAvailable => ("no_account_available", 422),
            Kind::DedicatedUnavailable => ("dedicated_unavailable", 422),
        }
    }

    /// As answers have it.
    pub const fn text(self) -> &'static str {
        self.texts().0
    }

    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        self.texts().1
    }

    /// The kind of this rule or code.
    pub(super) fn named(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.text() == text)
    }

    /// What the oracle came to.
    pub(super) fn of(verdict: &Verdict<'_>) -> Option<Kind> {
        Kind::named(match verdict {
            Verdict::Selected(selected) => selected.rule,
            Verdict::Refused(code) => code,
        })
    }

    /// Found by going through the chain: what may be excluded, asked of another role, or ignored as current.
    pub(super) fn is_of_chain(self) -> bool {
        matches!(self, Kind::Country | Kind::CallingCode | Kind::Geography | Kind::DefaultRegion)
    }
}
