//! `loadtest compare`: what changed from one report to another, beyond the noise of repeated runs.

mod comparison;
mod setup;
mod table;
mod verdict;

pub use self::{
    comparison::{Change, Comparison, Unit},
    setup::Difference,
    verdict::Verdict,
};
use crate::{
    error::{Error, Result},
    output,
    report::{files, model::Report},
};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// The arguments of `loadtest compare`.
#[derive(Args)]
pub struct Compare {
    /// The JSON of the report that is compared with
    a: PathBuf,
    /// The JSON of the report that is judged
    b: PathBuf,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Prints what changed.
///
/// # Errors
/// A report cannot be read, or has no valid run, or a figure is worse beyond the noise.
pub fn run(compare: &Compare) -> Result<()> {
    let (a, b) = (files::read(&compare.a)?, files::read(&compare.b)?);
    require_valid_run(&compare.a, &a)?;
    require_valid_run(&compare.b, &b)?;
    let comparison = Comparison::new(&a, &b);
    let name = |path: &Path| path.display().to_string();
    let text = match compare.format {
        Format::Text => table::table(&comparison, (&name(&compare.a), &a), (&name(&compare.b), &b)),
        Format::Json => serde_json::to_string_pretty(&comparison).map(|it| it + "\n").map_err(|error| {
            Error::Io { doing: "write to", path: "standard output".into(), source: error.into() }
        })?,
    };
    output::print(&text)?;
    let worse: Vec<_> = comparison.with_verdict(Verdict::Worse).map(Change::name).collect();
    match worse.as_slice() {
        [] => Ok(()),
        worse => Err(Error::Refused(format!("worse beyond the noise: {}", worse.join(", ")))),
    }
}

fn require_valid_run(path: &Path, report: &Report) -> Result<()> {
    if report.runs.iter().flat_map(|run| &run.steps).any(|step| step.invalid.is_none()) {
        return Ok(());
    }
    let what = "no run in it means something: measure again, as its page and table say";
    Err(Error::Refused(format!("{}: {what}", path.display())))
}
