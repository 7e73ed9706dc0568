//! `switchboard diff`: the decisions that an edit changes, and the recorded queries whose answers it changes.
//!
//! `text` renders the changes for people, folded into few lines. `json` writes all of them.

mod json;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use switchboard_model::MAX_QUERY_BYTES;
use switchboard_pipeline::analysis::Scope;
use switchboard_pipeline::analysis::compare::{Change, Comparison, find_changes};
use switchboard_pipeline::analysis::replay::Replay;

use super::arguments::{DiffArguments, OutputFormat, ScopeArguments};
use super::input::{now, open_snapshot, source_from_path};
use super::{CommandError, Exit, output};

/// Maximum number of malformed recorded queries that are reported one by one.
const MAX_NAMED_LINES: usize = 10;

/// Prints the changes of decisions, and of the answers to recorded queries.
pub(super) fn run(arguments: &DiffArguments) -> Result<Exit, CommandError> {
    let DiffArguments {
        old,
        new,
        scope: ScopeArguments { companies, channels, ous },
        queries,
        fail_on,
        format,
    } = arguments;
    // Both are opened before the command fails, so that the findings of both are printed.
    let (old_snapshot, new_snapshot) =
        (open_snapshot(&source_from_path(old))?, open_snapshot(&source_from_path(new))?);
    let (Some(old_snapshot), Some(new_snapshot)) = (old_snapshot, new_snapshot) else {
        return Ok(Exit::Failed);
    };
    let scope = Scope { companies, channels, ous };
    scope
        .check(&[&old_snapshot, &new_snapshot])
        .map_err(|unknown| CommandError::usage(unknown.to_string()))?;
    let now = now().to_seconds();
    let mut comparison = Comparison::new(&old_snapshot, &new_snapshot, now);
    let changes = find_changes(&mut comparison, scope);
    let replay = match queries {
        None => None,
        Some(path) => {
            let mut replay = Replay::new(&old_snapshot, &new_snapshot, now);
            replay_file(path, &mut replay)?;
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
    let malformed = replay.as_ref().map_or(&[][..], |replay| &replay.bad);
    print_malformed(queries.as_deref().unwrap_or(Path::new("")), malformed);
    let errors = changes.count(Change::BecomesError)
        + replay.as_ref().map_or(0, |replay| replay.count(Change::BecomesError));
    Ok(if (fail_on.is_some() && errors > 0) || !malformed.is_empty() { Exit::Failed } else { Exit::Success })
}

fn print_malformed(path: &Path, malformed: &[(usize, String)]) {
    for (line, why) in malformed.iter().take(MAX_NAMED_LINES) {
        output::print_failure(&format!("{}:{line}: malformed query: {why}", path.display()));
    }
    if let more @ 1.. = malformed.len().saturating_sub(MAX_NAMED_LINES) {
        output::print_failure(&format!("{}: {more} more queries are malformed", path.display()));
    }
}

/// Replays every line of a file of recorded queries. Reads line by line, because the file may be larger than
/// memory.
fn replay_file(path: &Path, replay: &mut Replay<'_>) -> Result<(), CommandError> {
    let replayed = File::open(path)
        .and_then(|file| each_line(BufReader::new(file), |line, text| replay.ask(line, text)));
    replayed.map_err(|error| {
        CommandError::io(format!(
            "cannot read {}: {error}; expected a file with one JSON object a line",
            path.display()
        ))
    })
}

/// Calls `visit` with the number and the text of each line. A line that is too long for a query is cut, but
/// stays too long.
fn each_line(mut file: impl BufRead, mut visit: impl FnMut(usize, &[u8])) -> io::Result<()> {
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let limit = MAX_QUERY_BYTES as u64 + 2;
        if (&mut file).take(limit).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() as u64 == limit {
            file.skip_until(b'\n')?;
        }
        visit(line, &text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_any_length_has_its_number() {
        let mut lines = Vec::new();
        let long = "x".repeat(3 * MAX_QUERY_BYTES);
        let exact = "y".repeat(MAX_QUERY_BYTES);
        let file = format!("a\n\n{long}\n{exact}\nb\r\nc");
        each_line(file.as_bytes(), |line, text| lines.push((line, text.len(), text.first().copied())))
            .unwrap();
        let first = [(1, 1, Some(b'a')), (2, 0, None), (3, MAX_QUERY_BYTES + 2, Some(b'x'))];
        assert_eq!(lines[..3], first);
        assert_eq!(lines[3..], [(4, MAX_QUERY_BYTES, Some(b'y')), (5, 2, Some(b'b')), (6, 1, Some(b'c'))]);
    }
}
