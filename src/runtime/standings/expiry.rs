//! The thread that removes expired standings. It is separate from the writer, because the writer may wait for
//! a slow disk, and an account must return to service within a second after its standing expires.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use switchboard_model::UnixMillis;

use super::standing::{StandingsEvent, StandingsObserver};
use crate::runtime::store::Store;

/// Maximum sleep while a standing has an end, because the system clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_millis(500);

/// The state of the expirer thread. [`run`](Self::run) is the thread's function.
pub struct Expirer {
    pub(super) store: Store,
    pub(super) observer: StandingsObserver,
    /// Receives the end of each standing that is set. Closed when the writer ends.
    pub(super) ends: Receiver<UnixMillis>,
}

impl Expirer {
    /// Removes expired standings. Returns when the writer has ended.
    pub fn run(self) {
        let mut nearest: Option<UnixMillis> = None;
        loop {
            let received = match nearest {
                None => self.ends.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(end) => self.ends.recv_timeout(time_until(end).min(MAX_SLEEP)),
            };
            match received {
                Ok(end) => nearest = Some(nearest.map_or(end, |nearest| nearest.min(end))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = UnixMillis::from(SystemTime::now());
            if nearest.is_some_and(|end| end <= now) {
                for key in self.store.expire(now) {
                    (self.observer)(&StandingsEvent::Removed { key: &key, expired: true });
                }
                nearest = self.store.next_expiry();
            }
        }
    }
}

fn time_until(end: UnixMillis) -> Duration {
    let now = UnixMillis::from(SystemTime::now());
    Duration::from_millis(UnixMillis(end.0.saturating_sub(now.0)).as_u64())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::super::standing::{AccountKey, Standing};
    use super::*;

    #[test]
    fn standings_are_removed_in_the_order_of_their_ends_whatever_the_order_they_were_set_in() {
        let store = Store::default();
        let (ends, receiver) = channel();
        let (to, removed) = channel();
        let observer = Arc::new(move |event: &StandingsEvent<'_>| {
            if let StandingsEvent::Removed { key, expired: true } = event {
                to.send(key.account.to_string()).unwrap();
            }
        });
        let expirer = Expirer { store: store.clone(), observer, ends: receiver };
        let thread = thread::spawn(move || expirer.run());
        let now = UnixMillis::from(SystemTime::now());
        for (account, in_ms) in [("last", 300), ("first", 100), ("never", 60_000)] {
            let end = jiff::Timestamp::from_millisecond(now.0 + in_ms).unwrap();
            let json = format!(r#"{{"standing":"suspended","reason":"x","until":"{end}"}}"#);
            let standing = Standing::from_json(json.as_bytes()).unwrap();
            let end = standing.until.as_ref().unwrap().at;
            store.set_standing(AccountKey { company: "c".into(), account: account.into() }, Some(standing));
            ends.send(end).unwrap();
        }
        for account in ["first", "last"] {
            assert_eq!(removed.recv_timeout(Duration::from_secs(20)).unwrap(), account);
        }
        assert_eq!(store.standing_count(), 1);
        drop(ends);
        thread.join().unwrap();
    }
}
