//! Channel profiles: what a channel is, as data. The built-in ones are `config/channels.toml`.

use super::{Place, Role, Version};

/// A messaging channel.
#[derive(Debug, Clone)]
pub struct ChannelProfile {
    /// `whatsapp`, `sms`, …
    pub id: Box<str>,
    /// The role that clients are talked to on, where a query names none.
    pub conversation_role: Role,
    /// The roles that a pool of this channel must hold.
    pub pool_roles: RolePair,
    /// What an address looks like.
    pub address: AddressKind,
    /// The platform version since which users may have accounts of their own; `None`: never.
    pub dedicated_since: Option<Version>,
    /// Where it was written; for a built-in one, the embedded file.
    pub place: Place,
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolePair {
    /// Includes primary.
    pub primary: bool,
    /// Includes secondary.
    pub secondary: bool,
}

/// What an address looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// E.164 with its `+`.
    Phone,
    /// `local@domain`.
    Email,
    /// Any printable text without a space.
    Handle,
}
