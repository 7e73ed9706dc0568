//! What a connection is waiting for, and until when.
//!
//! hyper has a time limit for heads, but counts it from the end of the answer before, so that it would
//! end every idle connection; it has none for bodies, idling or peers that do not take their answers.
//! All four are one deadline here, moved when bytes, requests and answers pass. Moving it is a store: the
//! clock is read once, when all that has come is dealt with, and the timer is only armed again where it
//! would ring too late.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Kept;

/// How long a peer gets to stop sending and read its last answer.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// How long a connection waits for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From a request's first byte to the end of its head.
    pub(crate) header_timeout: Duration,
    /// From there to its answer.
    pub(crate) body_timeout: Duration,
    /// From there to the next request's first byte.
    pub(crate) idle_timeout: Duration,
    /// How long it may be idle once the listener drains.
    pub(crate) drain_grace: Duration,
}

/// The state that a connection, its stream and its service share.
pub(super) struct Pulse {
    limits: Limits,
    deadline: Cell<Instant>,
    /// A wait that has begun since the clock was last read.
    begun: Cell<Option<Duration>>,
    /// The time, where it is known and was not used yet.
    now: Cell<Option<Instant>>,
    waits: Cell<WaitsFor>,
    /// Told the status that hyper itself refuses a request with, before any service saw it.
    refused: Box<dyn Fn(u16)>,
    /// Since when the listener drains; later, when bytes last were to go out. `None` before, and once the
    /// connection was told to end.
    quiet: Cell<Option<Instant>>,
    draining: Cell<bool>,
    /// Whether bytes may still be on their way to us when the connection is closed.
    linger: Cell<bool>,
    /// What a head was refused for, where it was not hyper that refused it.
    fault: Cell<Option<&'static str>>,
    /// What the answers not taken yet have of the memory for bodies.
    kept: Cell<Vec<Kept>>,
}

/// What is to come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// A request, or the peer to take an answer.
    Request,
    /// The rest of a head.
    Head,
    /// The rest of a body, or the answer.
    Answer,
    /// The peer to close.
    End,
}

impl Pulse {
    pub(super) fn new(limits: Limits, refused: impl Fn(u16) + 'static) -> Pulse {
        Pulse {
            limits,
            deadline: Cell::new(Instant::now() + limits.idle_timeout),
            begun: Cell::new(None),
            now: Cell::new(None),
            waits: Cell::new(WaitsFor::Request),
            refused: Box::new(refused),
            quiet: Cell::new(None),
            draining: Cell::new(false),
            linger: Cell::new(false),
            fault: Cell::new(None),
            kept: Cell::default(),
        }
    }

    /// What has begun began now: the time, which is not looked at again where a request was just answered.
    pub(super) fn settle(&self) -> Instant {
        let now = self.now.take().unwrap_or_else(Instant::now);
        if let Some(time) = self.begun.take() {
            self.deadline.set(now + time);
        }
        now
    }

    /// As last settled.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline.get()
    }

    pub(super) fn waits_for(&self) -> WaitsFor {
        self.waits.get()
    }

    /// The listener drains: the next answer is the last.
    pub(super) fn drain(&self) {
        self.draining.set(true);
        self.quiet.set(Some(Instant::now()));
    }

    pub(super) fn drains(&self) -> bool {
        self.draining.get()
    }

    /// When a connection that is idle while the listener drains has been so for long enough. One that
    /// takes its answer slowly is not idle: it has not been told yet that the answer is its last.
    pub(super) fn grace_ends(&self) -> Option<Instant> {
        let idle = self.waits.get() == WaitsFor::Request;
        self.quiet.get().filter(|_| idle).map(|since| since + self.limits.drain_grace)
    }

    /// It was told to end; that is not asked again.
    pub(super) fn leave(&self) {
        self.quiet.set(None);
    }

    /// Bytes came in.
    pub(super) fn bytes(&self) {
        if self.waits.get() == WaitsFor::Request {
            self.wait(WaitsFor::Head, self.limits.header_timeout);
        }
    }

    /// A request's head is complete.
    pub(super) fn request(&self) {
        self.wait(WaitsFor::Answer, self.limits.body_timeout);
    }

    /// An answer is on its way.
    pub(super) fn answer(&self) {
        self.wait(WaitsFor::Request, self.limits.idle_timeout);
    }

    /// A request was answered at this time.
    pub(super) fn answered(&self, at: std::time::Instant) {
        self.now.set(Some(Instant::from_std(at)));
        self.answer();
    }

    /// Our side is closed; what the peer still sends is thrown away for a moment.
    pub(super) fn end(&self) {
        if self.waits.get() != WaitsFor::End {
            self.wait(WaitsFor::End, LINGER);
        }
    }

    /// hyper refuses a request with this status. Told before the answer is written, so that whoever reads
    /// the answer finds it counted.
    pub(super) fn refuse(&self, status: u16) {
        (self.refused)(status);
        self.linger();
    }

    /// The connection will be closed before all that was sent is read.
    pub(super) fn linger(&self) {
        self.linger.set(true);
    }

    /// A head is refused before hyper sees all of it.
    pub(super) fn blame(&self, why: &'static str) {
        self.fault.set(Some(why));
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        self.fault.get()
    }

    /// Bytes are to go out. What the socket does not take is tried again with every poll, so that a
    /// connection whose peer takes an answer slowly is never quiet for long.
    pub(super) fn wrote(&self) {
        if self.quiet.get().is_some() {
            self.quiet.set(Some(Instant::now()));
        }
    }

    /// An answer's share is kept until it is taken.
    pub(super) fn keep(&self, share: Kept) {
        let mut kept = self.kept.take();
        kept.push(share);
        self.kept.set(kept);
    }

    /// Every answer is with the system.
    pub(super) fn flushed(&self) {
        drop(self.kept.take());
    }

    pub(super) fn lingers(&self) -> bool {
        self.linger.get()
    }

    fn wait(&self, what: WaitsFor, time: Duration) {
        self.waits.set(what);
        self.begun.set(Some(time));
    }
}
