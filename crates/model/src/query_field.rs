//! The fields of a query and their limits.

/// The maximum number of account ids in the `exclude` field of a query.
pub const MAX_EXCLUDED: usize = 64;
/// The maximum length of the `client` field in bytes.
pub const MAX_CLIENT_BYTES: usize = 128;
/// The maximum length of a query in bytes of JSON. A query whose fields all have their maximum length is
/// shorter, even if every character is escaped.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;

/// A field of a query. The names are the same in a URL, in JSON, on the command line and in an expected
/// selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "each variant is the field of its name; docs/openapi.yaml describes the fields"
)]
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
    /// All fields, in the order of the documentation.
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

    /// Returns the field with this name. Names are case-sensitive.
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

    /// Returns the name of the field in queries.
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
