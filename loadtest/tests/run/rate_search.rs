//! The search of a sweep for the highest good rate.

use loadtest::{
    run::RateSearch,
    scenario::{self, Sweep},
};

/// Returns the measured rates and the knee. `held` gets a rate and the number of its earlier measurements.
fn tried(start: f64, refine: u32, held: impl Fn(f64, usize) -> bool) -> (Vec<f64>, Option<f64>) {
    let sweep = scenario::load("ramp").unwrap().sweep.unwrap();
    let mut search = RateSearch::new(Sweep { factor: 2.0, refine, ..sweep }, start);
    let (mut tried, mut next) = (Vec::new(), Some(start));
    while let Some(rate) = next {
        let before = tried.iter().filter(|it| **it == rate).count();
        tried.push(rate);
        next = search.next_rate(held(rate, before));
    }
    (tried, search.knee())
}

#[test]
fn rate_rises_until_it_fails_twice_and_then_approaches_the_knee() {
    let (rates, knee) = tried(200.0, 3, |rate, _| rate <= 1_100.0);
    let closer = [1_200.0, 1_200.0, 1_000.0, 1_100.0, 1_100.0];
    assert_eq!(rates, [[200.0, 400.0, 800.0, 1_600.0, 1_600.0].as_slice(), &closer].concat());
    assert_eq!(knee, Some(1_100.0));
}

#[test]
fn rate_falls_if_the_first_fails() {
    let (rates, knee) = tried(400.0, 3, |rate, _| rate <= 90.0);
    assert_eq!(&rates[..7], [400.0, 400.0, 200.0, 200.0, 100.0, 100.0, 50.0]);
    // Between 50 and 100, halved three times.
    assert_eq!(knee, Some(87.5));
    // The first rate and eight lower ones, twice each.
    let (rates, knee) = tried(400.0, 3, |_, _| false);
    assert_eq!((rates.len(), knee), (18, None));
}

#[test]
fn rate_that_fails_once_is_not_bad() {
    let (rates, knee) = tried(200.0, 0, |rate, before| rate <= 900.0 && (rate != 400.0 || before > 0));
    assert_eq!(rates, [200.0, 400.0, 400.0, 800.0, 1_600.0, 1_600.0, 800.0]);
    assert_eq!(knee, Some(800.0));
}

#[test]
fn rate_that_holds_only_the_first_time_is_no_knee() {
    let (rates, knee) = tried(200.0, 0, |rate, before| rate <= 400.0 || (rate == 800.0 && before == 0));
    assert_eq!(rates, [200.0, 400.0, 800.0, 1_600.0, 1_600.0, 800.0, 800.0, 400.0]);
    assert_eq!(knee, Some(400.0));
}
