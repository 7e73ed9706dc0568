//! Several faults in one registry: none hides another, and each is reported at its own line.

use switchboard_registry::{Code, Finding, Severity};

use super::base::{Texts, files, printed, read_and_check, replace, run, sound};

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

fn places(findings: &[Finding]) -> Vec<(String, &'static str)> {
    findings.iter().map(|it| (it.place.to_string(), it.code.as_str())).collect()
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

/// The name may be the id that is missing.
#[test]
fn ou_without_an_id_hides_unknown_ous() {
    for edit in [
        (COMPANY, "parent = \"acme\"", "parent = \"elsewhere\""),
        (COMPANY, "ous = [\"acme\"]\npriority", "ous = [\n\"acme\",\n\"nope\"\n]\npriority"),
    ] {
        let mut texts = sound();
        for (file, from, to) in [NAMELESS_OU, edit] {
            replace(&mut texts, file, from, to);
        }
        let (_, findings) = run(&texts);
        assert_eq!(places(&findings), [("acme/company.toml:11".to_owned(), "missing_key")]);
    }
}

/// One faulty line of an OU or a pool is one finding. The rows and entries that refer to it have none.
#[test]
fn references_to_an_id_that_cannot_be_read_are_no_findings() {
    for name in ["whats", "acme"] {
        for (spelling, code) in [
            ("id = \u{201c}@\u{201d}", "syntax"),
            ("id = \u{201c}@\"", "syntax"),
            ("id = \"@\u{201d}", "syntax"),
            ("id = \u{2018}@\u{2019}", "syntax"),
            ("id = @", "syntax"),
            ("id = \"@", "syntax"),
            ("id \"@\"", "syntax"),
            ("id = \"@\"\nid = \"@\"", "syntax"),
            ("x = [", "syntax"),
            ("id = 5", "invalid_value"),
            ("id = [\"@\"]", "invalid_value"),
            ("id = { a = \"@\" }", "invalid_value"),
            ("id = \"\"", "invalid_id"),
            ("id = \" @\"", "invalid_id"),
            ("id = \"@\u{a0}\"", "invalid_id"),
            ("id = \"\u{201c}@\u{201d}\"", "invalid_id"),
            ("id = \"s ms\"", "invalid_id"),
            ("idd = \"@\"", "unknown_key"),
            ("ID = \"@\"", "unknown_key"),
            ("", "missing_key"),
        ] {
            let mut texts = sound();
            replace(&mut texts, COMPANY, &format!("id = \"{name}\""), &spelling.replace('@', name));
            let (_, findings) = run(&texts);
            let is_cause = &*findings[0].place.file == COMPANY && findings[0].code.as_str() == code;
            assert!(is_cause && findings.len() == 1, "{spelling}\n{}", printed(&findings));
        }
    }
}

/// The rest of the file may have defined anything.
#[test]
fn references_to_a_settings_file_with_a_fault_are_no_findings() {
    let whole = String::from_utf8(sound()[COMPANY].clone()).unwrap();
    let cut = |end: &str| whole[..whole.find(end).unwrap() + end.len()].to_owned();
    for text in [
        cut("\n[[poo"),
        cut("\n[[pool"),
        cut("\n[[pool]]\nid = \"wha"),
        cut("\n[[o"),
        cut("[geo"),
        "garbage = [".to_owned(),
        whole.replacen("[[pool]]", "[pool]", 1),
        whole.replacen("[[pool]]", "[[pool]", 1),
        whole.replacen("[[ou]]", "[ou]", 1),
        whole.replacen("[[pool]]", "[[ou]]", 1),
        whole.replacen("[[ou]]\nid = \"emea\"", "[[pool]]\nid = \"emea\"", 1),
    ] {
        let mut texts = sound();
        texts.insert(COMPANY.to_owned(), text.clone().into_bytes());
        let (_, findings) = run(&texts);
        assert!(!findings.is_empty() && findings[0].code.severity() == Severity::Error, "{text}");
        let is_consequence = |it: &Finding| {
            let code = it.code.as_str();
            &*it.place.file != COMPANY || code.starts_with("unknown_ou") || code == "unknown_parent"
        };
        assert!(!findings.iter().any(is_consequence), "{text}\n{}", printed(&findings));
    }
    // A byte of another encoding is part of the id.
    let mut texts = sound();
    let latin = whole.replace("\"whats\"", "\"wh\u{e4}ts\"");
    texts.insert(COMPANY.to_owned(), latin.chars().map(|letter| letter as u8).collect());
    let (_, findings) = run(&texts);
    assert!(findings.iter().all(|it| &*it.place.file == COMPANY), "{}", printed(&findings));
}

#[test]
fn references_to_a_faulty_row_of_ous_are_no_findings() {
    for row in ["lond\"on,emea,", "\"london\"x,emea,", "london", "lon don,emea,", ",emea,", "\"london,emea,"]
    {
        let mut texts = sound();
        let rows = format!("id,parent,name\nzurich,london,\nbern,london,\n{row}\n");
        texts.insert("acme/ous.csv".to_owned(), rows.into_bytes());
        replace(&mut texts, COMPANY, "ous = [\"acme\"]\npriority", "ous = [\"acme\", \"london\"]\npriority");
        let (_, findings) = run(&texts);
        assert_eq!(places(&findings).len(), 1, "{row}\n{}", printed(&findings));
        assert_eq!(findings[0].place.to_string(), "acme/ous.csv:4", "{row}\n{}", printed(&findings));
    }
    // A copy that ended within a row.
    let mut texts = sound();
    texts.insert("acme/ous.csv".to_owned(), b"id,parent,name\nzurich,london,\nlon".to_vec());
    let (_, findings) = run(&texts);
    assert_eq!(places(&findings), [("acme/ous.csv:3".to_owned(), "syntax")]);
}

/// A stray quote divides the name of the pool. A channel that cannot be read may be any channel.
#[test]
fn pools_of_faulty_rows_and_channels_lack_nothing() {
    for (file, from, to) in [
        (ACCOUNTS, "primary,+447400123400,GB,whats", "primary,+447400123400,GB,wh\"ats"),
        (ACCOUNTS, "primary,+447400123400,GB,whats", "primary,+447400123400,GB,\"whats\"x"),
        (ACCOUNTS, "wa-primary,whatsapp,primary", "wa-primary,whatsapp,Primary"),
        (ACCOUNTS, "wa-primary,whatsapp,primary", "wa-primary,whatsapp,"),
        (COMPANY, "channel = \"whatsapp\"", "channel = 5"),
        ("channels.toml", "[channel.viber]", "[channel.viber\n"),
        ("channels.toml", "[channel.viber]", "[channel.sms]\n[channel.viber]"),
    ] {
        let mut texts = sound();
        replace(&mut texts, file, from, to);
        let (_, findings) = run(&texts);
        assert_eq!(places(&findings).len(), 1, "{to}\n{}", printed(&findings));
    }
}

/// Addresses of a channel are not at fault if their kind could not be read.
#[test]
fn accounts_of_faulty_channels_are_no_findings() {
    for (from, to) in [
        ("address = \"handle\"", "address = \"fone\""),
        ("address = \"handle\"", "address = 5"),
        ("address = \"handle\"", "adress = \"handle\""),
        ("address = \"handle\"", ""),
        ("[channel.viber]", "[viber]"),
        ("[channel.viber]", "[[channel.viber]]"),
        ("[channel.viber]", "[channels.viber]"),
    ] {
        let mut texts = sound();
        for at in 0..50 {
            let row =
                format!("viber-{at},viber,,ann{at},,,,,,\nviber-m-{at},viber,,+44740012{at:04},,,,,,\n");
            texts.get_mut(ACCOUNTS).unwrap().extend(row.bytes());
        }
        replace(&mut texts, "channels.toml", from, to);
        let (_, findings) = run(&texts);
        let is_cause = |it: &&Finding| &*it.place.file == "channels.toml";
        let errors = || findings.iter().filter(|it| it.code.severity() == Severity::Error);
        assert!(errors().count() > 0 && errors().all(|it| is_cause(&it)), "{to}\n{}", printed(&findings));
    }
}

/// The cause comes first, although the file of its consequences comes first by name.
#[test]
fn unreadable_text_comes_first() {
    let mut texts = sound();
    replace(&mut texts, ACCOUNTS, ",5,active", ",5000,active");
    replace(&mut texts, "acme/tests.toml", "[[test]]", "[[test]");
    replace(&mut texts, COMPANY, "id = \"whats\"", "id = whats");
    let (_, findings) = run(&texts);
    assert_eq!(
        places(&findings),
        [
            ("acme/company.toml:17".to_owned(), "syntax"),
            ("acme/tests.toml:1".to_owned(), "syntax"),
            ("acme/accounts.csv:4".to_owned(), "invalid_value"),
        ]
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

/// The region of a number that is not valid is a guess, but its calling code is none.
#[test]
fn invalid_numbers_contradict_countries_of_other_calling_codes() {
    for (cells, said) in [
        ("+3361234560,DE", &["not valid for its country `DE`", "the calling code +33 of `FR`"][..]),
        ("+4407400123499,DE", &["a zero behind", "belongs to `GB`"]),
        ("+447400123499,JE", &["belongs to `GB`"]),
        ("+4474001234,JE", &["not valid for its country `JE`"]),
        ("+1204555,FR", &["not valid for its country `FR`", "the calling code +1 of `CA`"]),
        ("+1204555,US", &["not valid for its country `US`"]),
        ("+4474001234,", &["not valid for its country `GB`"]),
        ("+88213123456,DE", &[]),
    ] {
        let mut texts = sound();
        replace(&mut texts, ACCOUNTS, "+447400123499,GB", cells);
        let (_, mut findings) = run(&texts);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.code));
        assert_eq!(findings.len(), said.len(), "{cells}\n{}", printed(&findings));
        for (finding, said) in findings.iter().zip(said) {
            assert!(finding.message.contains(said), "{cells}\n{finding}");
        }
    }
}

/// A mapping of the company is for the pools that have accounts of its target and do not map the country.
#[test]
fn mapping_of_the_company_is_unused_only_if_no_pool_uses_it() {
    let mini = "id = \"mini\"\nchannel = \"wechat_miniapp\"\nous = [\"acme\"]\n";
    for (mapping, account, pool, is_unused) in [
        ("GB = \"DE\"", "CN", "", true),
        // The pool has no account of GB.
        ("GB = \"DE\"", "DE", "", false),
        ("GB = \"DE\"", "DE", "geography = { GB = \"DE\" }\n", true),
        ("NL = \"DE\"", "DE", "", false),
        ("NL = \"DE\"", "CN", "", true),
        ("FR = \"GB\"", "CN", "", false),
    ] {
        let mut texts = sound();
        replace(&mut texts, COMPANY, "IE = \"GB\"", mapping);
        replace(&mut texts, COMPANY, mini, &format!("{mini}{pool}"));
        replace(&mut texts, ACCOUNTS, "service@acme.example,CN", &format!("service@acme.example,{account}"));
        replace(&mut texts, ACCOUNTS, "draining,2026-01-01", "active,2026-01-01");
        let (_, findings) = run(&texts);
        let found = findings.iter().any(|it| it.code == Code::UnusedMapping && it.place.line == 7);
        assert_eq!(found, is_unused, "{mapping} {account} {pool}\n{}", printed(&findings));
    }
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

    // The numbers count what is not kept, also of a part of the findings.
    let (_, findings) = read_and_check(&files(&texts));
    assert_eq!((findings.errors(), findings.warnings(), findings.len()), (250, 0, 101));
    let of_acme = findings.filtered(|company, _| company == Some("acme"));
    assert_eq!((of_acme.errors(), of_acme.len()), (250, 101));
    assert_eq!(findings.errors_by_company()["acme"].errors(), 250);
    assert_eq!(findings.filtered(|company, _| company.is_none()).errors(), 0);
    let mut twice = of_acme.clone();
    twice.append(&findings);
    twice.sort_and_fold();
    assert_eq!((twice.errors(), twice.len()), (500, 101));
}
