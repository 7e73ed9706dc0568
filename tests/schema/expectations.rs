//! The types for the schema of `tests.toml`.

use schemars::JsonSchema;

use super::words::{Problem, Rule};

/// Expected selections. The daemon tests them before it serves the registry, and `switchboard check` tests
/// them too.
#[derive(JsonSchema)]
#[schemars(title = "tests.toml", deny_unknown_fields)]
pub struct Tests {
    /// The tests, one entry per test.
    test: Option<Vec<Test>>,
}

/// A test: a query, and the fields that its answer must have.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Test {
    /// The expectation in words. Default: the number of its line.
    #[schemars(example = &"Irish clients are served from Britain")]
    name: Option<String>,
    /// The fields of the query, in the form that gateways send.
    #[schemars(example = serde_json::json!({"channel": "whatsapp", "ou": "london", "country": "IE"}))]
    query: Query,
    /// The fields that the answer must have. A field that is absent here may have any value.
    #[schemars(extend("minProperties" = 1), example = serde_json::json!({"rule": "geography", "climbed": 1}))]
    expect: Expect,
}

/// The fields of a query. Wrong values are allowed, because a test may expect their error.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Query {
    /// The id of this company. The key is not needed.
    #[schemars(example = &"acme")]
    company: Option<String>,
    /// The id of the channel on which the client is invited.
    #[schemars(example = &"whatsapp")]
    channel: Option<String>,
    /// The id of the organizational unit that invites the client.
    #[schemars(example = &"london")]
    ou: Option<String>,
    /// The phone number of the client in E.164. The `+` is optional.
    #[schemars(example = &"+447400123456")]
    phone: Option<String>,
    /// The country of the client, ISO 3166-1 alpha-2. It takes precedence over the country of the phone
    /// number.
    #[schemars(example = &"GB")]
    country: Option<String>,
    /// The business-scoped user id of a client who hides the phone number. Its first two letters are the
    /// client's country if the query has neither a country nor a phone number.
    #[schemars(example = &"GB.13491208655302741918")]
    bsuid: Option<String>,
    /// An opaque id of the client. The same client gets the same account.
    #[schemars(example = &"client-7")]
    client: Option<String>,
    /// The id of the employee who invites the client. The user's dedicated account comes first.
    #[schemars(example = &"ann@acme.example")]
    user: Option<String>,
    /// The role of the account, "primary" or "secondary". Default: the conversation role of the channel.
    #[schemars(example = &"primary")]
    role: Option<String>,
    /// The id of the account that the client already talks to.
    #[schemars(example = &"wa-gb-1")]
    current: Option<String>,
    /// The ids of accounts that must not be selected, at most 64.
    #[schemars(example = ["wa-gb-1"])]
    exclude: Option<Vec<String>>,
    /// "all" (the default) tries all rules and levels, "none" tries the country rule of one level only.
    #[schemars(example = &"none")]
    fallback: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Expect {
    /// The id of the selected account.
    #[schemars(example = &"wa-gb-1")]
    account: Option<String>,
    /// The rule by which the account is selected.
    #[schemars(example = &"geography")]
    rule: Option<Rule>,
    /// The id of the OU at which the account is found.
    #[schemars(example = &"emea")]
    ou: Option<String>,
    /// The id of the pool in which the account is found.
    #[schemars(example = &"emea-whatsapp")]
    pool: Option<String>,
    /// The number of OUs above the query's OU at which the account is found, 0 for that OU itself.
    #[schemars(example = 1)]
    climbed: Option<u32>,
    /// The code of the error that the query must have instead of an account.
    #[schemars(example = &"no_account")]
    error: Option<Problem>,
}
