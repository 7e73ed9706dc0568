//! Reports as files: JSON for programs and an HTML page for people. The command `loadtest page` writes the
//! page again.

use super::{
    model::{Report, SCHEMA},
    page,
};
use crate::{
    error::{Error, Result},
    output,
};
use clap::Args;
use serde::Deserialize;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Upper bound of the size of a report's files.
const MAX_REPORT_BYTES: usize = 2 << 20;

/// Creates the folder and checks that it has room for a report, so that a full disk is noticed before the
/// measurement.
pub(crate) fn check_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    let file = tempfile::Builder::new().prefix(".loadtest-").tempfile_in(folder);
    file.and_then(|mut file| file.write_all(&vec![0; MAX_REPORT_BYTES]))
        .map_err(Error::io("write into", folder))
}

/// Writes `loadtest-<scenario>-<time>.json` and `.html` into the folder, and prints their paths.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    // Some file systems forbid colons, and scp takes the text before a colon for a host.
    let time = report.started.replace([':', '-'], "");
    // Not by `with_extension`, because a scenario's name may contain a dot.
    let path = |extension: &str| folder.join(format!("loadtest-{}-{time}.{extension}", report.scenario));
    let data = path("json");
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| Error::io("write as JSON", &data)(error.into()))?;
    write_file("data", &data, &json)?;
    write_file("page", &path("html"), &page::render(report))
}

fn write_file(what: &str, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| {
        // An incomplete file must not be taken for a report.
        let _ = fs::remove_file(path);
        Error::io("write", path)(source)
    })?;
    output::log(&format!("{what:<12}{}", path.display()));
    Ok(())
}

/// Reads a report from its JSON.
///
/// # Errors
/// The file cannot be read, or is not a report of this schema. The text says what to do.
pub fn read(path: &Path) -> Result<Report> {
    #[derive(Deserialize)]
    struct AnySchema {
        schema: u32,
    }
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let reason = match serde_json::from_str::<AnySchema>(&text) {
        Ok(AnySchema { schema: SCHEMA }) => match serde_json::from_str(&text) {
            Ok(report) => return Ok(report),
            Err(error) => format!(
                "not a report of schema {SCHEMA} ({error}): the file is incomplete or was edited; run the \
                 scenario again"
            ),
        },
        Ok(AnySchema { schema }) => {
            let newer = schema > SCHEMA;
            let remedy = if newer { "use a newer loadtest" } else { "run the scenario again" };
            format!("the report's schema is {schema}, but this program reads schema {SCHEMA}: {remedy}")
        }
        Err(error) => {
            format!("not a report ({error}): name the JSON file that `loadtest run` wrote")
        }
    };
    Err(Error::Content { path: path.to_owned(), reason })
}

/// The arguments of `loadtest page`.
#[derive(Args)]
pub struct PageArguments {
    /// JSON file of the report
    report: PathBuf,
    /// File to write, or - for standard output; without it, the report's path with the extension .html
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the page of a report's JSON file.
///
/// # Errors
/// The report cannot be read, or the page cannot be written.
pub fn write_page(arguments: &PageArguments) -> Result<()> {
    let page = page::render(&read(&arguments.report)?);
    let path = arguments.output.clone().unwrap_or_else(|| arguments.report.with_extension("html"));
    match path.to_str() {
        Some("-") => output::print(&page),
        _ => fs::write(&path, page).map_err(Error::io("write", &path)),
    }
}
