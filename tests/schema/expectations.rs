//! `tests.toml`.

use schemars::JsonSchema;

/// Expected selections: asked before anything is served, and by `switchboard check`.
#[derive(JsonSchema)]
#[schemars(title = "tests.toml", deny_unknown_fields)]
pub struct Tests {
    /// One entry for each test.
    test: Option<Vec<Test>>,
}

/// A query, and what its answer must say.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Test {
    /// What is expected, in words. Default: its line.
    #[schemars(example = &"Irish clients are served from Britain")]
    name: Option<String>,
    /// The query's fields, as a gateway sends them.
    #[schemars(example = serde_json::json!({"channel": "whatsapp", "ou": "london", "country": "IE"}))]
    query: Query,
    /// What the answer must say; whatever is left out may be anything.
    #[schemars(extend("minProperties" = 1), example = serde_json::json!({"rule": "geography", "climbed": 1}))]
    expect: Expect,
}

/// A wrong value is a finding of no reader: a test may expect its error.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Query {
    /// This very company, and best left out.
    #[schemars(example = &"acme")]
    company: Option<String>,
    /// The channel's id.
    #[schemars(example = &"whatsapp")]
    channel: Option<String>,
    /// The organizational unit's id.
    #[schemars(example = &"london")]
    ou: Option<String>,
    /// The client's number in E.164; the `+` is optional.
    #[schemars(example = &"+447400123456")]
    phone: Option<String>,
    /// ISO 3166-1 alpha-2; outranks the phone's.
    #[schemars(example = &"GB")]
    country: Option<String>,
    /// An id of the client: the same client gets the same account.
    #[schemars(example = &"client-7")]
    client: Option<String>,
    /// The employee who invites: their own account comes first.
    #[schemars(example = &"ann@acme.example")]
    user: Option<String>,
    /// "primary" or "secondary", instead of the channel's conversation role.
    #[schemars(example = &"primary")]
    role: Option<String>,
    /// The account that the client already talks to.
    #[schemars(example = &"wa-gb-1")]
    current: Option<String>,
    /// Account ids to pass over, at most 64.
    #[schemars(example = ["wa-gb-1"])]
    exclude: Option<Vec<String>>,
    /// "all" (default), or "none": the country rule or nothing.
    #[schemars(example = &"none")]
    fallback: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Expect {
    /// The account's id.
    #[schemars(example = &"wa-gb-1")]
    account: Option<String>,
    /// The reason it is selected.
    #[schemars(example = &"geography")]
    rule: Option<Rule>,
    /// The OU that it is found at.
    #[schemars(example = &"emea")]
    ou: Option<String>,
    /// The pool that it is found in.
    #[schemars(example = &"emea-whatsapp")]
    pool: Option<String>,
    /// Levels above the query's OU: 0 for that OU itself.
    #[schemars(example = 1)]
    climbed: Option<u32>,
    /// The code of the problem that is expected instead of an account.
    #[schemars(example = &"no_account")]
    error: Option<Problem>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Rule {
    Current,
    Dedicated,
    Country,
    CallingCode,
    Geography,
    DefaultRegion,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Problem {
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
