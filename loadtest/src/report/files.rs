//! Reports as files: JSON for programs, a page for people.

use super::{
    model::{Report, SCHEMA},
    page,
};
use crate::{
    error::{Error, Result},
    output, progress,
};
use serde::Deserialize;
use std::{fs, io::Write, path::Path};

/// More than the files of a report take.
const REPORT_BYTES: usize = 2 << 20;

/// Makes the folder and checks that it takes files of a report's size: a full disk is reported before anything is
/// measured.
pub(crate) fn check_folder(folder: &Path) -> Result<()> {
    output::make_dir(folder)?;
    let file = tempfile::Builder::new().prefix(".loadtest-").tempfile_in(folder);
    let failed = Error::io("write into", folder);
    file.and_then(|mut file| file.write_all(&vec![0; REPORT_BYTES])).map_err(failed)
}

/// Writes `loadtest-<scenario>-<time>.json` and `.html` into the folder, and prints their paths.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    // Some file systems and every scp take a colon for something else.
    let time = report.started.replace([':', '-'], "");
    // Not by `with_extension`: a scenario's name may have a dot.
    let path = |extension: &str| folder.join(format!("loadtest-{}-{time}.{extension}", report.scenario));
    let data = path("json");
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| Error::io("write as JSON", &data)(error.into()))?;
    put("data", &data, &json)?;
    put("page", &path("html"), &page::render(report))
}

fn put(what: &str, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| {
        // Half a file would be taken for a report.
        let _ = fs::remove_file(path);
        Error::io("write", path)(source)
    })?;
    progress::line(&format!("{what:<12}{}", path.display()));
    Ok(())
}

/// Reads a report from its JSON.
///
/// # Errors
/// The file cannot be read, or is no report of this schema. The text says what to do.
pub fn read(path: &Path) -> Result<Report> {
    #[derive(Deserialize)]
    struct AnySchema {
        schema: u32,
    }
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let what = match serde_json::from_str::<AnySchema>(&text) {
        Ok(AnySchema { schema: SCHEMA }) => match serde_json::from_str(&text) {
            Ok(report) => return Ok(report),
            Err(error) => format!(
                "expected a report of schema {SCHEMA} ({error}): it was cut short or edited, run its scenario again"
            ),
        },
        Ok(AnySchema { schema }) => {
            let newer = schema > SCHEMA;
            let remedy = if newer {
                "use the loadtest that wrote it, or one that is newer"
            } else {
                "run its scenario again"
            };
            format!("its schema is {schema}, this program reads {SCHEMA}: {remedy}")
        }
        Err(error) => {
            format!("expected the JSON that `loadtest run` writes, with its schema ({error}): name that file")
        }
    };
    Err(Error::Unlike { path: path.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_report_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let error = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = read(&path).expect_err("no report");
            assert_eq!(error.exit_code(), 3);
            error.to_string()
        };
        assert!(error("hello").contains("expected the JSON that `loadtest run` writes"));
        assert!(error("{}").contains("missing field `schema`"));
        assert!(error(r#"{"schema": 99, "new": 1}"#).contains("its schema is 99, this program reads 1"));
        assert!(error(r#"{"schema": 0}"#).contains("run its scenario again"));
        let cut = error(r#"{"schema": 1, "scenario": "steady"}"#);
        for part in ["report.json", "missing field `started`", "run its scenario again"] {
            assert!(cut.contains(part), "{cut}");
        }
        fs::remove_file(&path).unwrap();
        assert!(read(&path).expect_err("gone").to_string().contains("cannot read"));
    }
}
