//! The verdict on the change of a figure.
//!
//! Each rule takes at most one unchanged figure in a hundred for changed. `tests/compare/noise.rs` counts them.
//!
//! - If there are enough runs to reach 1 %, such as 5 and 5, the exact rank-sum test decides at this level.
//! - With fewer runs, the ranges must not overlap, and the distance of the medians must exceed the width of the larger
//!   range; with 3 runs on a side, twice the width.
//! - With fewer than 3 runs, the noise is unknown.
//!
//! The steps of a sweep share the 1 %. A change of less than [`MIN_CHANGE`] is ignored.

use crate::{
    report::figures::Better,
    statistics::{median, min_rank_sum_p_value, range, rank_sum_p_value},
};
use serde::Serialize;

/// Largest share of unchanged figures that may be taken for changed.
pub(super) const LEVEL: f64 = 0.01;
pub(super) const MIN_CHANGE: f64 = 0.02;
const MIN_RUNS: usize = 3;

/// Verdict on the change of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerdict {
    /// The figure is better beyond the noise.
    Better,
    /// The figure is worse beyond the noise.
    Worse,
    /// The noise explains the change, or the change is too small to matter.
    None,
    /// There are too few runs to know the noise.
    Unknown,
    /// The figure depends on the rate, and the rates differ.
    NotComparable,
}

impl ChangeVerdict {
    /// Judges a figure. `shares` figures share the level.
    pub(super) fn new(a: &[f64], b: &[f64], better: Better, shares: usize) -> Self {
        let (Some(from), Some(to)) = (median(a), median(b)) else { return Self::Unknown };
        let level = LEVEL / shares.max(1) as f64;
        let exact = min_rank_sum_p_value(a.len(), b.len()) <= level;
        let runs = a.len().min(b.len());
        if runs < MIN_RUNS || !exact && shares > 1 {
            return Self::Unknown;
        }
        let change = (to - from).abs();
        let beyond = if exact { rank_sum_p_value(a, b) <= level } else { are_apart(a, b, change, runs) };
        let matters = change >= MIN_CHANGE * from.abs() && to != from;
        match (beyond && matters, (to > from) == (better == Better::High)) {
            (false, _) => Self::None,
            (true, true) => Self::Better,
            (true, false) => Self::Worse,
        }
    }
}

fn are_apart(a: &[f64], b: &[f64], change: f64, runs: usize) -> bool {
    let [(low_a, high_a), (low_b, high_b)] = [a, b].map(|values| range(values.iter().copied()));
    let widest = (high_a - low_a).max(high_b - low_b);
    let times = if runs == MIN_RUNS { 2.0 } else { 1.0 };
    (high_a < low_b || high_b < low_a) && change > times * widest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low(a: &[f64], b: &[f64]) -> ChangeVerdict {
        ChangeVerdict::new(a, b, Better::Low, 1)
    }

    #[test]
    fn few_runs_must_be_wholly_apart() {
        assert_eq!(low(&[100.0], &[200.0]), ChangeVerdict::Unknown);
        assert_eq!(low(&[100.0, 101.0], &[200.0, 201.0, 202.0]), ChangeVerdict::Unknown);
        assert_eq!(low(&[], &[]), ChangeVerdict::Unknown);
        let a = [100.0, 101.0, 102.0];
        assert_eq!(low(&a, &[105.0, 106.0, 107.0]), ChangeVerdict::Worse);
        assert_eq!(low(&a, &[104.0, 105.0, 106.0]), ChangeVerdict::None); // 4 does not exceed twice 2
        assert_eq!(low(&a, &[95.0, 96.0, 97.0]), ChangeVerdict::Better);
        assert_eq!(ChangeVerdict::new(&a, &[95.0, 96.0, 97.0], Better::High, 1), ChangeVerdict::Worse);
        let a = [100.0, 101.0, 102.0, 103.0];
        assert_eq!(low(&a, &[105.0, 106.0, 107.0, 108.0]), ChangeVerdict::Worse);
        assert_eq!(low(&a, &[102.5, 106.0, 107.0, 108.0]), ChangeVerdict::None); // the ranges overlap
    }

    #[test]
    fn more_runs_are_judged_by_the_rank_sum_test() {
        let a = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0];
        let higher = a.map(|it| it + 5.0);
        assert_eq!(low(&a, &higher), ChangeVerdict::Worse); // although the ranges overlap
        assert_eq!(low(&a, &a.map(|it| it + 3.0)), ChangeVerdict::None);
        // Significant, but too small to matter.
        let exact = [100.0, 100.1, 100.2, 100.3, 100.4];
        assert_eq!(low(&exact, &exact.map(|it| it + 1.0)), ChangeVerdict::None);
        // Twelve steps share the level. Seven runs without overlap reach it, five do not.
        assert_eq!(ChangeVerdict::new(&a, &a.map(|it| it + 20.0), Better::Low, 12), ChangeVerdict::Worse);
        assert_eq!(
            ChangeVerdict::new(&a[..5], &a.map(|it| it + 20.0)[..5], Better::Low, 12),
            ChangeVerdict::Unknown
        );
    }

    #[test]
    fn change_from_zero_matters() {
        assert_eq!(low(&[0.0; 5], &[0.1; 5]), ChangeVerdict::Worse);
        assert_eq!(low(&[0.0; 5], &[0.0; 5]), ChangeVerdict::None);
        assert_eq!(low(&[0.0; 3], &[0.1, 0.1, 0.1]), ChangeVerdict::Worse);
    }
}
