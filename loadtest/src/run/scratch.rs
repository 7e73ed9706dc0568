//! The run's own folder: it goes with the run, also where that is interrupted.

use crate::error::{Error, Result};
use std::{path::Path, process, thread};
use tempfile::TempDir;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

pub(super) struct Scratch(TempDir);

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let failed = |source| Error::Io { doing: "create a folder in", path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir().map_err(failed)?;
        let path = folder.path().to_owned();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        drop(guard);
        thread::spawn(move || {
            let received = runtime.block_on(async {
                tokio::select! {
                    received = interrupt.recv() => received,
                    received = terminate.recv() => received,
                }
            });
            if received.is_some() {
                // The children go with this process, since they are tied to it.
                let _ = std::fs::remove_dir_all(path);
                process::exit(130);
            }
        });
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}
