//! The standings that a run sets on the daemon and must clear, even if it is interrupted.

use super::admin::{self, AdminClient};
use crate::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// Lifetime of a standing. It bounds the time that a standing outlives a run that is killed.
const EXPIRY: SignedDuration = SignedDuration::from_secs(60);

/// Time for which a suspension is certain. It is half of the lifetime, because the daemon's clock may differ.
pub(super) const CERTAIN: Duration = Duration::from_secs(30);

/// Time that an interrupted run waits until the daemon has cleared every standing.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The status of an answer, or the reason why none arrived.
type StandingAnswer = std::result::Result<u16, String>;

/// The standings that are set, as admin listener and path. Clones share the state.
///
/// A change holds the lock until its answer arrives. Therefore [`StandingsToRestore::restore_all`] includes
/// it.
#[derive(Debug, Default, Clone)]
pub struct StandingsToRestore(Arc<Mutex<BTreeSet<(SocketAddr, String)>>>);

impl StandingsToRestore {
    /// Suspends an account for a minute, and remembers the standing unless the daemon refuses it.
    pub fn suspend(&self, admin: &AdminClient, path: &str) -> StandingAnswer {
        let until = Timestamp::now().saturating_add(EXPIRY).unwrap_or(Timestamp::MAX);
        let body = json!({"standing": "suspended", "reason": "load test", "until": until.to_string()});
        let mut set = self.0.lock();
        // Before the request, because the daemon may set the standing even if no answer arrives.
        set.insert((admin.address, path.to_owned()));
        let answer = admin.put(path, &body);
        if answer.as_ref().is_ok_and(|status| (400..500).contains(status)) {
            set.remove(&(admin.address, path.to_owned()));
        }
        answer
    }

    /// Clears a standing. If that fails, the standing is kept for [`StandingsToRestore::restore_all`].
    pub fn restore(&self, admin: &AdminClient, path: &str) -> StandingAnswer {
        let mut set = self.0.lock();
        let answer = admin.delete(path);
        if matches!(answer, Ok(204)) {
            set.remove(&(admin.address, path.to_owned()));
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

fn restore_each(set: &mut BTreeSet<(SocketAddr, String)>) -> Vec<String> {
    let mut failed = Vec::new();
    set.retain(|(address, path)| {
        let reason = match AdminClient::new(*address).delete(path) {
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
            let (path, address) = (admin::standings_of(&company), admin.address);
            Error::Refused(format!(
                "GET {path} from {address}: {reason}; check that this is the admin listener, and that the daemon serves the \
                 registry of --registry"
            ))
        })?;
        accounts.retain(|(of, account)| *of != company || !held.contains(account));
    }
    Ok(accounts)
}
