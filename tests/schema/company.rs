//! `company.toml`.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::{Country, Id, Mapping, Version};

/// A company: its settings, organizational units and pools. Accounts are in accounts.csv beside this file.
#[derive(JsonSchema)]
#[schemars(title = "company.toml", deny_unknown_fields)]
pub struct Company {
    /// The company's name, for people. Default: the name of its folder.
    #[schemars(example = &"Acme Capital")]
    name: Option<String>,
    /// What an OU does that has no pool of a channel: go on to its parent ("inherit"), or answer `no_pool` ("error").
    #[serde(default)]
    ou_without_pool: OuWithoutPool,
    /// What happens when a user's own account cannot be used: the error `dedicated_unavailable` ("error"), or on to
    /// the pools ("pool").
    #[serde(default)]
    dedicated_unavailable: DedicatedUnavailable,
    /// The messaging platform's version, up to three numbers. Dedicated accounts need 1.22.1 (WhatsApp) or 1.24.0
    /// (SMS); left out, it is not checked.
    platform_version: Option<Version>,
    /// Client's country to the country that serves it, behind every pool's own mapping: IE = "GB". One hop only.
    geography: Option<Mapping>,
    /// Organizational units; more may stand in ous.csv. Each id once.
    ou: Option<Vec<Ou>>,
    /// Pools of shared accounts. Those of one OU are tried in ascending order of priority, then of id.
    pool: Option<Vec<Pool>>,
}

/// An organizational unit.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ou {
    /// Its id, unique in the company: 1 to 128 printable characters without space, comma, slash or quote.
    #[schemars(example = &"emea")]
    id: Id,
    /// The id of the OU above it. Left out: it is a root.
    #[schemars(example = &"acme")]
    parent: Option<Id>,
    /// Its name, for people. Default: none.
    #[schemars(example = &"Europe, Middle East and Africa")]
    name: Option<String>,
}

/// A pool: shared accounts of one channel, allocated to OUs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Pool {
    /// Its id, unique in the company; accounts.csv names it.
    #[schemars(example = &"emea-whatsapp")]
    id: Id,
    /// The id of a channel: whatsapp, sms, imessage, signal, wechat_miniapp, wechat, line, telegram, or one of
    /// channels.toml.
    #[schemars(example = &"whatsapp")]
    channel: Id,
    /// The ids of the OUs that are served from it, and with them those below that have no pool. Default: none, so
    /// that nobody is.
    #[schemars(example = ["emea"])]
    ous: Option<Vec<Id>>,
    /// Lower is tried first.
    #[serde(default)]
    #[schemars(example = 10)]
    priority: i64,
    /// Whether accounts serve their country alone ("country"), or every country of their calling code as well
    /// ("calling_code"): +44 then serves Jersey.
    #[serde(default)]
    country_match: CountryMatch,
    /// The country whose accounts serve whoever nothing else serves. Default: none.
    default_country: Option<Country>,
    /// Whether the search goes on at the parent OU where nobody here is available.
    #[serde(default)]
    #[schemars(example = true)]
    fallback_upward: bool,
    /// Client's country to the country that serves it, before the company's mapping: NL = "DE". One hop only.
    geography: Option<Mapping>,
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum OuWithoutPool {
    #[default]
    Inherit,
    Error,
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum DedicatedUnavailable {
    #[default]
    Error,
    Pool,
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum CountryMatch {
    #[default]
    Country,
    CallingCode,
}
