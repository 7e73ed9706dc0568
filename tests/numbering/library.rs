//! The library that is both the source of the table and the oracle it is held to.

use std::collections::BTreeSet;

use iso3166_static::Alpha2;
use rlibphonenumber::{
    PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberType, Region as LibraryRegion,
    get_national_significant_number_owned, interfaces::AsOriginal,
};
use switchboard_model::Region;

/// The type descriptions of a region that make a number valid, in no order that matters.
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

/// A pattern and the lengths it may have.
pub struct Desc {
    /// `^(?:…)$`, or nothing, which no number matches.
    pub pattern: Option<&'static str>,
    /// Empty: as the general description has them. -1 alone: no number is of this type.
    pub lengths: &'static [i32],
    pub example: Option<&'static str>,
}

/// What the library knows of one region.
pub struct Metadata {
    pub general: Desc,
    /// In the order of [`KINDS`].
    pub kinds: [Desc; 10],
    /// `^(?:…)$`: numbers that begin so are this region's, valid or not.
    pub leading_digits: Option<&'static str>,
    /// The mobile pattern is then not looked at.
    pub same_mobile_and_fixed_line: bool,
}

/// The library's metadata of a region, or nothing where it has none.
pub fn metadata(region: &str) -> Option<Metadata> {
    let region = LibraryRegion::from_code(region).unwrap();
    let found = PHONE_NUMBER_UTIL.as_original().get_metadata_for_region(region)?;
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
    })
}

/// The library reads a pattern of under 6 bytes as one that matches everything; none may be so short.
fn wrapped(pattern: &&str) {
    assert!(pattern.starts_with("^(?:") && pattern.ends_with(")$"), "a pattern of another shape: {pattern}");
}

/// Every assigned calling code, in ascending order.
pub fn calling_codes() -> Vec<u16> {
    PHONE_NUMBER_UTIL.get_supported_calling_codes().map(|code| code as u16).collect()
}

/// The regions of a calling code in the library's order, empty where its numbers belong to no country.
pub fn regions(code: u16) -> Vec<String> {
    PHONE_NUMBER_UTIL
        .get_regions_for_country_calling_code(code.into())
        .into_iter()
        .flatten()
        .filter(|region| *region != LibraryRegion::World)
        .map(|region| region.to_string())
        .collect()
}

/// The alpha-2 codes of ISO 3166-1 and what the library has besides (AC, TA, XK), sorted.
pub fn all_regions() -> Vec<String> {
    let letters = || (b'A'..=b'Z').map(char::from);
    let pairs = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let iso = pairs.filter(|pair| Alpha2::try_from(pair.as_str()).is_ok_and(|code| !code.is_user_assigned()));
    let library = PHONE_NUMBER_UTIL.get_supported_regions().map(|region| region.to_string());
    BTreeSet::from_iter(iso.chain(library)).into_iter().collect()
}

/// A region's calling code, 0 where the library has none.
pub fn calling_code(region: &str) -> u16 {
    let region = LibraryRegion::from_code(region).unwrap();
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).unwrap_or(0) as u16
}

/// What the library says of a number: valid or not, the region that has it, and its type.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub valid: bool,
    pub region: Option<Region>,
    pub kind: PhoneNumberType,
}

/// The library's verdict on a calling code and the national number after it; none where the library
/// cannot hold the number: it counts at most ten leading zeros.
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
