//! The run's own folder: it goes with the run, also where that is interrupted; what is set on a daemon is lifted then.

use super::standings::Owed;
use crate::{
    error::{Error, Result},
    say,
};
use std::{path::Path, process, thread};
use tempfile::TempDir;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

pub(super) struct Scratch {
    folder: TempDir,
    /// What is lifted where the run is interrupted.
    pub(super) owed: Owed,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let failed = |source| Error::Io { doing: "create a folder in", path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir().map_err(failed)?;
        let path = folder.path().to_owned();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        // The terminal is gone, and this is no `nohup`.
        let mut hang_up = match ignores_hang_up() {
            true => None,
            false => Some(signal(SignalKind::hangup()).map_err(failed)?),
        };
        drop(guard);
        let owed = Owed::default();
        let lifts = owed.clone();
        thread::spawn(move || {
            let received = runtime.block_on(async {
                tokio::select! {
                    received = interrupt.recv() => received,
                    received = terminate.recv() => received,
                    Some(received) = async { Some(hang_up.as_mut()?.recv().await) } => received,
                }
            });
            if received.is_some() {
                say::line(
                    "interrupted: of this scenario there is no report; --duration and --repeat make it shorter",
                );
                for why in lifts.lift_at_last() {
                    say::line(&why);
                }
                // The children go with this process, since they are tied to it.
                let _ = std::fs::remove_dir_all(path);
                process::exit(130);
            }
        });
        Ok(Self { folder, owed })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn ignores_hang_up() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.sigign & 1 == 1)
}
