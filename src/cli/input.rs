//! What commands work on: registries, snapshots, the fields of a query, and the time.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use switchboard_model::UnixMillis;
use switchboard_pipeline::build::{open, publish};
use switchboard_registry::Files;
use switchboard_select::{BadQuery, Fields, Moment, NO_STANDINGS, Query};
use switchboard_snapshot::{Snapshot, file};

use super::output::{self, ProgressLine};
use super::{CommandError, findings};
use crate::app::demo;
use crate::runtime::source::EMBEDDED_GENERATION;

/// Multiplies the time into a number whose high bits change with every millisecond: 2^64 divided by the golden ratio.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

/// The origin of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin<'p> {
    /// The demo registry in the binary.
    Demo,
    /// The folder of a registry.
    Registry(&'p Path),
    /// A compiled snapshot.
    Snapshot(&'p Path),
}

impl<'p> Origin<'p> {
    /// Returns the origin that the flags `--registry` and `--snapshot` name. Without either, the demo registry.
    pub(super) fn from_flags(registry: &'p Option<PathBuf>, snapshot: &'p Option<PathBuf>) -> Origin<'p> {
        match (snapshot, registry) {
            (Some(file), _) => Origin::Snapshot(file),
            (None, Some(folder)) => Origin::Registry(folder),
            (None, None) => Origin::Demo,
        }
    }

    /// Returns the origin at a path: a registry if the path is a folder, or else a snapshot.
    pub(super) fn from_path(path: &'p Path) -> Origin<'p> {
        if path.is_dir() { Origin::Registry(path) } else { Origin::Snapshot(path) }
    }

    /// Reads or builds the snapshot. If the registry has errors, prints its findings and returns `None`.
    pub(super) fn open(self) -> Result<Option<Snapshot>, CommandError> {
        let now = now();
        let (files, generation, root) = match self {
            Origin::Snapshot(path) => {
                let failed =
                    |what: &dyn std::fmt::Display| CommandError::io(format!("{}: {what}", path.display()));
                let bytes = file::read(path).map_err(|error| failed(&error))?;
                let opened = open(bytes).map_err(|rejection| failed(&rejection))?;
                return Ok(Some(opened.0));
            }
            Origin::Registry(folder) => (read_registry(folder)?, now.as_u64(), folder),
            Origin::Demo => (demo::files(), EMBEDDED_GENERATION, Path::new("")),
        };
        let progress = ProgressLine::new();
        let published = publish(&files, generation, now.to_seconds().0, &|what, done, total| {
            progress.report(what, done, total)
        });
        drop(progress);
        match published {
            Ok(compiled) => Ok(Some(compiled.snapshot)),
            Err(refused) => {
                output::print_error(&findings::text(&refused.findings, &files, root));
                output::print_failure("the registry has errors, so there is nothing to ask: mend them first");
                Ok(None)
            }
        }
    }
}

/// Reads the files of a registry.
pub(super) fn read_registry(folder: &Path) -> Result<Files, CommandError> {
    Files::read_dir(folder).map_err(|error| {
        let path = folder.join(error.path.trim_start_matches('.'));
        let (path, error) = (path.display(), &error.error);
        CommandError::io(format!(
            "{path}: {error}; expected a registry's folder, with one folder per company"
        ))
    })
}

/// Returns the query of `field=value` arguments. An argument without `=` is wrong usage; an unknown field or a bad value
/// makes a malformed query.
pub(super) fn parse_query(arguments: &[String]) -> Result<Result<Query<'_>, BadQuery>, CommandError> {
    let mut query = Query::default();
    let mut fields = Fields::of(&mut query);
    for argument in arguments {
        let Some((name, value)) = argument.split_once('=') else {
            return Err(CommandError::usage(
                "expected field=value, such as channel=whatsapp; see --help".to_owned(),
            ));
        };
        fields.set(name, value.into());
    }
    let read = fields.finish();
    Ok(read.map(|()| query))
}

/// Returns the present as selections see it. A query that names no client draws among equal accounts by the clock.
pub(super) fn moment() -> Moment<'static> {
    let now = now();
    Moment {
        now: now.to_seconds().0,
        chance: now.as_u64().wrapping_mul(GOLDEN_RATIO),
        standings: &NO_STANDINGS,
    }
}

/// Returns the present time.
pub(super) fn now() -> UnixMillis {
    UnixMillis::from(SystemTime::now())
}
