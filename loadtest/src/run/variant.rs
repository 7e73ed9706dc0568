//! A second registry that differs from the first in who may be selected: a reload from one to the other shows in the
//! answers.

use crate::{
    error::{Error, Result},
    output,
};
use csv::{Reader, StringRecord, Writer};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One shared account in so many is suspended.
const EVERY: usize = 10;

/// Writes it beside the first. The registry's own tests are left out: some must fail now.
pub(super) fn write(first: &Path, second: &Path) -> Result<()> {
    for entry in listed(first)? {
        let to = second.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            write(&entry, &to)?;
            continue;
        }
        output::make_dir(second)?;
        match entry.file_name().and_then(|name| name.to_str()) {
            Some("tests.toml") => {}
            Some("accounts.csv") => suspend(&entry, &to)?,
            _ => drop(fs::copy(&entry, &to).map_err(io_error("copy", &entry))?),
        }
    }
    Ok(())
}

fn suspend(from: &Path, to: &Path) -> Result<()> {
    let failed = |error: csv::Error| {
        let source = io::Error::other(error.to_string());
        Error::Io { doing: "copy with other states", path: from.to_owned(), source }
    };
    let mut reader = Reader::from_path(from).map_err(failed)?;
    let mut writer = Writer::from_path(to).map_err(failed)?;
    let mut headers = reader.headers().map_err(failed)?.clone();
    let column = |headers: &StringRecord, name: &str| headers.iter().position(|header| header == name);
    let pool = column(&headers, "pool");
    let state = column(&headers, "state").unwrap_or_else(|| {
        headers.push_field("state");
        headers.len() - 1
    });
    writer.write_record(&headers).map_err(failed)?;
    let mut shared = 0_usize;
    for row in reader.into_records() {
        let row = row.map_err(failed)?;
        let in_pool = pool.and_then(|pool| row.get(pool)).is_some_and(|pool| !pool.is_empty());
        shared += usize::from(in_pool);
        let ours = in_pool && shared % EVERY == 1 && matches!(row.get(state), None | Some("" | "active"));
        let fields = (0..headers.len()).map(|n| match row.get(n) {
            _ if ours && n == state => "suspended",
            field => field.unwrap_or_default(),
        });
        writer.write_record(fields).map_err(failed)?;
    }
    writer.flush().map_err(io_error("write", to))
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(io_error("list", folder))?;
    entries.map(|entry| Ok(entry.map_err(io_error("list", folder))?.path())).collect()
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_is_suspended() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir_all(first.join("acme")).unwrap();
        let rows: String = (0..20).map(|n| format!("wa-{n},emea,\n")).collect();
        fs::write(first.join("acme/accounts.csv"), format!("id,pool,state\n{rows}")).unwrap();
        fs::write(first.join("acme/company.toml"), "name = \"Acme\"").unwrap();
        fs::write(first.join("acme/tests.toml"), "").unwrap();
        write(&first, &second).unwrap();
        let text = fs::read_to_string(second.join("acme/accounts.csv")).unwrap();
        assert!(text.starts_with("id,pool,state\nwa-0,emea,suspended\nwa-1,emea,\n"), "{text}");
        assert_eq!(text.matches("suspended").count(), 2, "{text}");
        assert!(second.join("acme/company.toml").is_file() && !second.join("acme/tests.toml").exists());
    }
}
