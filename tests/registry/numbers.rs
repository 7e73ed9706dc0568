//! Findings show an official number as it was typed, because it is no secret. No finding repeats a number in
//! `tests.toml`, because it may be a number of a client.

use switchboard_registry::Code;

use super::base::{Texts, printed, replace, run, sound};

fn assert_repeated(is_repeated: bool, number: &str, texts: &Texts, code: Code) {
    let (_, findings) = run(texts);
    assert!(findings.iter().any(|finding| finding.code == code), "{code:?}: {}", printed(&findings));
    let said = printed(&findings);
    assert_eq!(said.contains(number), is_repeated, "{said}");
}

#[test]
fn numbers_in_any_column_of_accounts_are_shown() {
    let line = "wa-gb-1,whatsapp,secondary,+447400123401,GB,whats,,,,";
    let number = "+447400999888";
    for (column, code) in [
        (0, Code::MissingColumn),
        (1, Code::UnknownChannel),
        (2, Code::InvalidValue),
        (4, Code::InvalidCountry),
        (5, Code::UnknownPool),
        (6, Code::PoolAndUser),
        (7, Code::InvalidValue),
        (8, Code::InvalidValue),
        (9, Code::InvalidValue),
    ] {
        let mut cells: Vec<&str> = line.split(',').collect();
        cells[column] = number;
        let mut texts = sound();
        if column == 0 {
            // An id that is a number, with another fault on its line.
            cells[7] = "0";
            replace(&mut texts, "acme/accounts.csv", line, &cells.join(","));
            let (_, findings) = run(&texts);
            assert!(printed(&findings).contains(number));
        } else {
            replace(&mut texts, "acme/accounts.csv", line, &cells.join(","));
            assert_repeated(code != Code::PoolAndUser || column == 6, number, &texts, code);
        }
    }
}

#[test]
fn wrong_addresses_are_shown_as_typed() {
    for wrong in ["00447400999888", "+44 7400 999888", "'+447400999888", "447400999888"] {
        let mut texts = sound();
        replace(&mut texts, "acme/accounts.csv", "+447400123401", wrong);
        assert_repeated(true, &format!("the address `{wrong}` of"), &texts, Code::InvalidAddress);
    }
}

#[test]
fn numbers_in_queries_of_tests_are_not_repeated() {
    for (from, to, code) in [
        ("phone = \"+447400123456\"", "phone = 447400999888", Code::InvalidValue),
        ("phone = \"+447400123456\"", "phone = [\"+447400999888\"]", Code::InvalidValue),
        ("phone = \"+447400123456\"", "company = \"+447400999888\"", Code::InvalidValue),
        ("phone = \"+447400123456\"", "\"+447400999888\" = \"phone\"", Code::UnknownKey),
        ("phone = \"+447400123456\"", "phone = +447400999888x", Code::Syntax),
        ("rule = \"country\"", "rule = \"+447400999888\"", Code::InvalidValue),
        ("climbed = 2", "climbed = -447400999888", Code::InvalidValue),
    ] {
        let mut texts = sound();
        replace(&mut texts, "acme/tests.toml", from, to);
        assert_repeated(false, "447400999888", &texts, code);
    }
}

/// A test's name and expectation are read from `tests.toml` too, and an unknown id may be suggested.
#[test]
fn numbers_in_names_and_expectations_of_tests_are_not_repeated() {
    let mut texts = sound();
    replace(&mut texts, "acme/tests.toml", "\"London inherits\"", "\"call +44 7400 999888\"");
    replace(&mut texts, "acme/tests.toml", "expect = {", "expekt = {");
    assert_repeated(false, "999888", &texts, Code::UnknownKey);
}
