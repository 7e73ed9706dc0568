//! `channels.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::words::{Role, Since};

/// Channel profiles: those of a registry override the built-in ones key by key, and add others.
#[derive(JsonSchema)]
#[schemars(title = "channels.toml", deny_unknown_fields)]
pub struct Channels {
    /// One table for each channel, by its id.
    channel: Option<ById>,
}

#[derive(JsonSchema)]
struct ById {
    whatsapp: Option<Override>,
    sms: Option<Override>,
    imessage: Option<Override>,
    signal: Option<Override>,
    wechat_miniapp: Option<Override>,
    wechat: Option<Override>,
    line: Option<Override>,
    telegram: Option<Override>,
    #[serde(flatten)]
    others: BTreeMap<String, Profile>,
}

macro_rules! profiles {
    ($($(#[$doc:meta])* $name:ident($demand:ident);)*) => {$(
        $(#[$doc])*
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        struct $name {
            /// The role that clients are talked to on, where a query names none.
            conversation_role: $demand<Role>,
            /// The roles that every pool of the channel must have an account of.
            #[schemars(example = ["primary", "secondary"])]
            pool_must_hold: $demand<Vec<Role>>,
            /// What an address looks like: E.164 with its +, an e-mail address, or a handle.
            address: $demand<Address>,
            /// The platform version since which users may have accounts of their own. Default: "never", or what the
            /// built-in profile says.
            dedicated_since: Option<Since>,
        }
    )*};
}

type Needed<T> = T;

profiles! {
    /// A channel that is built in: every key given replaces the built-in one.
    Override(Option);
    /// A channel that is not built in: all keys but the last are needed.
    Profile(Needed);
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Address {
    Phone,
    Email,
    Handle,
}
