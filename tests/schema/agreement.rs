//! Tests that the schemas and the readers of a registry know the same keys.

use std::collections::BTreeSet;

use serde_json::Value;
use switchboard_registry::{Code, Files, check, read};

/// A schema, the path of a table in it, the file that has the table, and the table with an unknown key.
const TABLES: [(&str, &str, &str, &str); 7] = [
    ("company", "", "c/company.toml", "zzzzzzzz = 1\n"),
    ("company", "/properties/ou/items", "c/company.toml", "[[ou]]\nid = \"a\"\nzzzzzzzz = 1\n"),
    ("company", "/properties/pool/items", "c/company.toml", "[[pool]]\nid = \"a\"\nzzzzzzzz = 1\n"),
    ("channels", "/properties/channel/additionalProperties", "channels.toml", "[channel.x]\nzzzzzzzz = 1\n"),
    ("channels", "/properties/channel/properties/sms", "channels.toml", "[channel.sms]\nzzzzzzzz = 1\n"),
    (
        "tests",
        "/properties/test/items/properties/query",
        "c/tests.toml",
        "[[test]]\nquery = { zzzzzzzz = 1 }\n",
    ),
    (
        "tests",
        "/properties/test/items/properties/expect",
        "c/tests.toml",
        "[[test]]\nexpect = { zzzzzzzz = 1 }\n",
    ),
];

fn schema(name: &str) -> Value {
    super::all().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// Returns the keys that the reader lists when it finds an unknown one.
fn readers_keys(file: &str, text: &str) -> BTreeSet<String> {
    let sound = [("c/company.toml", "[[ou]]\nid = \"a\"\n")].into_iter().chain([(file, text)]);
    let files = Files::from_iter(sound.map(|(path, text)| (path, text.as_bytes())));
    let (registry, mut findings) = read(&files);
    check(&registry, &mut findings);
    let unknown = findings.iter().find(|finding| finding.code == Code::UnknownKey).unwrap();
    let (_, keys) = unknown.help.split_once("the known keys are ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn schemas_have_exactly_the_keys_of_the_readers() {
    for (name, pointer, file, text) in TABLES {
        let schema = schema(name);
        let table = schema.pointer(pointer).unwrap_or_else(|| panic!("{name} has {pointer}: {schema:#}"));
        let keys: BTreeSet<String> = table["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, readers_keys(file, text), "{name} {pointer}");
        assert_eq!(table["additionalProperties"], false, "{name} {pointer}");
    }
    let root = schema("tests");
    assert_eq!(root["additionalProperties"], false);
    assert_eq!(readers_keys("c/tests.toml", "zzzzzzzz = 1\n"), ["test".to_owned()].into());
    assert_eq!(readers_keys("channels.toml", "zzzzzzzz = 1\n"), ["channel".to_owned()].into());
    assert_eq!(
        readers_keys("c/tests.toml", "[[test]]\nzzzzzzzz = 1\n"),
        root["properties"]["test"]["items"]["properties"].as_object().unwrap().keys().cloned().collect()
    );
}

#[test]
fn schema_describes_every_built_in_channel() {
    let text = include_str!("../../config/channels.toml");
    let built_in: toml::Table = text.parse().unwrap();
    let built_in: BTreeSet<&String> = built_in["channel"].as_table().unwrap().keys().collect();
    let schema = schema("channels");
    let known = schema["properties"]["channel"]["properties"].as_object().unwrap();
    assert_eq!(known.keys().collect::<BTreeSet<_>>(), built_in);
}

/// When an editor completes a key, it shows the description and an example or the allowed words.
#[test]
fn every_key_has_a_description_and_an_example() {
    fn walk(name: &str, value: &Value) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, property) in properties {
                assert!(
                    property["description"].as_str().is_some_and(|text| text.len() > 10),
                    "{name}: {key}"
                );
                let says = ["examples", "enum", "oneOf", "default", "items", "properties"];
                assert!(says.iter().any(|word| property.get(word).is_some()), "{name}: {key} {property}");
            }
        }
        match value {
            Value::Object(object) => object.values().for_each(|value| walk(name, value)),
            Value::Array(list) => list.iter().for_each(|value| walk(name, value)),
            _ => {}
        }
    }
    for (name, schema) in super::all() {
        walk(name, &schema);
    }
}
