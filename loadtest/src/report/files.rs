//! The report as files: JSON for programs, a page for people.

use super::{model::Report, page};
use crate::{
    error::{Error, Result},
    output, say,
};
use std::{fs, io, path::Path};

/// Writes `loadtest-<scenario>-<time>.json` and `.html` into the folder, and says where.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    output::make_dir(folder)?;
    // Without colons, which some file systems and every scp take for something else.
    let time = report.started.replace([':', '-'], "");
    let stem = folder.join(format!("loadtest-{}-{time}", report.scenario));
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::Io {
        doing: "write as JSON",
        path: stem.clone(),
        source: io::Error::other(error),
    })?;
    put("data", &stem.with_extension("json"), &json)?;
    put("page", &stem.with_extension("html"), &page::render(report))
}

fn put(what: &str, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| Error::Io { doing: "write", path: path.to_owned(), source })?;
    say::line(&format!("{what:<12}{}", path.display()));
    Ok(())
}
