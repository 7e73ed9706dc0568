//! What is done to the daemon while it is asked.

use super::{
    standings::{self, Owed},
    subject::{Answerer, Subject},
};
use crate::{
    http::Failure,
    pin,
    report::model::{Event, Failures},
    scenario::{Scenario, Standings},
    slow::{self, Ways},
    traffic::{Published, Suspensions},
    until::Until,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{Builder, Scope},
    time::{Duration, Instant},
};

/// What they need, and what comes of them.
pub(super) struct Actors<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) subject: &'a Subject,
    pub(super) answerer: &'a Answerer,
    pub(super) published: &'a Published,
    /// Company and account.
    pub(super) churned: &'a [(String, String)],
    pub(super) suspensions: &'a Suspensions,
    pub(super) owed: &'a Owed,
    /// What slow clients ask, and how often they came so far.
    pub(super) slowly: &'a Ways,
    pub(super) came: AtomicU64,
    pub(super) cores: &'a [u32],
    /// When the recording begins: events before are not told.
    pub(super) from: Instant,
    pub(super) until: Until,
    pub(super) diary: Mutex<Diary>,
}

#[derive(Default)]
pub(super) struct Diary {
    pub(super) events: Vec<Event>,
    pub(super) errors: BTreeMap<String, Failures>,
}

impl Actors<'_> {
    /// Starts them; they end with [`Until`].
    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        if let (Some(reload), Subject::Ours(ours)) = (self.scenario.reload, self.subject) {
            scope.spawn(move || self.on_cores(|| self.reload(ours, reload)));
        }
        if let (Some(standings), Some(admin)) = (self.scenario.standings, self.answerer.admin) {
            scope.spawn(move || self.on_cores(|| self.churn(admin, standings)));
        }
        if let Some(slow_clients) = self.scenario.slow_clients {
            let count = slow_clients.count.get();
            for n in 0..count {
                let dawdle = move || self.on_cores(|| self.dawdle(n));
                if let Err(error) = Builder::new().spawn_scoped(scope, dawdle) {
                    self.failed("slow_client", format!("no thread for it: {error}"));
                }
            }
        }
    }

    /// What is known once they have ended.
    pub(super) fn tell(&self) {
        if let Some(slow_clients) = self.scenario.slow_clients {
            let (count, came) = (slow_clients.count, self.came.load(Ordering::Relaxed));
            let text = format!("{count} slow clients from before the start, over {came} connections");
            self.event(self.from, "slow_clients", text);
        }
    }

    fn on_cores(&self, act: impl FnOnce()) {
        match pin::this_thread(self.cores) {
            Ok(()) => act(),
            Err(error) => self.failed("pin", error.to_string()),
        }
    }

    fn churn(&self, admin: SocketAddr, standings: Standings) {
        let step = Duration::from_secs_f64(1.0 / standings.rate);
        let (mut due, mut line) = (Instant::now(), None);
        let mut changes = 0_u64;
        for (n, (company, account)) in self.churned.iter().enumerate().cycle() {
            let path = standings::path(company, account);
            due += step;
            self.until.sleep_until(due);
            if !self.until.goes_on() {
                break;
            }
            let suspended = self.owed.suspend(admin, &mut line, &path);
            if matches!(suspended, Ok(200)) {
                self.suspensions.acknowledged(n, standings::CERTAIN);
            }
            changes += u64::from(self.changed(suspended, 200, &path));
            due += step;
            // What is set is lifted even where the run is over: a daemon that is not ours goes on.
            self.until.sleep_until(due);
            self.suspensions.lifting(n);
            changes += u64::from(self.changed(self.owed.lift(admin, &mut line, &path), 204, &path));
        }
        for why in self.owed.lift_all() {
            self.failed("standing_not_lifted", why);
        }
        self.event(
            self.from,
            "standing",
            format!("{changes} standings changed, {} a second", standings.rate),
        );
    }

    fn changed(&self, answered: std::result::Result<u16, Failure>, status: u16, path: &str) -> bool {
        match answered {
            Ok(answered) if answered == status => return true,
            Ok(answered) => self.failed("standing_refused", format!("{answered} for {status}: {path}")),
            Err((kind, why)) => self.failed("standing_refused", format!("{kind}: {why}")),
        }
        false
    }

    fn dawdle(&self, n: u32) {
        slow::client(&self.until, self.answerer.data, self.slowly, n, &|seen| match seen {
            Ok(()) => {
                self.came.fetch_add(1, Ordering::Relaxed);
            }
            Err((kind, why)) => self.failed("slow_client", format!("{kind}: {why}")),
        });
    }

    fn diary(&self) -> MutexGuard<'_, Diary> {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn event(&self, at: Instant, kind: &str, text: String) {
        if let Some(since) = at.checked_duration_since(self.from) {
            self.diary().events.push(Event { at: since.as_secs_f64(), kind: kind.to_owned(), text });
        }
    }

    pub(super) fn failed(&self, kind: &str, why: String) {
        let mut diary = self.diary();
        diary.errors.entry(kind.to_owned()).or_insert(Failures { count: 0, first: why }).count += 1;
    }
}
