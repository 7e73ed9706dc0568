use std::time::{Duration, Instant};

/// How long a test waits for an event before it fails: longer than any event takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls until `condition` holds; panics with `event` after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_until(event: &str, mut condition: impl FnMut() -> bool) {
    wait_for(event, || condition().then_some(()));
}

/// Polls until `value` returns one; panics with `event` after [`PATIENCE`].
#[track_caller]
pub(crate) fn wait_for<T>(event: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(Instant::now() < deadline, "{event}: not within {PATIENCE:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}
