//! The reload thread's own life: waits, looks at the source, and fetches it once it has changed and settled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::event::{Event, Noticed};
use super::reload::Reloader;
use super::settle::{QUIET, Settling};
use super::source::Fetched;
use super::wake::{Bell, Waker};
use super::watch::Watch;
use switchboard_registry::Findings;

/// Where events should tell of changes, and cannot, it is looked and tried again this often at least.
const BLIND: Duration = Duration::from_secs(1);

/// What was replaced is let go of by requests within their duration, by idle workers within a second: looked
/// at this often until then, so that `snapshots_alive` is true whatever the poll interval.
const FREEING: Duration = Duration::from_millis(250);

impl Reloader {
    /// Watches the source from the next look on. Without this it is only looked at every so often.
    pub fn watch(&mut self, waker: Waker) {
        self.watch = Some(Watch::new(waker));
    }

    /// Looks whenever woken, and every `poll` anyway, until told to stop.
    pub fn run(mut self, bell: &Bell, poll: Duration) {
        let mut looked = Instant::now();
        loop {
            let blind = matches!(self.unwatched, Some(Some(_)));
            let poll = if blind { poll.min(BLIND) } else { poll };
            let settling = self.settling.is_some() || self.hasty.is_some();
            let due = if settling {
                // All that comes while it settles is answered by one look, however many events it is.
                std::thread::sleep(QUIET);
                Duration::ZERO
            } else if self.retired.is_empty() {
                poll.saturating_sub(looked.elapsed())
            } else {
                poll.saturating_sub(looked.elapsed()).min(FREEING)
            };
            let woken = bell.wait(due);
            if woken.stop {
                return;
            }
            if woken.asked {
                self.look = None;
                self.refusal = None;
                self.unreadable = None;
                self.hasty = None;
            }
            if settling || woken.maybe || woken.asked || looked.elapsed() >= poll {
                self.step_surely();
                looked = Instant::now();
            }
            self.free();
            // Events without a change, as of notes beside the registry, shall not keep it busy.
            if woken.maybe && self.settling.is_none() {
                std::thread::sleep(QUIET);
            }
        }
    }

    /// A panic is a fault of this program, but no reason to stop looking.
    fn step_surely(&mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.step())).is_err() {
            self.settling = None;
            let reason = "a fault of switchboard while it read the source; please report it with the source";
            self.note("unreadable", Some(reason.to_owned()), &Findings::default());
            (self.observer)(&Event::Unreadable { reason });
        }
    }

    /// Reads the source if it looks different from when it was last read, once it has settled.
    pub fn look_again(&mut self) {
        self.step_surely();
        while self.settling.is_some() {
            std::thread::sleep(QUIET);
            self.step_surely();
        }
    }

    /// Looks once; reads the source if it has changed and settled.
    fn step(&mut self) {
        self.keep_watch(false);
        let mut look = self.source.look();
        if self.settling.is_none() {
            if self.look.as_ref() == Some(&look) && self.hasty.is_none() {
                if self.confirmed {
                    (self.observer)(&Event::Confirmed);
                }
                return;
            }
            // It may be elsewhere now, which events tell only to those who watch the way there.
            self.keep_watch(true);
            look = self.source.look();
        }
        let now = Instant::now();
        let writing = self.watch.as_ref().is_some_and(Watch::writing);
        let mut settling = self.settling.take().unwrap_or_else(|| Settling::new(look.clone(), now));
        settling.seen(look, now, writing);
        if !settling.settled(now) {
            self.settling = Some(settling);
            return;
        }
        let fetched = self.source.fetch();
        // Read while it changed: perhaps half of one state and half of the next.
        let after = self.source.look();
        if after != settling.look && !settling.overdue(now) {
            settling.seen(after, Instant::now(), writing);
            self.settling = Some(settling);
            return;
        }
        let quiet = settling.quiet(now);
        self.look = Some(settling.look);
        let read_before = self.hasty.take();
        if !quiet || read_before.is_some() {
            let digest = fetched.as_ref().ok().map(Fetched::digest);
            self.hasty = digest.filter(|_| !quiet);
            if read_before.is_some() && read_before == digest {
                return;
            }
        }
        self.take(fetched);
    }

    fn keep_watch(&mut self, anew: bool) {
        let Some(watch) = &mut self.watch else { return };
        let unwatched = watch.keep(&self.source, anew).err();
        if self.unwatched.as_ref() == Some(&unwatched) {
            return;
        }
        let noticed = if unwatched.is_some() { Noticed::Poll } else { Noticed::Events };
        self.last.lock().unwrap_or_else(PoisonError::into_inner).noticed = noticed;
        (self.observer)(&Event::Watching { unwatched: unwatched.as_deref() });
        self.unwatched = Some(unwatched);
    }
}
