//! The role and the condition of an official account.

/// The purpose of an official account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Prospects contact the company on the account. The account also receives one-time passwords.
    Primary = 0,
    /// The company onboards its clients on the account and talks to them.
    Secondary = 1,
}

/// How freely an account may be used. A greater value is more restrictive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Condition {
    /// The account gets new clients.
    Active = 0,
    /// The account keeps its clients and gets no new ones.
    Draining = 1,
    /// The account is never selected.
    Suspended = 2,
}

impl Role {
    /// All roles, in the order of their stored numbers.
    pub const ALL: [Role; 2] = [Role::Primary, Role::Secondary];

    /// Parses `primary` or `secondary`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Returns the text of the role in registries, queries and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Secondary => "secondary",
        }
    }
}

impl Condition {
    /// All conditions, the least restrictive first.
    pub const ALL: [Condition; 3] = [Condition::Active, Condition::Draining, Condition::Suspended];

    /// Parses `active`, `draining` or `suspended`. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Condition> {
        Condition::ALL.into_iter().find(|condition| condition.as_str() == text)
    }

    /// Returns the text of the condition in registries and standings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Condition::Active => "active",
            Condition::Draining => "draining",
            Condition::Suspended => "suspended",
        }
    }
}
