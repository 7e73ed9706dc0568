//! The verdict on the change of a figure.
//!
//! Each rule takes at most one unchanged figure in a hundred for changed. `tests/compare/noise.rs` counts
//! them.
//!
//! - If there are enough runs to reach 1 %, such as 5 and 5, the exact rank-sum test decides at this level.
//! - With fewer runs, the ranges must not overlap, and the distance of the medians must exceed the width of
//!   the larger range; with 3 runs on a side, twice the width.
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
