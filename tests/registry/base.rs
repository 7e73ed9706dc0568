//! A small registry without faults, and functions that put faults into it.

use std::collections::BTreeMap;

use switchboard_registry::{Files, Finding, Findings, Registry, check, read};

pub(crate) const CHANNELS: &str = r#"[channel.viber]
conversation_role = "secondary"
pool_must_hold = ["secondary"]
address = "handle"

[channel.sms]
dedicated_since = "1.25.0"
"#;

pub(crate) const COMPANY: &str = r#"name = "Acme"
ou_without_pool = "inherit"
dedicated_unavailable = "error"
platform_version = "1.24.0"

[geography]
IE = "GB"

[[ou]]
id = "acme"

[[ou]]
id = "emea"
parent = "acme"

[[pool]]
id = "whats"
channel = "whatsapp"
ous = ["acme"]
priority = 0
country_match = "country"
default_country = "GB"
fallback_upward = true
geography = { NL = "DE" }

[[pool]]
id = "mini"
channel = "wechat_miniapp"
ous = ["acme"]
"#;

pub(crate) const OUS: &str = "id,parent,name\nlondon,emea,London\nzurich,emea,\"Zürich, CH\"\n";

pub(crate) const ACCOUNTS: &str = "\
id,channel,role,address,country,pool,user,weight,state,available_from
wa-primary,whatsapp,primary,+447400123400,GB,whats,,,,
wa-gb-1,whatsapp,secondary,+447400123401,GB,whats,,,,
wa-de-1,whatsapp,secondary,+4915123456701,,whats,,5,active,
wa-trader-1,whatsapp,,+447400123477,GB,,trader-1@acme.example,,,
mini-1,wechat_miniapp,primary,service@acme.example,CN,mini,,,draining,2026-01-01
wa-spare-1,whatsapp,secondary,+447400123499,GB,,,,,
";

pub(crate) const TESTS: &str = r#"[[test]]
name = "London inherits"
query = { channel = "whatsapp", ou = "london", phone = "+447400123456" }
expect = { rule = "country", climbed = 2 }
"#;

/// The contents of files by their paths.
pub(crate) type Texts = BTreeMap<String, Vec<u8>>;

pub(crate) fn sound() -> Texts {
    company("acme").into_iter().chain([("channels.toml".to_owned(), CHANNELS.into())]).collect()
}

/// Returns the company without faults, under another id.
pub(crate) fn company(id: &str) -> Texts {
    [("company.toml", COMPANY), ("ous.csv", OUS), ("accounts.csv", ACCOUNTS), ("tests.toml", TESTS)]
        .into_iter()
        .map(|(name, text)| (format!("{id}/{name}"), text.as_bytes().to_vec()))
        .collect()
}

/// Replaces a text that occurs exactly once in a file.
pub(crate) fn replace(texts: &mut Texts, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(texts[file].clone()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from:?} occurs once in {file}");
    texts.insert(file.to_owned(), text.replace(from, to).into_bytes());
}

pub(crate) fn files(texts: &Texts) -> Files {
    texts.iter().map(|(path, text)| (path.as_str(), text.as_slice())).collect()
}

/// Reads and checks a registry.
pub(crate) fn run(texts: &Texts) -> (Registry, Vec<Finding>) {
    let (registry, findings) = read_and_check(&files(texts));
    (registry, findings.into_iter().collect())
}

/// Reads and checks a registry of these files. Keeps the findings as they are.
pub(crate) fn read_and_check(files: &Files) -> (Registry, Findings) {
    let (registry, mut findings) = read(files);
    check(&registry, &mut findings);
    (registry, findings)
}

pub(crate) fn printed<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> String {
    findings.into_iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn base_registry_has_no_finding() {
    let (registry, findings) = run(&sound());
    assert!(findings.is_empty(), "{}", printed(&findings));
    assert_eq!(registry.companies.len(), 1);
    assert_eq!(registry.companies[0].accounts.len(), 6);
    assert_eq!(registry.companies[0].ous.len(), 4);
}
