//! Properties of the OpenAPI description that client generators need and validators do not check.

use serde_json::Value;

use super::document::{Document, members};
use crate::harness::DaemonProcess;

/// The keywords of JSON Schema that are used. In a flow mapping, a comma in a text without quotes ends the
/// text, and what follows becomes a keyword of its own, which every validator must ignore.
const WORDS: [&str; 22] = [
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "dependentRequired",
    "description",
    "else",
    "enum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "then",
    "type",
];

/// Returns every schema of the document, nested ones included, with its place.
fn schemas(document: &Document) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, schema) in members(&document.root["components"]["schemas"]) {
        within(name.to_owned(), schema, &mut found);
    }
    beside(String::new(), &document.root, &mut found);
    found
}

/// Collects the schemas of media types, parameters and headers.
fn beside(at: String, value: &Value, found: &mut Vec<(String, Value)>) {
    let items = value.as_array().into_iter().flatten().enumerate().map(|(n, item)| (n.to_string(), item));
    for (name, inner) in members(value).map(|(name, inner)| (name.to_owned(), inner)).chain(items) {
        match name.as_str() {
            "schema" => within(at.clone(), inner, found),
            "schemas" | "examples" | "example" => {}
            _ => beside(format!("{at}/{name}"), inner, found),
        }
    }
}

fn within(at: String, schema: &Value, found: &mut Vec<(String, Value)>) {
    found.push((at.clone(), schema.clone()));
    for (name, inner) in members(&schema["properties"]) {
        within(format!("{at}.{name}"), inner, found);
    }
    for word in ["items", "additionalProperties", "if", "then", "else"] {
        if schema[word].is_object() {
            within(format!("{at} {word}"), &schema[word], found);
        }
    }
    for one in schema["anyOf"].as_array().into_iter().flatten() {
        within(format!("{at} anyOf"), one, found);
    }
}

#[test]
fn schema_names_are_meaningful() {
    let document = Document::of(&DaemonProcess::start(&[]));
    let schemas = schemas(&document);
    assert!(schemas.len() > 100, "{}: most schemas were passed over", schemas.len());
    for (at, schema) in &schemas {
        for (word, _) in members(schema) {
            assert!(WORDS.contains(&word), "{at}: {word:?} is no word of a schema");
        }
    }
}

/// For a choice between unnamed conditions, generators write `Any`, and the operation loses its types.
#[test]
fn choices_are_between_types() {
    let document = Document::of(&DaemonProcess::start(&[]));
    for (at, schema) in schemas(&document) {
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            assert!(one["$ref"].is_string() || one["type"].is_string(), "{at}: {one}");
        }
    }
}

/// Generated clients write a list in a URL as a repeated field and ignore `explode`. The daemon rejects this.
#[test]
fn no_parameter_is_a_list() {
    let document = Document::of(&DaemonProcess::start(&[]));
    for (name, parameter) in members(&document.root["components"]["parameters"]) {
        assert_ne!(parameter["schema"]["type"], "array", "{name}");
    }
}

/// Generators treat a member with a default as required, so that clients would have to send it.
#[test]
fn no_member_has_a_default() {
    let document = Document::of(&DaemonProcess::start(&[]));
    for (at, schema) in schemas(&document) {
        for (name, member) in members(&schema["properties"]) {
            assert!(member.get("default").is_none(), "{at}.{name}");
        }
    }
}
