//! Runs `switchboard diff` as a process, and checks totals, groups, recorded queries and exit codes.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::coverage::command::switchboard;
use crate::expected::{acme, edit};

/// Returns a registry, and a copy in which one account is removed, one is suspended and one has another
/// weight.
fn edited() -> (TempDir, TempDir) {
    let (old, new) = (acme(), acme());
    fs::remove_file(new.path().join("acme/tests.toml")).unwrap();
    let account = |from: &str, to: &str| edit(new.path(), "acme/accounts.csv", from, to);
    account("sms-us-1,sms,secondary,+12015550151,US,acme-sms,,,,\n", "");
    account("+41781234501,CH,dach-whatsapp,,,,", "+41781234501,CH,dach-whatsapp,,,suspended,");
    account("+447400123401,GB,emea-whatsapp,,,,", "+447400123401,GB,emea-whatsapp,,7,,");
    (old, new)
}

fn diff(old: &Path, new: &Path, more: &[&str]) -> (i32, String, String) {
    let output = switchboard(&[&["diff", old.to_str().unwrap(), new.to_str().unwrap()], more].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn errors_come_first_and_exit_1_with_fail_on() {
    let (old, new) = edited();
    let (exit, text, _) = diff(old.path(), new.path(), &[]);
    assert_eq!(exit, 0);
    // The 25 countries of +1 have no SMS account any more, at each of the 9 OUs.
    assert!(text.starts_with("225 decisions become errors, "), "{text}");
    let places = ["\nbecome errors\n", "\nchange rule, level or pool\n", "\nchange accounts\n"]
        .map(|heading| text.find(heading).unwrap_or_else(|| panic!("{heading}{text}")));
    assert!(places.is_sorted());
    assert!(
        text.contains("weight changed: wa-emea-gb-1 from 1 to 7") && text.contains("wa-dach-ch-1"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "colour in a pipe");
    assert_eq!(diff(old.path(), new.path(), &["--fail-on", "errors"]).0, 1);
    assert_eq!(diff(new.path(), old.path(), &["--fail-on", "errors"]).0, 0);
    let (exit, text, _) = diff(old.path(), old.path(), &["--fail-on", "errors"]);
    assert_eq!((exit, &*text), (0, "no decision changes; 22680 compared\n"));
}

#[test]
fn changes_of_the_level_alone_have_their_own_heading() {
    let (old, new) = (acme(), acme());
    fs::remove_file(new.path().join("acme/tests.toml")).unwrap();
    edit(
        new.path(),
        "acme/company.toml",
        "id = \"zurich\"\nparent = \"dach\"",
        "id = \"zurich\"\nparent = \"emea\"",
    );
    let (_, text, _) = diff(old.path(), new.path(), &[]);
    let (moved, level) = text.split_once("\nchange only the level: the accounts stay the same\n").unwrap();
    assert!(moved.contains("acme whatsapp secondary: zurich") && !moved.contains("acme telegram"), "{text}");
    assert!(
        level
            .contains("  acme telegram secondary: zurich: every country\n    old: 3 OUs up; new: 2 OUs up\n"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&diff(old.path(), new.path(), &["--format", "json"]).1).unwrap();
    let group = json["groups"].as_array().unwrap().iter().find(|group| group["kind"] == "level").unwrap();
    assert_eq!(group["old"]["accounts"], group["new"]["accounts"]);
    assert_eq!(group["old"]["pool"], group["new"]["pool"]);
    assert_ne!(group["old"]["climbed"], group["new"]["climbed"]);
}

#[test]
fn lost_primary_number_is_a_line_of_its_role() {
    let (old, new) = (acme(), acme());
    for side in [&old, &new] {
        fs::remove_file(side.path().join("acme/tests.toml")).unwrap();
    }
    let second = "wa-emea-primary-2,whatsapp,primary,+447400123999,GB,emea-whatsapp,,,,\n";
    let accounts = old.path().join("acme/accounts.csv");
    fs::write(&accounts, fs::read_to_string(&accounts).unwrap().trim_end().to_owned() + "\n" + second)
        .unwrap();
    let (exit, text, error) = diff(old.path(), new.path(), &[]);
    assert_eq!(exit, 0, "{error}");
    assert!(text.contains("  acme whatsapp primary: "), "{text}");
    assert!(text.contains("accounts removed: wa-emea-primary-2\n"), "{text}");
    assert!(!text.contains("secondary"), "{text}");
    let (_, text, _) = diff(old.path(), new.path(), &["--role", "secondary"]);
    assert_eq!(text, "no decision changes; 15876 compared\n");
    let (_, text, _) = diff(old.path(), new.path(), &["--role", "primary"]);
    assert!(text.contains("accounts removed: wa-emea-primary-2\n"), "{text}");
    let json: Value = serde_json::from_str(&diff(old.path(), new.path(), &["--format", "json"]).1).unwrap();
    let groups = json["groups"].as_array().unwrap();
    assert!(!groups.is_empty() && groups.iter().all(|group| group["role"] == "primary"), "{json}");
    assert_eq!(diff(old.path(), new.path(), &["--role", "tertiary"]).0, 2);
}

#[test]
fn change_of_both_roles_is_one_line() {
    let (old, new) = (acme(), acme());
    fs::remove_file(new.path().join("acme/tests.toml")).unwrap();
    edit(
        new.path(),
        "acme/company.toml",
        "id = \"zurich\"\nparent = \"dach\"",
        "id = \"zurich\"\nparent = \"emea\"",
    );
    let (_, text, _) = diff(old.path(), new.path(), &[]);
    assert!(
        text.contains(
            "  acme imessage primary and secondary: zurich: 2 countries (CA US)\n    4 decisions in total\n"
        ),
        "{text}"
    );
}

#[test]
fn failed_tests_come_first_and_do_not_stop_the_comparison() {
    let (old, new) = edited();
    // The tests of the removed account fail.
    fs::copy(old.path().join("acme/tests.toml"), new.path().join("acme/tests.toml")).unwrap();
    let (exit, text, error) = diff(old.path(), new.path(), &[]);
    assert_eq!(exit, 1, "{text}{error}");
    let (failed, changes) = text.split_once("225 decisions become errors, ").unwrap();
    assert!(failed.contains(" in the new registry:\n") && failed.contains("error[failed_test]"), "{failed}");
    assert!(changes.contains("weight changed: wa-emea-gb-1 from 1 to 7"), "{changes}");
    assert!(!failed.contains("warning["), "{failed}");
    assert!(error.contains(" of the new registry failed: "), "{error}");
    let (exit, json, _) = diff(old.path(), new.path(), &["--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((exit, &json["changes"]["becomes_error"]), (1, &225.into()));
    assert_eq!(json["old"]["failed_tests"], Value::Array(Vec::new()));
    let failed = json["new"]["failed_tests"].as_array().unwrap();
    assert!(!failed.is_empty() && failed.iter().all(|test| test["code"] == "failed_test"), "{json}");
    // Also where the old side fails.
    let (exit, text, _) = diff(new.path(), old.path(), &[]);
    assert!(exit == 1 && text.contains(" in the old registry:\n"), "{text}");
}

#[test]
fn change_from_one_company_to_several_is_the_first_line() {
    let (old, new) = (acme(), acme());
    let second = new.path().join("second");
    fs::create_dir(&second).unwrap();
    fs::write(second.join("company.toml"), "[[ou]]\nid = \"second\"\n").unwrap();
    let (exit, text, error) = diff(old.path(), new.path(), &[]);
    let first = "the companies change from 1 to 2: queries that leave out `company` become bad_request";
    assert_eq!((exit, text.lines().next().unwrap()), (0, first), "{error}");
    let (_, json, _) = diff(old.path(), new.path(), &["--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["one_to_several_companies"], true);
    assert_eq!([&json["old"]["companies"], &json["new"]["companies"]], [1, 2]);
    for sides in [[&new, &old], [&new, &new], [&old, &old]] {
        let (_, text, _) = diff(sides[0].path(), sides[1].path(), &[]);
        assert!(!text.contains("leave out `company`"), "{text}");
    }
    // A failed test stays below the line.
    edit(
        new.path(),
        "acme/tests.toml",
        "expect = { account = \"wa-emea-de-1\"",
        "expect = { account = \"wa-x\"",
    );
    let (exit, text, _) = diff(old.path(), new.path(), &[]);
    assert!(
        exit == 1
            && text.starts_with(first)
            && text.lines().nth(1).unwrap().ends_with(" fail in the new registry:"),
        "{text}"
    );
}

#[test]
fn scope_limits_the_comparison() {
    let (old, new) = edited();
    edit(new.path(), "acme/company.toml", "\"research\"", "\"recherche\"");
    let (exit, text, _) = diff(old.path(), new.path(), &["--channel", "sms", "--ou", "emea,london"]);
    assert_eq!(exit, 0);
    assert_eq!(text.lines().next().unwrap(), "50 decisions become errors; 958 of 1008 are unchanged");
    let whatsapp = ["--company", "acme", "--channel", "whatsapp", "--fail-on", "errors", "--ou", "emea"];
    assert_eq!(diff(old.path(), new.path(), &whatsapp).0, 0);
    // An id is known if one of the two snapshots has it.
    for ou in ["research", "recherche"] {
        assert!(diff(old.path(), new.path(), &["--ou", ou]).1.contains(&format!("acme: the OU {ou} is ")));
    }
    let (exit, _, error) = diff(old.path(), new.path(), &["--ou", "lodnon"]);
    assert!(exit == 2 && error.contains("did you mean `london`?"), "{error}");
}

#[test]
fn json_has_every_change() {
    let (old, new) = edited();
    let json: Value = serde_json::from_str(&diff(old.path(), new.path(), &["--format", "json"]).1).unwrap();
    assert_eq!(json["changes"]["becomes_error"], 225);
    let groups = json["groups"].as_array().unwrap();
    let mut changed = 0;
    for group in groups {
        let places = group["where"].as_array().unwrap().iter();
        let count: usize = places
            .map(|place| {
                place["ous"].as_array().unwrap().len() * place["countries"].as_array().unwrap().len()
            })
            .sum();
        assert_eq!(group["decisions"], count);
        changed += count;
    }
    let sum: u64 = json["changes"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((changed as u64, json["compared"].as_u64().unwrap()), (sum, 22680));
    assert_eq!(json["unchanged"], 22680 - changed);
    let lost = groups.iter().find(|group| group["kind"] == "becomes_error").unwrap();
    assert_eq!(lost["old"]["accounts"][0]["account"], "sms-us-1");
    assert_eq!(lost["new"]["rule"], "no_account");
}

#[test]
fn renamed_ou_is_one_line_gone_and_one_line_new() {
    let (old, new) = (acme(), acme());
    fs::remove_file(new.path().join("acme/tests.toml")).unwrap();
    edit(new.path(), "acme/company.toml", "\"research\"", "\"recherche\"");
    let (exit, text, _) = diff(old.path(), new.path(), &["--fail-on", "errors"]);
    assert_eq!(exit, 1);
    assert!(
        text.contains("acme: the OU recherche is new: ")
            && text.contains("acme: the OU research is removed: ")
    );
    assert!(text.lines().count() < 8, "{text}");
}

#[test]
fn recorded_queries_are_replayed_against_both() {
    let (old, new) = edited();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.ndjson");
    let phone = r#"{"channel":"sms","ou":"london","phone":"+12015550155"}"#;
    let kept = r#"{"channel":"telegram","ou":"london","country":"GB"}"#;
    let lines: Vec<&str> = std::iter::repeat_n(kept, 97).chain([phone; 3]).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let queries = ["--queries", file.to_str().unwrap()];
    let (exit, text, _) = diff(old.path(), new.path(), &queries);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("100 recorded queries") && text.contains("97   97.00 %  are unchanged"), "{text}");
    assert!(text.contains("country → no_account: lines 98, 99, 100"), "{text}");
    assert!(!text.contains("2015550155"), "a phone number");
    let flags = [&queries[..], &["--fail-on", "errors"]].concat();
    assert_eq!(diff(old.path(), new.path(), &flags).0, 1);
    // Blank lines and a byte-order mark are ignored.
    fs::write(&file, format!("\u{feff}{kept}\r\n\r\n{kept}\n\n")).unwrap();
    let (exit, text, error) = diff(old.path(), new.path(), &queries);
    assert!(exit == 0 && text.contains("\n2 recorded queries\n"), "{text}{error}");
    // A query without a client gets the same answer from two equal snapshots.
    let many: String = [r#"{"channel":"whatsapp","ou":"emea","country":"GB"}"#; 500].join("\n");
    fs::write(&file, many).unwrap();
    let (_, text, _) = diff(old.path(), old.path(), &queries);
    assert!(text.contains("500  100.00 %  are unchanged"), "{text}");
}

#[test]
fn malformed_recorded_query_is_named_without_its_content() {
    let (old, new) = edited();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.ndjson");
    fs::write(&file, "{\"channel\":\"sms\",\"ou\":\"emea\",\"country\":\"GB\"}\n{\"phone\":+447400123456}\n")
        .unwrap();
    let (exit, text, error) = diff(old.path(), new.path(), &["--queries", file.to_str().unwrap()]);
    assert_eq!(exit, 1);
    assert!(
        error.contains("queries.ndjson:2: malformed query")
            && error.ends_with("The fault is at column 10.\n"),
        "{error}"
    );
    assert!(!error.contains("447400123456") && !text.contains("447400123456"));
}

#[test]
fn unreadable_source_exits_3_and_faulty_registry_exits_1() {
    let (old, new) = edited();
    let nowhere = Path::new("/nowhere/at/all");
    assert_eq!(diff(old.path(), nowhere, &[]).0, 3);
    assert_eq!(diff(old.path(), Path::new("/etc/hostname"), &[]).0, 3);
    assert_eq!(diff(old.path(), new.path(), &["--queries", "/nowhere/at/all"]).0, 3);
    assert_eq!(diff(old.path(), new.path(), &["--fail-on", "weather"]).0, 2);
    edit(new.path(), "acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    let (exit, _, error) = diff(old.path(), new.path(), &[]);
    assert!(exit == 1 && error.contains("error[unknown_parent]"), "{error}");
}
