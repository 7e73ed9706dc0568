//! The JSON Schemas of a registry's TOML files. They are generated from the types in this folder, and the
//! tests compare them with the readers. `company`, `channels` and `expectations` describe one file each.
//!
//! Doc comments of the types become descriptions in the schemas, which editors show to administrators.

#![allow(dead_code, reason = "only the derived schemas are used")]

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

/// Returns the schema of a type in draft 7 without references, because the TOML plugins of all editors can
/// read that.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(without_null));
    let settings = settings.with_transform(RecursiveTransform(with_joined_lines));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Removes `null` from the schema of an [`Option`], because TOML has none.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(types)) = schema.get("type") {
        let only = types.iter().find(|word| *word != "null").cloned();
        schema.insert("type".to_owned(), only.unwrap_or_default());
    }
}

/// Joins the lines of a description, because the line ends are those of the source code.
fn with_joined_lines(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

/// Returns every schema with its name.
fn all() -> [(&'static str, Value); 3] {
    [
        ("company", of::<company::Company>()),
        ("channels", of::<channels::Channels>()),
        ("tests", of::<expectations::Tests>()),
    ]
}

#[test]
fn checked_in_schemas_match_the_types() {
    for (name, schema) in all() {
        let made = format!("{schema:#}\n");
        assert_generated(
            &format!("docs/schema/{name}.schema.json"),
            made.as_bytes(),
            "--test contract schema::",
        );
    }
}
