//! The findings that `switchboard check` prints: the quoted line, the underlined fault, the remedy.

use std::fs;
use std::path::Path;

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

/// A number that is too short is a warning.
#[test]
fn check_of_a_snapshot_agrees_with_that_of_its_registry() {
    let registry = acme();
    edit(registry.path(), "acme/accounts.csv", "+447400123451,", "+44740012345,");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo");
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("x.swb");
    let snapshot = snapshot.to_str().unwrap();
    for (root, warnings) in [(registry.path(), 1), (&demo, 0)] {
        let root = root.to_str().unwrap();
        let compiled = switchboard(&["compile", root, "-o", snapshot]);
        assert!(compiled.status.success(), "{}", stderr(&compiled));
        let [of_registry, of_snapshot] = [root, snapshot].map(|source| {
            let text = stdout(&switchboard(&["check", source, "--format", "json"]));
            serde_json::from_str::<Value>(&text).unwrap()
        });
        assert_eq!((&of_registry["errors"], &of_registry["warnings"]), (&0.into(), &warnings.into()));
        for member in ["errors", "warnings", "tests", "coverage"] {
            assert_eq!(of_registry[member], of_snapshot[member], "{member} of {root}");
        }
        assert!(of_snapshot["tests"]["run"].as_u64().unwrap() > 1);
        for (a, b) in of_registry["findings"]
            .as_array()
            .unwrap()
            .iter()
            .zip(of_snapshot["findings"].as_array().unwrap())
        {
            assert_eq!((&a["code"], &a["message"]), (&b["code"], &b["message"]));
            assert_eq!(b["entry"], "account[company=acme,id=sms-gb-1].address");
        }
        let not_known = serde_json::json!(["unknown_file", "column_case", "dated_test"]);
        assert_eq!((&of_snapshot["not_known"], &of_registry["not_known"]), (&not_known, &Value::Null));
        let text = stdout(&switchboard(&["check", snapshot]));
        assert!(text.contains("a snapshot has no files and no tests that hold only for some time"), "{text}");
    }
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
