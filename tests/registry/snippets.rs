//! The snippets below findings: what is underlined, and that any file can be shown.

use std::path::Path;

use proptest::prelude::*;
use switchboard::cli::source::findings_text;
use switchboard_pipeline::findings_json;
use switchboard_registry::{Code, Files, Findings, Snippets};

use super::base::{Texts, files, read_and_check, replace, sound};

/// What the report makes of findings; no other line of it may be taken for a finding.
fn report_of(findings: &Findings, files: &Files) -> String {
    let text = findings_text(findings, files, Path::new("r"));
    let heads = text.lines().filter(|line| line.starts_with("\u{1b}[1mr/")).count();
    assert_eq!(heads, findings.len(), "{text}");
    assert!(findings_json(findings.iter(), files).as_array().unwrap().len() == findings.len());
    text
}

/// The text underlined for the first finding of a code.
fn underlined(texts: &Texts, code: Code) -> String {
    let files = files(texts);
    let (_, findings) = read_and_check(&files);
    report_of(&findings, &files);
    let finding = findings.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{code:?}"));
    let snippet = Snippets::new(&files).find(&finding.place, &finding.span, 200).unwrap();
    snippet.text[snippet.fault].to_owned()
}

#[test]
#[rustfmt::skip] // one row, one fault
fn faulty_part_of_a_line_is_underlined() {
    for (file, from, to, code, wanted) in [
        ("acme/company.toml", "id = \"acme\"", "id = acme", Code::Syntax, "acme"),
        ("acme/company.toml", "fallback_upward", "fallback_upwards", Code::UnknownKey, "fallback_upwards"),
        ("acme/company.toml", "\"1.24.0\"", "\"x\"", Code::InvalidValue, "\"x\""),
        ("acme/company.toml", "priority = 0", "priority = \"0\"", Code::InvalidValue, "\"0\""),
        ("acme/company.toml", "channel = \"whatsapp\"\n", "", Code::MissingKey, "[[pool]]"),
        ("acme/company.toml", "ous = [\"acme\"]\npriority", "ous = [\n  \"acme\",\n  \"acmee\",\n]\npriority", Code::UnknownOu, "\"acmee\""),
        ("acme/company.toml", "parent = \"acme\"", "parent = \"acmee\"", Code::UnknownParent, "\"acmee\""),
        ("acme/company.toml", "id = \"acme\"", "id = \"acme\"\nparent = \"emea\"", Code::OuCycle, "\"emea\""),
        ("acme/company.toml", "NL = \"DE\"", "nl = \"NL\"", Code::MappingToItself, "nl = \"NL\""),
        ("acme/company.toml", "IE = \"GB\"", "IE = \"UK\"", Code::InvalidCountry, "\"UK\""),
        ("acme/company.toml", "default_country = \"GB\"", "default_country = \"FR\"", Code::UnservedTarget, "\"FR\""),
        ("acme/company.toml", "\"wechat_miniapp\"", "\"wechat_mini\"", Code::UnknownChannel, "\"wechat_mini\""),
        ("acme/ous.csv", "zurich", "london", Code::DuplicateId, "london"),
        ("acme/ous.csv", "id,parent", "id,above", Code::UnknownColumn, "above"),
        ("acme/ous.csv", "\"Zürich, CH\"", "\"Zürich, CH\",x", Code::Syntax, "zurich,emea,\"Zürich, CH\",x"),
        ("acme/accounts.csv", "wa-gb-1,whatsapp", "wa-gb-1,sms", Code::ChannelMismatch, "sms"),
        ("acme/accounts.csv", "+447400123401,GB", "+447400123401,UK", Code::InvalidCountry, "UK"),
        ("acme/accounts.csv", "+447400123401", "+44 7400 123401", Code::InvalidAddress, "+44 7400 123401"),
        ("acme/accounts.csv", "+447400123401", "+447400123499", Code::DuplicateAddress, "+447400123499"),
        ("acme/accounts.csv", ",5,active", ",5000,active", Code::InvalidValue, "5000"),
        ("acme/accounts.csv", "2026-01-01", "\"1 January, 2026\"", Code::InvalidValue, "\"1 January, 2026\""),
        ("acme/accounts.csv", "+447400123400,GB,whats", "+447400123400,GB,what", Code::UnknownPool, "what"),
        ("acme/accounts.csv", "wa-primary,whatsapp,primary", "wa-primary,whatsapp,", Code::Role, ""),
        ("acme/accounts.csv", "service@acme.example,CN", "service@acme.example,", Code::MissingCountry, ""),
        ("acme/tests.toml", "climbed = 2", "climbed = -2", Code::InvalidValue, "-2"),
        ("acme/tests.toml", "phone = \"+447400123456\"", "phone = 447400999888", Code::InvalidValue, "••••••••••••"),
        ("channels.toml", "[\"secondary\"]", "[\"secondery\"]", Code::InvalidValue, "\"secondery\""),
    ] {
        let mut texts = sound();
        replace(&mut texts, file, from, to);
        assert_eq!(underlined(&texts, code), wanted, "{file}: {to}");
    }
}

const FILES: [&str; 5] =
    ["channels.toml", "acme/company.toml", "acme/ous.csv", "acme/accounts.csv", "acme/tests.toml"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_can_be_shown(
        file in 0..FILES.len(),
        at in any::<prop::sample::Index>(),
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "\\PC{0,40}".prop_map(String::into_bytes),
            prop::sample::select(vec!["\t\u{1b}[0m", "\r", "\u{202e}", "👩‍👩‍👧", "\"\n\"", "x,y\n", "\u{0}"]).prop_map(|it| it.as_bytes().to_vec()),
        ],
    ) {
        let mut texts = sound();
        let text = texts.get_mut(FILES[file]).unwrap();
        let at = at.index(text.len());
        text.splice(at..at, bytes);
        let files = files(&texts);
        let (_, findings) = read_and_check(&files);
        report_of(&findings, &files);
    }

    /// The numbers of other files are shown, because they are the company's own.
    #[test]
    fn no_number_of_tests_is_shown(
        at in any::<prop::sample::Index>(),
        removed in 0..12usize,
        form in prop::sample::select(vec!["+442079460000", "442079460000", "+44 20 7946 0000", "\"+442079460000\"", "+44-2079-460000"]),
    ) {
        let mut texts = sound();
        let text = texts.get_mut("acme/tests.toml").unwrap();
        let at = at.index(text.len());
        let end = (at + removed).min(text.len());
        text.splice(at..end, form.bytes());
        let files = files(&texts);
        let (_, findings) = read_and_check(&files);
        let digits: String = report_of(&findings, &files).chars().filter(|letter| !" -()".contains(*letter)).collect();
        prop_assert!(!digits.contains("2079460000") && !digits.contains("2079460"), "{digits}");
    }
}
