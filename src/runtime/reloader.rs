//! The reload thread: waits for changes of the source, reads it once it has settled, and publishes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::debounce::QUIET_PERIOD;
use super::poller::{Polled, SourcePoller};
use super::publisher::Publisher;
use super::reload_event::{LastReload, ReloadObserver, Reporter};
use super::reload_signal::{ReloadSignal, ReloadSignalReceiver};
use super::snapshot_source::SnapshotSource;
use super::store::Store;
use super::watch::WatchedSource;

/// Longest poll interval while the file-system watch is down. The watch is retried with each poll.
const MAX_POLL_WITHOUT_WATCH: Duration = Duration::from_secs(1);

/// Requests release a replaced snapshot when they end, idle workers within 1 s. Checks this often until
/// then, so that `snapshots_alive` is accurate.
const RETIRED_CHECK: Duration = Duration::from_millis(250);

/// The reload thread, before it runs.
pub struct Reloader {
    poller: SourcePoller<WatchedSource>,
    publisher: Publisher,
    reporter: Reporter,
}

impl Reloader {
    /// Reads from a source and publishes into a store. No other reloader may use the store.
    pub fn new(source: SnapshotSource, store: Store, observer: ReloadObserver) -> Reloader {
        let reporter = Reporter::new(observer);
        let watched = WatchedSource::new(source.clone(), reporter.clone());
        let publisher = Publisher::new(source, store, reporter.clone());
        Reloader { poller: SourcePoller::new(watched), publisher, reporter }
    }

    /// Returns where the last reload is kept up to date.
    pub fn last_reload(&self) -> Arc<Mutex<LastReload>> {
        Arc::clone(&self.reporter.last)
    }

    /// Watches the source from the next poll on. Without this call it is only polled.
    pub fn watch(&mut self, signal: ReloadSignal) {
        self.poller.source.watch(signal);
    }

    /// Polls the source, and returns when it has settled.
    pub fn poll_until_settled(&mut self) {
        self.poll();
        while self.poller.is_settling() {
            sleep(QUIET_PERIOD);
            self.poll();
        }
    }

    /// Polls the source with every signal and every `interval`, until the signal to stop.
    pub fn run(mut self, signal: &ReloadSignalReceiver, interval: Duration) {
        let mut polled_at = Instant::now();
        loop {
            let is_down = self.poller.source.is_watch_down();
            let interval = if is_down { interval.min(MAX_POLL_WITHOUT_WATCH) } else { interval };
            let is_due_soon = self.poller.is_due_soon();
            let timeout = if is_due_soon {
                // One poll answers all events that come meanwhile.
                sleep(QUIET_PERIOD);
                Duration::ZERO
            } else if self.publisher.has_retired() {
                interval.saturating_sub(polled_at.elapsed()).min(RETIRED_CHECK)
            } else {
                interval.saturating_sub(polled_at.elapsed())
            };
            let reasons = signal.wait(timeout);
            if reasons.stop {
                return;
            }
            if reasons.reload {
                self.poller.forget_last_read();
                self.publisher.forget_failures();
            }
            if is_due_soon || reasons.fs_event || reasons.reload || polled_at.elapsed() >= interval {
                self.poll();
                polled_at = Instant::now();
            }
            self.publisher.drop_retired();
            // Rate-limit wake-ups by events that change nothing, such as edits to a README.
            if reasons.fs_event && !self.poller.is_settling() {
                sleep(QUIET_PERIOD);
            }
        }
    }

    /// Polls once. Catches a panic, so that a fault with one source content does not end reloading.
    fn poll(&mut self) {
        let polled = catch_unwind(AssertUnwindSafe(|| match self.poller.poll() {
            Polled::Unchanged => self.publisher.confirm(),
            Polled::Settling | Polled::SameContent => {}
            Polled::Fetched(fetched) => {
                self.publisher.apply(fetched, || self.poller.source.last_change());
            }
        }));
        if polled.is_err() {
            self.poller.reset_debounce();
            self.publisher.panicked();
        }
    }
}
