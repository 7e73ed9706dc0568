//! The fields of a query, their limits, and the form of a business-scoped user id.

use crate::Region;

/// The maximum number of account ids in the `exclude` field of a query.
pub const MAX_EXCLUDED: usize = 64;
/// The maximum length of the `client` field in bytes.
pub const MAX_CLIENT_BYTES: usize = 256;
/// The maximum number of letters and digits after the country of a business-scoped user id.
const MAX_BSUID_CHARS: usize = 128;
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
        Bsuid => "bsuid",
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
            "bsuid" => QueryField::Bsuid,
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

/// Returns the country of a business-scoped user id, by which WhatsApp names a user who hides the phone
/// number. Returns `None` if the text is not such an id.
///
/// The id has the two capital letters of a country, a dot, optionally `ENT.`, and 1 to 128 letters and
/// digits. The id is personal data.
///
/// ```
/// use switchboard_model::{Region, bsuid_region};
///
/// assert_eq!(bsuid_region("US.13491208655302741918"), Region::from_alpha2("US"));
/// assert_eq!(bsuid_region("us.13491208655302741918"), None);
/// ```
pub fn bsuid_region(text: &str) -> Option<Region> {
    let (country, rest) = text.split_at_checked(2)?;
    let rest = rest.strip_prefix('.')?;
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    let is_id =
        (1..=MAX_BSUID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_upper = country.bytes().all(|byte| byte.is_ascii_uppercase());
    Region::from_alpha2(country).filter(|_| is_id && is_upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn business_scoped_user_ids_have_a_country_and_letters_or_digits() {
        let longest = format!("GB.{}", "x".repeat(MAX_BSUID_CHARS));
        for (text, country) in [
            ("US.13491208655302741918", "US"),
            ("DE.ENT.11815799212886844830", "DE"),
            ("XK.a", "XK"),
            ("GB.ENT", "GB"),
            ("GB.ENT.ENT", "GB"),
            (&longest, "GB"),
        ] {
            assert_eq!(bsuid_region(text), Region::from_alpha2(country), "{text}");
        }
        for bad in [
            "",
            "US",
            "US.",
            "US.ENT.",
            "US.ent.1",
            "US.ENT.ENT.1",
            "us.1",
            "Us.1",
            "UK.1",
            "ZZ.1",
            "USA.1",
            "U.1",
            "US1",
            "US-1",
            "US.1 ",
            " US.1",
            "US.1_2",
            "US.é",
            "é.1",
            &format!("{longest}x"),
        ] {
            assert_eq!(bsuid_region(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_field_is_parsed_from_its_name() {
        for field in QueryField::ALL {
            assert_eq!(QueryField::parse(field.as_str()), Some(field));
        }
        assert_eq!(QueryField::parse("Phone"), None);
    }
}
