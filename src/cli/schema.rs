//! `switchboard schema company|channels|tests`: the JSON Schemas that editors complete a registry's files by.

use super::arguments::{Schema, SchemaOf};
use super::{Exit, Failure, output};

/// Prints the schema of one of a registry's TOML files.
pub fn run(arguments: &Schema) -> Result<Exit, Failure> {
    // Made from types by the tests, and so no code of this program.
    output::print(match arguments.file {
        SchemaOf::Company => include_str!("../../docs/schema/company.schema.json"),
        SchemaOf::Channels => include_str!("../../docs/schema/channels.schema.json"),
        SchemaOf::Tests => include_str!("../../docs/schema/tests.schema.json"),
    })?;
    Ok(Exit::Done)
}
