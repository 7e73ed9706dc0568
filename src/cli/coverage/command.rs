//! From arguments to output.

use super::{listing, page, table};
use crate::cli::arguments::{Coverage, CoverageFormat, Named};
use crate::cli::compile::now_ms;
use crate::cli::opened::Origin;
use crate::cli::{Exit, Failure, output};
use switchboard_pipeline::analysis::{Scope, Survey};

/// Tells of every decision.
pub fn run(arguments: &Coverage) -> Result<Exit, Failure> {
    let Coverage { source, scope: Named { companies, channels, ous }, fold, format, output } = arguments;
    let Some(snapshot) = Origin::named(source).open()? else { return Ok(Exit::No) };
    let scope = Scope { companies, channels, ous }.find(&snapshot);
    let scope = scope.map_err(|unknown| Failure::usage(format!("{}: {unknown}", source.display())))?;
    let mut survey = Survey::new(&snapshot, (now_ms() / 1000) as i64);
    if *format == CoverageFormat::Text {
        return match output {
            None => output::print(&table::render(&mut survey, &scope, *fold, output::width())),
            Some(path) => {
                let text = table::render(&mut survey, &scope, *fold, None);
                let plain = anstream::adapter::strip_str(&text).to_string();
                output::to_file(path, |out| out.write_all(plain.as_bytes()))
            }
        }
        .map(|()| Exit::Done);
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
    Ok(Exit::Done)
}
