//! Standings that change meanwhile: an answer is right if it is right under any state that they can be in.

use super::{NOW, SEED, demo, drawn, mixed, stand_in::StandIn};
use loadtest::traffic::{Ground, Outcomes, Published, Traffic, churnable};
use std::{collections::BTreeSet, path::Path};
use switchboard::account::Condition;

fn hold(registry: &Path) {
    let churned = churnable(registry, 40, SEED).unwrap();
    assert!(churned.len() >= 10, "{}", churned.len());
    assert_eq!(churned.iter().collect::<BTreeSet<_>>().len(), churned.len());
    assert_eq!(churned, churnable(registry, 40, SEED).unwrap());
    let ground = Ground { registries: &[registry], churned: &churned, seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(4_000), &ground, Published::only(1)).unwrap();
    let switchboard = StandIn::serving(registry, 1, NOW);
    let mut outcomes = Outcomes::default();
    let mut moved = 0;
    let states = [Condition::Active, Condition::Suspended, Condition::Draining, Condition::Active];
    let mut before: Vec<Vec<u8>> = Vec::new();
    for turn in 0..12 {
        // Each in a state of its own, in every turn another.
        for (n, (company, account)) in churned.iter().enumerate() {
            switchboard.stand(company, account, states[(turn + n * turn) % states.len()]);
        }
        for request in 0..traffic.len() {
            let (status, body) = switchboard.answer(traffic.bytes(request));
            if let Err(wrong) = traffic.check(request, status, &body, &mut outcomes) {
                panic!("turn {turn}: {}\n{}", wrong.why, String::from_utf8_lossy(traffic.bytes(request)));
            }
            match before.get_mut(request) {
                None => before.push(body),
                Some(before) => {
                    moved += usize::from(*before != body);
                    *before = body;
                }
            }
        }
    }
    assert!(moved > 50, "the standings show in {moved} answers");
}

#[test]
fn the_demo_stays_foretold() {
    hold(&demo());
}

#[test]
fn a_drawn_registry_stays_foretold() {
    hold(&drawn());
}

#[test]
fn an_account_that_nobody_suspends_must_not_go_away() {
    let registry = demo();
    let churned = churnable(&registry, 5, SEED).unwrap();
    let ground = Ground { registries: &[&registry], churned: &churned, seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(3_000), &ground, Published::only(1)).unwrap();
    let switchboard = StandIn::serving(&registry, 1, NOW);
    let mut seen = 0;
    for request in 0..traffic.len() {
        let asked = traffic.bytes(request).to_vec();
        let text = String::from_utf8_lossy(&asked).into_owned();
        let (status, body) = switchboard.answer(&asked);
        traffic.check(request, status, &body, &mut Outcomes::default()).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let keyed = text.contains("client") || text.contains("phone");
        let company = if text.contains("acme") { "acme" } else { "meridian" };
        let Some(id) = said["account"].as_str().filter(|_| keyed && said["rule"] == "country") else {
            continue;
        };
        if churned.iter().any(|(_, churned)| churned == id) {
            continue;
        }
        switchboard.stand(company, id, Condition::Suspended);
        let (status, body) = switchboard.answer(&asked);
        switchboard.stand(company, id, Condition::Active);
        let instead: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if churned.iter().any(|(_, churned)| instead["account"] == **churned) {
            // As if it had been out of use when the first one answered.
            continue;
        }
        let verdict = traffic.check(request, status, &body, &mut Outcomes::default());
        assert!(verdict.is_err(), "{id} went away: {}", String::from_utf8_lossy(&body));
        seen += 1;
    }
    assert!(seen > 500, "{seen}");
}
