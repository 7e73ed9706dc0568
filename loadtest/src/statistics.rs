//! Statistics of a few repeated runs.

use std::borrow::Borrow;

/// Returns the middle value, or the mean of the two middle values. Returns `None` without values.
pub fn median<T: Borrow<f64>>(values: impl IntoIterator<Item = T>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().map(|value| *value.borrow()).collect();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.get(sorted.len() / 2)?;
    let low = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*low, *high))
}

/// Returns the lowest and the highest value, or infinity and minus infinity without values.
pub fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)))
}

/// Returns the p-value of the exact, two-sided rank-sum test of Wilcoxon, Mann and Whitney.
///
/// Equal values share their rank, because counts of errors and rounded latencies are often equal. The exact
/// test of statrs rejects equal values.
pub fn rank_sum_p_value(a: &[f64], b: &[f64]) -> f64 {
    let ranks = doubled_ranks(a, b);
    let own: usize = ranks.iter().take(a.len()).sum();
    let all: usize = ranks.iter().sum();
    let ways = ways_by_sum(&ranks, a.len());
    // Distance from the mean, in units in which the mean is a whole number.
    let distance = |sum: usize| (sum * ranks.len()).abs_diff(a.len() * all);
    let as_far = ways.iter().enumerate().filter(|(sum, _)| distance(*sum) >= distance(own));
    as_far.map(|(_, ways)| ways).sum::<f64>() / ways.iter().sum::<f64>().max(1.0)
}

/// Returns the lowest p-value that samples of these sizes can have.
pub fn min_rank_sum_p_value(a: usize, b: usize) -> f64 {
    let ways = (1..=a.min(b)).fold(1.0, |ways, n| ways * (a.max(b) + n) as f64 / n as f64);
    2.0 / ways
}

/// Returns the ranks of `a`'s values, then of `b`'s. They are doubled, so that shared ranks are whole
/// numbers.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let all = || a.iter().chain(b);
    let rank = |value: &f64| {
        let below = all().filter(|other| *other < value).count();
        let equal = all().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    all().map(rank).collect()
}

/// Returns the number of ways to take `count` of the ranks, by the sum of the taken ranks.
fn ways_by_sum(ranks: &[usize], count: usize) -> Vec<f64> {
    let sums = ranks.iter().sum::<usize>() + 1;
    let mut ways = vec![vec![0.0; sums]; count + 1];
    if let Some(none) = ways.first_mut().and_then(|sums| sums.first_mut()) {
        *none = 1.0;
    }
    for rank in ranks {
        // Descending, so that no rank is taken twice.
        for taken in (0..count).rev() {
            if let [fewer, more, ..] = ways.get_mut(taken..).unwrap_or_default() {
                for (from, to) in fewer.iter().zip(more.iter_mut().skip(*rank)) {
                    *to += from;
                }
            }
        }
    }
    ways.pop().unwrap_or_default()
}
