//! Right answers are taken for right.

use super::{NOW, check, demo, drawn, mixed, stand_in::StandIn, traffic};
use loadtest::traffic::{Kind, Mix, Outcomes};
use std::path::Path;

/// Every request is asked twice; the second time its client must have the account that it had.
fn hold(registry: &Path, distinct: usize) -> Outcomes {
    let mut traffic = traffic(&mixed(distinct), registry);
    let switchboard = StandIn::serving(registry, 1, NOW);
    let mut outcomes = Outcomes::default();
    for request in (0..traffic.len()).chain(0..traffic.len()) {
        let asked = traffic.bytes(request).to_vec();
        let (status, body) = switchboard.answer(&asked);
        if let Err(wrong) = check(&mut traffic, request, status, &body, &mut outcomes) {
            panic!("{}: {}\n{}", wrong.kind, wrong.why, String::from_utf8_lossy(&asked));
        }
    }
    outcomes
}

#[test]
fn the_demo_answers_as_foretold() {
    let outcomes = hold(&demo(), 6_000);
    let found: Vec<&str> = outcomes.counts().map(|(name, _)| name).collect();
    let asked = mixed(1).outcomes;
    let missing: Vec<&Kind> = asked.keys().filter(|kind| !found.contains(&kind.text())).collect();
    assert!(missing.is_empty(), "never came to {missing:?}");
}

#[test]
fn a_drawn_registry_answers_as_foretold() {
    let outcomes = hold(&drawn(), 6_000);
    assert!(outcomes.counts().count() >= 14, "{outcomes:?}");
}

#[test]
fn numbers_that_end_their_rest_during_the_run_are_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let company = folder.path().join("acme");
    std::fs::create_dir(&company).unwrap();
    let settings =
        "name = \"A\"\n[[ou]]\nid = \"all\"\n[[pool]]\nid = \"p\"\nchannel = \"telegram\"\nous = [\"all\"]\n";
    std::fs::write(company.join("company.toml"), settings).unwrap();
    // The second ends its rest five hours after NOW, the fourth long before.
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
            check(&mut traffic, request, status, &body, &mut Outcomes::default()).unwrap();
            assert!(String::from_utf8(body).unwrap().contains("\"country\":\"FR\""));
        }
    }
}
