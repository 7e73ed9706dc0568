//! The temporary folder of a run. It is removed at the end and after a signal, which also clears the
//! standings.

use super::standings::StandingsToRestore;
use crate::{
    error::{Error, Result},
    output,
};
use std::{path::Path, process, thread};
use tempfile::TempDir;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

pub(crate) struct Scratch {
    folder: TempDir,
    /// Standings to clear if a signal interrupts the run.
    pub(crate) standings: StandingsToRestore,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let failed = Error::io("create a folder in", std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir().map_err(&failed)?;
        let path = folder.path().to_owned();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(&failed)?;
        let guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(&failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(&failed)?;
        // Under `nohup`, a hang-up must stay ignored.
        let status = procfs::process::Process::myself().and_then(|process| process.status());
        let mut hang_up = match status.is_ok_and(|status| status.sigign & 1 == 1) {
            true => None,
            false => Some(signal(SignalKind::hangup()).map_err(&failed)?),
        };
        drop(guard);
        let standings = StandingsToRestore::default();
        let restore = standings.clone();
        thread::spawn(move || {
            let received = runtime.block_on(async {
                tokio::select! {
                    received = interrupt.recv() => received,
                    received = terminate.recv() => received,
                    Some(received) = async { Some(hang_up.as_mut()?.recv().await) } => received,
                }
            });
            if received.is_some() {
                output::log(
                    "interrupted: this scenario has no report; --duration and --repeat make it shorter",
                );
                restore.restore_before_exit().iter().for_each(|reason| output::log(reason));
                // The children end with this process.
                let _ = std::fs::remove_dir_all(path);
                process::exit(130);
            }
        });
        Ok(Self { folder, standings })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}
