//! The types for the schema of `company.toml`.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::{Country, Id, Mapping, Version};

/// A company: its settings, organizational units (OUs) and pools. The accounts are in accounts.csv in the
/// same folder.
#[derive(JsonSchema)]
#[schemars(title = "company.toml", deny_unknown_fields)]
pub struct Company {
    /// The name of the company for display. Default: the name of its folder.
    #[schemars(example = &"Acme Capital")]
    name: Option<String>,
    /// The behaviour at an OU that has no pool of the channel: "inherit" continues at its parent, "error"
    /// ends with the error `no_pool`.
    #[serde(default)]
    ou_without_pool: OuWithoutPool,
    /// The behaviour if a user's dedicated account is not available: "error" ends with the error
    /// `dedicated_unavailable`, "pool" continues with the pools.
    #[serde(default)]
    dedicated_unavailable: DedicatedUnavailable,
    /// The version of the messaging platform, up to three numbers. Dedicated accounts need 1.22.1 (WhatsApp)
    /// or 1.24.0 (SMS). Without this key, the version is not checked.
    platform_version: Option<Version>,
    /// Maps a client's country to the country whose accounts serve it: IE = "GB". A pool's own mapping comes
    /// first. A selection uses one mapping only.
    geography: Option<Mapping>,
    /// Organizational units. The file ous.csv may contain more. Each id occurs once.
    ou: Option<Vec<Ou>>,
    /// Pools of shared accounts. The pools of one OU are tried in ascending order of priority, then of id.
    pool: Option<Vec<Pool>>,
}

/// An organizational unit (OU) of the company.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ou {
    /// The id, unique in the company: 1 to 128 printable ASCII characters without space, comma, slash or
    /// quote.
    #[schemars(example = &"emea")]
    id: Id,
    /// The id of the parent OU. Without this key, the OU is a root.
    #[schemars(example = &"acme")]
    parent: Option<Id>,
    /// The name of the OU for display. Default: none.
    #[schemars(example = &"Europe, Middle East and Africa")]
    name: Option<String>,
}

/// A pool: shared accounts of one channel, allocated to OUs, with its fallback settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Pool {
    /// The id, unique in the company. The accounts of the pool name it in accounts.csv.
    #[schemars(example = &"emea-whatsapp")]
    id: Id,
    /// The id of the channel: whatsapp, sms, imessage, signal, wechat_miniapp, wechat, line, telegram, or a
    /// channel of channels.toml.
    #[schemars(example = &"whatsapp")]
    channel: Id,
    /// The ids of the OUs to which the pool is allocated. With ou_without_pool = "inherit", OUs below them
    /// use the pool too, if they have no pool of the channel. Default: none, so no query can reach the pool.
    #[schemars(example = ["emea"])]
    ous: Option<Vec<Id>>,
    /// The priority among the pools of an OU. A pool with a lower number is tried first.
    #[serde(default)]
    #[schemars(example = 10)]
    priority: i64,
    /// The countries that an account serves: "country" means its own country only, "calling_code" also the
    /// other countries of its calling code. An account of GB (+44) then serves Jersey.
    #[serde(default)]
    country_match: CountryMatch,
    /// The country whose accounts serve a client if no other rule finds an account. Default: none.
    default_country: Option<Country>,
    /// Whether a selection continues at the parent OU if it finds no available account.
    #[serde(default)]
    #[schemars(example = true)]
    fallback_upward: bool,
    /// Maps a client's country to the country whose accounts serve it: NL = "DE". Comes before the company's
    /// mapping. A selection uses one mapping only.
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
