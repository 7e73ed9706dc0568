//! The daemon under test: one that is started for each run, or one that is already running.

use super::{
    admin::{AdminClient, Metrics},
    options::Options,
};
use crate::{
    child::Daemon,
    error::{Error, Result},
    report::model::RegistryFacts,
};
use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
};
use switchboard_snapshot::{Header, header};

/// Even, because the first of two registries has the even generations.
pub(crate) const FIRST_GENERATION: u64 = 2;

pub(crate) enum TestTarget {
    Own(OwnDaemon),
    Running { data: SocketAddr, admin: Option<SocketAddr> },
}

pub(crate) struct OwnDaemon {
    pub(super) program: PathBuf,
    /// Folder of the snapshots and the journal.
    pub(super) folder: PathBuf,
    /// Snapshot of each registry. Generation `n` is that at `n` modulo their number.
    pub(super) compiled: Vec<PathBuf>,
    pub(super) workers: usize,
    pub(super) cores: Vec<u32>,
    pub(super) has_journal: bool,
}

/// A daemon that is listening.
pub(crate) struct Instance {
    /// The process, if the load test has started it.
    pub(super) daemon: Option<Daemon>,
    pub(crate) data: SocketAddr,
    pub(crate) admin: Option<AdminClient>,
}

impl OwnDaemon {
    fn served(&self) -> PathBuf {
        self.folder.join("served.swb")
    }

    /// Returns the path of a snapshot that is written before the run, because the copy would take time from the
    /// sender.
    pub(super) fn prepared(&self, generation: u64) -> PathBuf {
        self.folder.join(format!("generation-{generation}.swb"))
    }

    /// Returns the arguments of the daemon. The system chooses its ports.
    fn arguments(&self, snapshot: &Path, journal: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"]
                .map(OsString::from)
                .into();
        arguments.extend(["--snapshot".into(), snapshot.into()]);
        if self.has_journal {
            arguments.extend(["--standings".into(), journal.into()]);
        }
        arguments.extend(["--workers".into(), self.workers.to_string().into()]);
        arguments
    }

    pub(super) fn command(&self) -> String {
        let arguments = self.arguments(Path::new("FILE"), Path::new("FILE"));
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        format!("switchboard {}", arguments.join(" "))
    }

    pub(super) fn write_snapshot(&self, generation: u64, to: &Path) -> Result<()> {
        let turn = usize::try_from(generation).unwrap_or(0) % self.compiled.len().max(1);
        self.compiled.get(turn).map_or(Ok(()), |compiled| number_snapshot(compiled, to, generation))
    }

    /// Replaces the served snapshot by one rename.
    pub(super) fn serve(&self, generation: u64) -> Result<()> {
        self.replace_served(|next| match self.prepared(generation) {
            prepared if prepared.exists() => {
                fs::hard_link(&prepared, next).map_err(Error::io("put in place", prepared))
            }
            _ => self.write_snapshot(generation, next),
        })
    }

    /// Replaces the served snapshot with a copy that has one wrong bit.
    pub(super) fn serve_corrupt(&self) -> Result<()> {
        let served = self.served();
        let mut bytes = fs::read(&served).map_err(Error::io("read", &served))?;
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
        self.replace_served(|next| fs::write(next, &bytes).map_err(Error::io("write", next)))
    }

    fn replace_served(&self, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let next = self.folder.join("next.swb");
        // Because a rename of a hard link over another link of the same file does nothing and keeps both.
        let _ = fs::remove_file(&next);
        write(&next)?;
        fs::rename(&next, self.served()).map_err(Error::io("put in place", &next))
    }
}

impl TestTarget {
    /// Starts an own daemon with the first snapshot and without standings, or returns the running daemon.
    pub(crate) fn start(&self) -> Result<Instance> {
        match self {
            &TestTarget::Running { data, admin } => {
                Ok(Instance { daemon: None, data, admin: admin.map(AdminClient::new) })
            }
            TestTarget::Own(own) => {
                let journal = own.folder.join("standings");
                let _ = fs::remove_file(&journal);
                own.serve(FIRST_GENERATION)?;
                let arguments = own.arguments(&own.served(), &journal);
                let daemon = Daemon::start(&own.program, &arguments, &own.cores)?;
                let (data, admin) = (daemon.data, Some(AdminClient::new(daemon.admin)));
                Ok(Instance { daemon: Some(daemon), data, admin })
            }
        }
    }

    /// Returns the facts about the registry. The numbers are from the daemon's metrics.
    pub(super) fn facts(&self, options: &Options, source: &str, metrics: Option<&Metrics>) -> RegistryFacts {
        let entries = |kind| metrics.map_or(0, |metrics| metrics.entries(kind));
        RegistryFacts {
            source: match (&options.registry, &options.queries) {
                (Some(folder), _) => folder.display().to_string(),
                (None, Some(queries)) => {
                    format!(
                        "unknown; queries from {}, only the form of answers is checked",
                        queries.display()
                    )
                }
                (None, None) => source.to_owned(),
            },
            companies: entries("companies"),
            ous: entries("ous"),
            pools: entries("pools"),
            accounts: entries("accounts"),
            snapshot_bytes: metrics.map(Metrics::snapshot_bytes),
        }
    }
}

impl Instance {
    pub(crate) fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(|daemon| daemon.pid)
    }

    /// Returns the exit status and the last log lines of an own daemon if it has ended.
    pub(super) fn ended(&self) -> Option<String> {
        self.daemon.as_ref()?.ended()
    }

    /// Stops an own daemon. The error is the reason why it ended before or did not exit with 0.
    pub(super) fn stop(self) -> std::result::Result<(), String> {
        if let Some(reason) = self.ended() {
            return Err(reason);
        }
        match self.exit_status() {
            Ok(Some(status)) if !status.success() => Err(format!("{status} after SIGTERM")),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Stops an own daemon and returns its exit status.
    pub(crate) fn exit_status(self) -> Result<Option<ExitStatus>> {
        self.daemon.map(Daemon::stop).transpose()
    }
}

/// Copies a snapshot with another generation. A compilation would give the same bytes except for the header.
fn number_snapshot(from: &Path, to: &Path, generation: u64) -> Result<()> {
    let mut bytes = fs::read(from).map_err(Error::io("read", from))?;
    let known = Header::read(&bytes).map_err(|error| {
        Error::Refused(format!(
            "{}: {error}; the daemon and the load test are of different builds: build both again",
            from.display()
        ))
    })?;
    if let Some((head, body)) = bytes.split_at_mut_checked(header::LEN) {
        head.copy_from_slice(&Header { generation, ..known }.seal(body));
    }
    fs::write(to, bytes).map_err(Error::io("write", to))
}
