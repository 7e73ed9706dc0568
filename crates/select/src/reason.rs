//! The words that answers give reasons in: why an account was selected, passed over, or not kept.

/// The reason an account was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// The client's country. The first four are the stored steps' rules, in order.
    Country = 0,
    /// The calling code of the client's country.
    CallingCode = 1,
    /// The country that the client's is mapped to.
    Geography = 2,
    /// The pool's default country.
    DefaultRegion = 3,
    /// The client already talks to it.
    Current,
    /// It is the user's own.
    Dedicated,
}

/// Why the account that the client talks to was not kept: the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ignored {
    /// The company has no account of this id.
    Unknown,
    /// Of another channel.
    OtherChannel,
    /// Of another role.
    OtherRole,
    /// Suspended.
    Suspended,
    /// Excluded by the query.
    Excluded,
    /// Its `available_from` is still to come.
    Resting,
    /// Not the user's own, nor in any step of the chain.
    NotInChain,
}

/// Whether an account can be had, and if not, why: the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It can.
    Available,
    /// It keeps the clients it has.
    Draining,
    /// It is not to be used.
    Suspended,
    /// The query excludes it.
    Excluded,
    /// Its `available_from` is still to come.
    Resting,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 6] = [
        Rule::Current,
        Rule::Dedicated,
        Rule::Country,
        Rule::CallingCode,
        Rule::Geography,
        Rule::DefaultRegion,
    ];

    /// Of a stored step.
    pub const fn of_step(stored: u8) -> Rule {
        match stored {
            0 => Rule::Country,
            1 => Rule::CallingCode,
            2 => Rule::Geography,
            _ => Rule::DefaultRegion,
        }
    }

    /// As in answers, metrics and tests.
    pub const fn text(self) -> &'static str {
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

impl Outcome {
    /// As in explanations.
    pub const fn text(self) -> &'static str {
        match self {
            Outcome::Available => "available",
            Outcome::Draining => "draining",
            Outcome::Suspended => "suspended",
            Outcome::Excluded => "excluded",
            Outcome::Resting => "resting",
        }
    }
}

impl Ignored {
    /// As in answers.
    pub const fn text(self) -> &'static str {
        match self {
            Ignored::Unknown => "unknown",
            Ignored::OtherChannel => "other_channel",
            Ignored::OtherRole => "other_role",
            Ignored::Suspended => "suspended",
            Ignored::Excluded => "excluded",
            Ignored::Resting => "resting",
            Ignored::NotInChain => "not_in_chain",
        }
    }
}
