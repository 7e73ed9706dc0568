//! Parsing of numbers, regions and calling codes, and their text forms.

use std::collections::BTreeSet;

use switchboard_model::{CallingCode, E164, InvalidE164, Origin, Region};

use super::library;

fn region(alpha2: &str) -> Region {
    Region::from_alpha2(alpha2).unwrap()
}

fn origin(number: &str) -> Origin {
    E164::parse(number).unwrap().origin()
}

fn valid(alpha2: &str) -> Origin {
    Origin { region: Some(region(alpha2)), guessed: false }
}

fn guessed(alpha2: &str) -> Origin {
    Origin { region: Some(region(alpha2)), guessed: true }
}

#[test]
fn valid_number_under_a_shared_code_has_its_own_region() {
    assert_eq!(origin("+14165550123"), valid("CA"), "Toronto");
    assert_eq!(origin("+12125550123"), valid("US"), "New York");
    assert_eq!(origin("+77272581234"), valid("KZ"), "Almaty");
    assert_eq!(origin("+74951234567"), valid("RU"), "Moscow");
    assert_eq!(origin("+441534456789"), valid("JE"), "Jersey");
    assert_eq!(origin("+442079460018"), valid("GB"), "London");
    assert_eq!(origin("+390669812345"), valid("VA"), "Vatican City");
}

#[test]
fn invalid_number_has_a_guessed_region() {
    assert_eq!(origin("+1416555012"), guessed("CA"), "Toronto, a digit short");
    assert_eq!(origin("+141655501234"), guessed("CA"), "Toronto, a digit long");
    assert_eq!(origin("+11005550123"), guessed("US"), "no area code begins with 1: the main region's");
    assert_eq!(origin("+49151"), guessed("DE"), "one region alone has the code");
    assert_eq!(origin("+33012345678"), guessed("FR"), "a national prefix is a digit like any other");
}

#[test]
fn non_geographic_number_has_no_region_and_is_not_guessed() {
    let mut of_no_country = Vec::new();
    for code in library::calling_codes() {
        let number = E164::parse(&format!("{code}1234567")).unwrap();
        let (code, none) = (number.calling_code(), Origin { region: None, guessed: false });
        assert_eq!(number.origin() == none, library::regions(code.number()).is_empty(), "{code}");
        if code.main_region().is_none() {
            assert_eq!(code.regions().count(), 0, "{code}");
            of_no_country.push(code.number());
        }
    }
    assert_eq!(of_no_country, [800, 808, 870, 878, 881, 882, 883, 888, 979]);
    assert_eq!(origin("+80012345678"), Origin { region: None, guessed: false });
}

#[test]
fn only_an_optional_plus_and_5_to_15_digits_parse() {
    for text in ["+44123", "44123", "442079460018", "+441234567890123"] {
        let number = E164::parse(text).unwrap();
        assert_eq!(number.digits(), text.trim_start_matches('+'));
        assert_eq!(number.calling_code().number(), 44);
    }
    assert_eq!(E164::parse("+442079460018"), E164::parse("442079460018"), "the same number");
    for text in ["", "+", "4", "4412", "+4412", "+4412345678901234", &"4".repeat(1000)] {
        assert_eq!(E164::parse(text), Err(InvalidE164::Length), "{text:?}");
    }
    for text in [" 44123", "44123 ", "++44123", "44+123", "+44 123", "44-123", "+44123x", "+٤٤١٢٣", "44123\0"]
    {
        assert_eq!(E164::parse(text), Err(InvalidE164::NotDigits), "{text:?}");
    }
    for text in ["+99912345678", "02079460018", "+00000", "+01234567", "+2101234567", "00442079460018"] {
        assert_eq!(E164::parse(text), Err(InvalidE164::UnassignedCallingCode), "{text:?}");
    }
}

#[test]
fn exactly_the_assigned_calling_codes_parse() {
    let assigned = library::calling_codes();
    for number in 1..1000_u16 {
        let front = |code: &&u16| format!("{number}000").starts_with(&code.to_string());
        let expected = assigned.iter().find(front);
        let found =
            E164::parse(&format!("{number}0000000")).ok().map(|number| number.calling_code().number());
        assert_eq!(found.as_ref(), expected, "+{number}");
    }
}

#[test]
fn calling_codes_and_regions_equal_the_librarys() {
    let mut seen = BTreeSet::new();
    for number in library::calling_codes() {
        let code = E164::parse(&format!("{number}0000000")).unwrap().calling_code();
        let regions: Vec<String> = code.regions().map(|region| region.to_string()).collect();
        assert_eq!(regions, library::regions(number), "{code}");
        assert_eq!(code.main_region(), code.regions().next());
        assert!(code.regions().all(|region| region.calling_code() == Some(code)), "{code}");
        seen.extend(code.regions());
    }
    let without: Vec<Region> = Region::all().filter(|region| region.calling_code().is_none()).collect();
    assert_eq!(format!("{without:?}"), "[AQ, BV, GS, HM, PN, TF, UM]");
    assert_eq!(seen.len() + without.len(), Region::COUNT);
}

#[test]
fn regions_are_sorted_and_found_by_alpha2_in_any_case() {
    let all: Vec<Region> = Region::all().collect();
    assert_eq!(all.len(), Region::COUNT);
    assert!(all.is_sorted_by(|a, b| a < b && a.alpha2() < b.alpha2()));
    let letters: Vec<String> = all.iter().map(|region| region.to_string()).collect();
    assert_eq!(letters, library::all_regions());
    for (index, region) in all.iter().enumerate() {
        assert_eq!(usize::from(region.index()), index);
        assert_eq!(Region::from_index(region.index()), Some(*region));
        assert_eq!(Region::from_alpha2(region.alpha2()), Some(*region));
        assert_eq!(Region::from_alpha2(&region.alpha2().to_lowercase()), Some(*region));
    }
    assert_eq!(Region::from_index(252), None);
    assert_eq!(Region::from_alpha2("gB"), Some(region("GB")));
    for text in ["", "G", "GBR", "UK", "ZZ", "XX", "QM", "EU", " GB", "G ", "G1", "@A", "[A", "`a", "{a", "é"]
    {
        assert_eq!(Region::from_alpha2(text), None, "{text:?}");
    }
}

#[test]
fn debug_display_and_errors_never_contain_a_number() {
    let number = E164::parse("+442079460018").unwrap();
    assert_eq!(format!("{number:?}"), "E164(+44…)");
    assert_eq!(format!("{:?} {}", number.calling_code(), number.calling_code()), "+44 +44");
    assert_eq!(format!("{:?} {}", region("GB"), region("GB")), "GB GB");
    for text in ["+442079460018x", "+4420794600182079460018", "+9992079460018"] {
        let error = E164::parse(text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("207946") && !shown.contains("999"), "{shown}");
    }
}

#[test]
fn types_have_their_documented_sizes() {
    assert_eq!(size_of::<Region>(), 1);
    assert_eq!(size_of::<CallingCode>(), 2);
    assert_eq!(size_of::<E164>(), 18);
}
