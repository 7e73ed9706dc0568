//! What a run must remove at its end, even if it is interrupted: its temporary folder, and the standings that
//! it set on the daemon.

use super::admin::{self, AdminClient};
use crate::{
    error::{Error, Result},
    output,
};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    io,
    path::Path,
    process,
    sync::{Arc, mpsc},
    task::Poll,
    thread,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

/// Lifetime of a standing. It bounds the time that a standing outlives a run that is killed.
const EXPIRY: SignedDuration = SignedDuration::from_secs(60);

/// Time for which a suspension is certain. It is half of the lifetime, because the daemon's clock may differ.
pub(super) const CERTAIN: Duration = Duration::from_secs(30);

/// Time that an interrupted run waits until the daemon has cleared every standing.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The temporary folder. It is removed at the end and after a signal, which also clears the standings.
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
        // Under `nohup`, a hang-up must stay ignored.
        let status = procfs::process::Process::myself().and_then(|process| process.status());
        let is_ignored = status.is_ok_and(|status| status.sigign & 1 == 1);
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()].into_iter();
        let kinds = kinds.chain((!is_ignored).then(SignalKind::hangup));
        let mut signals = kinds.map(signal).collect::<io::Result<Vec<_>>>().map_err(&failed)?;
        drop(guard);
        let standings = StandingsToRestore::default();
        let restore = standings.clone();
        thread::spawn(move || {
            runtime.block_on(poll_fn(|context| {
                let mut polled = signals.iter_mut().map(|signal| signal.poll_recv(context));
                polled.find(Poll::is_ready).map_or(Poll::Pending, |_| Poll::Ready(()))
            }));
            output::log("interrupted: this scenario has no report; --duration and --repeat make it shorter");
            restore.restore_before_exit().iter().for_each(|reason| output::log(reason));
            // The children end with this process.
            let _ = std::fs::remove_dir_all(path);
            process::exit(130);
        });
        Ok(Self { folder, standings })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The status of an answer, or the reason why none arrived.
type StandingAnswer = std::result::Result<u16, String>;

/// The standings that are set, by the URL of the admin listener and the path. Clones share the state.
///
/// A change holds the lock until its answer arrives. Therefore [`StandingsToRestore::restore_all`] includes
/// it.
#[derive(Debug, Default, Clone)]
pub struct StandingsToRestore(Arc<Mutex<SetStandings>>);

type SetStandings = BTreeMap<(String, String), AdminClient>;

impl StandingsToRestore {
    /// Suspends an account for a minute, and remembers the standing unless the daemon refuses it.
    pub fn suspend(&self, admin: &AdminClient, path: &str) -> StandingAnswer {
        let until = Timestamp::now().saturating_add(EXPIRY).unwrap_or(Timestamp::MAX);
        let body = json!({"standing": "suspended", "reason": "load test", "until": until.to_string()});
        let mut set = self.0.lock();
        // Before the request, because the daemon may set the standing even if no answer arrives.
        let key = (admin.url().to_owned(), path.to_owned());
        set.insert(key.clone(), admin.clone());
        let answer = admin.put(path, &body);
        if answer.as_ref().is_ok_and(|status| (400..500).contains(status)) {
            set.remove(&key);
        }
        answer
    }

    /// Clears a standing. If that fails, the standing is kept for [`StandingsToRestore::restore_all`].
    pub fn restore(&self, admin: &AdminClient, path: &str) -> StandingAnswer {
        let mut set = self.0.lock();
        let answer = admin.delete(path);
        if matches!(answer, Ok(204)) {
            set.remove(&(admin.url().to_owned(), path.to_owned()));
        }
        answer
    }

    /// Clears every standing. Returns a reason for each that is not cleared.
    pub fn restore_all(&self) -> Vec<String> {
        restore_each(&mut self.0.lock())
    }

    /// Clears every standing within five seconds, and prevents new ones until the process ends.
    pub fn restore_before_exit(&self) -> Vec<String> {
        let (sender, result) = mpsc::channel();
        let standings = self.clone();
        thread::spawn(move || {
            let mut set = standings.0.lock();
            let _ = sender.send(restore_each(&mut set));
            // Keeps the lock until the process ends.
            loop {
                thread::park();
            }
        });
        result.recv_timeout(INTERRUPT_TIMEOUT).unwrap_or_else(|_| {
            vec![format!(
                "some standings may remain for up to a minute, because the daemon did not answer within {INTERRUPT_TIMEOUT:?}"
            )]
        })
    }
}

fn restore_each(set: &mut SetStandings) -> Vec<String> {
    let mut failed = Vec::new();
    set.retain(|(_, path), admin| {
        let reason = match admin.delete(path) {
            Ok(204) => return false,
            Ok(status) => format!("status {status}"),
            Err(reason) => reason,
        };
        failed.push(format!("{path} is not cleared, and expires within a minute: {reason}"));
        true
    });
    failed
}

/// Returns the accounts that have no standing. A load test must not change existing standings.
/// Returns an error if the daemon does not list the standings of a company.
pub fn without_standing(
    admin: &AdminClient,
    mut accounts: Vec<(String, String)>,
) -> Result<Vec<(String, String)>> {
    let companies: BTreeSet<String> = accounts.iter().map(|(company, _)| company.clone()).collect();
    for company in companies {
        let held = admin.accounts_with_standing(&company).map_err(|reason| {
            let (path, address) = (admin::standings_of(&company), admin.url());
            Error::Refused(format!(
                "GET {path} from {address}: {reason}; check that this is the admin listener, and that the daemon serves the \
                 registry of --registry"
            ))
        })?;
        accounts.retain(|(of, account)| *of != company || !held.contains(account));
    }
    Ok(accounts)
}
