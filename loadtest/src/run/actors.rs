//! The actors of a step: threads that reload snapshots, change standings and run slow clients while the
//! daemon answers.

use super::{
    admin::{self, AdminClient, Metrics, TIMEOUT},
    context::{Context, CorruptReloads, StopFlag},
    open_pages::show_page,
    scratch,
    slow_clients::{SlowRequests, run_slow_client},
    target::{FIRST_GENERATION, Instance, OwnDaemon, TestTarget},
};
use crate::{
    cpu_affinity,
    report::model::{Event, Failures},
    scenario::{Reload, StandingsChurn},
    traffic::{PublishedGenerations, Suspensions},
};
use parking_lot::Mutex;
use rustls::client::Resumption;
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    thread::{Builder, Scope},
    time::{Duration, Instant},
};
use switchboard_client::Endpoint;

/// Longest wait for a reload. Without file-system events, the daemon polls once a second. A loaded machine
/// takes longer.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Age from which a snapshot that is not served at the end of a run is an error.
const LAST_RELOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of threads that open new connections. Each waits for its handshake.
const CONNECTING_THREADS: u32 = 8;

/// Long, because the rendering of the metrics takes time from the core that answers.
const METRICS_INTERVAL: Duration = Duration::from_millis(50);

/// Numbers of what the actors did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ActorCounts {
    /// Number of published generations without the first.
    pub(crate) published: u64,
    /// Number of corrupt snapshots that were put in place.
    pub(crate) corrupted: u64,
    /// Number of changes of standings.
    pub(crate) standings: u64,
    /// Number of connections of slow clients.
    pub(crate) slow_connections: u64,
    /// Number of connections of clients that open one for each request.
    pub(crate) new_connections: u64,
    /// Number of those connections that resumed a TLS session.
    pub(crate) resumed: u64,
    /// Number of requests of open pages.
    pub(crate) page_requests: u64,
}

#[derive(Default)]
pub(super) struct ActorLog {
    pub(super) events: Vec<Event>,
    pub(super) errors: BTreeMap<String, Failures>,
    pub(super) counts: ActorCounts,
    /// The longest durations of the requests of open pages, by path.
    slowest: BTreeMap<String, Duration>,
}

pub(super) struct Actors<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) instance: &'a Instance,
    pub(super) published: PublishedGenerations,
    pub(super) suspensions: Suspensions,
    pub(super) slow_requests: SlowRequests,
    /// Start of the recording. Earlier events are not logged.
    pub(super) recording_from: Instant,
    pub(super) stop: StopFlag,
    pub(super) log: Mutex<ActorLog>,
}

impl Actors<'_> {
    /// Starts the threads. They end after [`StopFlag::set`].
    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let scenario = self.context.scenario;
        let admin = self.instance.admin.as_ref();
        if let (Some(reload), TestTarget::Own(own), Some(admin)) =
            (scenario.reload, &self.context.testbed.target, admin)
        {
            scope.spawn(move || self.on_cores(|| self.reload(own, admin, reload)));
        }
        if let (Some(standings), Some(admin)) = (scenario.standings, admin) {
            scope.spawn(move || self.on_cores(|| self.change_standings(admin, standings)));
        }
        if let Some(new) = scenario.new_connections {
            let target = self.instance.data.clone().with_config(|config| {
                if !new.resume {
                    config.resumption = Resumption::disabled();
                }
            });
            for number in 0..CONNECTING_THREADS {
                let target = target.clone();
                scope.spawn(move || self.on_cores(|| self.connect_anew(&target, new.rate, number)));
            }
        }
        for number in 0..scenario.open_pages.map_or(0, |it| it.count.get()) {
            if let Some(admin) = admin {
                scope.spawn(move || self.on_cores(|| self.show_page(admin, number)));
            }
        }
        for number in 0..scenario.slow_clients.map_or(0, |it| it.count.get()) {
            let client = move || self.on_cores(|| self.run_slow_client(number));
            if let Err(error) = Builder::new().spawn_scoped(scope, client) {
                self.failed("slow_client", format!("cannot start its thread: {error}"));
            }
        }
    }

    pub(super) fn finish(self) -> ActorLog {
        if self.context.scenario.new_connections.is_some() {
            let ActorCounts { new_connections, resumed, .. } = self.log.lock().counts;
            let text = format!("{new_connections} new connections, {resumed} of them with a resumed session");
            self.event(self.recording_from, "new_connections", text);
        }
        if let Some(pages) = self.context.scenario.open_pages {
            let log = self.log.lock();
            let slowest = |(path, most): (&String, &Duration)| format!("{path} {} ms", most.as_millis());
            let slowest: Vec<String> = log.slowest.iter().map(slowest).collect();
            let (count, requests) = (pages.count, log.counts.page_requests);
            let text = format!("{count} pages, {requests} requests, the slowest: {}", slowest.join(", "));
            drop(log);
            self.event(self.recording_from, "open_pages", text);
        }
        if let Some(slow_clients) = self.context.scenario.slow_clients {
            let (count, connections) = (slow_clients.count, self.log.lock().counts.slow_connections);
            let text = format!("{count} slow clients from before the start, over {connections} connections");
            self.event(self.recording_from, "slow_clients", text);
        }
        self.log.into_inner()
    }

    fn on_cores(&self, act: impl FnOnce()) {
        match cpu_affinity::pin_thread(self.context.cores) {
            Ok(()) => act(),
            Err(error) => self.failed("pin", error.to_string()),
        }
    }

    /// Publishes snapshots at an interval. Waits until the daemon serves or rejects each.
    fn reload(&self, own: &OwnDaemon, admin: &AdminClient, reload: Reload) {
        let corrupts = self.context.corrupt_reloads == CorruptReloads::EveryFourth;
        let (mut due, mut generation, mut seen) = (Instant::now(), FIRST_GENERATION, 0_u64);
        for turn in 1_u64.. {
            due += reload.every.0;
            self.stop.sleep_until(due);
            if self.stop.is_set() {
                break;
            }
            let placed = Instant::now();
            if corrupts && turn % 4 == 0 {
                let rejected = |metrics: &Metrics| metrics.reloads("rejected");
                let before = self.metrics(admin).as_ref().map_or(0, rejected);
                if let Err(error) = own.serve_corrupt() {
                    return self.failed("reload_not_written", error.to_string());
                }
                self.log.lock().counts.corrupted += 1;
                self.await_reload(admin, placed, "a corrupt file was not rejected", |it| {
                    rejected(it) > before
                });
                continue;
            }
            generation += 1;
            // Before the file is in place, because an answer may name the generation at once.
            self.published.announce(generation);
            if let Err(error) = own.serve(generation) {
                return self.failed("reload_not_written", error.to_string());
            }
            self.log.lock().counts.published += 1;
            let missing = format!("generation {generation} was not served");
            if self.await_reload(admin, placed, &missing, |it| it.generation() == generation) {
                let millis = placed.elapsed().as_millis();
                self.event(placed, "reload", format!("generation {generation}, served after {millis} ms"));
                seen += u64::from(Instant::now() > self.recording_from);
            }
        }
        if seen == 0 && !corrupts {
            let reason = "no new snapshot was served during the recording: raise the duration, or make reload.every shorter";
            self.failed("reload_not_seen", reason.to_owned());
        }
    }

    fn metrics(&self, admin: &AdminClient) -> Option<Metrics> {
        admin.metrics().map_err(|reason| self.failed("metrics", reason)).ok()
    }

    /// Waits until the metrics show the reload, a time-out passes or the run stops. Returns whether they show
    /// it.
    fn await_reload(
        &self,
        admin: &AdminClient,
        placed: Instant,
        missing: &str,
        is_done: impl Fn(&Metrics) -> bool,
    ) -> bool {
        while !self.metrics(admin).is_some_and(|metrics| is_done(&metrics)) {
            let waited = placed.elapsed();
            let timeout = if self.stop.is_set() { LAST_RELOAD_TIMEOUT } else { RELOAD_TIMEOUT };
            if waited > timeout {
                self.failed("reload_not_seen", format!("{missing} within {:.1} s", waited.as_secs_f64()));
            }
            if waited > timeout || self.stop.is_set() {
                return false;
            }
            self.stop.sleep_until(Instant::now() + METRICS_INTERVAL);
        }
        true
    }

    /// Suspends the churned accounts one after the other. Clears each suspension before the next.
    fn change_standings(&self, admin: &AdminClient, standings: StandingsChurn) {
        let restore = self.context.standings;
        let interval = Duration::from_secs_f64(1.0 / standings.rate);
        let mut due = Instant::now();
        for (n, (company, account)) in self.context.testbed.churned.iter().enumerate().cycle() {
            let path = admin::standing_of(company, account);
            due += interval;
            self.stop.sleep_until(due);
            if self.stop.is_set() {
                break;
            }
            let suspended = restore.suspend(admin, &path);
            if suspended == Ok(200) {
                self.suspensions.acknowledged(n, scratch::CERTAIN);
            }
            self.count_standing(suspended, 200, &path);
            due += interval;
            // Even after the stop, because a daemon that the load test did not start keeps running.
            self.stop.sleep_until(due);
            self.suspensions.ending(n);
            self.count_standing(restore.restore(admin, &path), 204, &path);
        }
        for reason in restore.restore_all() {
            self.failed("standing_not_lifted", reason);
        }
        let changes = self.log.lock().counts.standings;
        let text = format!("{changes} standings changed, {} a second", standings.rate);
        self.event(self.recording_from, "standing", text);
    }

    fn count_standing(&self, answer: Result<u16, String>, expected: u16, path: &str) {
        match answer {
            Ok(status) if status == expected => self.log.lock().counts.standings += 1,
            Ok(status) => self.failed("standing_refused", format!("{status} for {expected}: {path}")),
            Err(reason) => self.failed("standing_refused", reason),
        }
    }

    /// Opens connections at a share of the rate, with one request each, until the stop.
    fn connect_anew(&self, target: &Endpoint, rate: f64, number: u32) {
        let gap = Duration::from_secs_f64(f64::from(CONNECTING_THREADS) / rate);
        let mut due = Instant::now() + gap * number / CONNECTING_THREADS;
        let exchange = || -> io::Result<bool> {
            let mut connection = target.connect(TIMEOUT)?;
            connection.write_all(self.slow_requests.first())?;
            let mut answer = [0; 1 << 12];
            let read = connection.read(&mut answer)?;
            match answer.get(..read.min(12)).unwrap_or_default() {
                b"HTTP/1.1 200" => Ok(connection.is_resumed()),
                other => Err(io::Error::other(String::from_utf8_lossy(other))),
            }
        };
        loop {
            self.stop.sleep_until(due);
            due += gap;
            match exchange() {
                _ if self.stop.is_set() => return,
                Ok(resumed) => {
                    let counts = &mut self.log.lock().counts;
                    counts.new_connections += 1;
                    counts.resumed += u64::from(resumed);
                }
                Err(error) => self.failed("new_connection", error.to_string()),
            }
        }
    }

    fn show_page(&self, admin: &AdminClient, number: u32) {
        let report = |answered: Result<(&str, Duration), String>| match answered {
            Ok((path, took)) => {
                let mut log = self.log.lock();
                log.counts.page_requests += 1;
                let most = log.slowest.entry(path.to_owned()).or_default();
                *most = took.max(*most);
            }
            // The stop may close a connection.
            Err(_) if self.stop.is_set() => {}
            Err(reason) => self.failed("open_page", reason),
        };
        show_page(&self.stop, admin, number, self.slow_requests.query(), report);
    }

    fn run_slow_client(&self, number: u32) {
        let report = |connected| match connected {
            Ok(()) => self.log.lock().counts.slow_connections += 1,
            Err(reason) => self.failed("slow_client", reason),
        };
        run_slow_client(&self.stop, &self.instance.data, &self.slow_requests, number, &report);
    }

    fn event(&self, at: Instant, kind: &str, text: String) {
        if let Some(since) = at.checked_duration_since(self.recording_from) {
            self.log.lock().events.push(Event { at: since.as_secs_f64(), kind: kind.to_owned(), text });
        }
    }

    pub(super) fn failed(&self, kind: &str, reason: String) {
        let mut log = self.log.lock();
        log.errors.entry(kind.to_owned()).or_insert(Failures { count: 0, first: reason }).count += 1;
    }
}
