//! A registry that differs from another in the states of some accounts.

use std::fs;
use std::io;
use std::path::Path;

use csv::{Reader, StringRecord, Writer};

use super::error::{Error, Result};

/// In the second registry, one of this number of shared accounts is suspended.
const SUSPENDED_INTERVAL: usize = 10;

/// Writes a second registry in which some accounts are suspended. Its answers therefore differ from those of
/// the first. Leaves out the registry's tests, because some would fail.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_variant(first: &Path, second: &Path) -> Result<()> {
    for entry in fs::read_dir(first).map_err(Error::io("list", first))? {
        let entry = entry.map_err(Error::io("list", first))?.path();
        let to = second.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            write_variant(&entry, &to)?;
            continue;
        }
        fs::create_dir_all(second).map_err(Error::io("create the folder", second))?;
        match entry.file_name().and_then(|name| name.to_str()) {
            Some("tests.toml") => {}
            Some("accounts.csv") => suspend_some(&entry, &to).map_err(|error| {
                Error::io("copy with other states", &entry)(io::Error::other(error.to_string()))
            })?,
            _ => drop(fs::copy(&entry, &to).map_err(Error::io("copy", &entry))?),
        }
    }
    Ok(())
}

fn suspend_some(from: &Path, to: &Path) -> std::result::Result<(), csv::Error> {
    let (mut reader, mut writer) = (Reader::from_path(from)?, Writer::from_path(to)?);
    let mut headers = reader.headers()?.clone();
    let column = |headers: &StringRecord, name: &str| headers.iter().position(|header| header == name);
    let pool = column(&headers, "pool");
    let state = column(&headers, "state").unwrap_or_else(|| {
        headers.push_field("state");
        headers.len() - 1
    });
    writer.write_record(&headers)?;
    let mut shared = 0_usize;
    for row in reader.into_records() {
        let row = row?;
        let is_shared = pool.and_then(|pool| row.get(pool)).is_some_and(|pool| !pool.is_empty());
        shared += usize::from(is_shared);
        let suspends = is_shared
            && shared % SUSPENDED_INTERVAL == 1
            && matches!(row.get(state), None | Some("" | "active"));
        let fields = (0..headers.len()).map(|n| match row.get(n) {
            _ if suspends && n == state => "suspended",
            field => field.unwrap_or_default(),
        });
        writer.write_record(fields)?;
    }
    Ok(writer.flush()?)
}
