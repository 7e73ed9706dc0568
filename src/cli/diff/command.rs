//! From arguments to output.

use std::path::Path;

use super::{json, queries, text};
use crate::cli::arguments::{Diff, Format, Named};
use crate::cli::compile::now_ms;
use crate::cli::opened::Origin;
use crate::cli::{Exit, Failure, output};
use switchboard_pipeline::analysis::Scope;
use switchboard_pipeline::analysis::changes::changes;
use switchboard_pipeline::analysis::compare::{Comparison, Kind};
use switchboard_pipeline::analysis::replay::{Fate, Replay};

/// Most lines of a file of queries that are named where they cannot be read.
const MOST_NAMED: usize = 10;

/// Tells what changes.
pub fn run(arguments: &Diff) -> Result<Exit, Failure> {
    let Diff { old, new, scope: Named { companies, channels, ous }, queries, fail_on, format } = arguments;
    // Both, so that the findings of both are told.
    let (before, now) = (Origin::named(old).open()?, Origin::named(new).open()?);
    let (Some(before), Some(now)) = (before, now) else { return Ok(Exit::No) };
    let scope = Scope { companies, channels, ous };
    scope.demand(&[&before, &now]).map_err(|unknown| Failure::usage(unknown.to_string()))?;
    let time = (now_ms() / 1000) as i64;
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
        Format::Text => output::print(&text::render(&mut comparison, &changes, replay.as_ref()))?,
        Format::Json => {
            let sources = [old.as_path(), new.as_path()];
            output::stream(|out| json::write(out, sources, &mut comparison, &changes, replay.as_ref()))?;
        }
    }
    let bad = replay.as_ref().map_or(&[][..], |replay| &replay.bad);
    name_bad(queries.as_deref().unwrap_or(Path::new("")), bad);
    let errors = changes.count(Kind::BecomesError)
        + replay.as_ref().map_or(0, |replay| replay.count(Fate::BecomesError));
    Ok(if (fail_on.is_some() && errors > 0) || !bad.is_empty() { Exit::No } else { Exit::Done })
}

fn name_bad(path: &Path, bad: &[(usize, String)]) {
    for (line, why) in bad.iter().take(MOST_NAMED) {
        output::error(&format!("{}:{line}: not a query: {why}", path.display()));
    }
    if let more @ 1.. = bad.len().saturating_sub(MOST_NAMED) {
        output::error(&format!("{}: {more} more lines are no queries", path.display()));
    }
}
