//! The report as files: JSON for programs, a page for people.

use super::{model::Report, page};
use crate::{
    error::{Error, Result},
    output, say,
};
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// More than a report takes, its page included.
const ROOM: usize = 2 << 20;

/// Makes the folder, and holds it to taking files of a report's size: told before anything is measured, not after.
pub(crate) fn ready(folder: &Path) -> Result<()> {
    output::make_dir(folder)?;
    let taken = tempfile::Builder::new().prefix(".loadtest-").tempfile_in(folder);
    let failed = |source| Error::Io { doing: "write into", path: folder.to_owned(), source };
    taken.and_then(|mut file| file.write_all(&vec![0; ROOM])).map_err(failed)
}

/// Writes `loadtest-<scenario>-<time>.json` and `.html` into the folder, and says where.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    // Without colons, which some file systems and every scp take for something else.
    let time = report.started.replace([':', '-'], "");
    // Not as an extension: a scenario's name may have a dot.
    let path = |kind: &str| folder.join(format!("loadtest-{}-{time}.{kind}", report.scenario));
    let data = path("json");
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::Io {
        doing: "write as JSON",
        path: data.clone(),
        source: io::Error::other(error),
    })?;
    put("data", &data, &json)?;
    put("page", &path("html"), &page::render(report))
}

fn put(what: &str, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| {
        // Half a report is none, and would be taken for one.
        let _ = fs::remove_file(path);
        Error::Io { doing: "write", path: path.to_owned(), source }
    })?;
    say::line(&format!("{what:<12}{}", path.display()));
    Ok(())
}
