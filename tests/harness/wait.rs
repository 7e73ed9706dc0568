use std::time::{Duration, Instant};

/// Time that a test waits for an event before it fails. It is longer than any event takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `condition` holds. Fails with `event` after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_until(event: &str, condition: impl FnMut() -> bool) {
    wait_within(PATIENCE, || event.to_owned(), condition);
}

/// Polls until `condition` holds. Fails with `event` after `limit`.
#[track_caller]
pub(crate) fn wait_within(limit: Duration, event: impl Fn() -> String, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "{}: not within {limit:?}", event());
        std::thread::sleep(POLL_INTERVAL);
    }
}
