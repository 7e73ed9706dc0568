//! `loadtest page`: writes the page of a report's JSON.

use super::{files, page};
use crate::error::{Error, Result};
use clap::Args;
use std::{fs, path::PathBuf};

/// The arguments of `loadtest page`.
#[derive(Args)]
pub struct PageArguments {
    /// A report's JSON
    report: PathBuf,
    /// The page; without it, beside the report, with its name and .html
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the page of a report's JSON.
///
/// # Errors
/// The report cannot be read, or the page cannot be written.
pub fn run(arguments: &PageArguments) -> Result<()> {
    let report = files::read(&arguments.report)?;
    let path = arguments.output.clone().unwrap_or_else(|| arguments.report.with_extension("html"));
    fs::write(&path, page::render(&report)).map_err(Error::io("write", &path))
}
