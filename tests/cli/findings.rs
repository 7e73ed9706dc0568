//! The findings that `switchboard check` prints: the quoted line, the underlined fault, the remedy.

use std::fs;

use serde_json::Value;

use super::{stderr, stdout, switchboard};
use crate::expected::{acme, edit};

#[test]
fn text_of_a_finding_is_exact() {
    let registry = acme();
    edit(registry.path(), "acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    edit(
        registry.path(),
        "acme/accounts.csv",
        "sms-gb-1,sms,secondary,+447400123451",
        "sms-gb-1,sms,secondary,+12015550151",
    );
    let root = registry.path().to_str().unwrap();
    let output = switchboard(&["check", root]);
    let text = stdout(&output);
    let company = fs::read_to_string(registry.path().join("acme/company.toml")).unwrap();
    let line = company.lines().position(|line| line == "parent = \"dech\"").unwrap() + 1;
    let parent = format!(
        "{root}/acme/company.toml:{line}: error[unknown_parent]: OU `zurich` names parent `dech`, which does not exist\n   \
         |\n{line} | parent = \"dech\"\n   |          ^^^^^^\n   |\n   = help: did you mean `dach`?\n"
    );
    assert!(text.contains(&parent), "{parent}\n{text}");
    let address = "31 | sms-gb-1,sms,secondary,+12015550151,GB,acme-sms,,,,\n   |                        ^^^^^^^^^^^^\n";
    let first = "30 | sms-us-1,sms,secondary,+12015550151,US,acme-sms,,,,\n   \
                 |                        ------------ the first account with this address\n";
    assert!(text.contains(address) && text.contains(first), "{text}");
    // Other commands print findings in the same format.
    let target = registry.path().join("x.swb");
    let compiled = stderr(&switchboard(&["compile", root, "-o", target.to_str().unwrap()]));
    assert!(compiled.contains(&parent), "{compiled}");
    let asked = stderr(&switchboard(&["select", "--registry", root, "channel=sms", "ou=emea", "country=GB"]));
    assert!(asked.contains(&parent), "{asked}");
}

#[test]
fn json_finding_has_columns_on_its_own_line_alone() {
    let registry = acme();
    edit(registry.path(), "acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    let line = "channel = \"line\"\nous = ";
    edit(registry.path(), "acme/company.toml", &format!("{line}[\"acme\"]"), &format!("{line}[\"dach\"]"));
    let json = stdout(&switchboard(&["check", registry.path().to_str().unwrap(), "--format", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["code"] == "unknown_parent").unwrap();
    assert_eq!((&finding["column"], &finding["end_column"]), (&10.into(), &16.into()));
    let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["file", "line", "severity", "code", "message", "help", "column", "end_column"]);
    // If the fault is below the reported line, the finding has no column.
    let unserved = findings.iter().find(|finding| finding["code"] == "unserved_ou").unwrap();
    assert!(unserved.get("column").is_none() && unserved["line"].is_u64());
}

/// A failed test quotes its query, which may have the phone number of a client.
#[test]
fn failed_test_shows_the_expectation_and_masks_the_phone() {
    let registry = acme();
    let test = "\n[[test]]\nname = \"x\"\nquery = { channel = \"whatsapp\", ou = \"emea\", phone = \"+447400999888\" }\n\
                expect = { rule = \"geography\" }\n";
    let path = registry.path().join("acme/tests.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + test).unwrap();
    let text = stdout(&switchboard(&["check", registry.path().to_str().unwrap()]));
    assert!(text.contains("| expect = { rule = \"geography\" }\n"), "{text}");
    assert!(text.contains("|          ^^^^^^^^^^^^^^^^^^^^^^\n"), "{text}");
    assert!(text.contains("phone = \"•••••••••••••\"") && !text.contains("447400999888"), "{text}");
}

#[test]
fn long_lines_are_cut_and_control_characters_replaced() {
    let registry = acme();
    let long = format!(
        "line = {{ x = \"{}\u{1b}[31m\", chanel = 1, y = \"{}\" }}\n",
        "é".repeat(5000),
        "z".repeat(5000)
    );
    let path = registry.path().join("acme/company.toml");
    fs::write(&path, long.clone() + &fs::read_to_string(&path).unwrap()).unwrap();
    fs::write(registry.path().join("acme/stray.txt"), "x").unwrap();
    let text = stdout(&switchboard(&["check", registry.path().to_str().unwrap()]));
    assert!(text.lines().all(|line| line.chars().count() < 300), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let stray = "stray.txt:1: warning[unknown_file]: `stray.txt` is not a file of a registry, and is not read\n  help: ";
    assert!(text.contains(stray), "{text}");
}
