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
    assert_eq!(origin("+33012345"), guessed("FR"), "a trunk zero, and digits are missing");
}

#[test]
fn non_geographic_number_has_no_region_and_is_not_guessed() {
    let mut of_no_country = Vec::new();
    for code in library::calling_codes() {
        let number = E164::parse(&format!("+{code}1234567")).unwrap();
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
    for text in ["+44123", "442079460018", "+442079460018", "+441234567890123"] {
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
fn number_without_plus_must_be_valid() {
    // Numbers of the US, GB and IT without their calling codes; one digit too few or too many; an unassigned
    // range.
    for text in [
        "2125550123",
        "4165550123",
        "3105550123",
        "7400123456",
        "44123",
        "44207946001",
        "4420794600181",
        "491512345",
        "882131234",
        "8001234567",
    ] {
        assert_eq!(E164::parse(text), Err(InvalidE164::NotValidWithoutPlus), "{text}");
        assert_eq!(E164::parse_lenient(text), E164::parse(&format!("+{text}")), "{text}");
        assert!(E164::parse_lenient(text).is_ok_and(|number| !number.is_valid()), "{text}");
    }
    for text in ["12125550123", "442079460018", "390669812345", "80012345678", "4402079460018"] {
        assert_eq!(E164::parse(text), E164::parse(&format!("+{text}")), "{text}");
        assert!(E164::parse(text).is_ok_and(|number| number.is_valid()), "{text}");
    }
    assert_eq!(E164::parse("02079460018"), Err(InvalidE164::UnassignedCallingCode));
}

#[test]
fn trunk_zero_is_no_part_of_a_number() {
    for (written, digits, alpha2) in [
        ("+4407797123456", "447797123456", "JE"),
        ("+4401534456789", "441534456789", "JE"),
        ("+4402079460018", "442079460018", "GB"),
        ("+358018123456", "35818123456", "AX"),
        ("+610891621234", "61891621234", "CC"),
        ("+2620269601234", "262269601234", "YT"),
        ("+49015123456789", "4915123456789", "DE"),
        ("+330612345678", "33612345678", "FR"),
    ] {
        let number = E164::parse(written).unwrap();
        assert_eq!((number.digits(), number.origin()), (digits, valid(alpha2)), "{written}");
        assert_eq!(Ok(number), E164::parse(&format!("+{digits}")), "{written}");
    }
    for (kept, expected) in [
        ("+390669812345", valid("VA")),
        ("+390612345678", valid("IT")),
        ("+2250102030405", valid("CI")),
        ("+44007797123456", guessed("GB")),
        ("+1014165550123", guessed("US")),
        ("+4407797", guessed("JE")),
    ] {
        let number = E164::parse(kept).unwrap();
        assert_eq!((number.digits(), number.origin()), (&kept[1..], expected), "{kept}");
    }
}

#[test]
fn exactly_the_assigned_calling_codes_parse() {
    let assigned = library::calling_codes();
    for number in 1..1000_u16 {
        let front = |code: &&u16| format!("{number}000").starts_with(&code.to_string());
        let expected = assigned.iter().find(front);
        let found =
            E164::parse(&format!("+{number}0000000")).ok().map(|number| number.calling_code().number());
        assert_eq!(found.as_ref(), expected, "+{number}");
    }
}

#[test]
fn calling_codes_and_regions_equal_the_librarys() {
    let mut seen = BTreeSet::new();
    for number in library::calling_codes() {
        let code = E164::parse(&format!("+{number}0000000")).unwrap().calling_code();
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
