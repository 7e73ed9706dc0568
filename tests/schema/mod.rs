//! The JSON Schemas of a registry's TOML files: made from the types beside this file, checked in, and held to what
//! the readers know. `company`, `channels` and `expectations` describe one file each.

#![allow(dead_code, reason = "the types are there for what is derived from them")]

mod agreement;
mod channels;
mod company;
mod expectations;
mod files;
mod words;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::harness::assert_generated;

/// Draft 7 without references, which every editor's TOML plugin reads.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(without_null));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// TOML has no null: what is an [`Option`] may be left out, and no more.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(types)) = schema.get("type") {
        let only = types.iter().find(|word| *word != "null").cloned();
        schema.insert("type".to_owned(), only.unwrap_or_default());
    }
}

/// Name, and schema as the types have it.
fn all() -> [(&'static str, Value); 3] {
    [
        ("company", of::<company::Company>()),
        ("channels", of::<channels::Channels>()),
        ("tests", of::<expectations::Tests>()),
    ]
}

#[test]
fn what_is_checked_in_is_what_the_types_say() {
    for (name, schema) in all() {
        let made = format!("{schema:#}\n");
        assert_generated(&format!("docs/schema/{name}.schema.json"), made.as_bytes(), "schema::");
    }
}
