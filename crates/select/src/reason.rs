//! The words that answers and explanations give reasons in: why an account was passed over, or not kept.

/// Why the account that the client talks to was not kept: the first reason that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CurrentIgnored {
    /// The company has no account of this id.
    Unknown,
    /// The account is of another channel.
    OtherChannel,
    /// The account is of another role.
    OtherRole,
    /// The account is suspended.
    Suspended,
    /// The query excludes the account.
    Excluded,
    /// The account's `available_from` is still to come.
    Resting,
    /// The account is neither the user's own nor in any step of the chain.
    NotInChain,
}

/// Whether an account can be selected, and if not, the first reason that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Availability {
    /// The account can be selected.
    Available,
    /// The account keeps the clients it has.
    Draining,
    /// The account is not to be used.
    Suspended,
    /// The query excludes the account.
    Excluded,
    /// The account's `available_from` is still to come.
    Resting,
}

impl Availability {
    /// Returns the word in explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Availability::Available => "available",
            Availability::Draining => "draining",
            Availability::Suspended => "suspended",
            Availability::Excluded => "excluded",
            Availability::Resting => "resting",
        }
    }
}

impl CurrentIgnored {
    /// Returns the word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            CurrentIgnored::Unknown => "unknown",
            CurrentIgnored::OtherChannel => "other_channel",
            CurrentIgnored::OtherRole => "other_role",
            CurrentIgnored::Suspended => "suspended",
            CurrentIgnored::Excluded => "excluded",
            CurrentIgnored::Resting => "resting",
            CurrentIgnored::NotInChain => "not_in_chain",
        }
    }
}
