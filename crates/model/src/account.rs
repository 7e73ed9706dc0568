//! Floor 0. What an official account is for, and how freely it may be used: the two words that every
//! floor above shares.

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Prospects contact the company on it, and it receives one-time passwords.
    Primary = 0,
    /// Clients are onboarded and talked to on it.
    Secondary = 1,
}

/// How freely an account may be used; the greater one restricts more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Condition {
    /// Takes new clients.
    Active = 0,
    /// Keeps the clients it has, gets no new one.
    Draining = 1,
    /// Never selected.
    Suspended = 2,
}

impl Role {
    /// `primary` or `secondary`; anything else is none.
    pub fn parse(text: &str) -> Option<Role> {
        match text {
            "primary" => Some(Role::Primary),
            "secondary" => Some(Role::Secondary),
            _ => None,
        }
    }

    /// As written in registries, queries and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Secondary => "secondary",
        }
    }
}

impl Condition {
    /// `active`, `draining` or `suspended`; anything else is none.
    pub fn parse(text: &str) -> Option<Condition> {
        match text {
            "active" => Some(Condition::Active),
            "draining" => Some(Condition::Draining),
            "suspended" => Some(Condition::Suspended),
            _ => None,
        }
    }

    /// As written in registries and standings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Condition::Active => "active",
            Condition::Draining => "draining",
            Condition::Suspended => "suspended",
        }
    }
}
