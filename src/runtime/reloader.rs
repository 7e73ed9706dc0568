//! The reload thread. It waits for changes of the source, reads the source when it has settled, and publishes
//! its content.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use switchboard_pipeline::SnapshotSource;
use switchboard_registry::ReadLimits;

use super::database::DatabasePoller;
use super::poller::{Poll, Polled, QUIET_PERIOD, SourcePoller};
use super::publisher::Publisher;
use super::reload_event::{LastReload, ReloadObserver, ReloadSignal, ReloadSignalReceiver, Reporter};
use super::state::{Restore, StateDir};
use super::store::Store;
use super::trusted_keys::KeysInForce;
use super::watch::WatchedSource;

/// Maximum poll interval while the watch is down. Each poll retries the watch.
const MAX_POLL_WITHOUT_WATCH: Duration = Duration::from_secs(1);

/// Interval of checks whether a replaced snapshot was released, for an accurate `snapshots_alive`. Requests
/// release it when they end, idle workers within 1 s.
const RETIRED_CHECK: Duration = Duration::from_millis(250);

/// The state of the reload thread. [`run`](Self::run) is the thread's function.
pub struct Reloader {
    poller: Box<dyn Poll>,
    publisher: Publisher,
    reporter: Reporter,
}

impl Reloader {
    /// Creates a reloader that reads `source` and publishes in `store`. No other reloader may use the store.
    pub fn new(
        source: SnapshotSource,
        store: Store,
        observer: ReloadObserver,
        state: Option<StateDir>,
    ) -> Reloader {
        let reporter = Reporter::new(observer);
        let poller: Box<dyn Poll> = match &source {
            SnapshotSource::Database(database) => {
                Box::new(DatabasePoller::new((**database).clone(), reporter.clone()))
            }
            _ => Box::new(SourcePoller::new(WatchedSource::new(source.clone(), reporter.clone()))),
        };
        let publisher = Publisher::new(source, store, reporter.clone(), state);
        Reloader { poller, publisher, reporter }
    }

    /// Puts a snapshot of the state directory in service if the source is not usable at the start. Returns
    /// what does so, for a thread that does not wait for the source.
    pub fn restore_from(&mut self, state: StateDir, store: Store) -> Restore {
        let restore = Restore::new(state, store, self.reporter.clone());
        self.publisher.set_restore(restore.clone());
        restore
    }

    /// Returns the shared record of the last reload, which the reloader updates.
    pub fn last_reload(&self) -> Arc<Mutex<LastReload>> {
        Arc::clone(&self.reporter.last)
    }

    /// Sets the limits within which the files of a registry are read.
    pub fn set_read_limits(&mut self, limits: ReadLimits) {
        self.poller.set_limits(limits);
    }

    /// Accepts a snapshot file only with the signatures of these keys. Has no effect on other sources.
    pub fn set_trusted_keys(&mut self, keys: KeysInForce) {
        self.poller.require_release();
        self.publisher.set_trusted_keys(keys);
    }

    /// Starts a watch with the next poll. Without this call the source is only polled.
    pub fn watch(&mut self, signal: ReloadSignal) {
        self.poller.watch(signal);
    }

    /// Polls the source until it has settled and was read. Calls `ready` on this thread when a snapshot is in
    /// service, at the latest after the read.
    pub fn read_first(&mut self, ready: impl FnOnce() + Send + 'static) {
        self.publisher.set_on_ready(ready);
        self.poll();
        while self.poller.is_settling() {
            sleep(QUIET_PERIOD);
            self.poll();
        }
        self.publisher.ready();
    }

    /// Polls the source after every signal and every `interval`. Returns after the signal to stop.
    pub fn run(mut self, signal: &ReloadSignalReceiver, interval: Duration) {
        let mut polled_at = Instant::now();
        loop {
            let is_down = self.poller.is_watch_down();
            let interval = if is_down { interval.min(MAX_POLL_WITHOUT_WATCH) } else { interval };
            let is_due_soon = self.poller.is_due_soon();
            let timeout = if is_due_soon {
                // One poll covers all events that arrive meanwhile.
                sleep(QUIET_PERIOD);
                Duration::ZERO
            } else if self.publisher.has_retired() {
                interval.saturating_sub(polled_at.elapsed()).min(RETIRED_CHECK)
            } else {
                interval.saturating_sub(polled_at.elapsed())
            };
            let judged_again_in = self.publisher.judged_again_in();
            let reasons = signal.wait(judged_again_in.map_or(timeout, |it| it.min(timeout)));
            if reasons.stop {
                return;
            }
            let is_judged_again = self.publisher.judged_again_in().is_some_and(|it| it.is_zero());
            if is_judged_again {
                self.poller.forget_last_read();
            }
            if let Some(requested_at) = reasons.reload {
                self.poller.forget_last_read();
                self.publisher.reload_requested(requested_at);
            }
            let is_due = polled_at.elapsed() >= interval || is_judged_again;
            if is_due_soon || is_due || reasons.fs_event || reasons.reload.is_some() {
                self.poll();
                polled_at = Instant::now();
            }
            self.publisher.drop_retired();
            // Limits the rate of wake-ups by irrelevant events, such as changes of a README.
            if reasons.fs_event && !self.poller.is_settling() {
                sleep(QUIET_PERIOD);
            }
        }
    }

    /// Polls once. Catches a panic, so that a source that triggers a bug does not end the thread.
    fn poll(&mut self) {
        let polled = catch_unwind(AssertUnwindSafe(|| match self.poller.poll() {
            Polled::Unchanged => self.publisher.confirm(),
            Polled::Settling | Polled::SameContent => {}
            Polled::Fetched(fetched) => {
                self.publisher.apply(fetched, || self.poller.last_change());
            }
        }));
        if polled.is_err() {
            self.poller.reset_debounce();
            self.publisher.panicked();
        }
    }
}
