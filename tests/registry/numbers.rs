//! No finding repeats a phone number: neither an account's address, nor one in a test's query.

use switchboard_registry::Code;

use super::base::{Texts, printed, replace, run, sound};

fn assert_not_repeated(number: &str, texts: &Texts, code: Code) {
    let (_, findings) = run(texts);
    assert!(findings.iter().any(|finding| finding.code == code), "{code:?}: {}", printed(&findings));
    let said = printed(&findings);
    assert!(!said.contains(number.trim_start_matches('+')), "{said}");
}

#[test]
fn numbers_in_any_column_of_accounts_are_not_repeated() {
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
            assert_not_repeated(number, &texts, Code::InvalidValue);
        } else {
            replace(&mut texts, "acme/accounts.csv", line, &cells.join(","));
            assert_not_repeated(number, &texts, code);
        }
    }
}

#[test]
fn wrong_addresses_are_not_repeated() {
    for (wrong, code) in [
        ("00447400999888", Code::InvalidAddress),
        ("+44 7400 999888", Code::InvalidAddress),
        ("+447400123499", Code::DuplicateAddress),
    ] {
        let mut texts = sound();
        replace(&mut texts, "acme/accounts.csv", "+447400123401", wrong);
        assert_not_repeated(wrong, &texts, code);
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
        assert_not_repeated("447400999888", &texts, code);
    }
}

#[test]
fn numbers_are_not_suggested() {
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "\"whats\"", "\"447400999888\"");
    assert_not_repeated("447400999888", &texts, Code::UnknownPool);
    replace(&mut texts, "acme/accounts.csv", "+447400123401,GB,whats", "+447400123401,GB,447400999889");
    let (_, findings) = run(&texts);
    let said = printed(&findings);
    assert!(!said.contains("44740099988"), "{said}");
}
