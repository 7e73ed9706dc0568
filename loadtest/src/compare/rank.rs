//! The exact rank-sum test of Wilcoxon, Mann and Whitney: no assumption on the distribution, and no approximation,
//! which for a handful of runs there is none of.

/// How often two samples of one distribution would be at least so far apart, on either side: the share of all the
/// ways to divide the values. Equal values share their ranks.
pub(super) fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let ranks = doubled_ranks(a, b);
    let own: usize = ranks.iter().take(a.len()).sum();
    let all: usize = ranks.iter().sum();
    let ways = ways(&ranks, a.len());
    // In units of which the mean is whole: the sum of a's ranks times n, beside n_a times that of all.
    let far = |sum: usize| (sum * ranks.len()).abs_diff(a.len() * all);
    let farther = ways.iter().enumerate().filter(|(sum, _)| far(*sum) >= far(own));
    farther.map(|(_, ways)| ways).sum::<f64>() / ways.iter().sum::<f64>().max(1.0)
}

/// The least that it can come to.
pub(super) fn least(a: usize, b: usize) -> f64 {
    let ways = (1..=a.min(b)).fold(1.0, |ways, n| ways * (a.max(b) + n) as f64 / n as f64);
    2.0 / ways
}

/// Of a's values, then of b's; doubled, so that a shared rank is whole.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let all = || a.iter().chain(b);
    let rank = |value: &f64| {
        let below = all().filter(|other| *other < value).count();
        let equal = all().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    all().map(rank).collect()
}

/// By sum: in how many ways `count` of the ranks have it.
fn ways(ranks: &[usize], count: usize) -> Vec<f64> {
    let sums = ranks.iter().sum::<usize>() + 1;
    let mut ways = vec![vec![0.0; sums]; count + 1];
    if let Some(none) = ways.first_mut().and_then(|sums| sums.first_mut()) {
        *none = 1.0;
    }
    for rank in ranks {
        // From many to few, so that no rank is taken twice.
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
    fn as_in_the_tables() {
        // 5 and 5, wholly apart: 2 of 252 ways.
        let (low, high) = ([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((p_value(&low, &high) - 2.0 / 252.0).abs() < 1e-12);
        assert_eq!(p_value(&low, &high), p_value(&high, &low));
        assert!((least(5, 5) - 2.0 / 252.0).abs() < 1e-12);
        assert!((least(4, 7) - 2.0 / 330.0).abs() < 1e-12);
        // U = 2 of 4 and 4: P(U <= 2) is 4 of 70.
        assert!((p_value(&[1.0, 2.0, 3.0, 6.0], &[4.0, 5.0, 7.0, 8.0]) - 8.0 / 70.0).abs() < 1e-12);
        // U = 8 of 7 and 7: the table's 0.038.
        let p = p_value(&[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 11.0], &[6.0, 7.0, 8.0, 9.0, 12.0, 13.0, 14.0]);
        assert!((p - 0.0379).abs() < 1e-3, "{p}");
    }

    #[test]
    fn equal_values_say_nothing() {
        assert_eq!(p_value(&[1.0; 5], &[1.0; 5]), 1.0);
        // 0 0 0 0 and 0 1 1 1: ranks 3 each and 7 each; 5 of the 70 ways leave all three sevens on one side, twice.
        let p = p_value(&[0.0; 4], &[0.0, 1.0, 1.0, 1.0]);
        assert!((p - 10.0 / 70.0).abs() < 1e-12, "{p}");
    }
}
