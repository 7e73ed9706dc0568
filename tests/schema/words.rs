//! The types of values that occur in several files.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use switchboard_model::SelectError;

/// Declares types with a hand-written schema.
macro_rules! forms {
    ($($name:ident = $schema:tt;)*) => {
        $(pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

forms! {
    Id = {"type": "string", "pattern": "^[!#-&(-+.0-~-]{1,128}$"};
    Country = {"type": "string", "pattern": "^[A-Za-z]{2}$", "examples": ["GB"]};
    Version = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+){0,2}$", "examples": ["1.24.0"]};
    Since = {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+){0,2}|never)$", "examples": ["1.24.0", "never"]};
    Rule = {"type": "string", "enum": (switchboard_model::Rule::ALL.map(switchboard_model::Rule::as_str))};
    Problem = {"type": "string", "enum": (SelectError::ALL.map(SelectError::as_str))};
    Mapping = {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z]{2}$"},
        "additionalProperties": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
        "examples": [{"IE": "GB"}]
    };
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Primary,
    Secondary,
}
