//! Polls a source: reads it when its stamp has changed and the source has settled.
//!
//! A source is read 50 ms after its last change, and after 1 s at the latest. While a file is open for writing,
//! the poller waits until it is closed, has not changed for 1 s, or 10 s have passed. A source may ask for a
//! longer time without a change.

use std::time::{Duration, Instant};

use switchboard_pipeline::{Fetched, SourceError, SourceStamp};
use switchboard_registry::ReadLimits;

use super::reload_event::ReloadSignal;

/// A source that is not being written is read when its stamp has not changed for this time. The value exceeds
/// the resolution of file-system times (10 ms), so that a later write changes the stamp.
pub(super) const QUIET_PERIOD: Duration = Duration::from_millis(50);
/// Maximum wait for a source whose files are replaced again and again.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// A source that is open for writing is read when its stamp has not changed for this time, because its writer
/// has stalled.
const MAX_STALL: Duration = Duration::from_secs(1);
/// Maximum wait for a source in which some file is always being written, or which asks for a longer time without
/// a change.
const MAX_WAIT_WHILE_WRITTEN: Duration = Duration::from_secs(10);

/// Finds changes of a source and reads it.
pub(super) trait Poll: Send {
    /// Reads the source if it has changed and settled.
    fn poll(&mut self) -> Polled;

    /// Makes the next poll read the source, even if no change shows.
    fn forget_last_read(&mut self);

    /// Sets the limits within which the files of a registry are read.
    fn set_limits(&mut self, limits: ReadLimits);

    /// Sends a signal when the source may have changed. Starts with the next poll.
    fn watch(&mut self, signal: ReloadSignal);

    /// Returns whether the source cannot be watched, so that it is only polled.
    fn is_watch_down(&self) -> bool;

    /// Reads and watches the file with the signed manifest, too, if the source is a snapshot file.
    fn require_release(&mut self) {}

    /// Stops waiting for the source to settle.
    fn reset_debounce(&mut self) {}

    /// Returns whether the source is changing and has not been read.
    fn is_settling(&self) -> bool {
        false
    }

    /// Returns whether the source must be polled again after the quiet period.
    fn is_due_soon(&self) -> bool {
        false
    }

    /// Returns the sequence number of the last change, or `None` without file-system events.
    fn last_change(&self) -> Option<u64> {
        None
    }
}

/// A source with its file-system watch and a clock. Tests replace all three.
pub(super) trait PolledSource {
    /// Ensures that file-system events report changes from now on. With `follow_path`, follows the path to
    /// the source again, even if no event reported a change of the path.
    fn renew_watch(&mut self, follow_path: bool);

    /// Returns whether an event reported that a file of the source is open for writing.
    fn is_being_written(&self) -> bool;

    fn stamp(&self) -> SourceStamp;

    fn fetch(&self) -> Result<Fetched, SourceError>;

    fn now(&self) -> Instant;

    /// Returns the time without a change after which the source is read, at least [`QUIET_PERIOD`].
    fn quiet_period(&self) -> Duration {
        QUIET_PERIOD
    }
}

/// The result of a poll.
pub(super) enum Polled {
    /// The stamp has not changed since the last read.
    Unchanged,
    /// The source is changing. The caller polls again after [`QUIET_PERIOD`].
    Settling,
    /// The source was read again, because the last read was not trusted. The content is the same.
    SameContent,
    /// The source was read, or could not be read.
    Fetched(Result<Fetched, SourceError>),
}

/// Reads a source when it has changed and settled.
pub(super) struct SourcePoller<S> {
    pub(super) source: S,
    /// The stamp of the last successful read.
    last_read: Option<SourceStamp>,
    /// Set while the source is changing and has not been read.
    debounce: Option<Debounce>,
    /// Digest of a read that was taken before the source was quiet. A later write may have the same stamp, so
    /// the source is read again and applied if the digest differs.
    unsettled_digest: Option<u128>,
}

impl<S: PolledSource> SourcePoller<S> {
    pub(super) fn new(source: S) -> SourcePoller<S> {
        SourcePoller { source, last_read: None, debounce: None, unsettled_digest: None }
    }

    /// Makes the next poll read the source, even if its stamp has not changed.
    pub(super) fn forget_last_read(&mut self) {
        self.last_read = None;
        self.unsettled_digest = None;
    }

    /// Stops waiting for the source to settle.
    pub(super) fn reset_debounce(&mut self) {
        self.debounce = None;
    }

    /// Returns whether the source is changing and has not been read.
    pub(super) fn is_settling(&self) -> bool {
        self.debounce.is_some()
    }

    /// Returns whether the source must be polled again after the quiet period.
    pub(super) fn is_due_soon(&self) -> bool {
        self.is_settling() || self.unsettled_digest.is_some()
    }

    /// Reads the source if it has changed and settled.
    pub(super) fn poll(&mut self) -> Polled {
        // Before the stamp is read, so that every later change causes an event.
        self.source.renew_watch(false);
        let mut stamp = self.source.stamp();
        if self.debounce.is_none() {
            if self.last_read.as_ref() == Some(&stamp) && self.unsettled_digest.is_none() {
                return Polled::Unchanged;
            }
            // The path may have changed without an event in the watched folders.
            self.source.renew_watch(true);
            stamp = self.source.stamp();
        }
        let now = self.source.now();
        let is_being_written = self.source.is_being_written();
        let mut debounce = self
            .debounce
            .take()
            .unwrap_or_else(|| Debounce::new(stamp.clone(), now, self.source.quiet_period()));
        debounce.observe(stamp, now, is_being_written);
        if !debounce.is_due(now) {
            self.debounce = Some(debounce);
            return Polled::Settling;
        }
        let fetched = self.source.fetch();
        // A source that changed during the read may be a mixture of two states.
        let after = self.source.stamp();
        if after != *debounce.stamp() && !debounce.is_overdue(now) {
            debounce.observe(after, self.source.now(), is_being_written);
            self.debounce = Some(debounce);
            return Polled::Settling;
        }
        // A read error may end without a change of the source, such as a lack of file descriptors.
        self.last_read = fetched.is_ok().then(|| debounce.stamp().clone());
        let is_quiet = debounce.is_quiet(now);
        let unsettled_before = self.unsettled_digest.take();
        if !is_quiet || unsettled_before.is_some() {
            let digest = fetched.as_ref().ok().map(Fetched::digest);
            self.unsettled_digest = digest.filter(|_| !is_quiet);
            if unsettled_before.is_some() && unsettled_before == digest {
                return Polled::SameContent;
            }
        }
        Polled::Fetched(fetched)
    }
}

/// The observations of a source since it began to change.
#[derive(Debug)]
pub(super) struct Debounce {
    stamp: SourceStamp,
    changing_since: Instant,
    unchanged_since: Instant,
    last_written: Option<Instant>,
    quiet_period: Duration,
}

impl Debounce {
    pub(super) fn new(stamp: SourceStamp, now: Instant, quiet_period: Duration) -> Debounce {
        Debounce { stamp, changing_since: now, unchanged_since: now, last_written: None, quiet_period }
    }

    /// Records the stamp of the source at `now`, and whether one of its files is open for writing.
    pub(super) fn observe(&mut self, stamp: SourceStamp, now: Instant, is_being_written: bool) {
        if stamp != self.stamp {
            self.stamp = stamp;
            self.unchanged_since = now;
        }
        if is_being_written {
            self.last_written = Some(now);
        }
    }

    pub(super) fn stamp(&self) -> &SourceStamp {
        &self.stamp
    }

    /// Returns whether the source should be read at `now`, the time of the last observation.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let unchanged_for = now - self.unchanged_since;
        let is_being_written = self.last_written == Some(now);
        // The last time at which a file was open for writing, or the first observation if no file was.
        let closed_since = self.last_written.unwrap_or(self.changing_since);
        self.stamp == SourceStamp::Constant
            || self.is_overdue(now)
            || if is_being_written {
                unchanged_for >= MAX_STALL
            } else {
                unchanged_for >= self.quiet_period || now - closed_since >= self.max_wait()
            }
    }

    /// Returns whether the source should be read although it is still changing.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let changing_for = now - self.changing_since;
        changing_for >= MAX_WAIT_WHILE_WRITTEN
            || (self.last_written.is_none() && changing_for >= self.max_wait())
    }

    fn max_wait(&self) -> Duration {
        if self.quiet_period > QUIET_PERIOD { MAX_WAIT_WHILE_WRITTEN } else { MAX_WAIT }
    }

    /// Returns whether the stamp is old enough that every later write changes it.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.stamp == SourceStamp::Constant || now - self.unchanged_since >= QUIET_PERIOD
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::io;

    use rkyv::util::AlignedVec;
    use switchboard_model::UnixMillis;

    use super::*;

    /// A source whose stamp is a number, with a clock that the test advances.
    struct FakeSource {
        now: Cell<Instant>,
        stamp: Cell<u64>,
        content: RefCell<Option<&'static str>>,
        /// Stamp that the source gets during the next read.
        stamp_after_read: Cell<Option<u64>>,
        is_being_written: Cell<bool>,
        reads: Cell<usize>,
        followed: usize,
        quiet_period: Duration,
    }

    impl PolledSource for FakeSource {
        fn renew_watch(&mut self, follow_path: bool) {
            self.followed += usize::from(follow_path);
        }

        fn is_being_written(&self) -> bool {
            self.is_being_written.get()
        }

        fn stamp(&self) -> SourceStamp {
            SourceStamp::Unreadable(self.stamp.get().to_string())
        }

        fn fetch(&self) -> Result<Fetched, SourceError> {
            self.reads.set(self.reads.get() + 1);
            if let Some(stamp) = self.stamp_after_read.take() {
                self.stamp.set(stamp);
            }
            match *self.content.borrow() {
                Some(content) => {
                    let mut bytes = AlignedVec::new();
                    bytes.extend_from_slice(content.as_bytes());
                    Ok(Fetched::Bytes { bytes: bytes.into(), modified_at: UnixMillis(0), release: None })
                }
                None => Err(SourceError::Snapshot { path: "file".into(), error: io::Error::other("gone") }),
            }
        }

        fn now(&self) -> Instant {
            self.now.get()
        }

        fn quiet_period(&self) -> Duration {
            self.quiet_period
        }
    }

    fn poller() -> SourcePoller<FakeSource> {
        SourcePoller::new(FakeSource {
            now: Cell::new(Instant::now()),
            stamp: Cell::new(1),
            content: RefCell::new(Some("one")),
            stamp_after_read: Cell::default(),
            is_being_written: Cell::default(),
            reads: Cell::default(),
            followed: 0,
            quiet_period: QUIET_PERIOD,
        })
    }

    impl SourcePoller<FakeSource> {
        /// Polls every 50 ms of the fake clock until the source has settled. Returns the elapsed milliseconds
        /// and the content that was read.
        fn poll_until_settled(&mut self) -> (u128, Option<String>) {
            let start = self.source.now();
            loop {
                match self.poll() {
                    Polled::Settling => self.advance(50),
                    Polled::Fetched(Ok(Fetched::Bytes { bytes, .. })) => {
                        let content = String::from_utf8(bytes.to_vec()).unwrap();
                        return ((self.source.now() - start).as_millis(), Some(content));
                    }
                    _ => return ((self.source.now() - start).as_millis(), None),
                }
            }
        }

        fn advance(&self, ms: u64) {
            self.source.now.set(self.source.now.get() + Duration::from_millis(ms));
        }

        fn change(&self, stamp: u64, content: Option<&'static str>) {
            self.source.stamp.set(stamp);
            *self.source.content.borrow_mut() = content;
        }
    }

    #[test]
    fn source_is_read_once_for_each_stamp() {
        let mut poller = poller();
        assert_eq!(poller.poll_until_settled(), (50, Some("one".to_owned())));
        assert!(matches!(poller.poll(), Polled::Unchanged));
        poller.change(2, Some("two"));
        assert_eq!(poller.poll_until_settled(), (50, Some("two".to_owned())));
        assert!(matches!(poller.poll(), Polled::Unchanged));
        assert_eq!(poller.source.reads.get(), 2);
        assert_eq!(poller.source.followed, 2, "the path is followed again with each change");
    }

    #[test]
    fn source_of_two_files_is_read_one_second_after_the_last_change() {
        let mut poller = poller();
        poller.source.quiet_period = Duration::from_secs(1);
        assert_eq!(poller.poll_until_settled(), (1000, Some("one".to_owned())));
        // The second file arrives 900 ms after the first.
        poller.change(2, Some("half"));
        for _ in 0..18 {
            assert!(matches!(poller.poll(), Polled::Settling));
            poller.advance(50);
        }
        poller.change(3, Some("both"));
        assert_eq!(poller.poll_until_settled(), (1000, Some("both".to_owned())));
        assert_eq!(poller.source.reads.get(), 2);
        // Replaced again and again: read after 10 s.
        let (start, mut stamp) = (poller.source.now(), 4);
        poller.change(stamp, Some("both"));
        while !matches!(poller.poll(), Polled::Fetched(Ok(_))) {
            poller.advance(500);
            stamp += 1;
            poller.change(stamp, Some("both"));
        }
        assert_eq!(poller.source.now() - start, MAX_WAIT_WHILE_WRITTEN);
    }

    #[test]
    fn source_that_changes_during_a_read_is_read_again_after_the_quiet_period() {
        let mut poller = poller();
        poller.source.stamp_after_read.set(Some(2));
        assert_eq!(poller.poll_until_settled(), (100, Some("one".to_owned())));
        assert_eq!(poller.source.reads.get(), 2);
    }

    #[test]
    fn source_that_cannot_be_read_is_read_with_every_poll() {
        let mut poller = poller();
        poller.change(1, None);
        for reads in 1..4 {
            assert_eq!(poller.poll_until_settled(), (50, None));
            assert_eq!(poller.source.reads.get(), reads);
        }
        poller.change(1, Some("one"));
        assert_eq!(poller.poll_until_settled().1, Some("one".to_owned()));
    }

    #[test]
    fn file_that_is_being_written_is_read_when_it_is_closed() {
        let mut poller = poller();
        poller.source.is_being_written.set(true);
        for _ in 0..10 {
            assert!(matches!(poller.poll(), Polled::Settling));
            poller.advance(50);
        }
        poller.source.is_being_written.set(false);
        assert!(matches!(poller.poll(), Polled::Fetched(Ok(_))));
    }

    #[test]
    fn read_of_a_source_that_was_not_quiet_is_repeated_and_applied_if_it_differs() {
        for (second, applied) in [("one", false), ("two", true)] {
            let mut poller = poller();
            // Replaced every 10 ms: read after the maximum wait.
            let mut stamp = 1;
            while !matches!(poller.poll(), Polled::Fetched(Ok(_))) {
                poller.advance(10);
                stamp += 1;
                poller.change(stamp, Some("one"));
            }
            assert!(poller.is_due_soon() && !poller.is_settling());
            // A write within one step of the file system's clock changes the content and not the stamp.
            poller.change(stamp, Some(second));
            let (_, content) = poller.poll_until_settled();
            assert_eq!(content.is_some(), applied, "{second}");
            assert!(!poller.is_due_soon());
            assert!(matches!(poller.poll(), Polled::Unchanged));
        }
    }

    #[test]
    fn forgotten_read_is_repeated_although_the_stamp_is_the_same() {
        let mut poller = poller();
        poller.poll_until_settled();
        poller.forget_last_read();
        assert_eq!(poller.poll_until_settled().1, Some("one".to_owned()));
    }

    fn stamp(number: u64) -> SourceStamp {
        SourceStamp::Unreadable(number.to_string())
    }

    /// Observes a source every 10 ms. Returns the time in milliseconds after which it is read.
    fn read_after(stamp_at: impl Fn(u64) -> u64, is_written_at: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        let mut debounce = Debounce::new(stamp(stamp_at(0)), start, QUIET_PERIOD);
        (1..2_000)
            .map(|step| step * 10)
            .find(|&ms| {
                let now = start + Duration::from_millis(ms);
                debounce.observe(stamp(stamp_at(ms)), now, is_written_at(ms));
                debounce.is_due(now)
            })
            .unwrap()
    }

    #[test]
    fn change_is_due_after_the_quiet_period() {
        assert_eq!(read_after(|_| 0, |_| false), 50);
        assert_eq!(read_after(|ms| ms.min(300), |_| false), 350);
    }

    #[test]
    fn endless_changes_are_due_after_the_maximum_wait() {
        assert_eq!(read_after(|ms| ms, |_| false), 1_000);
        assert_eq!(read_after(|ms| ms, |_| true), 10_000);
    }

    #[test]
    fn written_file_is_due_when_it_is_closed_or_its_writer_stalls() {
        assert_eq!(read_after(|ms| ms / 900, |ms| ms < 4_000), 4_000, "closed");
        assert_eq!(read_after(|ms| ms.min(500), |_| true), 1_500, "stalled");
        // Between two files of a copy no file is open for a moment.
        assert_eq!(read_after(|ms| ms.min(3_000), |ms| ms < 3_000 && ms != 2_000), 3_050, "closed at last");
    }
}
