//! The built-in channels, as far as a generator must know them.

/// What an address looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Phone,
    Email,
    Handle,
}

pub(crate) struct Channel {
    /// Its place in [`CHANNELS`].
    pub(crate) index: usize,
    pub(crate) id: &'static str,
    /// Begins the ids of its pools and accounts.
    pub(crate) prefix: &'static str,
    pub(crate) kind: Kind,
    /// The role that clients are talked to on.
    pub(crate) conversation: &'static str,
    /// A pool must hold a primary beside the conversation role.
    pub(crate) needs_primary: bool,
    /// Users may have an account of their own.
    pub(crate) dedicated: bool,
    /// How many of a hundred pools are of this channel.
    pub(crate) share: usize,
    /// Used in Asia only, the company-wide pool left aside.
    pub(crate) asian: bool,
}

const fn secondary(
    index: usize,
    id: &'static str,
    prefix: &'static str,
    kind: Kind,
    share: usize,
) -> Channel {
    Channel {
        index,
        id,
        prefix,
        kind,
        conversation: "secondary",
        needs_primary: false,
        dedicated: false,
        share,
        asian: false,
    }
}

pub(crate) static CHANNELS: [Channel; 8] = [
    Channel { needs_primary: true, dedicated: true, ..secondary(0, "whatsapp", "wa", Kind::Phone, 45) },
    Channel { needs_primary: true, dedicated: true, ..secondary(1, "sms", "sms", Kind::Phone, 30) },
    Channel { needs_primary: true, ..secondary(2, "imessage", "im", Kind::Phone, 6) },
    secondary(3, "signal", "sig", Kind::Phone, 4),
    Channel {
        conversation: "primary",
        asian: true,
        ..secondary(4, "wechat_miniapp", "mini", Kind::Email, 4)
    },
    Channel { asian: true, ..secondary(5, "wechat", "wx", Kind::Handle, 5) },
    Channel { asian: true, ..secondary(6, "line", "line", Kind::Handle, 3) },
    secondary(7, "telegram", "tg", Kind::Handle, 3),
];
