//! The board of a measurement: which replicas had what, and when.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

/// A time in microseconds since 1970, as the log lines of daemons on the same machine have it.
pub type Micros = u64;

/// Returns the time now.
#[must_use]
pub fn micros() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Receives when replicas had each of the subjects that are waited for, such as an account with a new standing.
#[derive(Debug, Default)]
pub struct Board {
    subjects: Mutex<HashMap<String, Subject>>,
    missing: AtomicUsize,
    complete: Notify,
}

#[derive(Debug)]
struct Subject {
    times: Vec<Micros>,
    wanted: usize,
}

impl Board {
    /// Forgets everything, and waits for each of these subjects from this number of replicas.
    pub fn begin(&self, subjects: impl IntoIterator<Item = (String, usize)>) {
        let mut known = self.subjects.lock();
        let new = |wanted| Subject { times: Vec::with_capacity(wanted), wanted };
        *known = subjects.into_iter().map(|(subject, wanted)| (subject, new(wanted))).collect();
        self.missing.store(known.values().map(|subject| subject.wanted).sum(), Ordering::SeqCst);
    }

    /// Notes that a replica had a subject at a time. Ignores other subjects, and times beyond the wanted number.
    pub fn note(&self, subject: &str, at: Micros) {
        let mut subjects = self.subjects.lock();
        let Some(known) = subjects.get_mut(subject).filter(|known| known.times.len() < known.wanted) else {
            return;
        };
        known.times.push(at);
        if self.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.complete.notify_one();
        }
    }

    /// Waits until every subject has its times. Returns the times of each subject.
    ///
    /// # Errors
    /// Returns the number of the missing times after the limit.
    pub async fn wait(&self, limit: Duration) -> Result<HashMap<String, Vec<Micros>>, usize> {
        let complete = async {
            while self.missing.load(Ordering::SeqCst) > 0 {
                self.complete.notified().await;
            }
        };
        match timeout(limit, complete).await {
            Ok(()) => {
                let subjects = std::mem::take(&mut *self.subjects.lock());
                Ok(subjects.into_iter().map(|(subject, known)| (subject, known.times)).collect())
            }
            Err(_) => Err(self.missing.load(Ordering::SeqCst)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_board_is_complete_when_each_subject_has_its_times() {
        let board = Board::default();
        board.begin([("a".to_owned(), 2), ("b".to_owned(), 1)]);
        for (subject, at) in [("a", 1), ("other", 2), ("b", 3), ("b", 4)] {
            board.note(subject, at);
        }
        assert_eq!(board.wait(Duration::ZERO).await, Err(1));
        board.note("a", 5);
        let times = board.wait(Duration::from_secs(60)).await.unwrap();
        assert_eq!((&times["a"], &times["b"]), (&vec![1, 5], &vec![3]));
        board.begin([("a".to_owned(), 1)]);
        assert_eq!(board.wait(Duration::ZERO).await, Err(1));
    }
}
