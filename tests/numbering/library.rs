//! Access to the library, which is the source of the table and the oracle of its tests.

use std::collections::BTreeSet;

use iso3166_static::Alpha2;
use rlibphonenumber::{
    PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberType, Region as LibraryRegion,
    get_national_significant_number_owned, interfaces::AsOriginal,
};
use switchboard_model::Region;

/// Names of the type descriptions that make a number of a region valid. Their order does not matter.
pub const KINDS: [&str; 10] = [
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
];

/// A pattern and the possible lengths of its numbers.
pub struct Desc {
    /// The pattern, in the form `^(?:…)$`. No number matches `None`.
    pub pattern: Option<&'static str>,
    /// Possible lengths. Empty: those of the general description. Only -1: no number has this type.
    pub lengths: &'static [i32],
    pub example: Option<&'static str>,
}

/// The library's metadata of one region.
pub struct Metadata {
    pub general: Desc,
    /// Descriptions of the types, in the order of [`KINDS`].
    pub kinds: [Desc; 10],
    /// Leading digits, in the form `^(?:…)$`. Numbers with them belong to this region, valid or not.
    pub leading_digits: Option<&'static str>,
    /// Whether mobile and fixed-line numbers share a pattern. The mobile pattern is then ignored.
    pub same_mobile_and_fixed_line: bool,
    /// Prefix that the parser removes from a national number, in the form `^(?:…)$`.
    pub national_prefix: Option<&'static str>,
}

/// Returns the library's metadata of a region, if there is any.
pub fn metadata(region: &str) -> Option<Metadata> {
    metadata_of(0, LibraryRegion::from_code(region).unwrap())
}

/// Returns the library's metadata of a calling code whose numbers belong to no country.
pub fn metadata_of_no_country(code: u16) -> Option<Metadata> {
    metadata_of(code, LibraryRegion::World)
}

fn metadata_of(code: u16, region: LibraryRegion) -> Option<Metadata> {
    let library = PHONE_NUMBER_UTIL.as_original();
    let found = library.get_metadata_for_region_or_calling_code(code.into(), region)?;
    macro_rules! desc {
        ($name:ident) => {
            Desc {
                pattern: found.$name.national_number_pattern().pattern_base.as_deref().inspect(wrapped),
                lengths: &found.$name.original.possible_length,
                example: found.$name.original.example_number.as_deref(),
            }
        };
    }
    Some(Metadata {
        general: desc!(general_desc),
        kinds: [
            desc!(premium_rate),
            desc!(toll_free),
            desc!(shared_cost),
            desc!(voip),
            desc!(personal_number),
            desc!(pager),
            desc!(uan),
            desc!(voicemail),
            desc!(fixed_line),
            desc!(mobile),
        ],
        leading_digits: found.leading_digits().pattern_base.as_deref().inspect(wrapped),
        same_mobile_and_fixed_line: found.original.same_mobile_and_fixed_line_pattern(),
        national_prefix: found.national_prefix_for_parsing().pattern_base.as_deref().inspect(wrapped),
    })
}

/// Checks the form of a pattern. The library reads a pattern of fewer than 6 bytes as one that matches
/// everything.
fn wrapped(pattern: &&str) {
    assert!(pattern.starts_with("^(?:") && pattern.ends_with(")$"), "a pattern of another shape: {pattern}");
}

/// Returns every assigned calling code, in ascending order.
pub fn calling_codes() -> Vec<u16> {
    PHONE_NUMBER_UTIL.get_supported_calling_codes().map(|code| code as u16).collect()
}

/// Returns the regions of a calling code in the library's order. Empty if its numbers belong to no country.
pub fn regions(code: u16) -> Vec<String> {
    PHONE_NUMBER_UTIL
        .get_regions_for_country_calling_code(code.into())
        .into_iter()
        .flatten()
        .filter(|region| *region != LibraryRegion::World)
        .map(|region| region.to_string())
        .collect()
}

/// Returns the alpha-2 codes of ISO 3166-1 and the additional ones of the library (AC, TA, XK), sorted.
pub fn all_regions() -> Vec<String> {
    let letters = || (b'A'..=b'Z').map(char::from);
    let pairs = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let iso = pairs.filter(|pair| Alpha2::try_from(pair.as_str()).is_ok_and(|code| !code.is_user_assigned()));
    let library = PHONE_NUMBER_UTIL.get_supported_regions().map(|region| region.to_string());
    BTreeSet::from_iter(iso.chain(library)).into_iter().collect()
}

/// Returns the calling code of a region; 0 if the library has none.
pub fn calling_code(region: &str) -> u16 {
    let region = LibraryRegion::from_code(region).unwrap();
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).unwrap_or(0) as u16
}

/// The library's statements about a number: whether it is valid, its region and its type.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub valid: bool,
    pub region: Option<Region>,
    pub kind: PhoneNumberType,
}

/// Returns the library's verdict on a calling code with a national number. `None` if the library cannot
/// represent the number: it counts at most ten leading zeros.
pub fn verdict(code: u16, national: &str) -> Option<Verdict> {
    let zeros = national.chars().take_while(|digit| *digit == '0').count();
    let zeros = zeros.min(national.len().saturating_sub(1));
    let number = PhoneNumber {
        country_code: code.into(),
        national_number: national.parse().ok()?,
        italian_leading_zero: (zeros > 0).then_some(true),
        number_of_leading_zeros: (zeros > 1).then_some(zeros as i32),
        ..PhoneNumber::default()
    };
    if get_national_significant_number_owned(&number) != national {
        return None;
    }
    let region = PHONE_NUMBER_UTIL.get_region_for_number(&number);
    Some(Verdict {
        valid: PHONE_NUMBER_UTIL.is_valid_number(&number),
        region: region.and_then(|region| Region::from_alpha2(&region.to_string())),
        kind: PHONE_NUMBER_UTIL.get_number_type(&number),
    })
}

/// Returns the national number that the library's parser reads from `+`, a calling code and digits. `None` if
/// the parser rejects the text, or reads another calling code.
pub fn parsed(code: u16, digits: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(format!("+{code}{digits}"), None).ok()?;
    (number.country_code == i32::from(code)).then(|| get_national_significant_number_owned(&number))
}
