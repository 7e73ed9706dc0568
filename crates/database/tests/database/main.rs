//! A registry in a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod follow;
mod import;
mod reading;
mod registries;
mod schema;
mod server;

use switchboard_database::{Database, Import, ImportScope};
use switchboard_registry::{Files, ReadLimits, read};

use server::{empty_database, sql};

/// Returns the URL of a new database with the schema.
fn migrated_database() -> String {
    let url = empty_database();
    database(&url).migrate(false).unwrap();
    url
}

fn database(url: &str) -> Database {
    Database::from_url(url).unwrap()
}

/// Imports all companies of a registry, which must have no faults.
fn import_files(url: &str, files: &Files) -> Import {
    let (registry, findings) = read(files);
    assert_eq!(findings.errors(), 0, "{findings:?}");
    database(url).import(&registry, ImportScope::Registry, false).unwrap()
}

fn export(url: &str) -> Files {
    database(url).read(ReadLimits::default()).unwrap().files
}

/// Returns the content of a file as text.
fn text<'f>(files: &'f Files, path: &str) -> &'f str {
    str::from_utf8(files.get(path).unwrap_or_else(|| panic!("no {path}"))).unwrap()
}
