//! The errors that a selection ends with.

/// Why a query has no account: the code that gateways act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SelectError {
    /// The query is malformed, or names no company where there are several.
    BadRequest,
    /// The snapshot has no company of the query's id.
    UnknownCompany,
    /// The snapshot has no channel of the query's id.
    UnknownChannel,
    /// The company has no organizational unit of the query's id.
    UnknownOu,
    /// The query's country is not assigned.
    InvalidCountry,
    /// The query's phone is not an E.164 number.
    InvalidPhone,
    /// The query has neither a country nor a phone.
    ClientRequired,
    /// The user's own account is not available.
    DedicatedUnavailable,
    /// No level of the chain has a pool of the channel.
    NoPool,
    /// No step of the chain has an account.
    NoAccount,
    /// Some step of the chain has accounts, and none of them is available.
    NoAccountAvailable,
}

impl SelectError {
    /// Every error, in the order of the steps that end with it.
    pub const ALL: [SelectError; 11] = [
        SelectError::BadRequest,
        SelectError::UnknownCompany,
        SelectError::UnknownChannel,
        SelectError::UnknownOu,
        SelectError::InvalidCountry,
        SelectError::InvalidPhone,
        SelectError::ClientRequired,
        SelectError::DedicatedUnavailable,
        SelectError::NoPool,
        SelectError::NoAccount,
        SelectError::NoAccountAvailable,
    ];

    /// Returns the code, as in answers, metrics and expected selections.
    pub const fn as_str(self) -> &'static str {
        match self {
            SelectError::BadRequest => "bad_request",
            SelectError::UnknownCompany => "unknown_company",
            SelectError::UnknownChannel => "unknown_channel",
            SelectError::UnknownOu => "unknown_ou",
            SelectError::InvalidCountry => "invalid_country",
            SelectError::InvalidPhone => "invalid_phone",
            SelectError::ClientRequired => "client_required",
            SelectError::DedicatedUnavailable => "dedicated_unavailable",
            SelectError::NoPool => "no_pool",
            SelectError::NoAccount => "no_account",
            SelectError::NoAccountAvailable => "no_account_available",
        }
    }

    /// Returns what is wrong or what to do, in words for people.
    pub const fn reason(self) -> &'static str {
        match self {
            // Other faults of a query are reported where it is read.
            SelectError::BadRequest => "company: this field is required where there are several companies",
            SelectError::UnknownCompany => "the snapshot in service has no company of this id",
            SelectError::UnknownChannel => "the snapshot in service has no channel of this id",
            SelectError::UnknownOu => "the company has no organizational unit of this id",
            SelectError::InvalidCountry => "give an ISO 3166-1 alpha-2 code; the United Kingdom is GB",
            SelectError::InvalidPhone => {
                "give 5 to 15 digits that begin with an assigned calling code, with or without a leading +"
            }
            SelectError::ClientRequired => "give the client's country, or a phone to derive it from",
            SelectError::DedicatedUnavailable => {
                "it is draining, suspended, excluded or resting, and the company does not fall back to its pools"
            }
            SelectError::NoPool => {
                "neither the organizational unit nor, where it inherits, any above it has a pool of this channel"
            }
            SelectError::NoAccount => "no step of the chain has an account for this client",
            SelectError::NoAccountAvailable => {
                "every account for this client is draining, suspended, excluded or resting"
            }
        }
    }

    /// Returns what the explanation of the same query shows about the error, where that helps.
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            SelectError::NoAccount => Some("explain shows the steps"),
            SelectError::NoAccountAvailable => Some("explain shows which"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_numbered_in_the_order_of_the_list() {
        for (number, error) in (0..).zip(SelectError::ALL) {
            assert_eq!(error as u8, number);
        }
    }
}
