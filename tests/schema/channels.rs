//! The types for the schema of `channels.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::words::{Role, Since};

/// Channel profiles. They override keys of the built-in profiles, and add other channels.
#[derive(JsonSchema)]
#[schemars(title = "channels.toml", deny_unknown_fields)]
pub struct Channels {
    /// The channel profiles by id, one table per channel: [channel.whatsapp].
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
            /// The conversation role: the role of the accounts that talk to clients, if a query names no
            /// role.
            conversation_role: $demand<Role>,
            /// The roles of which every pool of the channel must have an account.
            #[schemars(example = ["primary", "secondary"])]
            pool_must_hold: $demand<Vec<Role>>,
            /// The kind of address of an account: a phone number in E.164 with its +, an e-mail address, or a
            /// handle.
            address: $demand<Address>,
            /// The first platform version that supports dedicated accounts, or "never". Default: "never", or
            /// the value of the built-in profile.
            dedicated_since: Option<Since>,
        }
    )*};
}

type Needed<T> = T;

profiles! {
    /// The profile of a built-in channel. Each key that is present replaces the built-in value.
    Override(Option);
    /// The profile of a channel that is not built in. All keys except dedicated_since are required.
    Profile(Needed);
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Address {
    Phone,
    Email,
    Handle,
}
