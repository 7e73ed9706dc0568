//! `channels.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::words::{Role, Since, absent};

/// Channel profiles: those of a registry override the built-in ones key by key, and add others.
#[derive(JsonSchema, Serialize)]
#[schemars(title = "channels.toml", deny_unknown_fields)]
pub struct Channels {
    /// One table for each channel, by its id.
    #[serde(default, skip_serializing_if = "absent")]
    channel: ById,
}

#[derive(Default, JsonSchema, Serialize)]
struct ById {
    #[serde(default, skip_serializing_if = "absent")]
    whatsapp: Override,
    #[serde(default, skip_serializing_if = "absent")]
    sms: Override,
    #[serde(default, skip_serializing_if = "absent")]
    imessage: Override,
    #[serde(default, skip_serializing_if = "absent")]
    signal: Override,
    #[serde(default, skip_serializing_if = "absent")]
    wechat_miniapp: Override,
    #[serde(default, skip_serializing_if = "absent")]
    wechat: Override,
    #[serde(default, skip_serializing_if = "absent")]
    line: Override,
    #[serde(default, skip_serializing_if = "absent")]
    telegram: Override,
    #[serde(flatten)]
    others: BTreeMap<String, Profile>,
}

macro_rules! profiles {
    ($($(#[$doc:meta])* $name:ident ($(#[$attribute:meta])*);)*) => {$(
        $(#[$doc])*
        #[derive(Default, JsonSchema, Serialize)]
        #[schemars(deny_unknown_fields)]
        struct $name {
            /// The role that clients are talked to on, where a query names none.
            $(#[$attribute])*
            conversation_role: Role,
            /// The roles that every pool of the channel must have an account of.
            $(#[$attribute])*
            #[schemars(example = ["primary", "secondary"])]
            pool_must_hold: Vec<Role>,
            /// What an address looks like: E.164 with its +, an e-mail address, or a handle.
            $(#[$attribute])*
            address: Address,
            /// The platform version since which users may have accounts of their own. Default: "never", or what the
            /// built-in profile says.
            #[serde(default, skip_serializing_if = "absent")]
            dedicated_since: Since,
        }
    )*};
}

profiles! {
    /// A channel that is built in: every key given replaces the built-in one.
    Override(#[serde(default, skip_serializing_if = "absent")]);
    /// A channel that is not built in: all keys but the last are needed.
    Profile();
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Address {
    #[default]
    Phone,
    Email,
    Handle,
}
