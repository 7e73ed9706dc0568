//! The fields of a query and their limits.

/// The maximum number of account ids in the `exclude` field of a query.
pub const MAX_EXCLUDED: usize = 64;
/// The maximum length of the `client` field in bytes.
pub const MAX_CLIENT_BYTES: usize = 128;
/// The maximum length of a query in bytes of JSON. A query whose fields all have their maximum length is
/// shorter, even if every character is escaped.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;

crate::text_enum! {
    /// A field of a query. The names are the same in a URL, in JSON, on the command line and in an expected
    /// selection.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[repr(u8)]
    #[allow(
        missing_docs,
        reason = "each variant is the field of its name; docs/openapi.yaml describes the fields"
    )]
    pub enum QueryField {
        Company => "company",
        Channel => "channel",
        Ou => "ou",
        Phone => "phone",
        Country => "country",
        Client => "client",
        User => "user",
        Role => "role",
        Current => "current",
        Exclude => "exclude",
        Fallback => "fallback",
    }
}

impl QueryField {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_parsed_from_its_name() {
        for field in QueryField::ALL {
            assert_eq!(QueryField::parse(field.as_str()), Some(field));
        }
        assert_eq!(QueryField::parse("Phone"), None);
    }
}
