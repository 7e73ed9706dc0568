//! Standings that change meanwhile: an answer is right if it is right under any state that they can be in.

use super::{NOW, SEED, check, demo, drawn, mixed, received, stand_in::StandIn};
use loadtest::{
    engine::Received,
    traffic::{Ground, Outcomes, Published, Traffic, churnable},
};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use switchboard_model::Condition;

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
            if let Err(wrong) = check(&mut traffic, request, status, &body, &mut outcomes) {
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
        check(&mut traffic, request, status, &body, &mut Outcomes::default()).unwrap();
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
        let verdict = check(&mut traffic, request, status, &body, &mut Outcomes::default());
        assert!(verdict.is_err(), "{id} went away: {}", String::from_utf8_lossy(&body));
        seen += 1;
    }
    assert!(seen > 500, "{seen}");
}

/// A daemon that acknowledges suspensions and selects as if there were none.
#[test]
fn a_daemon_that_ignores_standings_is_found_out() {
    let registry = drawn();
    let churned = churnable(&registry, 40, SEED).unwrap();
    let ground = Ground { registries: &[&registry], churned: &churned, seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(4_000), &ground, Published::only(1)).unwrap();
    let switchboard = StandIn::serving(&registry, 1, NOW);
    let suspensions = traffic.suspensions().clone();
    let mut outcomes = Outcomes::default();
    let mut named = 0;
    for request in 0..traffic.len() {
        let (status, body) = switchboard.answer(traffic.bytes(request));
        let early = received(&traffic, status, &body);
        traffic.check(request, &early, &mut outcomes).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let account = churned.iter().position(|(_, id)| said["account"] == **id);
        let Some(account) = account else { continue };
        named += 1;
        suspensions.acknowledged(account, Duration::from_secs(60));
        // Sent before the suspension was known; sent after it; the same in other bytes; read after it was lifted.
        traffic.check(request, &early, &mut outcomes).unwrap();
        let late = received(&traffic, status, &body);
        let wrong = traffic.check(request, &late, &mut outcomes).unwrap_err();
        assert!(wrong.why.contains("is suspended: acknowledged"), "{}", wrong.why);
        let escaped = String::from_utf8(body.clone()).unwrap().replacen("{\"", "{ \"", 1);
        let other = received(&traffic, status, escaped.as_bytes());
        let wrong = traffic.check(request, &other, &mut outcomes).unwrap_err();
        assert!(wrong.why.contains("is suspended: acknowledged"), "{}", wrong.why);
        suspensions.lifting(account);
        let lifted = Received { read: Instant::now(), ..late };
        traffic.check(request, &lifted, &mut outcomes).unwrap();
    }
    assert!(named > 20, "{named} answers name a churned account");
}
