//! `loadtest compare`: what changed from one report to another, beyond the noise of repeated runs.

mod comparison;
mod figure;
mod judge;
mod rank;
mod setup;
mod steps;
mod table;

pub use self::{
    comparison::{Change, Comparison},
    figure::Unit,
    judge::Verdict,
    setup::Difference,
};
use crate::{
    error::{Error, Result},
    report::{model::Report, read},
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Which two.
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

/// Prints what changed; says no where something got worse.
///
/// # Errors
/// A report cannot be read, has no run that means something, or a figure is worse beyond the noise.
pub fn run(compare: &Compare) -> Result<()> {
    let (a, b) = (read::report(&compare.a)?, read::report(&compare.b)?);
    for (path, report) in [(&compare.a, &a), (&compare.b, &b)] {
        means_something(path, report)?;
    }
    let comparison = Comparison::of(&a, &b);
    let name = |path: &Path| path.display().to_string();
    let text = match compare.format {
        Format::Text => table::table(&comparison, (&name(&compare.a), &a), (&name(&compare.b), &b)),
        Format::Json => serde_json::to_string_pretty(&comparison).map(|it| it + "\n").map_err(failed)?,
    };
    print(&text)?;
    let worse: Vec<_> = comparison.are(Verdict::Worse).map(Change::name).collect();
    match worse.as_slice() {
        [] => Ok(()),
        worse => Err(Error::Refused(format!("worse beyond the noise: {}", worse.join(", ")))),
    }
}

fn means_something(path: &Path, report: &Report) -> Result<()> {
    let mut steps = report.runs.iter().flat_map(|run| &run.steps);
    match steps.any(|step| step.invalid.is_none()) {
        true => Ok(()),
        false => {
            let what = "no run in it means something: measure again, as its page and table say";
            Err(Error::Refused(format!("{}: {what}", path.display())))
        }
    }
}

/// Colour on a terminal, plain in a pipe.
fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has gone, as in `| head`, is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

fn failed(error: impl Into<io::Error>) -> Error {
    Error::Io { doing: "write to", path: "standard output".into(), source: error.into() }
}
