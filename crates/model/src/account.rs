//! The role of an official account, and its condition.

/// What an official account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Prospects contact the company on the account, and it receives one-time passwords.
    Primary = 0,
    /// Clients are onboarded and talked to on the account.
    Secondary = 1,
}

/// How freely an account may be used. A greater condition restricts more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Condition {
    /// The account takes new clients.
    Active = 0,
    /// The account keeps the clients it has and gets no new one.
    Draining = 1,
    /// The account is never selected.
    Suspended = 2,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 2] = [Role::Primary, Role::Secondary];

    /// Reads `primary` or `secondary`.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Returns the role as registries, queries and answers have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Secondary => "secondary",
        }
    }
}

impl Condition {
    /// Every condition, the least restrictive first.
    pub const ALL: [Condition; 3] = [Condition::Active, Condition::Draining, Condition::Suspended];

    /// Reads `active`, `draining` or `suspended`.
    pub fn parse(text: &str) -> Option<Condition> {
        Condition::ALL.into_iter().find(|condition| condition.as_str() == text)
    }

    /// Returns the condition as registries and standings have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Condition::Active => "active",
            Condition::Draining => "draining",
            Condition::Suspended => "suspended",
        }
    }
}
