//! The shares of drawn requests, and the same requests for the same seed.

use super::{NOW, SEED, check, demo, drawn, mixed, stand_in::StandIn, traffic};
use loadtest::{
    engine::{OutcomeCounts, Source},
    traffic::{Mix, PublishedGenerations, Traffic, TrafficConfig},
};
use std::collections::BTreeMap;

const ASKED: usize = 100_000;

#[test]
fn outcomes_and_optional_parts_have_their_shares() {
    for zipf in [None, Some(0.9)] {
        let mix = Mix { zipf, ..mixed(5_000) };
        let mut traffic = traffic(&mix, &demo());
        assert!(traffic.notes().is_empty(), "{:?}", traffic.notes());
        let switchboard = StandIn::serving(&demo(), 1, NOW);
        let mut outcomes = OutcomeCounts::default();
        let mut features: BTreeMap<&str, usize> = BTreeMap::new();
        for _ in 0..ASKED {
            let request = traffic.next();
            let asked = traffic.bytes(request);
            let text = str::from_utf8(asked).unwrap();
            let has =
                |name: &str| text.contains(&format!("{name}=")) || text.contains(&format!("\"{name}\":"));
            for name in ["phone", "client"] {
                *features.entry(name).or_default() += usize::from(has(name));
            }
            *features.entry("post").or_default() += usize::from(text.starts_with("POST"));
            *features.entry("primary").or_default() += usize::from(has("role"));
            let (status, body) = switchboard.answer(asked);
            check(&mut traffic, request, status, &body, &mut outcomes).unwrap();
        }
        let whole: f64 = mix.outcomes.values().sum();
        for (kind, weight) in &mix.outcomes {
            let (share, got) = (weight / whole, outcomes[kind.as_str()] as f64 / ASKED as f64);
            // Four standard deviations.
            let deviation = 4.0 * (share * (1.0 - share) / ASKED as f64).sqrt();
            assert!((got - share).abs() <= deviation, "{kind:?}: {got}, not {share}");
        }
        for (name, percent) in
            [("phone", mix.phone), ("client", mix.client), ("post", mix.post), ("primary", mix.primary)]
        {
            let got = features[name] as f64 / ASKED as f64 * 100.0;
            assert!((got - percent).abs() <= 1.0, "{name} with zipf {zipf:?}: {got} %, not {percent} %");
        }
    }
}

#[test]
fn clients_follow_the_zipf_distribution() {
    const CLIENTS: usize = 1_000;
    for exponent in [0.7, 1.0, 1.3] {
        let mix = Mix { distinct: CLIENTS, zipf: Some(exponent), ..Mix::default() };
        let mut traffic = traffic(&mix, &demo());
        let mut asked = vec![0.0; CLIENTS];
        for _ in 0..ASKED {
            asked[traffic.next()] += 1.0;
        }
        let weight = |rank: usize| (rank as f64).powf(-exponent);
        let whole: f64 = (1..=CLIENTS).map(weight).sum();
        // Ranks in classes of doubling size, by Pearson's statistic: 10 classes, 9 degrees of freedom.
        let mut deviation = 0.0;
        let mut from = 1;
        while from <= CLIENTS {
            let to = (from * 2).min(CLIENTS + 1);
            let wanted: f64 = (from..to).map(weight).sum::<f64>() / whole * ASKED as f64;
            let got: f64 = asked[from - 1..to - 1].iter().sum();
            deviation += (got - wanted).powi(2) / wanted;
            from = to;
        }
        // Chance exceeds this value once in 10,000 times.
        assert!(deviation < 33.7, "exponent {exponent}: deviation {deviation:.1}");
    }
}

#[test]
fn clients_ask_equally_often_without_zipf() {
    let mut traffic = traffic(&Mix { distinct: 100, ..Mix::default() }, &demo());
    let mut asked = vec![0.0_f64; 100];
    for _ in 0..ASKED {
        asked[traffic.next()] += 1.0;
    }
    let deviation: f64 = asked.iter().map(|got| (got - 1_000.0).powi(2) / 1_000.0).sum();
    // 99 degrees of freedom. Chance exceeds this value once in 10,000 times.
    assert!(deviation < 161.0, "{deviation}");
}

#[test]
fn same_seed_gives_the_same_bytes() {
    let registry = drawn();
    let draw = |seed| {
        let config = TrafficConfig { registries: &[&registry], churned: &[], seed, now: NOW };
        let mut traffic = Traffic::draw(&mixed(1_000), &config, PublishedGenerations::new(1)).unwrap();
        let order: Vec<usize> = (0..1_000).map(|_| traffic.next()).collect();
        let bytes: Vec<Vec<u8>> = (0..traffic.len()).map(|at| traffic.bytes(at).to_vec()).collect();
        (order, bytes)
    };
    assert_eq!(draw(SEED), draw(SEED));
    assert_ne!(draw(SEED), draw(SEED + 1));
}

#[test]
fn mix_out_of_bounds_is_refused() {
    let registry = demo();
    let config = TrafficConfig { registries: &[&registry], churned: &[], seed: SEED, now: NOW };
    for (wrong, named) in [
        (Mix { phone: 101.0, ..Mix::default() }, "mix.phone"),
        (Mix { distinct: 0, ..Mix::default() }, "mix.distinct"),
        (Mix { batch: Some(10_001), ..Mix::default() }, "mix.batch"),
        (Mix { zipf: Some(-1.0), ..Mix::default() }, "mix.zipf"),
        (Mix { outcomes: BTreeMap::new(), ..Mix::default() }, "mix.outcomes"),
    ] {
        let error = Traffic::draw(&wrong, &config, PublishedGenerations::any()).err().unwrap();
        assert!(error.to_string().starts_with(named), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    assert!(toml::from_str::<Mix>("phones = 3").is_err());
    assert!(toml::from_str::<Mix>("[outcomes]\nnearest = 3").is_err());
}
