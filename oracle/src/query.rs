use serde_json::Value;

/// A query to the oracle, and the JSON text of it that is sent.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Optional where the registry has just one.
    pub company: Option<String>,
    /// The channel's id.
    pub channel: Option<String>,
    /// The OU's id.
    pub ou: Option<String>,
    /// The client's number.
    pub phone: Option<String>,
    /// The client's country.
    pub country: Option<String>,
    /// An opaque id of the client.
    pub client: Option<String>,
    /// The employee who invites.
    pub user: Option<String>,
    /// The role, if it is not the conversation role.
    pub role: Option<String>,
    /// The account that the client talks to.
    pub current: Option<String>,
    /// `all` or `none`.
    pub fallback: Option<String>,
    /// The ids of accounts to pass over.
    pub exclude: Vec<String>,
    /// Text that is sent instead, and that is not a query.
    pub garbled: Option<String>,
}

impl Query {
    /// Returns the text that is sent.
    pub fn text(&self) -> String {
        self.garbled.clone().unwrap_or_else(|| format!("{{{}}}", self.fields().join(",")))
    }

    /// Returns whether the pick is determined by a client or a phone.
    pub fn keyed(&self) -> bool {
        self.client.is_some() || self.phone.is_some()
    }

    /// Returns the fields as members of a JSON object.
    pub fn fields(&self) -> Vec<String> {
        let named = [
            ("company", &self.company),
            ("channel", &self.channel),
            ("ou", &self.ou),
            ("phone", &self.phone),
            ("country", &self.country),
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
