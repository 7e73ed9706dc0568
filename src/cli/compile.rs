//! `switchboard compile DIR -o FILE`

use std::path::Path;
use std::time::SystemTime;

use super::arguments::Compile;
use super::output::{self, GOOD, count};
use super::progress::Progress;
use super::{Exit, Failure, report};
use crate::runtime::source::unix_ms;
use switchboard_pipeline::publish;
use switchboard_registry::Files;
use switchboard_snapshot::file;

/// Checks a registry, runs its tests, and writes the snapshot.
pub fn run(arguments: &Compile) -> Result<Exit, Failure> {
    let Compile { registry, output, generation } = arguments;
    let files = files(registry)?;
    let now = now_ms();
    let generation = generation.unwrap_or(now);
    let progress = Progress::new();
    let published = publish(&files, generation, (now / 1000) as i64, &|what, done, total| {
        progress.report(what, done, total)
    });
    drop(progress);
    let compiled = match published {
        Ok(compiled) => compiled,
        Err(refused) => {
            output::print_error(&report::text(&refused.findings, &files, registry));
            let errors = count(refused.findings.errors(), "error");
            output::error(&format!("{errors}: nothing was written to {}", output.display()));
            return Ok(Exit::No);
        }
    };
    output::print_error(&report::text(&compiled.findings, &files, registry));
    let bytes = compiled.snapshot.bytes();
    file::write(output, bytes).map_err(|error| Failure::io(format!("{}: {error}", output.display())))?;
    let contents = compiled.snapshot.contents();
    output::print_error(&format!(
        "{GOOD}compiled{GOOD:#} {}, {}, {} to {}: generation {generation}, {}, {}\n",
        count(contents.companies.len(), "company").replace("companys", "companies"),
        count(contents.ous.len(), "OU"),
        count(contents.accounts.len(), "account"),
        output.display(),
        count(bytes.len(), "byte"),
        count(compiled.coverage.tests, "test"),
    ));
    Ok(Exit::Done)
}

/// A registry's files.
pub(super) fn files(registry: &Path) -> Result<Files, Failure> {
    Files::read_dir(registry).map_err(|error| {
        let path = registry.join(error.path.trim_start_matches('.'));
        let (path, error) = (path.display(), &error.error);
        Failure::io(format!("{path}: {error}; expected a registry's folder, with one folder per company"))
    })
}

/// Unix milliseconds.
pub(super) fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}
