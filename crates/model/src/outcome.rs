//! The terms of a selection: the role and the condition of an account, the rule that selected an account, and
//! the error that a selection ends with.

crate::text_enum! {
    /// The purpose of an official account.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum Role {
        /// Prospects contact the company on the account. The account also receives one-time passwords.
        Primary = 0 => "primary",
        /// The company onboards its clients on the account and talks to them.
        Secondary = 1 => "secondary",
    }
}

crate::text_enum! {
    /// How freely an account may be used. A greater value is more restrictive.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum Condition {
        /// The account gets new clients.
        Active = 0 => "active",
        /// The account keeps its clients and gets no new ones.
        Draining = 1 => "draining",
        /// The account is never selected.
        Suspended = 2 => "suspended",
    }
}

impl Role {
    /// Parses `primary` or `secondary`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl Condition {
    /// Parses `active`, `draining` or `suspended`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Condition> {
        Condition::ALL.into_iter().find(|condition| condition.as_str() == text)
    }
}

crate::text_enum! {
    /// The reason why an account was selected. The rules are declared in the order in which a selection tries
    /// them.
    ///
    /// Snapshots store the numbers of the rules that steps of a chain have. These numbers begin with 0 and
    /// ascend in the order in which a level tries the rules. To insert a rule, renumber the rules after it
    /// and increase `VERSION` in the snapshot's header.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum Rule {
        /// The client already talks to the account.
        Current = 4 => "current",
        /// The account is dedicated to the user.
        Dedicated = 5 => "dedicated",
        /// The account's country is the client's country.
        Country = 0 => "country",
        /// The account's country shares the calling code of the client's country.
        CallingCode = 1 => "calling_code",
        /// The account's country is the country that the client's country is mapped to.
        Geography = 2 => "geography",
        /// The account's country is the default country of the pool.
        DefaultRegion = 3 => "default_region",
    }
}

impl Rule {
    /// The rules of a chain's steps, in the order of their stored numbers.
    pub const STEPS: [Rule; 4] = [Rule::Country, Rule::CallingCode, Rule::Geography, Rule::DefaultRegion];

    /// Returns the rule of a step by its stored number. Returns `None` if no rule of a step has the number.
    #[inline]
    pub const fn from_stored(number: u8) -> Option<Rule> {
        match number {
            0 => Some(Rule::Country),
            1 => Some(Rule::CallingCode),
            2 => Some(Rule::Geography),
            3 => Some(Rule::DefaultRegion),
            _ => None,
        }
    }
}

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
        /// The query has none of `country`, `phone` and `bsuid`.
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
                "Send a + and 5 to 15 digits that begin with an assigned calling code. \
                The + may be left out of a valid number only."
            }
            SelectError::ClientRequired => {
                "The query has no country, no phone number and no business-scoped user id. \
                Send `country`, `phone` or `bsuid`."
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_steps_are_stored_by_their_numbers() {
        for (number, rule) in (0..).zip(Rule::STEPS) {
            assert_eq!(rule as u8, number);
            assert_eq!(Rule::from_stored(number), Some(rule));
        }
        assert_eq!(Rule::from_stored(4), None);
    }
}
