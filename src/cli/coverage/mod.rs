//! `switchboard coverage`: the rule that serves each country, for every OU, channel and role.
//!
//! `table` renders the coverage as text, and `page` as HTML with a map. CSV and JSON are written here.

mod page;
mod table;

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use switchboard_pipeline::analysis::{DecisionTable, Scope, Scoped};
use switchboard_snapshot::Snapshot;

use super::arguments::{CoverageArguments, CoverageFormat, ScopeArguments};
use super::output::{self, STANDARD_OUTPUT};
use super::source::{now, open_snapshot, source_from_path};
use super::{CommandError, Exit};

const COLUMNS: [&str; 8] = ["company", "ou", "channel", "country", "rule", "climbed", "pool", "role"];

/// Prints every decision of a snapshot, or writes the decisions to a file.
pub(super) fn run(arguments: &CoverageArguments) -> Result<Exit, CommandError> {
    let CoverageArguments {
        source: path_of_source,
        scope: ScopeArguments { companies, channels, ous },
        role,
        limits,
        access,
        fold,
        format,
        output,
    } = arguments;
    let source = &source_from_path(path_of_source, access)?;
    let opened = open_snapshot(source, limits.limits())?;
    let Some(snapshot) = opened else { return Ok(Exit::Failed) };
    let scope =
        Scope { companies, channels, ous, roles: role.map(Into::into).unwrap_or_default() }.find(&snapshot);
    let scope = scope
        .map_err(|unknown| CommandError::usage(format!("{}: {unknown}", source.name(path_of_source))))?;
    let mut decisions = DecisionTable::new(&snapshot, now().to_seconds());
    let path = output.as_deref().filter(|path| *path != Path::new(STANDARD_OUTPUT));
    match (format, path) {
        (CoverageFormat::Text, None) => {
            output::print(&table::render(&mut decisions, &scope, *fold, output::terminal_width()))?;
        }
        (CoverageFormat::Text, Some(path)) => {
            let text = table::render(&mut decisions, &scope, *fold, None);
            let plain = anstream::adapter::strip_str(&text).to_string();
            output::to_file(path, |out| out.write_all(plain.as_bytes()))?;
        }
        (CoverageFormat::Csv, _) => write(path, |out| write_csv(out, &mut decisions, &scope))?,
        (CoverageFormat::Json, _) => write(path, |out| write_json(out, &mut decisions, &scope))?,
        (CoverageFormat::Html, _) => write(path, |out| page::write(out, &mut decisions, &scope))?,
    }
    Ok(Exit::Success)
}

/// Writes the output of `fill` to the file at `path`, or to standard output without a path.
fn write(
    path: Option<&Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    match path {
        None => output::stream(fill),
        Some(path) => output::to_file(path, fill),
    }
}

/// The decision for one OU, channel, role and country. The fields are in the order of [`COLUMNS`].
#[derive(Clone, Copy, Serialize)]
struct DecisionRow<'s> {
    company: &'s str,
    ou: &'s str,
    channel: &'s str,
    country: &'static str,
    /// The rule of the decision, or the code of the problem.
    rule: &'static str,
    climbed: Option<u32>,
    pool: Option<&'s str>,
    role: &'static str,
}

/// Writes the rows as CSV with a header. Fields that a problem does not have are empty.
fn write_csv(out: &mut dyn Write, decisions: &mut DecisionTable<'_>, scope: &[Scoped]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS).map_err(into_io_error)?;
    let mut digits = itoa::Buffer::new();
    each_row(decisions, scope, |row| {
        let DecisionRow { company, ou, channel, country, rule, climbed, pool, role } = row;
        let climbed = climbed.map(|climbed| digits.format(climbed)).unwrap_or_default();
        let record = [company, ou, channel, country, rule, climbed, pool.unwrap_or_default(), role];
        csv.write_record(record).map_err(into_io_error)
    })?;
    csv.flush()
}

/// Returns the I/O error inside a CSV error, so that a closed pipe keeps its kind.
fn into_io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Writes the rows as a JSON array. Fields that a problem does not have are null.
fn write_json(out: &mut dyn Write, decisions: &mut DecisionTable<'_>, scope: &[Scoped]) -> io::Result<()> {
    out.write_all(b"[")?;
    let mut separator: &[u8] = b"\n";
    each_row(decisions, scope, |row| {
        out.write_all(separator)?;
        separator = b",\n";
        serde_json::to_writer(&mut *out, &row)?;
        Ok(())
    })?;
    out.write_all(b"\n]\n")
}

/// Calls `write` with each row. Rows are made one at a time, because 100,000 OUs have 200 million rows.
fn each_row<'s>(
    decisions: &mut DecisionTable<'s>,
    scope: &[Scoped],
    mut write: impl FnMut(DecisionRow<'s>) -> io::Result<()>,
) -> io::Result<()> {
    let snapshot: &'s Snapshot = decisions.snapshot();
    for Scoped { company: company_idx, ous, channels } in scope {
        let company = snapshot.company(*company_idx).id();
        for &ou_idx in ous {
            let ou = snapshot.ou(ou_idx).id();
            for &(channel_idx, role) in channels {
                let channel = snapshot.channel(channel_idx).id();
                let row = decisions.row_of(*company_idx, ou_idx, channel_idx, role);
                for (country, decision) in decisions.row(row).countries() {
                    write(DecisionRow {
                        company,
                        ou,
                        channel,
                        country: country.alpha2(),
                        rule: decision.as_str(),
                        climbed: decision.served().map(|served| served.climbed),
                        pool: decision.served().map(|served| served.pool(snapshot)),
                        role: role.as_str(),
                    })?;
                }
            }
        }
    }
    Ok(())
}
