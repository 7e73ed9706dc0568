//! Statistics of a few repeated runs.

/// Returns the middle value, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.get(sorted.len() / 2)?;
    let low = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*low, *high))
}

/// Returns the lowest and the highest value.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)))
}

/// Returns the p-value of the exact, two-sided rank-sum test of Wilcoxon, Mann and Whitney.
///
/// The exact test of statrs refuses equal values. Counts of errors and rounded latencies are often equal: here equal
/// values share their rank.
pub(crate) fn rank_sum_p_value(a: &[f64], b: &[f64]) -> f64 {
    let ranks = doubled_ranks(a, b);
    let own: usize = ranks.iter().take(a.len()).sum();
    let all: usize = ranks.iter().sum();
    let ways = ways_by_sum(&ranks, a.len());
    // The distance from the mean, in units in which the mean is a whole number.
    let distance = |sum: usize| (sum * ranks.len()).abs_diff(a.len() * all);
    let as_far = ways.iter().enumerate().filter(|(sum, _)| distance(*sum) >= distance(own));
    as_far.map(|(_, ways)| ways).sum::<f64>() / ways.iter().sum::<f64>().max(1.0)
}

/// Returns the lowest p-value that samples of these sizes can have.
pub(crate) fn min_rank_sum_p_value(a: usize, b: usize) -> f64 {
    let ways = (1..=a.min(b)).fold(1.0, |ways, n| ways * (a.max(b) + n) as f64 / n as f64);
    2.0 / ways
}

/// Returns the ranks of a's values, then of b's. They are doubled: a shared rank is then a whole number.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let all = || a.iter().chain(b);
    let rank = |value: &f64| {
        let below = all().filter(|other| *other < value).count();
        let equal = all().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    all().map(rank).collect()
}

/// Returns, by sum, in how many ways `count` of the ranks have this sum.
fn ways_by_sum(ranks: &[usize], count: usize) -> Vec<f64> {
    let sums = ranks.iter().sum::<usize>() + 1;
    let mut ways = vec![vec![0.0; sums]; count + 1];
    if let Some(none) = ways.first_mut().and_then(|sums| sums.first_mut()) {
        *none = 1.0;
    }
    for rank in ranks {
        // From many to few: no rank is taken twice.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn rank_sum_p_values_are_those_of_the_published_tables() {
        // 5 and 5, wholly apart: 2 of 252 ways.
        let (low, high) = ([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((rank_sum_p_value(&low, &high) - 2.0 / 252.0).abs() < 1e-12);
        assert_eq!(rank_sum_p_value(&low, &high), rank_sum_p_value(&high, &low));
        assert!((min_rank_sum_p_value(5, 5) - 2.0 / 252.0).abs() < 1e-12);
        assert!((min_rank_sum_p_value(4, 7) - 2.0 / 330.0).abs() < 1e-12);
        // U = 2 of 4 and 4: P(U <= 2) is 4 of 70.
        let p = rank_sum_p_value(&[1.0, 2.0, 3.0, 6.0], &[4.0, 5.0, 7.0, 8.0]);
        assert!((p - 8.0 / 70.0).abs() < 1e-12, "{p}");
        // U = 8 of 7 and 7: 0.038 in the table.
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 11.0];
        let p = rank_sum_p_value(&a, &[6.0, 7.0, 8.0, 9.0, 12.0, 13.0, 14.0]);
        assert!((p - 0.0379).abs() < 1e-3, "{p}");
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(rank_sum_p_value(&[1.0; 5], &[1.0; 5]), 1.0);
        // 0 0 0 0 and 0 1 1 1: 5 of the 70 ways leave all three ones on one side, twice.
        let p = rank_sum_p_value(&[0.0; 4], &[0.0, 1.0, 1.0, 1.0]);
        assert!((p - 10.0 / 70.0).abs() < 1e-12, "{p}");
    }
}
