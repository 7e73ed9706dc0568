//! Whether a figure changed beyond the noise.
//!
//! One figure of a hundred may seem changed by chance, whatever the number of runs: that is what each rule below is
//! made for (`tests/compare/noise.rs` counts it).
//!
//! - Where there are runs enough for it to reach 1 %, as with 5 and 5, the exact rank-sum test decides at that level.
//! - With fewer, the ranges must not overlap, and the medians must be farther apart than the larger range is wide;
//!   with 3 runs on a side, twice as far.
//! - With fewer than 3, the noise is not known.
//!
//! The steps of a sweep share the 1 %. A change of less than [`LEAST`] is none, however sure it is.

use super::{figure::Better, rank};
use crate::report::middle::median;
use serde::Serialize;

/// Of the figures that did not change, how many may seem so.
pub(super) const LEVEL: f64 = 0.01;
/// What nobody need act on.
pub(super) const LEAST: f64 = 0.02;
/// Runs without which there is no telling.
const FEWEST: usize = 3;

/// What is said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Beyond the noise.
    Better,
    /// Beyond the noise.
    Worse,
    /// Nothing that the noise would not explain, or too little to matter.
    None,
    /// Too few runs: the noise is not known.
    Unknown,
    /// At different rates, what depends on the rate.
    NotComparable,
}

/// `shares` figures share the level.
pub(super) fn judge(a: &[f64], b: &[f64], better: Better, shares: usize) -> Verdict {
    let (Some(from), Some(to)) = (median(a), median(b)) else { return Verdict::Unknown };
    let level = LEVEL / shares.max(1) as f64;
    let exact = rank::least(a.len(), b.len()) <= level;
    let fewest = a.len().min(b.len());
    if fewest < FEWEST || !exact && shares > 1 {
        return Verdict::Unknown;
    }
    let beyond = if exact { rank::p_value(a, b) <= level } else { apart(a, b, (to - from).abs(), fewest) };
    let matters = (to - from).abs() >= LEAST * from.abs() && to != from;
    match (beyond && matters, (to > from) == (better == Better::High)) {
        (false, _) => Verdict::None,
        (true, true) => Verdict::Better,
        (true, false) => Verdict::Worse,
    }
}

fn apart(a: &[f64], b: &[f64], change: f64, fewest: usize) -> bool {
    let ((low_a, high_a), (low_b, high_b)) = (range(a), range(b));
    let widest = (high_a - low_a).max(high_b - low_b);
    let times = if fewest == FEWEST { 2.0 } else { 1.0 };
    (high_a < low_b || high_b < low_a) && change > times * widest
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(*it), high.max(*it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low(a: &[f64], b: &[f64]) -> Verdict {
        judge(a, b, Better::Low, 1)
    }

    #[test]
    fn few_runs() {
        assert_eq!(low(&[100.0], &[200.0]), Verdict::Unknown);
        assert_eq!(low(&[100.0, 101.0], &[200.0, 201.0, 202.0]), Verdict::Unknown);
        assert_eq!(low(&[], &[]), Verdict::Unknown);
        let a = [100.0, 101.0, 102.0];
        assert_eq!(low(&a, &[105.0, 106.0, 107.0]), Verdict::Worse);
        assert_eq!(low(&a, &[104.0, 105.0, 106.0]), Verdict::None); // four is not more than twice two
        assert_eq!(low(&a, &[95.0, 96.0, 97.0]), Verdict::Better);
        assert_eq!(judge(&a, &[95.0, 96.0, 97.0], Better::High, 1), Verdict::Worse);
        let a = [100.0, 101.0, 102.0, 103.0];
        assert_eq!(low(&a, &[105.0, 106.0, 107.0, 108.0]), Verdict::Worse);
        assert_eq!(low(&a, &[102.5, 106.0, 107.0, 108.0]), Verdict::None); // they overlap
    }

    #[test]
    fn more_runs() {
        let a = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0];
        let higher = a.map(|it| it + 5.0);
        assert_eq!(low(&a, &higher), Verdict::Worse); // though they overlap
        assert_eq!(low(&a, &a.map(|it| it + 3.0)), Verdict::None);
        // Sure, and too little to matter.
        let exact = [100.0, 100.1, 100.2, 100.3, 100.4];
        assert_eq!(low(&exact, &exact.map(|it| it + 1.0)), Verdict::None);
        // Twelve steps share the level: seven runs wholly apart reach it, five do not.
        assert_eq!(judge(&a, &a.map(|it| it + 20.0), Better::Low, 12), Verdict::Worse);
        assert_eq!(judge(&a[..5], &a.map(|it| it + 20.0)[..5], Better::Low, 12), Verdict::Unknown);
    }

    #[test]
    fn from_nothing() {
        assert_eq!(low(&[0.0; 5], &[0.1; 5]), Verdict::Worse);
        assert_eq!(low(&[0.0; 5], &[0.0; 5]), Verdict::None);
        assert_eq!(low(&[0.0; 3], &[0.1, 0.1, 0.1]), Verdict::Worse);
    }
}
