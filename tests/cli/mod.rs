//! The command line as a process: its output and exit codes.

mod client;
mod compile;
mod explain;
mod findings;
pub(crate) mod generate;
mod help;
mod readme;
mod uncovered;

use std::fs;
use std::process::{Command, Output};

use crate::expected::{self, acme, demo, edit};

pub(crate) fn switchboard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard")).args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn select_answers_as_every_test_of_acme_expects() {
    let registry = acme();
    let snapshot = registry.path().join("acme.swb");
    let root = registry.path().to_str().unwrap();
    assert!(switchboard(&["compile", root, "-o", snapshot.to_str().unwrap()]).status.success());
    let tests = expected::of("acme");
    assert_eq!(tests.len(), 44);
    for test in tests {
        let mut arguments = ["select", "--format", "json", "--snapshot", snapshot.to_str().unwrap()]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(test.query.iter().map(|(field, value)| format!("{field}={value}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = switchboard(&arguments);
        let exit = if test.expect.contains_key("error") { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(exit), "{}: {}", test.name, stderr(&output));
        test.hold(&serde_json::from_str(&stdout(&output)).unwrap());
    }
}

#[test]
fn check_of_a_faulty_registry_prints_findings_and_exits_1() {
    let registry = acme();
    edit(registry.path(), "acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    edit(
        registry.path(),
        "acme/accounts.csv",
        "sms-ru-1,sms,secondary,+79123456701,RU",
        "sms-ru-1,sms,secondary,+79123456701,UK",
    );
    let root = registry.path().to_str().unwrap();
    let output = switchboard(&["check", root]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains(&format!("{root}/acme/company.toml:")), "{text}");
    assert!(
        text.contains(": error[unknown_parent]: ") && text.contains(": error[invalid_country]: "),
        "{text}"
    );
    assert!(text.contains("2 errors") && text.contains("tests not run"), "{text}");
    assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&switchboard(&["check", root, "--format", "json"]))).unwrap();
    assert_eq!(json["errors"], 2);
    let errors = json["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    let codes: Vec<&str> = errors.map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["invalid_country", "unknown_parent"]);
}

#[test]
fn check_reports_the_actual_answer_of_a_failed_test() {
    let registry = acme();
    edit(
        registry.path(),
        "acme/tests.toml",
        "expect = { account = \"wa-emea-de-1\", rule = \"country\", climbed = 0 }",
        "expect = { account = \"wa-emea-de-2\", climbed = 0 }",
    );
    let output = switchboard(&["check", registry.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("error[failed_test]")
            && text.contains("expected account \"wa-emea-de-2\", got \"wa-emea-de-1\""),
        "{text}"
    );
    assert!(text.contains("44 tests, 1 failed"), "{text}");
}

#[test]
fn check_below_the_required_coverage_exits_1() {
    let root = demo();
    let root = root.to_str().unwrap();
    assert_eq!(switchboard(&["check", root, "--fail-under", "1"]).status.code(), Some(0));
    let output = switchboard(&["check", root, "--fail-under", "100"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("add tests"));
}

#[test]
fn registry_without_tests_covers_no_step() {
    let registry = acme();
    fs::remove_file(registry.path().join("acme/tests.toml")).unwrap();
    let output = switchboard(&["check", registry.path().to_str().unwrap(), "--fail-under", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("the tests cover 0 of "), "{}", stdout(&output));
}

#[test]
fn test_may_expect_a_malformed_query() {
    let registry = acme();
    let path = registry.path().join("acme/tests.toml");
    let test = "[[test]]\nname = \"no such role\"\nexpect = { error = \"bad_request\" }\n\
        query = { channel = \"whatsapp\", ou = \"emea\", country = \"GB\", role = \"tertiary\" }\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + "\n" + test).unwrap();
    let output = switchboard(&["check", registry.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("45 tests, 0 failed"));
}

#[test]
fn compile_is_deterministic_and_keeps_the_old_file_on_errors() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    for name in ["one.swb", "two.swb"] {
        let output = switchboard(&["compile", root, "-o", &at(name), "--generation", "7"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let bytes = fs::read(at("one.swb")).unwrap();
    assert_eq!(bytes, fs::read(at("two.swb")).unwrap());
    edit(registry.path(), "acme/company.toml", "channel = \"line\"", "channel = \"lime\"");
    assert_eq!(switchboard(&["compile", root, "-o", &at("one.swb")]).status.code(), Some(1));
    assert_eq!(bytes, fs::read(at("one.swb")).unwrap(), "the old file is unchanged");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2, "no temporary file is left");
    let inspected = stdout(&switchboard(&["inspect", &at("one.swb"), "--format", "json"]));
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!((&inspected["generation"], &inspected["counts"]["accounts"]), (&7.into(), &39.into()));
}

#[test]
fn io_error_exits_3_and_wrong_usage_exits_2() {
    let root = demo();
    let root = root.to_str().unwrap();
    for arguments in [
        &["check", "/nowhere/at/all"][..],
        &["inspect", "/nowhere/at/all"],
        &["inspect", "/etc/hostname"],
        &["select", "--snapshot", "/etc/hostname", "channel=sms", "ou=emea", "country=GB"],
        &["compile", root, "-o", "/nowhere/at/all/file.swb"],
        &["serve", "--config", "/nowhere/at/all"],
    ] {
        let output = switchboard(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("error: "), "{}", stderr(&output));
    }
    for arguments in [
        &["compile", root][..],
        &["select", "channel"],
        &["serve", "--registry", root, "--snapshot", root],
        &["check", root, "--fail-under", "101"],
        &["dance"],
    ] {
        assert_eq!(switchboard(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn select_prints_a_problem_as_json_without_the_phone() {
    let output = switchboard(&[
        "select",
        "--format",
        "json",
        "company=acme",
        "channel=whatsapp",
        "ou=emea",
        "phone=+9991234567",
        "+447400123456=x",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let problem: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(problem["code"], "bad_request");
    assert!(!stdout(&output).contains("447400123456") && !stdout(&output).contains("9991234567"));
}
