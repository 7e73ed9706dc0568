//! Several faults in one registry: none hides another, and each is reported at its own line.

use super::base::{Texts, printed, replace, run, sound};

const COMPANY: &str = "acme/company.toml";
const ACCOUNTS: &str = "acme/accounts.csv";

/// Edits the registry without faults, and asserts that each of these findings occurs as often as it is
/// listed.
fn finds(edits: &[(&str, &str, &str)], wanted: &[(&str, &str)]) {
    let mut texts = sound();
    for &(file, from, to) in edits {
        replace(&mut texts, file, from, to);
    }
    contains(&texts, wanted);
}

fn contains(texts: &Texts, wanted: &[(&str, &str)]) {
    let (_, findings) = run(texts);
    let found: Vec<(String, &str)> =
        findings.iter().map(|it| (it.place.to_string(), it.code.as_str())).collect();
    for &(at, code) in wanted {
        let count = |all: &[(&str, &str)]| all.iter().filter(|it| **it == (at, code)).count();
        let found: Vec<_> = found.iter().map(|(at, code)| (&**at, *code)).collect();
        assert_eq!(count(&found), count(wanted), "{at} {code}\n{}", printed(&findings));
    }
}

const NAMELESS_OU: (&str, &str, &str) =
    (COMPANY, "[[ou]]\nid = \"acme\"\n", "[[ou]]\nid = \"acme\"\n[[ou]]\n");
/// Whatsapp's only primary becomes a secondary.
const NO_PRIMARY: (&str, &str, &str) =
    (ACCOUNTS, "wa-primary,whatsapp,primary", "wa-primary,whatsapp,secondary");

#[test]
fn ou_without_an_id_hides_no_unknown_parent() {
    finds(
        &[NAMELESS_OU, (COMPANY, "parent = \"acme\"", "parent = \"elsewhere\"")],
        &[("acme/company.toml:11", "missing_key"), ("acme/company.toml:15", "unknown_parent")],
    );
}

#[test]
fn ou_without_an_id_hides_no_unknown_ou() {
    finds(
        &[NAMELESS_OU, (COMPANY, "ous = [\"acme\"]\npriority", "ous = [\n\"acme\",\n\"nope\"\n]\npriority")],
        &[("acme/company.toml:11", "missing_key"), ("acme/company.toml:22", "unknown_ou")],
    );
}

#[test]
fn short_row_hides_no_missing_role() {
    finds(
        &[
            NO_PRIMARY,
            (ACCOUNTS, "wa-spare-1,whatsapp,secondary,+447400123499,GB,,,,,", "wa-spare-1,whatsapp"),
        ],
        &[("acme/accounts.csv:7", "syntax"), ("acme/company.toml:16", "missing_role")],
    );
}

#[test]
fn accounts_of_an_unknown_pool_are_a_finding_each_and_hide_no_missing_role() {
    finds(
        &[
            (ACCOUNTS, "+447400123401,GB,whats", "+447400123401,GB,nope"),
            (ACCOUNTS, "+4915123456701,,whats", "+4915123456701,,nope"),
        ],
        &[
            ("acme/accounts.csv:3", "unknown_pool"),
            ("acme/accounts.csv:4", "unknown_pool"),
            ("acme/company.toml:16", "missing_role"),
        ],
    );
}

#[test]
fn each_missing_role_is_a_finding() {
    let mut texts = sound();
    texts.insert(ACCOUNTS.to_owned(), b"id,channel,address\n".to_vec());
    contains(
        &texts,
        &[
            ("acme/company.toml:16", "missing_role"),
            ("acme/company.toml:16", "missing_role"),
            ("acme/company.toml:26", "missing_role"),
        ],
    );
}

#[test]
fn pool_without_an_id_hides_no_unknown_pool() {
    finds(
        &[(COMPANY, "id = \"mini\"\n", ""), (ACCOUNTS, "+447400123401,GB,whats", "+447400123401,GB,nope")],
        &[("acme/company.toml:26", "missing_key"), ("acme/accounts.csv:3", "unknown_pool")],
    );
}

#[test]
fn old_platform_hides_no_second_dedicated_account() {
    finds(
        &[
            (COMPANY, "1.24.0", "1.20.0"),
            (
                ACCOUNTS,
                "wa-spare-1,whatsapp,secondary,+447400123499,GB,,",
                "wa-spare-1,whatsapp,,+447400123499,GB,,trader-1@acme.example",
            ),
        ],
        &[
            ("acme/accounts.csv:5", "dedicated_version"),
            ("acme/accounts.csv:7", "dedicated_version"),
            ("acme/accounts.csv:7", "duplicate_dedicated"),
        ],
    );
}

#[test]
fn duplicate_pool_is_still_checked() {
    finds(
        &[(
            COMPANY,
            "id = \"mini\"\nchannel = \"wechat_miniapp\"\nous = [\"acme\"]",
            "id = \"whats\"\nchannel = \"whatsapp\"\nous = [\"nope\"]",
        )],
        &[("acme/company.toml:26", "duplicate_id"), ("acme/company.toml:29", "unknown_ou")],
    );
}

#[test]
fn unassigned_country_hides_no_unserved_target() {
    finds(
        &[
            (COMPANY, "NL = \"DE\"", "BE = \"FR\""),
            (ACCOUNTS, "+447400123401,GB,whats", "+447400123401,ZZ,whats"),
        ],
        &[("acme/accounts.csv:3", "invalid_country"), ("acme/company.toml:24", "unserved_target")],
    );
}

#[test]
fn chained_mapping_is_reported_beside_an_unused_one() {
    finds(
        &[(COMPANY, "NL = \"DE\"", "GB = \"FR\", FR = \"DE\"")],
        &[("acme/company.toml:24", "unused_mapping"), ("acme/company.toml:24", "chained_mapping")],
    );
    // Here the second hop is the one that is never used.
    finds(
        &[(COMPANY, "NL = \"DE\"", "NL = \"DE\", DE = \"AT\"")],
        &[("acme/company.toml:24", "unused_mapping"), ("acme/company.toml:24", "chained_mapping")],
    );
}

#[test]
fn every_unserved_target_is_reported_at_its_own_line() {
    finds(
        &[
            (COMPANY, "default_country = \"GB\"", "default_country = \"FR\""),
            (COMPANY, "geography = { NL = \"DE\" }", "[pool.geography]\nBE = \"FR\"\nLU = \"FR\""),
        ],
        &[
            ("acme/company.toml:22", "unserved_target"),
            ("acme/company.toml:25", "unserved_target"),
            ("acme/company.toml:26", "unserved_target"),
        ],
    );
}

/// Consequences of an unreadable file are not reported elsewhere.
#[test]
fn unreadable_file_is_one_finding() {
    for accounts in [&b"\xff\xfe"[..], b"identifier,kind\n", b""] {
        let mut texts = sound();
        texts.insert(ACCOUNTS.to_owned(), accounts.to_vec());
        let (_, findings) = run(&texts);
        assert!(findings.iter().all(|it| &*it.place.file == ACCOUNTS), "{}", printed(&findings));
        assert!(!findings.is_empty());
    }
}

#[test]
fn more_than_a_hundred_findings_of_a_kind_are_counted() {
    let mut texts = sound();
    let accounts = String::from_utf8(texts[ACCOUNTS].clone()).unwrap();
    let rows: String =
        (0..250).map(|at| format!("x{at},whatsapp,secondary,+44740055{at:04},GB,nope,,,,\n")).collect();
    texts.insert(ACCOUNTS.to_owned(), (accounts + &rows).into_bytes());
    let (_, findings) = run(&texts);
    assert_eq!(findings.len(), 101, "{}", printed(&findings));
    assert!(findings[100].message.contains("149 more"), "{}", findings[100]);
    assert!(!findings[99].message.contains("more"), "{}", findings[99]);
}
