//! `loadtest page`: the page again, from the JSON.

use crate::{
    error::{Error, Result},
    report::read,
};
use clap::Args;
use std::{fs, path::PathBuf};

/// Which report, and where to.
#[derive(Args)]
pub struct Page {
    /// A report's JSON
    report: PathBuf,
    /// The page; without it, beside the report, with its name and .html
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes it.
///
/// # Errors
/// The report cannot be read, or the page cannot be written.
pub fn run(page: &Page) -> Result<()> {
    let report = read::report(&page.report)?;
    let path = page.output.clone().unwrap_or_else(|| page.report.with_extension("html"));
    fs::write(&path, super::render(&report)).map_err(|source| Error::Io { doing: "write", path, source })
}
