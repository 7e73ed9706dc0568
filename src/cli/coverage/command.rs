//! From arguments to output.

use super::{listing, page, table};
use crate::cli::arguments::{CoverageArguments, CoverageFormat, ScopeArguments};
use crate::cli::input::{now, open_snapshot, source_from_path};
use crate::cli::{CommandError, Exit, output};
use switchboard_pipeline::analysis::{Scope, Survey};

/// Tells of every decision.
pub(in crate::cli) fn run(arguments: &CoverageArguments) -> Result<Exit, CommandError> {
    let CoverageArguments {
        source,
        scope: ScopeArguments { companies, channels, ous },
        fold,
        format,
        output,
    } = arguments;
    let Some(snapshot) = open_snapshot(&source_from_path(source))? else { return Ok(Exit::Failed) };
    let scope = Scope { companies, channels, ous }.find(&snapshot);
    let scope = scope.map_err(|unknown| CommandError::usage(format!("{}: {unknown}", source.display())))?;
    let mut survey = Survey::new(&snapshot, now().to_seconds().0);
    if *format == CoverageFormat::Text {
        return match output {
            None => output::print(&table::render(&mut survey, &scope, *fold, output::terminal_width())),
            Some(path) => {
                let text = table::render(&mut survey, &scope, *fold, None);
                let plain = anstream::adapter::strip_str(&text).to_string();
                output::to_file(path, |out| out.write_all(plain.as_bytes()))
            }
        }
        .map(|()| Exit::Success);
    }
    let fill = |out: &mut dyn std::io::Write| match format {
        CoverageFormat::Csv => listing::csv(out, &mut survey, &scope),
        CoverageFormat::Json => listing::json(out, &mut survey, &scope),
        CoverageFormat::Html | CoverageFormat::Text => page::write(out, &mut survey, &scope),
    };
    match output {
        None => output::stream(fill)?,
        Some(path) => output::to_file(path, fill)?,
    }
    Ok(Exit::Success)
}
