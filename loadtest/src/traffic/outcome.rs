//! The outcomes of a query: rules and problem codes, with the status of their answers.

use oracle::Verdict;
use serde::{Deserialize, Serialize};

macro_rules! outcomes {
    ($($name:ident = ($text:literal, $status:literal),)+) => {
        /// A rule or a problem code, as answers name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "the API documents its rules and codes")]
        pub enum Outcome {
            $($name,)+
        }

        impl Outcome {
            const ALL: &[Outcome] = &[$(Outcome::$name,)+];

            /// Returns the name in answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Outcome::$name => $text,)+
                }
            }

            /// Returns the HTTP status of the answer.
            pub const fn status(self) -> u16 {
                match self {
                    $(Outcome::$name => $status,)+
                }
            }
        }
    };
}

outcomes! {
    Current = ("current", 200),
    Dedicated = ("dedicated", 200),
    Country = ("country", 200),
    CallingCode = ("calling_code", 200),
    Geography = ("geography", 200),
    DefaultRegion = ("default_region", 200),
    BadRequest = ("bad_request", 400),
    ClientRequired = ("client_required", 400),
    InvalidPhone = ("invalid_phone", 400),
    InvalidCountry = ("invalid_country", 400),
    UnknownCompany = ("unknown_company", 404),
    UnknownChannel = ("unknown_channel", 404),
    UnknownOu = ("unknown_ou", 404),
    NoPool = ("no_pool", 422),
    NoAccount = ("no_account", 422),
    NoAccountAvailable = ("no_account_available", 422),
    DedicatedUnavailable = ("dedicated_unavailable", 422),
}

impl Outcome {
    /// Returns the outcome that the oracle predicts; none where its rule or code is unknown.
    pub(super) fn from_verdict(verdict: &Verdict<'_>) -> Option<Outcome> {
        let text = match verdict {
            Verdict::Selected(selected) => selected.rule,
            Verdict::Refused(code) => code,
        };
        Outcome::ALL.iter().copied().find(|outcome| outcome.as_str() == text)
    }

    /// Returns whether the outcome comes from the fallback chain: only there accounts may be excluded, asked
    /// for in another role, or ignored as current.
    pub(super) fn is_from_chain(self) -> bool {
        matches!(self, Outcome::Country | Outcome::CallingCode | Outcome::Geography | Outcome::DefaultRegion)
    }
}
