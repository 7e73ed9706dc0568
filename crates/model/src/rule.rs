//! The rules of a selection.

/// The reason why an account was selected.
///
/// The first four variants are the rules of a chain's steps. Snapshots store their numbers, which ascend in
/// the order in which a level tries the rules. To insert a rule, renumber the rules after it and increase
/// `VERSION` in the snapshot's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// The account's country is the client's country.
    Country = 0,
    /// The account's country shares the calling code of the client's country.
    CallingCode = 1,
    /// The account's country is the country that the client's country is mapped to.
    Geography = 2,
    /// The account's country is the default country of the pool.
    DefaultRegion = 3,
    /// The client already talks to the account.
    Current = 4,
    /// The account is dedicated to the user.
    Dedicated = 5,
}

impl Rule {
    /// All rules, in the order in which a selection tries them.
    pub const ALL: [Rule; 6] = [
        Rule::Current,
        Rule::Dedicated,
        Rule::Country,
        Rule::CallingCode,
        Rule::Geography,
        Rule::DefaultRegion,
    ];

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

    /// Returns the name of the rule, which answers, metrics and expected selections contain.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rule::Current => "current",
            Rule::Dedicated => "dedicated",
            Rule::Country => "country",
            Rule::CallingCode => "calling_code",
            Rule::Geography => "geography",
            Rule::DefaultRegion => "default_region",
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
