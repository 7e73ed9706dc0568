//! Reports out of files.

use super::model::{Report, SCHEMA};
use crate::error::{Error, Result};
use serde::Deserialize;
use std::{fs, path::Path};

/// Of a report of any schema.
#[derive(Deserialize)]
struct Any {
    schema: u32,
}

/// The report in a file.
///
/// # Errors
/// It cannot be read, or is no report of this schema: the text says what to do.
pub fn report(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).map_err(|source| Error::Io {
        doing: "read",
        path: path.to_owned(),
        source,
    })?;
    let unlike = |what: String| Error::Unlike { path: path.to_owned(), what };
    match serde_json::from_str::<Any>(&text) {
        Ok(Any { schema: SCHEMA }) => {}
        Ok(Any { schema }) => {
            let newer = if schema > SCHEMA {
                "use the loadtest that wrote it, or one that is newer"
            } else {
                "run its scenario again"
            };
            return Err(unlike(format!("its schema is {schema}, this program reads {SCHEMA}: {newer}")));
        }
        Err(error) => {
            return Err(unlike(format!(
                "expected the JSON that `loadtest run` writes, with its schema ({error}): name that file"
            )));
        }
    }
    serde_json::from_str(&text).map_err(|error| {
        unlike(format!("expected a report of schema {SCHEMA} ({error}): it was cut short or edited, run its scenario again"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let said = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = report(&path).expect_err("no report");
            assert_eq!(error.exit_code(), 3);
            error.to_string()
        };
        assert!(said("hello").contains("expected the JSON that `loadtest run` writes"));
        assert!(said("{}").contains("missing field `schema`"));
        assert!(said(r#"{"schema": 99, "new": 1}"#).contains("its schema is 99, this program reads 1"));
        assert!(said(r#"{"schema": 0}"#).contains("run its scenario again"));
        let cut = said(r#"{"schema": 1, "scenario": "steady"}"#);
        assert!(
            cut.contains("report.json")
                && cut.contains("missing field `started`")
                && cut.contains("run its scenario again"),
            "{cut}"
        );
        fs::remove_file(&path).unwrap();
        assert!(report(&path).expect_err("gone").to_string().contains("cannot read"));
    }
}
