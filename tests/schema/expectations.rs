//! `tests.toml`.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::absent;

/// Expected selections: asked before anything is served, and by `switchboard check`.
#[derive(JsonSchema, Serialize)]
#[schemars(title = "tests.toml", deny_unknown_fields)]
pub struct Tests {
    /// One entry for each test.
    #[serde(default, skip_serializing_if = "absent")]
    test: Vec<Test>,
}

/// A query, and what its answer must say.
#[derive(JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Test {
    /// What is expected, in words. Default: its line.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"Irish clients are served from Britain")]
    name: String,
    /// The query's fields, as a gateway sends them.
    #[schemars(example = serde_json::json!({"channel": "whatsapp", "ou": "london", "country": "IE"}))]
    query: Query,
    /// What the answer must say; whatever is left out may be anything.
    #[schemars(extend("minProperties" = 1), example = serde_json::json!({"rule": "geography", "climbed": 1}))]
    expect: Expect,
}

/// A wrong value is a finding of no reader: a test may expect its error.
#[derive(JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Query {
    /// This very company, and best left out.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"acme")]
    company: String,
    /// The channel's id.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"whatsapp")]
    channel: String,
    /// The organizational unit's id.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"london")]
    ou: String,
    /// The client's number in E.164; the `+` is optional.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"+447400123456")]
    phone: String,
    /// ISO 3166-1 alpha-2; outranks the phone's.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"GB")]
    country: String,
    /// An id of the client: the same client gets the same account.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"client-7")]
    client: String,
    /// The employee who invites: their own account comes first.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"ann@acme.example")]
    user: String,
    /// "primary" or "secondary", instead of the channel's conversation role.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"primary")]
    role: String,
    /// The account that the client already talks to.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"wa-gb-1")]
    current: String,
    /// Account ids to pass over, at most 64.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = ["wa-gb-1"])]
    exclude: Vec<String>,
    /// "all" (default), or "none": the country rule or nothing.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"none")]
    fallback: String,
}

#[derive(JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
struct Expect {
    /// The account's id.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"wa-gb-1")]
    account: String,
    /// The reason it is selected.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"geography")]
    rule: Rule,
    /// The OU that it is found at.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"emea")]
    ou: String,
    /// The pool that it is found in.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"emea-whatsapp")]
    pool: String,
    /// Levels above the query's OU: 0 for that OU itself.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = 1)]
    climbed: u32,
    /// The code of the problem that is expected instead of an account.
    #[serde(default, skip_serializing_if = "absent")]
    #[schemars(example = &"no_account")]
    error: Problem,
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    #[default]
    Current,
    Dedicated,
    Country,
    CallingCode,
    Geography,
    DefaultRegion,
}

#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum Problem {
    #[default]
    BadRequest,
    ClientRequired,
    InvalidPhone,
    InvalidCountry,
    UnknownCompany,
    UnknownChannel,
    UnknownOu,
    NoPool,
    NoAccount,
    NoAccountAvailable,
    DedicatedUnavailable,
}
