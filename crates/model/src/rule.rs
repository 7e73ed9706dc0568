//! The rules of a selection.

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
