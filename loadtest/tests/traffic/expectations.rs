//! Checks that right answers are accepted.

use super::{NOW, check, demo, drawn, mixed, stand_in::StandIn, traffic};
use loadtest::{
    engine::{OutcomeCounts, Source},
    traffic::{Mix, Outcome},
};
use std::path::Path;

/// Sends every request twice. The second time, its client must have the same account.
fn assert_accepted(registry: &Path, distinct: usize) -> OutcomeCounts {
    let mut traffic = traffic(&mixed(distinct), registry);
    let switchboard = StandIn::serving(registry, 1, NOW);
    let mut outcomes = OutcomeCounts::default();
    for request in (0..traffic.len()).chain(0..traffic.len()) {
        let asked = traffic.bytes(request).to_vec();
        let (status, body) = switchboard.answer(&asked);
        if let Err(wrong) = check(&mut traffic, request, status, &body, &mut outcomes) {
            panic!("{:?}: {}\n{}", wrong.kind(), wrong.reason(), String::from_utf8_lossy(&asked));
        }
    }
    outcomes
}

#[test]
fn answers_of_the_demo_are_accepted() {
    let outcomes = assert_accepted(&demo(), 6_000);
    let found: Vec<&str> = outcomes.keys().copied().collect();
    let asked = mixed(1).outcomes;
    let missing: Vec<&Outcome> = asked.keys().filter(|kind| !found.contains(&kind.as_str())).collect();
    assert!(missing.is_empty(), "no answer with {missing:?}");
}

#[test]
fn answers_of_a_drawn_registry_are_accepted() {
    let outcomes = assert_accepted(&drawn(), 6_000);
    assert!(outcomes.len() >= 14, "{outcomes:?}");
}

#[test]
fn accounts_that_become_available_during_the_run_are_not_queried() {
    let folder = tempfile::tempdir().unwrap();
    let company = folder.path().join("acme");
    std::fs::create_dir(&company).unwrap();
    let settings =
        "name = \"A\"\n[[ou]]\nid = \"all\"\n[[pool]]\nid = \"p\"\nchannel = \"telegram\"\nous = [\"all\"]\n";
    std::fs::write(company.join("company.toml"), settings).unwrap();
    // The second account becomes available five hours after NOW, the fourth did long before.
    let rows = "a,telegram,secondary,@a,GB,p,\nb,telegram,secondary,@b,GB,p,2027-01-15T13:00:00Z\n\
                c,telegram,secondary,@c,FR,p,\nd,telegram,secondary,@d,FR,p,2026-01-01\n";
    let rows = format!("id,channel,role,address,country,pool,available_from\n{rows}");
    std::fs::write(company.join("accounts.csv"), rows).unwrap();
    let mix = Mix { distinct: 200, client: 100.0, ..Mix::default() };
    let mut traffic = traffic(&mix, folder.path());
    for now in [NOW, NOW + 6 * 3_600] {
        let switchboard = StandIn::serving(folder.path(), 1, now);
        for request in 0..traffic.len() {
            let (status, body) = switchboard.answer(traffic.bytes(request));
            check(&mut traffic, request, status, &body, &mut OutcomeCounts::default()).unwrap();
            assert!(String::from_utf8(body).unwrap().contains("\"country\":\"FR\""));
        }
    }
}
