//! The reload thread: looks at the source, fetches it whole, proves it, publishes it by one pointer
//! store, and frees the one it replaced. Whatever arrives broken is refused, told, and changes nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::publish::{self, Refused, Timings};
use super::source::{EMBEDDED_GENERATION, Fetched, Look, Source, unix_ms};
use super::store::{Generation, Store};
use super::watch::{Wake, Watch, watch};
use crate::registry::{Findings, Severity};
use crate::snapshot::{Rejection, Snapshot, Stage};

/// A source that still changes is read once it has looked the same for this long…
const QUIET: Duration = Duration::from_millis(50);
/// …or once it has been changing for this long: answers follow within two seconds all the same.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Most findings that `/status` shows.
pub const MOST_TOLD: usize = 20;

/// What came of looking at the source.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new generation is in service.
    Published {
        /// It.
        snapshot: &'a Snapshot,
        /// When it was built, in Unix milliseconds.
        built_at_ms: u64,
        /// Its registry's warnings.
        findings: &'a Findings,
    },
    /// The files changed, but not what they say.
    Unchanged,
    /// What arrived is broken; the last good generation goes on.
    Rejected {
        /// Where it was refused.
        stage: Stage,
        /// Why.
        reason: &'a str,
        /// What is wrong with the registry.
        findings: &'a Findings,
    },
    /// The source cannot be read; the last good generation goes on.
    Unreadable {
        /// Why.
        reason: &'a str,
    },
    /// How long the stages of a load took.
    Timed {
        /// Stage and duration.
        timings: &'a Timings,
    },
    /// How many snapshots are in memory: the one in service, and those that a request still holds.
    Alive {
        /// Their number.
        snapshots: usize,
    },
    /// The source's folders cannot be watched: only looking every so often is left.
    Unwatched {
        /// Why.
        reason: &'a str,
    },
}

impl Event<'_> {
    /// Whether this is how a look at a changed source ended.
    pub fn is_outcome(&self) -> bool {
        use Event::*;
        matches!(self, Published { .. } | Unchanged | Rejected { .. } | Unreadable { .. })
    }
}

/// Sees every event, on the reload thread.
pub type Observer = Box<dyn Fn(&Event<'_>) + Send>;

/// The last reload, for `/status`.
#[derive(Debug, Clone, Default)]
pub struct LastReload {
    /// Unix milliseconds; 0 before the first.
    pub at_ms: u64,
    /// `published`, `unchanged`, `rejected`, `unreadable`; empty before the first.
    pub outcome: &'static str,
    /// Why it was not published.
    pub error: Option<String>,
    /// The findings behind it, at most [`MOST_TOLD`].
    pub findings: Vec<String>,
    /// When the one in service was built, in Unix milliseconds.
    pub built_at_ms: u64,
    /// When it was put in service, in Unix milliseconds.
    pub activated_at_ms: u64,
}

/// What the reload thread needs.
pub struct Reloader {
    source: Source,
    store: Store,
    observer: Observer,
    last: Arc<Mutex<LastReload>>,
    /// What the source looked like when it was last read.
    look: Option<Look>,
    /// Why the source could not be read, when it was last tried.
    unreadable: Option<String>,
    /// The digest of the files that are in service.
    files_digest: Option<u128>,
    /// Replaced, but perhaps still held by a request.
    retired: Vec<Arc<Generation>>,
}

impl Reloader {
    /// Of a source, into a store.
    pub fn new(source: Source, store: Store, observer: Observer) -> Reloader {
        let last = Arc::default();
        Reloader {
            source,
            store,
            observer,
            last,
            look: None,
            unreadable: None,
            files_digest: None,
            retired: Vec::new(),
        }
    }

    /// Where the last reload can be read.
    pub fn last(&self) -> Arc<Mutex<LastReload>> {
        Arc::clone(&self.last)
    }

    /// Watches the source; events go to `waker`.
    pub fn watch(&self, waker: SyncSender<Wake>) -> Option<Watch> {
        watch(&self.source, waker).unwrap_or_else(|error| {
            (self.observer)(&Event::Unwatched { reason: &error.to_string() });
            None
        })
    }

    /// Looks whenever woken, and every `poll` anyway, until told to stop.
    pub fn run(mut self, wakes: &Receiver<Wake>, poll: Duration) {
        loop {
            let first = match wakes.recv_timeout(poll) {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => None,
                Ok(wake) => Some(wake),
            };
            // All that has come by now is answered by one look.
            for wake in first.into_iter().chain(wakes.try_iter()) {
                match wake {
                    Wake::Stop => return,
                    Wake::Asked => self.look = None,
                    Wake::Maybe => {}
                }
            }
            // A panic is a fault of this program, but no reason to stop looking.
            if catch_unwind(AssertUnwindSafe(|| self.look_again())).is_err() {
                let reason =
                    "a fault of switchboard while it read the source; please report it with the source";
                self.note("unreadable", Some(reason.to_owned()), &Findings::default());
                (self.observer)(&Event::Unreadable { reason });
            }
            self.free();
        }
    }

    /// Reads the source if it looks different from when it was last read.
    pub fn look_again(&mut self) {
        let mut look = self.source.look();
        if self.look.as_ref() == Some(&look) {
            return;
        }
        let started = Instant::now();
        loop {
            look = self.settled(look, started);
            let fetched = self.source.fetch();
            // Read while it changed: perhaps half of one state and half of the next.
            let after = self.source.look();
            if after != look && started.elapsed() < PATIENCE {
                look = after;
                continue;
            }
            self.look = Some(look);
            self.take(fetched);
            return;
        }
    }

    /// Waits until the source looks the same twice.
    fn settled(&self, mut look: Look, started: Instant) -> Look {
        while look != Look::Constant && started.elapsed() < PATIENCE {
            std::thread::sleep(QUIET);
            let again = self.source.look();
            if again == look {
                break;
            }
            look = again;
        }
        look
    }

    fn take(&mut self, fetched: Result<Fetched, String>) {
        let current = self.store.current();
        if fetched.is_ok() {
            self.unreadable = None;
        }
        match fetched {
            Err(reason) => {
                // It may pass without a change of the file, as a lack of file descriptors does: looked at
                // again with the next poll, and told once.
                self.look = None;
                if self.unreadable.as_ref() != Some(&reason) {
                    self.note("unreadable", Some(reason.clone()), &Findings::default());
                    (self.observer)(&Event::Unreadable { reason: &reason });
                    self.unreadable = Some(reason);
                }
            }
            Ok(Fetched::Files(files)) => {
                let digest = files.digest();
                if self.files_digest == Some(digest) {
                    return self.unchanged();
                }
                let now_ms = unix_ms(SystemTime::now());
                let generation = match (&self.source, current) {
                    (Source::Embedded(_), _) => EMBEDDED_GENERATION,
                    (_, Some(current)) => now_ms.max(current.snapshot.generation() + 1),
                    (_, None) => now_ms,
                };
                let now = (now_ms / 1000) as i64;
                match publish::publish(&files, generation, now, &|_, _, _| {}) {
                    Ok(compiled) => {
                        self.files_digest = Some(digest);
                        (self.observer)(&Event::Timed { timings: &compiled.timings });
                        self.publish(compiled.snapshot, now_ms, &compiled.findings);
                    }
                    Err(Refused { findings, .. }) => {
                        let reason =
                            format!("{} has {} in its findings", self.source.describe(), errors(&findings));
                        self.rejected(Stage::Registry, reason, &findings);
                    }
                }
            }
            Ok(Fetched::Bytes { bytes, modified_ms }) => match publish::open(bytes)
                .and_then(|opened| newer(&opened.0, current.as_deref()).map(|newer| (opened, newer)))
            {
                Ok((_, false)) => self.unchanged(),
                Ok(((snapshot, timings), true)) => {
                    (self.observer)(&Event::Timed { timings: &timings });
                    let built_at_ms = snapshot.header().built_at_ms().unwrap_or(modified_ms);
                    self.publish(snapshot, built_at_ms, &Findings::default());
                }
                Err(Rejection { stage, reason }) => {
                    let reason = format!("{}: {reason}", self.source.describe());
                    self.rejected(stage, reason, &Findings::default());
                }
            },
        }
    }

    fn publish(&mut self, snapshot: Snapshot, built_at_ms: u64, findings: &Findings) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.built_at_ms = built_at_ms;
        last.activated_at_ms = unix_ms(SystemTime::now());
        // Under the lock, so that `/status` shows a generation with its own times.
        self.retired.extend(self.store.publish(snapshot));
        drop(last);
        self.note("published", None, findings);
        // No other thread publishes.
        if let Some(generation) = self.store.current() {
            (self.observer)(&Event::Published { snapshot: &generation.snapshot, built_at_ms, findings });
        }
        self.free();
    }

    fn unchanged(&self) {
        self.note("unchanged", None, &Findings::default());
        (self.observer)(&Event::Unchanged);
    }

    fn rejected(&self, stage: Stage, reason: String, findings: &Findings) {
        self.note("rejected", Some(reason.clone()), findings);
        (self.observer)(&Event::Rejected { stage, reason: &reason, findings });
    }

    /// Before it is told, so that whoever hears of it finds it in `/status`.
    fn note(&self, outcome: &'static str, error: Option<String>, findings: &Findings) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.at_ms = unix_ms(SystemTime::now());
        last.outcome = outcome;
        last.error = error;
        let errors = findings.0.iter().filter(|finding| finding.code.severity() == Severity::Error);
        last.findings = errors.take(MOST_TOLD).map(ToString::to_string).collect();
    }

    /// Frees, here and not on a worker, what no request holds any more.
    fn free(&mut self) {
        self.retired.retain(|generation| Arc::strong_count(generation) > 1);
        let in_service = usize::from(self.store.current().is_some());
        (self.observer)(&Event::Alive { snapshots: in_service + self.retired.len() });
    }
}

fn errors(findings: &Findings) -> String {
    match findings.errors() {
        1 => "1 error".to_owned(),
        more => format!("{more} errors"),
    }
}

/// Whether to put it in service; an older one, or another of the same generation, is refused.
fn newer(snapshot: &Snapshot, current: Option<&Generation>) -> Result<bool, Rejection> {
    let Some(Generation { snapshot: current, .. }) = current else { return Ok(true) };
    if snapshot.header() == current.header() {
        return Ok(false);
    }
    if snapshot.generation() > current.generation() {
        return Ok(true);
    }
    let (new, old) = (snapshot.generation(), current.generation());
    let reason = format!(
        "generation {new} is not newer than {old}, which is in service: generations only grow; compile it again"
    );
    Err(Stage::Generation.rejection(reason))
}
