//! Delays between attempts, with jitter.

use std::time::Duration;

/// Returns the delay before an attempt: random, between half of the full delay and the full delay. The full delay
/// begins at `first` for attempts 0 and 1, doubles with each further attempt, and ends at `last`.
pub(crate) fn jittered(first: Duration, last: Duration, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(20);
    let full = first.saturating_mul(1 << doublings).min(last);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_limit_and_differ() {
        let [first, last] = [100, 2000].map(Duration::from_millis);
        for (attempt, full) in
            [(0, 100), (1, 100), (2, 200), (3, 400), (5, 1600), (6, 2000), (u32::MAX, 2000)]
        {
            let delays: Vec<u128> = (0..100).map(|_| jittered(first, last, attempt).as_millis()).collect();
            assert!(delays.iter().all(|delay| (full / 2..=full).contains(delay)), "{attempt}: {delays:?}");
            assert!(delays.iter().any(|delay| delay != &delays[0]), "{attempt}");
        }
    }
}
