//! The state of a connection: the event that it waits for, and the deadline of this event.
//!
//! hyper has a timeout for heads, but starts it at the end of the previous answer, so it would end every idle
//! connection. hyper has no timeouts for bodies, for idle connections, or for peers that do not read their
//! answers. Here, all four are one deadline. Events only store a timeout; the clock is read once, after all
//! arrived bytes are processed. The timer is reset only if it would fire too late.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::Timeouts;
use super::limits::HeldReservation;
use super::request_head::HeadError;
use super::response::LINGER;

/// A deadline that is judged later than this shows that the process or its machine was paused.
const MAX_LATENESS: Duration = Duration::from_millis(100);
/// Time that a connection has to continue after a pause in which its deadline passed.
const PAUSE_GRACE: Duration = Duration::from_secs(1);

/// The state that a connection, its stream and its service share.
pub(crate) struct ConnectionState {
    timeouts: Timeouts,
    deadline: Cell<Instant>,
    /// Whether a pause of the process moved the deadline of the current event.
    is_extended: Cell<bool>,
    /// A timeout that was chosen after the last read of the clock, and has not started.
    pending_timeout: Cell<Option<Duration>>,
    /// The current time, if a fast answer supplied it and no call has used it.
    now: Cell<Option<Instant>>,
    waits_for: Cell<WaitsFor>,
    is_draining: Cell<bool>,
    /// The time when the server began to drain, or of the last write after that. `None` before the drain and
    /// after the graceful shutdown.
    quiet_since: Cell<Option<Instant>>,
    /// Whether unread bytes of the peer must be discarded before the socket is closed.
    linger: Cell<bool>,
    /// The reason why a head was refused, if this server refused it and not hyper.
    refusal: Cell<Option<HeadError>>,
    /// Memory of answers that the system has not taken completely.
    held: Cell<Vec<HeldReservation>>,
}

/// The event that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// The next request, or the end of the peer's reading.
    Request,
    /// The rest of a request's head.
    Head,
    /// The rest of a body, or the service's answer.
    Answer,
    /// The end of the connection by the peer.
    Close,
}

impl ConnectionState {
    pub(crate) fn new(timeouts: Timeouts) -> ConnectionState {
        ConnectionState {
            timeouts,
            deadline: Cell::new(Instant::now() + timeouts.idle),
            is_extended: Cell::new(false),
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

    /// Starts the timeout that was chosen since the last call, and returns the current time. Uses the time of
    /// the last fast answer, if there is one, instead of reading the clock.
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

    /// Moves a deadline that passed during a pause of the process, once for each event. Returns whether it
    /// was moved. During a pause, a peer cannot send more than the buffers of the system hold.
    pub(crate) fn extend_after_pause(&self, now: Instant) -> bool {
        let was_paused = now.saturating_duration_since(self.deadline.get()) > MAX_LATENESS;
        if !was_paused || self.waits_for.get() == WaitsFor::Close || self.is_extended.replace(true) {
            return false;
        }
        self.deadline.set(now + PAUSE_GRACE);
        true
    }

    #[inline]
    pub(crate) fn waits_for(&self) -> WaitsFor {
        self.waits_for.get()
    }

    /// Records that the server drains: the next answer is the last.
    pub(crate) fn on_drain(&self) {
        self.is_draining.set(true);
        self.quiet_since.set(Some(Instant::now()));
    }

    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Returns the time at which an idle connection has used up the drain grace. Returns `None` while a
    /// request is in progress. Each write starts the grace again (see `on_write`), because a slow peer has
    /// not read that the answer is the last.
    #[inline]
    pub(crate) fn grace_end(&self) -> Option<Instant> {
        let is_idle = self.waits_for.get() == WaitsFor::Request;
        self.quiet_since.get().filter(|_| is_idle).map(|since| since + self.timeouts.drain_grace)
    }

    /// Records that hyper was asked to end the connection. This happens once.
    pub(crate) fn on_graceful_shutdown(&self) {
        self.quiet_since.set(None);
    }

    /// Records that bytes for hyper arrived.
    #[inline]
    pub(crate) fn on_bytes(&self) {
        if self.waits_for.get() == WaitsFor::Request {
            self.wait(WaitsFor::Head, self.timeouts.header);
        }
    }

    /// Records that a request's head is complete. The service may give the request a time of its own.
    #[inline]
    pub(crate) fn on_request(&self, timeout: Option<Duration>) {
        self.wait(WaitsFor::Answer, timeout.unwrap_or(self.timeouts.body));
    }

    /// Records that a request was answered.
    #[inline]
    pub(crate) fn on_answer(&self) {
        self.wait(WaitsFor::Request, self.timeouts.idle);
    }

    /// Records that the fast path answered a request at this time.
    #[inline]
    pub(crate) fn on_fast_answer(&self, at: std::time::Instant) {
        self.now.set(Some(Instant::from_std(at)));
        self.on_answer();
    }

    /// Records that this side is closed. Bytes from the peer are discarded for [`LINGER`].
    pub(crate) fn on_shutdown(&self) {
        if self.waits_for.get() != WaitsFor::Close {
            self.wait(WaitsFor::Close, LINGER);
        }
    }

    /// Records that bytes are about to be written. Each poll retries the bytes that the socket did not take,
    /// so a connection with a slow peer is never quiet for long.
    #[inline]
    pub(crate) fn on_write(&self) {
        if self.quiet_since.get().is_some() {
            self.quiet_since.set(Some(Instant::now()));
        }
    }

    /// Records that the system has taken every answer.
    #[inline]
    pub(crate) fn on_flush(&self) {
        drop(self.held.take());
    }

    /// Keeps the memory of an answer reserved until the peer has read the answer.
    pub(crate) fn hold(&self, reservation: HeldReservation) {
        let mut held = self.held.take();
        held.push(reservation);
        self.held.set(held);
    }

    /// Records that unread bytes of the peer must be discarded before the socket is closed.
    pub(crate) fn set_linger(&self) {
        self.linger.set(true);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.linger.get()
    }

    /// Records why a head is refused before hyper sees all of it.
    pub(crate) fn set_refusal(&self, error: HeadError) {
        self.refusal.set(Some(error));
    }

    pub(crate) fn refusal(&self) -> Option<HeadError> {
        self.refusal.get()
    }

    #[inline]
    fn wait(&self, waits_for: WaitsFor, timeout: Duration) {
        self.waits_for.set(waits_for);
        self.is_extended.set(false);
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

    /// Returns the seconds from now to the deadline.
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
        state.on_request(None);
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
        state.on_request(None);
        assert_eq!(left(&state), 30);
        advance(Duration::from_secs(20)).await;
        state.on_bytes();
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Answer, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn time_of_one_request_does_not_concern_the_next() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_request(Some(Duration::from_secs(100)));
        assert_eq!((state.waits_for(), left(&state)), (WaitsFor::Answer, 100));
        state.on_answer();
        state.on_request(None);
        assert_eq!(left(&state), 30);
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
        state.on_request(None);
        assert_eq!(state.deadline(), before);
        advance(Duration::from_secs(4)).await;
        assert_eq!(left(&state), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_that_passed_during_a_pause_moves_once() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_bytes();
        assert_eq!(left(&state), 5);
        advance(Duration::from_secs(5)).await;
        assert!(!state.extend_after_pause(Instant::now()), "the deadline is judged in time");
        advance(Duration::from_secs(20)).await;
        assert!(state.extend_after_pause(Instant::now()));
        state.on_bytes();
        assert_eq!(left(&state), 1);
        advance(Duration::from_secs(20)).await;
        assert!(!state.extend_after_pause(Instant::now()), "bytes of the same head arrived");
        state.on_request(None);
        assert_eq!(left(&state), 30);
        advance(Duration::from_secs(40)).await;
        assert!(state.extend_after_pause(Instant::now()));
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
    async fn drain_grace_waits_for_a_request_in_flight() {
        let state = ConnectionState::new(TIMEOUTS);
        state.on_request(None);
        state.on_drain();
        assert_eq!(state.grace_end(), None);
        state.on_answer();
        assert!(state.grace_end().is_some());
    }
}
