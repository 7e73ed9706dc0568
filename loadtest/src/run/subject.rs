//! Who is asked: a daemon of our own, started anew for each run, or one that runs already.

use super::options::Options;
use crate::{
    daemon::{Daemon, Launch, Metrics, metrics},
    error::{Error, Result},
    report::model::RegistryFacts,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Our own daemon, before it is started.
pub(super) struct Ours {
    pub(super) program: PathBuf,
    /// The run's folder.
    pub(super) folder: PathBuf,
    /// Generations and their files; the first is served from the start.
    pub(super) snapshots: Vec<(u64, PathBuf)>,
    pub(super) workers: usize,
    pub(super) cores: Vec<u32>,
    pub(super) journal: bool,
}

pub(super) enum Subject {
    Ours(Ours),
    Theirs { data: SocketAddr, admin: Option<SocketAddr> },
}

/// Someone who answers.
pub(super) struct Answerer {
    daemon: Option<Daemon>,
    pub(super) data: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
}

impl Ours {
    /// The file that the daemon watches.
    fn served(&self) -> PathBuf {
        self.folder.join("served.swb")
    }

    fn launch<'a>(&'a self, served: &'a Path, journal: &'a Path) -> Launch<'a> {
        let journal = self.journal.then_some(journal);
        let workers = Some(self.workers);
        Launch { program: &self.program, snapshot: served, journal, workers, cores: &self.cores }
    }

    /// As the report has it.
    pub(super) fn command(&self) -> String {
        let arguments = self.launch(Path::new("FILE"), Path::new("FILE")).arguments();
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        format!("switchboard {}", arguments.join(" "))
    }

    /// Puts a snapshot in the place that is served, at once and whole.
    pub(super) fn serve(&self, snapshot: &Path) -> Result<()> {
        let aside = self.folder.join("next.swb");
        let failed = |source| Error::Io { doing: "put in place", path: snapshot.to_owned(), source };
        // Renaming one name of a file over another of the same does nothing, and leaves both.
        let _ = fs::remove_file(&aside);
        fs::hard_link(snapshot, &aside).and_then(|()| fs::rename(&aside, self.served())).map_err(failed)
    }
}

impl Subject {
    /// Starts ours, from the first snapshot and without standings.
    pub(super) fn start(&self) -> Result<Answerer> {
        match self {
            &Subject::Theirs { data, admin } => Ok(Answerer { daemon: None, data, admin }),
            Subject::Ours(ours) => {
                let journal = ours.folder.join("standings");
                let _ = fs::remove_file(&journal);
                if let Some((_, first)) = ours.snapshots.first() {
                    ours.serve(first)?;
                }
                let daemon = Daemon::start(&ours.launch(&ours.served(), &journal))?;
                let (data, admin) = (daemon.data, Some(daemon.admin));
                Ok(Answerer { daemon: Some(daemon), data, admin })
            }
        }
    }

    /// What is told of the registry, by the daemon where it tells.
    pub(super) fn facts(&self, options: &Options, source: String, told: Option<&Metrics>) -> RegistryFacts {
        let entries = |kind| told.map_or(0, |told| told.entries(kind));
        RegistryFacts {
            source: match (&options.registry, &options.queries) {
                (Some(folder), _) => folder.display().to_string(),
                (None, Some(queries)) => {
                    format!("unknown; queries from {}, answers held to their shape alone", queries.display())
                }
                (None, None) => source,
            },
            companies: entries("companies"),
            ous: entries("ous"),
            pools: entries("pools"),
            accounts: entries("accounts"),
            snapshot_bytes: told.map(Metrics::snapshot_bytes),
        }
    }
}

impl Answerer {
    /// One that is not ours to end.
    pub(super) fn theirs(data: SocketAddr) -> Self {
        Self { daemon: None, data, admin: None }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    pub(super) fn metrics(&self) -> Option<Metrics> {
        metrics(self.admin?).ok()
    }

    /// How it ended, with its last words, where it is ours and has.
    pub(super) fn ended(&self) -> Option<String> {
        self.daemon.as_ref()?.ended()
    }

    /// Ends it, where it is ours; what was wrong where it did not end well.
    pub(super) fn stop(self) -> Option<String> {
        let daemon = self.daemon?;
        if let Some(why) = daemon.ended() {
            return Some(why);
        }
        match daemon.stop() {
            Ok(exit) if exit.success() => None,
            Ok(exit) => Some(format!("{exit}, when it was told to end")),
            Err(error) => Some(error.to_string()),
        }
    }
}
