//! The fields of a query, and their limits.

/// The most account ids that a query can exclude.
pub const MAX_EXCLUDED: usize = 64;
/// The most bytes of a client's opaque id.
pub const MAX_CLIENT_BYTES: usize = 128;
/// The most bytes of a query as JSON. A query with every field as long as it may be and every character escaped has fewer.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;

/// A field of a query, wherever it comes from: a URL, JSON, a command line, an expected selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the field of its name; docs/openapi.yaml describes them")]
pub enum QueryField {
    Company,
    Channel,
    Ou,
    Phone,
    Country,
    Client,
    User,
    Role,
    Current,
    Exclude,
    Fallback,
}

impl QueryField {
    /// Every field, in the order in which they are documented.
    pub const ALL: [QueryField; 11] = [
        QueryField::Company,
        QueryField::Channel,
        QueryField::Ou,
        QueryField::Phone,
        QueryField::Country,
        QueryField::Client,
        QueryField::User,
        QueryField::Role,
        QueryField::Current,
        QueryField::Exclude,
        QueryField::Fallback,
    ];

    /// Returns the field of a name, if there is one.
    #[inline]
    pub fn parse(name: &str) -> Option<QueryField> {
        Some(match name {
            "company" => QueryField::Company,
            "channel" => QueryField::Channel,
            "ou" => QueryField::Ou,
            "phone" => QueryField::Phone,
            "country" => QueryField::Country,
            "client" => QueryField::Client,
            "user" => QueryField::User,
            "role" => QueryField::Role,
            "current" => QueryField::Current,
            "exclude" => QueryField::Exclude,
            "fallback" => QueryField::Fallback,
            _ => return None,
        })
    }

    /// Returns the name of the field.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        match self {
            QueryField::Company => "company",
            QueryField::Channel => "channel",
            QueryField::Ou => "ou",
            QueryField::Phone => "phone",
            QueryField::Country => "country",
            QueryField::Client => "client",
            QueryField::User => "user",
            QueryField::Role => "role",
            QueryField::Current => "current",
            QueryField::Exclude => "exclude",
            QueryField::Fallback => "fallback",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_parsed_from_its_name() {
        for (number, field) in (0..).zip(QueryField::ALL) {
            assert_eq!(field as u8, number);
            assert_eq!(QueryField::parse(field.as_str()), Some(field));
        }
        assert_eq!(QueryField::parse("Phone"), None);
    }
}
