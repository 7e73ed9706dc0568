//! The shares of optional parts.

use generator::SeededRng;
use loadtest::traffic::Share;

#[test]
fn share_is_exact_though_weights_differ() {
    for percent in [0.0, 3.0, 50.0, 97.0, 100.0] {
        for exponent in [0.0, 1.0, 1.5] {
            let (mut share, mut rng) = (Share::new(percent), SeededRng::new(1, 0));
            for rank in 1..=10_000 {
                let weight = f64::from(rank).powf(-exponent);
                let wants = share.wants(weight, &mut rng);
                share.settle(weight, wants);
            }
            // At an exponent of 1.5, the first request is 38 % of all. The others cannot compensate.
            let difference = (share.given / share.all * 100.0 - percent).abs();
            let first = 100.0 / share.all;
            assert!(
                difference <= 0.2 || first > percent.min(100.0 - percent),
                "{percent} % at {exponent}: off by {difference}"
            );
        }
    }
}
