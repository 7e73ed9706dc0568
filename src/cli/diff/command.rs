//! From arguments to output.

use std::path::Path;

use super::{json, queries, text};
use crate::cli::arguments::{DiffArguments, OutputFormat, ScopeArguments};
use crate::cli::input::{self, open_snapshot, source_from_path};
use crate::cli::{CommandError, Exit, output};
use switchboard_pipeline::analysis::Scope;
use switchboard_pipeline::analysis::changes::changes;
use switchboard_pipeline::analysis::compare::{Comparison, Kind};
use switchboard_pipeline::analysis::replay::{Fate, Replay};

/// Most lines of a file of queries that are named where they cannot be read.
const MOST_NAMED: usize = 10;

/// Tells what changes.
pub(in crate::cli) fn run(arguments: &DiffArguments) -> Result<Exit, CommandError> {
    let DiffArguments {
        old,
        new,
        scope: ScopeArguments { companies, channels, ous },
        queries,
        fail_on,
        format,
    } = arguments;
    // Both, so that the findings of both are told.
    let (before, now) = (open_snapshot(&source_from_path(old))?, open_snapshot(&source_from_path(new))?);
    let (Some(before), Some(now)) = (before, now) else { return Ok(Exit::Failed) };
    let scope = Scope { companies, channels, ous };
    scope.demand(&[&before, &now]).map_err(|unknown| CommandError::usage(unknown.to_string()))?;
    let time = input::now().to_seconds().0;
    let mut comparison = Comparison::new(&before, &now, time);
    let changes = changes(&mut comparison, scope);
    let replay = match queries {
        None => None,
        Some(path) => {
            let mut replay = Replay::new(&before, &now, time);
            queries::ask_all(path, &mut replay)?;
            Some(replay)
        }
    };
    match format {
        OutputFormat::Text => output::print(&text::render(&mut comparison, &changes, replay.as_ref()))?,
        OutputFormat::Json => {
            let sources = [old.as_path(), new.as_path()];
            output::stream(|out| json::write(out, sources, &mut comparison, &changes, replay.as_ref()))?;
        }
    }
    let bad = replay.as_ref().map_or(&[][..], |replay| &replay.bad);
    name_bad(queries.as_deref().unwrap_or(Path::new("")), bad);
    let errors = changes.count(Kind::BecomesError)
        + replay.as_ref().map_or(0, |replay| replay.count(Fate::BecomesError));
    Ok(if (fail_on.is_some() && errors > 0) || !bad.is_empty() { Exit::Failed } else { Exit::Success })
}

fn name_bad(path: &Path, bad: &[(usize, String)]) {
    for (line, why) in bad.iter().take(MOST_NAMED) {
        output::print_failure(&format!("{}:{line}: not a query: {why}", path.display()));
    }
    if let more @ 1.. = bad.len().saturating_sub(MOST_NAMED) {
        output::print_failure(&format!("{}: {more} more lines are no queries", path.display()));
    }
}
