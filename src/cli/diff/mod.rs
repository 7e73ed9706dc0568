//! `switchboard diff`: the decisions that an edit changes, and the recorded queries whose answers it changes.
//!
//! `text` renders the changes for people, folded into few lines. The JSON has all of them.

mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use switchboard_model::MAX_QUERY_BYTES;
use switchboard_pipeline::analysis::Scope;
use switchboard_pipeline::analysis::change_json::{group_json, totals_json};
use switchboard_pipeline::analysis::compare::{Change, Changes, Comparison, find_changes};
use switchboard_pipeline::analysis::replay::{AnswerChange, Replay};
use switchboard_snapshot::Snapshot;

use super::arguments::{DiffArguments, FormatArguments, OutputFormat, RoleChoice, ScopeArguments};
use super::output::{ERROR, count};
use super::source::{FailedTests, now, open_with_failed_tests, source_from_path};
use super::{CommandError, Exit, output};

/// Maximum number of malformed recorded queries that are reported one by one.
const MAX_NAMED_LINES: usize = 10;

/// Prints the changes of decisions, and of the answers to recorded queries.
pub(super) fn run(arguments: &DiffArguments) -> Result<Exit, CommandError> {
    let DiffArguments {
        old,
        new,
        scope: ScopeArguments { companies, channels, ous },
        role,
        queries,
        fail_on,
        limits,
        access,
        output: FormatArguments { format },
    } = arguments;
    // Both are opened before the command fails, so that the findings of both are printed.
    let sources = [source_from_path(old, access)?, source_from_path(new, access)?];
    let [old_opened, new_opened] =
        sources.each_ref().map(|source| open_with_failed_tests(source, limits.limits()));
    let (Some((old_snapshot, old_failed)), Some((new_snapshot, new_failed))) = (old_opened?, new_opened?)
    else {
        return Ok(Exit::Failed);
    };
    let failed = [("old", &old_failed), ("new", &new_failed)];
    let scope = Scope { companies, channels, ous, roles: (*role).into() };
    scope
        .check(&[&old_snapshot, &new_snapshot])
        .map_err(|unknown| CommandError::usage(unknown.to_string()))?;
    let now = now().to_seconds();
    let mut comparison = Comparison::new(&old_snapshot, &new_snapshot, now);
    let changes = find_changes(&mut comparison, scope, &|| {});
    let replay = match queries {
        None => None,
        Some(path) => {
            let mut replay = Replay::new(&old_snapshot, &new_snapshot, now);
            replay_file(path, &mut replay)?;
            Some(replay)
        }
    };
    match format {
        OutputFormat::Text => {
            let mut text = text::company_line(&comparison);
            text.extend(
                failed.into_iter().filter_map(|(side, failed)| Some(failed_text(side, failed.as_ref()?))),
            );
            text += &text::render(&mut comparison, &changes, replay.as_ref());
            output::print(&text)?;
        }
        OutputFormat::Json => {
            let [old_source, new_source] = &sources;
            let names = [old_source.name(old), new_source.name(new)];
            let [old_name, new_name] = names.each_ref().map(Path::new);
            let sources = [(old_name, old_failed.as_ref()), (new_name, new_failed.as_ref())];
            output::stream(|out| write_json(out, sources, &mut comparison, &changes, replay.as_ref()))?;
        }
    }
    for (side, failed) in failed {
        if let Some(FailedTests { number, .. }) = failed {
            let tests = count(*number, "test", "tests");
            output::print_failure(&format!(
                "{tests} of the {side} registry failed: correct the registry, or the tests"
            ));
        }
    }
    let malformed = replay.as_ref().map_or(&[][..], |replay| &replay.bad);
    print_malformed(queries.as_deref().unwrap_or(Path::new("")), malformed);
    let errors = changes.count(Change::BecomesError)
        + replay.as_ref().map_or(0, |replay| replay.count(Change::BecomesError));
    let is_failed = old_failed.is_some() || new_failed.is_some() || !malformed.is_empty();
    Ok(if is_failed || (fail_on.is_some() && errors > 0) { Exit::Failed } else { Exit::Success })
}

/// Renders the changes between two snapshots as `switchboard diff` does.
pub(super) fn changes_text(old: &Snapshot, new: &Snapshot) -> String {
    let mut comparison = Comparison::new(old, new, now().to_seconds());
    let scope = Scope { companies: &[], channels: &[], ous: &[], roles: RoleChoice::All.into() };
    let changes = find_changes(&mut comparison, scope, &|| {});
    text::company_line(&comparison) + &text::render(&mut comparison, &changes, None)
}

/// Renders the failed tests of one side, with the reason of each.
fn failed_text(side: &str, failed: &FailedTests) -> String {
    let tests = count(failed.number, "test fails", "tests fail");
    format!("{ERROR}{tests}{ERROR:#} in the {side} registry:\n\n{}", failed.text())
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

/// Writes all changes as one JSON object, without a limit. Groups are written one at a time, because all of
/// them with their accounts may be many times as large as both snapshots.
fn write_json(
    out: &mut dyn Write,
    [old, new]: [(&Path, Option<&FailedTests>); 2],
    comparison: &mut Comparison<'_>,
    changes: &Changes<'_>,
    replay: Option<&Replay<'_>>,
) -> io::Result<()> {
    let head = [
        ("one_to_several_companies", comparison.is_one_to_several().into()),
        ("old", source_json(old, comparison.old.snapshot())),
        ("new", source_json(new, comparison.new.snapshot())),
    ];
    out.write_all(b"{\n")?;
    for (name, value) in head.into_iter().chain(totals_json(changes)) {
        writeln!(out, "\"{name}\":{value},")?;
    }
    out.write_all(b"\"groups\":[")?;
    for (at, group) in changes.groups.iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &group_json(comparison, group, usize::MAX))?;
    }
    out.write_all(b"\n]")?;
    if let Some(replay) = replay {
        write!(out, ",\n\"queries\":{}", replay_json(replay))?;
    }
    out.write_all(b"\n}\n")
}

fn source_json((path, failed): (&Path, Option<&FailedTests>), snapshot: &Snapshot) -> Value {
    json!({
        "source": path.to_string_lossy(),
        "generation": snapshot.generation(),
        "digest": snapshot.digest(),
        "companies": snapshot.companies().len(),
        "failed_tests": failed.map_or_else(|| Value::Array(Vec::new()), FailedTests::json),
    })
}

fn replay_json(replay: &Replay<'_>) -> Value {
    let changes =
        AnswerChange::ALL.iter().map(|change| (change.as_str().to_owned(), replay.count(*change).into()));
    let changes: Map<String, Value> = changes.collect();
    let transitions: Vec<Value> = replay
        .named_transitions()
        .iter()
        .map(|((change, old, new), lines)| {
            json!({"kind": change.as_str(), "old": old, "new": new, "queries": lines.len(), "lines": lines})
        })
        .collect();
    let malformed: Vec<Value> =
        replay.bad.iter().map(|(line, why)| json!({"line": line, "message": why})).collect();
    json!({
        "asked": replay.asked,
        "unchanged": replay.same(),
        "changes": changes,
        "transitions": transitions,
        "bad": malformed,
    })
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
