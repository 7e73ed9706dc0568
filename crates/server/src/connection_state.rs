//! What a connection waits for, and until when.
//!
//! hyper has a time limit for heads, but counts it from the end of the previous answer, so that it would end every idle
//! connection. It has none for bodies, for idle connections, or for peers that do not take their answers. All four are
//! one deadline here, moved when bytes, requests and answers pass. To move it is a store: the clock is read once, when
//! all that has arrived is dealt with, and the timer is armed again only where it would fire too late.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::Timeouts;
use super::memory_budget::HeldReservation;
use super::request_head::HeadError;

/// How long a peer has to stop sending and to read its last answer.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// The state that a connection, its stream and its service share.
pub(crate) struct ConnectionState {
    timeouts: Timeouts,
    deadline: Cell<Instant>,
    /// A timeout chosen since the clock was last read, which has not started.
    pending_timeout: Cell<Option<Duration>>,
    /// The time, where it is known and was not used yet.
    now: Cell<Option<Instant>>,
    waits_for: Cell<WaitsFor>,
    is_draining: Cell<bool>,
    /// When the server began to drain, or, later, when bytes were last to go out. `None` before that, and after the
    /// graceful shutdown.
    quiet_since: Cell<Option<Instant>>,
    /// Whether the peer's bytes may still be on their way when the connection is closed.
    linger: Cell<bool>,
    /// Why a head was refused, where it was not hyper that refused it.
    refusal: Cell<Option<HeadError>>,
    /// The memory of answers that the peer has not taken yet.
    held: Cell<Vec<HeldReservation>>,
}

/// What has to come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// A request, or the peer to take an answer.
    Request,
    /// The rest of a head.
    Head,
    /// The rest of a body, or the answer.
    Answer,
    /// The peer to close.
    Close,
}

impl ConnectionState {
    pub(crate) fn new(timeouts: Timeouts) -> ConnectionState {
        ConnectionState {
            timeouts,
            deadline: Cell::new(Instant::now() + timeouts.idle),
            pending_timeout: Cell::new(None),
            now: Cell::new(None),
            waits_for: Cell::new(WaitsFor::Request),
            is_draining: Cell::new(false),
            quiet_since: Cell::new(None),
            linger: Cell::new(false),
            refusal: Cell::new(None),
            held: Cell::default(),
        }
    }

    /// Starts the timeout chosen since the last call, and returns the time. That is the time of the answer just given,
    /// if any, in place of a look at the clock.
    #[inline]
    pub(crate) fn start_timeout(&self) -> Instant {
        let now = self.now.take().unwrap_or_else(Instant::now);
        if let Some(timeout) = self.pending_timeout.take() {
            self.deadline.set(now + timeout);
        }
        now
    }

    /// Returns the deadline as of the last [`ConnectionState::start_timeout`].
    #[inline]
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline.get()
    }

    #[inline]
    pub(crate) fn waits_for(&self) -> WaitsFor {
        self.waits_for.get()
    }

    /// The server drains: the next answer is the last.
    pub(crate) fn on_drain(&self) {
        self.is_draining.set(true);
        self.quiet_since.set(Some(Instant::now()));
    }

    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Returns when a connection that is idle while the server drains has been so for the grace. A connection whose peer
    /// takes its answer slowly is not idle: the peer has not read yet that the answer is the last.
    #[inline]
    pub(crate) fn grace_end(&self) -> Option<Instant> {
        let is_idle = self.waits_for.get() == WaitsFor::Request;
        self.quiet_since.get().filter(|_| is_idle).map(|since| since + self.timeouts.drain_grace)
    }

    /// Records that hyper was asked to end the connection. That happens once.
    pub(crate) fn on_graceful_shutdown(&self) {
        self.quiet_since.set(None);
    }

    /// Bytes for hyper arrived.
    #[inline]
    pub(crate) fn on_bytes(&self) {
        if self.waits_for.get() == WaitsFor::Request {
            self.wait(WaitsFor::Head, self.timeouts.header);
        }
    }

    /// A request's head is complete.
    #[inline]
    pub(crate) fn on_request(&self) {
        self.wait(WaitsFor::Answer, self.timeouts.body);
    }

    /// A request was answered.
    #[inline]
    pub(crate) fn on_answer(&self) {
        self.wait(WaitsFor::Request, self.timeouts.idle);
    }

    /// The fast path answered a request at this time.
    #[inline]
    pub(crate) fn on_fast_answer(&self, at: std::time::Instant) {
        self.now.set(Some(Instant::from_std(at)));
        self.on_answer();
    }

    /// Our side is closed; what the peer still sends is discarded for a while.
    pub(crate) fn on_shutdown(&self) {
        if self.waits_for.get() != WaitsFor::Close {
            self.wait(WaitsFor::Close, LINGER);
        }
    }

    /// Bytes are to go out. What the socket does not take is tried again with every poll, so that a connection whose
    /// peer takes an answer slowly is never quiet for long.
    #[inline]
    pub(crate) fn on_write(&self) {
        if self.quiet_since.get().is_some() {
            self.quiet_since.set(Some(Instant::now()));
        }
    }

    /// Every answer is with the system.
    #[inline]
    pub(crate) fn on_flush(&self) {
        drop(self.held.take());
    }

    /// Keeps the memory of an answer reserved until the peer has taken it.
    pub(crate) fn hold(&self, reservation: HeldReservation) {
        let mut held = self.held.take();
        held.push(reservation);
        self.held.set(held);
    }

    /// The connection will be closed before all that the peer sent is read.
    pub(crate) fn set_linger(&self) {
        self.linger.set(true);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.linger.get()
    }

    /// A head is refused before hyper sees all of it.
    pub(crate) fn set_refusal(&self, error: HeadError) {
        self.refusal.set(Some(error));
    }

    pub(crate) fn refusal(&self) -> Option<HeadError> {
        self.refusal.get()
    }

    #[inline]
    fn wait(&self, waits_for: WaitsFor, timeout: Duration) {
        self.waits_for.set(waits_for);
        self.pending_timeout.set(Some(timeout));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        header: Duration::from_secs(5),
        body: Duration::from_secs(30),
        idle: Duration::from_secs(60),
        drain_grace: Duration::from_secs(2),
    };

    /// Seconds from now to the deadline.
    fn left(state: &ConnectionState) -> u64 {
        let now = state.start_timeout();
        (state.deadline() - now).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn each_part_of_a_request_has_its_own_deadline() {
        let state = ConnectionState::new(TIMEOUTS);
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Request, 60));
        advance(Duration::from_secs(50)).await;
        assert_eq!(left(&state), 10);
        state.on_bytes();
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Head, 5));
        state.on_request();
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Answer, 30));
        state.on_answer();
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Request, 60));
        state.on_shutdown();
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Close, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn header_deadline_stays_when_a_head_arrives_in_pieces() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_bytes();
        assert_eq!(left(&state), 5);
        advance(Duration::from_secs(3)).await;
        state.on_bytes();
        assert_eq!(left(&state), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn body_deadline_stays_when_bytes_arrive() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_request();
        assert_eq!(left(&state), 30);
        advance(Duration::from_secs(20)).await;
        state.on_bytes();
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Answer, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn linger_deadline_stays_when_the_peer_goes_on_sending() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_shutdown();
        assert_eq!(left(&state), 1);
        advance(Duration::from_millis(900)).await;
        state.on_shutdown();
        state.start_timeout();
        assert_eq!(state.deadline() - Instant::now(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_timeout_starts_at_the_time_of_the_fast_answer() {
        let state = ConnectionState::new(TIMEOUTS);
        let answered = Instant::now();
        state.on_fast_answer(answered.into_std());
        advance(Duration::from_secs(1)).await;
        assert_eq!(state.start_timeout(), answered);
        assert_eq!(state.deadline(), answered + TIMEOUTS.idle);
        assert_eq!(state.start_timeout(), answered + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_starts_when_the_clock_is_read() {
        let state = ConnectionState::new(TIMEOUTS);
        let before = state.deadline();
        state.on_request();
        assert_eq!(state.deadline(), before);
        advance(Duration::from_secs(4)).await;
        assert_eq!(left(&state), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn drain_grace_ends_an_idle_connection() {
        let state = ConnectionState::new(TIMEOUTS);
        assert_eq!((state.is_draining(), state.grace_end()), (false, None));
        state.on_drain();
        assert!(state.is_draining());
        assert_eq!(state.grace_end(), Some(Instant::now() + TIMEOUTS.drain_grace));
        state.on_graceful_shutdown();
        assert_eq!((state.is_draining(), state.grace_end()), (true, None));
    }

    #[tokio::test(start_paused = true)]
    async fn drain_grace_starts_anew_when_an_answer_is_written() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_write();
        assert_eq!(state.grace_end(), None);
        state.on_drain();
        advance(Duration::from_secs(1)).await;
        state.on_write();
        assert_eq!(state.grace_end(), Some(Instant::now() + TIMEOUTS.drain_grace));
    }

    #[tokio::test(start_paused = true)]
    async fn drain_grace_waits_for_a_request_in_hand() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_request();
        state.on_drain();
        assert_eq!(state.grace_end(), None);
        state.on_answer();
        assert!(state.grace_end().is_some());
    }
}
