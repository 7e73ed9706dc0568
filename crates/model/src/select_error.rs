//! The errors that a selection ends with.

crate::text_enum! {
    /// The reason why a query has no account. Gateways act on its code. The errors are declared in the order
    /// of the steps that find them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum SelectError {
        /// The query is malformed, or names no company although the snapshot has several.
        BadRequest => "bad_request",
        /// The snapshot has no company with this id.
        UnknownCompany => "unknown_company",
        /// The snapshot has no channel with this id.
        UnknownChannel => "unknown_channel",
        /// The company has no organizational unit with this id.
        UnknownOu => "unknown_ou",
        /// The country is not an assigned ISO 3166-1 code.
        InvalidCountry => "invalid_country",
        /// The phone number does not conform to E.164.
        InvalidPhone => "invalid_phone",
        /// The query has neither a country nor a phone.
        ClientRequired => "client_required",
        /// The user's dedicated account is not available.
        DedicatedUnavailable => "dedicated_unavailable",
        /// No level of the chain has a pool of this channel.
        NoPool => "no_pool",
        /// No step of the chain has an account for the client.
        NoAccount => "no_account",
        /// The chain has accounts for the client, but none of them is available.
        NoAccountAvailable => "no_account_available",
    }
}

impl SelectError {
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
                Make the account available, or set `dedicated_unavailable` to `pool` in the company's settings."
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
