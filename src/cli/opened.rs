//! The snapshot that a command asks: compiled from a registry's folder, read from a file, or the demo's.

use std::path::{Path, PathBuf};

use super::compile::{files, now_ms};
use super::progress::Progress;
use super::{Failure, output, report};
use crate::app::demo;
use crate::runtime::source::EMBEDDED_GENERATION;
use switchboard_pipeline::build::{open, publish};
use switchboard_snapshot::{Snapshot, file};

/// Where a snapshot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'p> {
    /// The registry that is part of the program.
    Demo,
    /// A registry's folder.
    Registry(&'p Path),
    /// A compiled snapshot.
    Snapshot(&'p Path),
}

impl<'p> Origin<'p> {
    /// Of the two flags, of which one is given at most.
    pub fn flagged(registry: &'p Option<PathBuf>, snapshot: &'p Option<PathBuf>) -> Origin<'p> {
        match (snapshot, registry) {
            (Some(file), _) => Origin::Snapshot(file),
            (None, Some(folder)) => Origin::Registry(folder),
            (None, None) => Origin::Demo,
        }
    }

    /// By what there is on the disk: a folder is a registry, anything else a snapshot.
    pub fn named(path: &'p Path) -> Origin<'p> {
        if path.is_dir() { Origin::Registry(path) } else { Origin::Snapshot(path) }
    }

    /// The snapshot; `None` where the registry has errors, which are then printed.
    pub fn open(self) -> Result<Option<Snapshot>, Failure> {
        let now = now_ms();
        let (files, generation, root) = match self {
            Origin::Snapshot(path) => {
                let failed =
                    |what: &dyn std::fmt::Display| Failure::io(format!("{}: {what}", path.display()));
                let bytes = file::read(path).map_err(|error| failed(&error))?;
                let opened = open(bytes).map_err(|rejection| failed(&rejection))?;
                return Ok(Some(opened.0));
            }
            Origin::Registry(folder) => (files(folder)?, now, folder),
            Origin::Demo => (demo::files(), EMBEDDED_GENERATION, Path::new("")),
        };
        let progress = Progress::new();
        let published = publish(&files, generation, (now / 1000) as i64, &|what, done, total| {
            progress.report(what, done, total)
        });
        drop(progress);
        match published {
            Ok(compiled) => Ok(Some(compiled.snapshot)),
            Err(refused) => {
                output::print_error(&report::text(&refused.findings, &files, root));
                output::error("the registry has errors, so there is nothing to ask: mend them first");
                Ok(None)
            }
        }
    }
}
