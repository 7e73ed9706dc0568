//! `switchboard compile` and `switchboard inspect`: write a snapshot file, and show what a snapshot file
//! holds.

use serde_json::json;
use switchboard_pipeline::build_snapshot;
use switchboard_snapshot::header::VERSION;
use switchboard_snapshot::{Snapshot, file};

use super::arguments::{CompileArguments, FormatArguments, InspectArguments, OutputFormat};
use super::output::{self, ProgressLine, SUCCESS, count};
use super::source::{findings_text, now, read_registry};
use super::{CommandError, Exit};

/// Checks a registry, runs its tests and writes the snapshot. If the registry has errors, the old file stays.
pub(super) fn compile(arguments: &CompileArguments) -> Result<Exit, CommandError> {
    let CompileArguments { registry, output, generation } = arguments;
    let files = read_registry(registry)?;
    let now = now();
    let generation = generation.unwrap_or(now.as_u64());
    let progress = ProgressLine::new();
    let published = build_snapshot(&files, generation, now.to_seconds(), &progress);
    drop(progress);
    let compiled = match published {
        Ok(compiled) => compiled,
        Err(refused) => {
            output::print_error(&findings_text(&refused.findings, &files, registry));
            let errors = count(refused.findings.errors(), "error", "errors");
            output::print_failure(&format!("{errors}: nothing was written to {}", output.display()));
            return Ok(Exit::Failed);
        }
    };
    output::print_error(&findings_text(&compiled.findings, &files, registry));
    let bytes = compiled.snapshot.bytes();
    file::write(output, bytes)
        .map_err(|error| CommandError::io(format!("cannot write {}: {error}", output.display())))?;
    let records = compiled.snapshot.counts();
    output::print_error(&format!(
        "{SUCCESS}compiled{SUCCESS:#} {}, {}, {} to {}: generation {generation}, {}, {}\n",
        count(records.companies, "company", "companies"),
        count(records.ous, "OU", "OUs"),
        count(records.accounts, "account", "accounts"),
        output.display(),
        count(bytes.len(), "byte", "bytes"),
        count(compiled.coverage.tests, "test", "tests"),
    ));
    Ok(Exit::Success)
}

/// Verifies a snapshot and prints its header and its record counts.
pub(super) fn inspect(arguments: &InspectArguments) -> Result<Exit, CommandError> {
    let InspectArguments { snapshot: path, output: FormatArguments { format } } = arguments;
    let failed = |what: &dyn std::fmt::Display| CommandError::io(format!("{}: {what}", path.display()));
    let bytes = file::read(path)
        .map_err(|error| CommandError::io(format!("cannot read {}: {error}", path.display())))?;
    let snapshot = Snapshot::open(bytes).map_err(|rejection| failed(&rejection))?;
    let header = snapshot.header();
    let records = snapshot.counts();
    let counts = [
        ("companies", records.companies),
        ("channels", records.channels),
        ("ous", records.ous),
        ("pools", records.pools),
        ("accounts", records.accounts),
        ("dedicated", records.dedicated),
        ("chains", records.levels),
        ("steps", records.steps),
        ("groups", records.groups),
        ("candidates", records.candidates),
        ("tests", snapshot.tests().count()),
    ];
    let built_at =
        header.built_at_ms().and_then(|ms| jiff::Timestamp::from_millisecond(ms.try_into().ok()?).ok());
    let built_at = built_at.map(|at| at.to_string());
    let bytes = snapshot.bytes().len();
    let per_account = bytes as f64 / records.accounts.max(1) as f64;
    let text = match format {
        OutputFormat::Json => {
            let counts: serde_json::Map<_, _> =
                counts.iter().map(|&(name, n)| (name.to_owned(), n.into())).collect();
            let whole = json!({
                "format_version": VERSION,
                "generation": header.generation,
                "built_at": built_at,
                "digest": snapshot.digest(),
                "content": snapshot.content_digest(),
                "bytes": {"file": bytes, "contents": header.contents_len, "tests": header.tests_len,
                          "text": records.text_bytes},
                "counts": counts,
            });
            format!("{whole:#}\n")
        }
        OutputFormat::Text => {
            let mut text = format!(
                "format version  {VERSION}\ngeneration      {}\nbuilt at        {}\ndigest          {}\ncontent         {}\n\
                 bytes           {bytes} ({per_account:.0} for each account)\n  contents      {}\n    text        {}\n  \
                 tests         {}\n",
                header.generation,
                built_at.as_deref().unwrap_or("unknown, because the generation is not a time"),
                snapshot.digest(),
                snapshot.content_digest(),
                header.contents_len,
                records.text_bytes,
                header.tests_len,
            );
            for (name, count) in counts {
                text.push_str(&format!("{name:<15} {count}\n"));
            }
            text
        }
    };
    output::print(&text)?;
    Ok(Exit::Success)
}
