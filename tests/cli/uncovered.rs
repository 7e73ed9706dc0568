//! `switchboard check --fail-under`: the steps that no test covers, and the test that it suggests.

use std::fs;

use serde_json::Value;

use super::{stdout, switchboard};
use crate::expected::acme;

fn check_all_covered(root: &str) -> Value {
    let output = switchboard(&["check", root, "--fail-under", "100", "--format", "json"]);
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn each_suggested_test_covers_one_step_until_none_is_left() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    let tests = registry.path().join("acme/tests.toml");
    fs::remove_file(&tests).unwrap();
    let mut reached = 0;
    let mut written = String::new();
    loop {
        let json = check_all_covered(root);
        let coverage = &json["coverage"];
        let unreached = coverage["unreached"].as_array().unwrap();
        let (steps, now) = (coverage["steps"].as_u64().unwrap(), coverage["reached"].as_u64().unwrap());
        assert_eq!(now, reached, "{json:#}");
        assert_eq!(unreached.len() as u64, steps - now, "{json:#}");
        assert!(
            unreached
                .iter()
                .all(|step| step["no_country"] == true || !step["countries"].as_array().unwrap().is_empty())
        );
        let output = switchboard(&["check", root, "--fail-under", "100"]);
        let text = stdout(&output);
        let Some((list, test)) = text.split_once("add it to acme/tests.toml\n\n") else {
            assert!(steps - now <= 3, "{text}");
            break;
        };
        assert!(list.contains("step without a test") || list.contains("steps without a test"), "{list}");
        assert_eq!(output.status.code(), Some(1));
        written += test;
        fs::write(&tests, &written).unwrap();
        reached += 1;
    }
    assert!(reached > 20, "{reached}");
}

#[test]
fn uncovered_steps_are_listed_with_fail_under_alone() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    assert!(!stdout(&switchboard(&["check", root])).contains("without a test"));
    let json: Value =
        serde_json::from_str(&stdout(&switchboard(&["check", root, "--format", "json"]))).unwrap();
    assert!(json["coverage"].get("unreached").is_none());
    let text = stdout(&switchboard(&["check", root, "--fail-under", "1"]));
    assert!(text.contains("acme: OU acme, sms primary, pool acme-sms, country: US"), "{text}");
    let step = &check_all_covered(root)["coverage"]["unreached"][0];
    let keys: Vec<&String> = step.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["company", "ou", "channel", "role", "pool", "rule", "countries", "no_country"]);
}
