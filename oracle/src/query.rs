//! A query as the oracle reads it, and its JSON text.

use serde_json::Value;

/// A query for the oracle, and its JSON text for the daemon.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The id of the company. Optional if the registry has exactly one.
    pub company: Option<String>,
    /// The id of the channel.
    pub channel: Option<String>,
    /// The id of the OU.
    pub ou: Option<String>,
    /// The phone number of the client.
    pub phone: Option<String>,
    /// The country of the client.
    pub country: Option<String>,
    /// The business-scoped user id of the client.
    pub bsuid: Option<String>,
    /// An opaque id of the client.
    pub client: Option<String>,
    /// The employee who invites the client.
    pub user: Option<String>,
    /// The role, if it is not the conversation role.
    pub role: Option<String>,
    /// The account that the client already talks to.
    pub current: Option<String>,
    /// How far to search: `all` or `none`.
    pub fallback: Option<String>,
    /// The ids of accounts to pass over.
    pub exclude: Vec<String>,
    /// A text that is not a query, sent instead of the fields.
    pub garbled: Option<String>,
}

impl Query {
    /// Returns the text that is sent to the daemon.
    pub fn text(&self) -> String {
        self.garbled.clone().unwrap_or_else(|| format!("{{{}}}", self.fields().join(",")))
    }

    /// Returns whether a client, a phone or a business-scoped user id determines the pick.
    pub fn keyed(&self) -> bool {
        self.client.is_some() || self.phone.is_some() || self.bsuid.is_some()
    }

    /// Returns the fields as members of a JSON object.
    pub fn fields(&self) -> Vec<String> {
        let named = [
            ("company", &self.company),
            ("channel", &self.channel),
            ("ou", &self.ou),
            ("phone", &self.phone),
            ("country", &self.country),
            ("bsuid", &self.bsuid),
            ("client", &self.client),
            ("user", &self.user),
            ("role", &self.role),
            ("current", &self.current),
            ("fallback", &self.fallback),
        ];
        let one = |(name, value): (&str, &Option<String>)| {
            value.as_ref().map(|value| format!("\"{name}\":{}", Value::from(value.as_str())))
        };
        let mut fields: Vec<String> = named.into_iter().filter_map(one).collect();
        if !self.exclude.is_empty() {
            fields.push(format!("\"exclude\":{}", Value::from(self.exclude.clone())));
        }
        fields
    }
}
