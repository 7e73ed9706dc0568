//! The errors that a selection ends with.

/// The reason why a query has no account. Gateways act on its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SelectError {
    /// The query is malformed, or names no company although the snapshot has several.
    BadRequest,
    /// The snapshot has no company with this id.
    UnknownCompany,
    /// The snapshot has no channel with this id.
    UnknownChannel,
    /// The company has no organizational unit with this id.
    UnknownOu,
    /// The country is not an assigned ISO 3166-1 code.
    InvalidCountry,
    /// The phone number does not conform to E.164.
    InvalidPhone,
    /// The query has neither a country nor a phone.
    ClientRequired,
    /// The user's dedicated account is not available.
    DedicatedUnavailable,
    /// No level of the chain has a pool of this channel.
    NoPool,
    /// No step of the chain has an account for the client.
    NoAccount,
    /// The chain has accounts for the client, but none of them is available.
    NoAccountAvailable,
}

impl SelectError {
    /// All errors, in the order of the steps that find them.
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

    /// Returns the code that answers, metrics and expected selections contain.
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

    /// Returns the cause and the remedy as sentences for people.
    pub const fn reason(self) -> &'static str {
        match self {
            // Other errors of this kind are reported by the parsers of queries.
            SelectError::BadRequest => "The snapshot has several companies. Add the field `company`.",
            SelectError::UnknownCompany => {
                "The snapshot in service has no company with this id. Check the id of the company."
            }
            SelectError::UnknownChannel => {
                "The snapshot in service has no channel with this id. Check the id of the channel."
            }
            SelectError::UnknownOu => {
                "The company has no organizational unit with this id. Check the id of the organizational unit."
            }
            SelectError::InvalidCountry => {
                "The country is not an assigned ISO 3166-1 alpha-2 code. Send two letters, such as GB for the United Kingdom."
            }
            SelectError::InvalidPhone => {
                "Send 5 to 15 digits that begin with an assigned calling code, with or without a leading +."
            }
            SelectError::ClientRequired => {
                "The query has neither a country nor a phone number. Send `country` or `phone`."
            }
            SelectError::DedicatedUnavailable => {
                "The user's dedicated account is draining, suspended, excluded or resting. \
                Make the account available, or set `dedicated_unavailable = \"pool\"` in the company's settings."
            }
            SelectError::NoPool => {
                "Neither the organizational unit nor a unit that it inherits from has a pool of this channel. \
                Allocate a pool to one of them."
            }
            SelectError::NoAccount => {
                "No pool that the query reaches has an account for this client. \
                Add an account, a mapping or a default country."
            }
            SelectError::NoAccountAvailable => {
                "Every account for this client is draining, suspended, excluded or resting. \
                Make one of them available, or exclude fewer accounts."
            }
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
