//! The scenarios in this program, and those in files.

use super::Scenario;
use crate::error::{Error, Result};
use std::{fs, path::Path};
use toml::de::{DeTable, DeValue};

/// Name and text of each, in the order in which a reader meets them.
pub const BUILTIN: [(&str, &str); 7] = [
    ("steady", include_str!("../../scenarios/steady.toml")),
    ("ramp", include_str!("../../scenarios/ramp.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
    ("batch", include_str!("../../scenarios/batch.toml")),
    ("reload-storm", include_str!("../../scenarios/reload-storm.toml")),
    ("standings-churn", include_str!("../../scenarios/standings-churn.toml")),
    ("slow-clients", include_str!("../../scenarios/slow-clients.toml")),
];

/// A built-in scenario by its name, or one of a file, whose name ends in `.toml`.
///
/// # Errors
/// There is none of that name, or the file is not as it must be: with line, and what is expected.
pub fn load(name: &str) -> Result<Scenario> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "toml") {
        let failed = |source| Error::Io { doing: "read", path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return read(&stem, &text).map_err(|why| Error::Usage(format!("{name}: {why}")));
    }
    match BUILTIN.iter().find(|(known, _)| *known == name) {
        Some((known, text)) => read(known, text).map_err(|why| Error::Usage(format!("{known}: {why}"))),
        None => {
            let names: Vec<_> = BUILTIN.iter().map(|(name, _)| *name).collect();
            Err(Error::Usage(format!(
                "there is no scenario {name}: there are {}, or name a file that ends in .toml",
                names.join(", ")
            )))
        }
    }
}

pub(super) fn read(name: &str, text: &str) -> std::result::Result<Scenario, String> {
    let scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
    scenario.check().map_err(|why| match line(text, &why) {
        Some(line) => format!("line {line}: {why}"),
        None => why,
    })?;
    Ok(Scenario { name: name.to_owned(), ..scenario })
}

/// The line of the key that a complaint begins with; none where it is not in the file.
fn line(text: &str, why: &str) -> Option<usize> {
    let key = why.split([' ', ':']).next()?.trim_matches(['[', ']']);
    let root = DeTable::parse(text).ok()?;
    let (mut table, mut at) = (root.get_ref(), 0);
    for part in key.split('.') {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        at = name.span().start;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    Some(text.get(..at)?.matches('\n').count() + 1)
}
