//! `switchboard compile`: writes the snapshot of a registry.

use switchboard_pipeline::build_snapshot;
use switchboard_snapshot::file;

use super::arguments::CompileArguments;
use super::input::{now, read_registry};
use super::output::{self, ProgressLine, SUCCESS, count};
use super::{CommandError, Exit, findings};

/// Checks a registry, runs its tests and writes the snapshot. Errors in the registry leave the file as it was.
pub(super) fn run(arguments: &CompileArguments) -> Result<Exit, CommandError> {
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
            output::print_error(&findings::text(&refused.findings, &files, registry));
            let errors = count(refused.findings.errors(), "error", "errors");
            output::print_failure(&format!("{errors}: nothing was written to {}", output.display()));
            return Ok(Exit::Failed);
        }
    };
    output::print_error(&findings::text(&compiled.findings, &files, registry));
    let bytes = compiled.snapshot.bytes();
    file::write(output, bytes).map_err(|error| CommandError::io(format!("{}: {error}", output.display())))?;
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
