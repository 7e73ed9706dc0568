//! Medians and p-values of the rank-sum test.

use loadtest::statistics::{median, min_rank_sum_p_value, rank_sum_p_value};

#[test]
fn median_of_an_even_count_is_the_mean_of_the_middle_two() {
    assert_eq!(median([0.0; 0]), None);
    assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
}

#[test]
fn rank_sum_p_values_are_those_of_the_published_tables() {
    // 5 and 5 without overlap: 2 of 252 ways.
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
    // 0 0 0 0 and 0 1 1 1: in 2 × 5 of the 70 ways, all three ones are on the same side.
    let p = rank_sum_p_value(&[0.0; 4], &[0.0, 1.0, 1.0, 1.0]);
    assert!((p - 10.0 / 70.0).abs() < 1e-12, "{p}");
}
