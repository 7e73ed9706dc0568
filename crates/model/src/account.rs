//! The role and the condition of an official account.

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
