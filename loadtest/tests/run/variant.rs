//! The second registry of a scenario with reloads.

use generator::write_variant;
use std::fs;

#[test]
fn one_account_in_ten_is_suspended_in_the_variant() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    fs::create_dir_all(first.join("acme")).unwrap();
    let rows: String = (0..20).map(|n| format!("wa-{n},emea,\n")).collect();
    fs::write(first.join("acme/accounts.csv"), format!("id,pool,state\n{rows}")).unwrap();
    fs::write(first.join("acme/company.toml"), "name = \"Acme\"").unwrap();
    fs::write(first.join("acme/tests.toml"), "").unwrap();
    write_variant(&first, &second).unwrap();
    let text = fs::read_to_string(second.join("acme/accounts.csv")).unwrap();
    assert!(text.starts_with("id,pool,state\nwa-0,emea,suspended\nwa-1,emea,\n"), "{text}");
    assert_eq!(text.matches("suspended").count(), 2, "{text}");
    assert!(second.join("acme/company.toml").is_file() && !second.join("acme/tests.toml").exists());
}
