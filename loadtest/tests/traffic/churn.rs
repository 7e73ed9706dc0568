//! Changing standings: an answer is right if it is right in one of the possible states.

use super::{NOW, SEED, check, demo, drawn, mixed, received, stand_in::StandIn};
use loadtest::{
    engine::{OutcomeCounts, Received, Source},
    traffic::{PublishedGenerations, Traffic, TrafficConfig, churnable},
};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use switchboard_model::Condition;

fn assert_accepted(registry: &Path) {
    let churned = churnable(registry, 40, SEED).unwrap();
    assert!(churned.len() >= 10, "{}", churned.len());
    assert_eq!(churned.iter().collect::<BTreeSet<_>>().len(), churned.len());
    assert_eq!(churned, churnable(registry, 40, SEED).unwrap());
    let config = TrafficConfig { registries: &[registry], churned: &churned, seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(4_000), &config, PublishedGenerations::new(1)).unwrap();
    let switchboard = StandIn::serving(registry, 1, NOW);
    let mut outcomes = OutcomeCounts::default();
    let mut moved = 0;
    let states = [Condition::Active, Condition::Suspended, Condition::Draining, Condition::Active];
    let mut before: Vec<Vec<u8>> = Vec::new();
    for turn in 0..12 {
        // Each account has another state in each turn.
        for (n, (company, account)) in churned.iter().enumerate() {
            switchboard.set_standing(company, account, states[(turn + n * turn) % states.len()]);
        }
        for request in 0..traffic.len() {
            let (status, body) = switchboard.answer(traffic.bytes(request));
            if let Err(wrong) = check(&mut traffic, request, status, &body, &mut outcomes) {
                panic!(
                    "turn {turn}: {}\n{}",
                    wrong.reason(),
                    String::from_utf8_lossy(traffic.bytes(request))
                );
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
fn answers_of_the_demo_are_accepted_while_standings_change() {
    assert_accepted(&demo());
}

#[test]
fn answers_of_a_drawn_registry_are_accepted_while_standings_change() {
    assert_accepted(&drawn());
}

#[test]
fn answer_without_an_account_that_was_not_suspended_is_refused() {
    let registry = demo();
    let churned = churnable(&registry, 5, SEED).unwrap();
    let config = TrafficConfig { registries: &[&registry], churned: &churned, seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(3_000), &config, PublishedGenerations::new(1)).unwrap();
    let switchboard = StandIn::serving(&registry, 1, NOW);
    let mut seen = 0;
    for request in 0..traffic.len() {
        let asked = traffic.bytes(request).to_vec();
        let text = String::from_utf8_lossy(&asked).into_owned();
        let (status, body) = switchboard.answer(&asked);
        check(&mut traffic, request, status, &body, &mut OutcomeCounts::default()).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let keyed = text.contains("client") || text.contains("phone");
        let company = if text.contains("acme") { "acme" } else { "meridian" };
        let Some(id) = said["account"].as_str().filter(|_| keyed && said["rule"] == "country") else {
            continue;
        };
        if churned.iter().any(|(_, churned)| churned == id) {
            continue;
        }
        switchboard.set_standing(company, id, Condition::Suspended);
        let (status, body) = switchboard.answer(&asked);
        switchboard.set_standing(company, id, Condition::Active);
        let instead: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if churned.iter().any(|(_, churned)| instead["account"] == **churned) {
            // Right if this account was not available at the first answer.
            continue;
        }
        let verdict = check(&mut traffic, request, status, &body, &mut OutcomeCounts::default());
        assert!(verdict.is_err(), "{id} went away: {}", String::from_utf8_lossy(&body));
        seen += 1;
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn answer_with_an_acknowledged_suspension_is_refused() {
    let registry = drawn();
    let churned = churnable(&registry, 40, SEED).unwrap();
    let config = TrafficConfig { registries: &[&registry], churned: &churned, seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(4_000), &config, PublishedGenerations::new(1)).unwrap();
    let switchboard = StandIn::serving(&registry, 1, NOW);
    let suspensions = traffic.suspensions().clone();
    let mut outcomes = OutcomeCounts::default();
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
        // Sent before the suspension; sent after it; the same in other bytes; read after its end.
        traffic.check(request, &early, &mut outcomes).unwrap();
        let late = received(&traffic, status, &body);
        let wrong = traffic.check(request, &late, &mut outcomes).unwrap_err();
        assert!(
            wrong.reason().contains("is suspended: the suspension was acknowledged"),
            "{}",
            wrong.reason()
        );
        let escaped = String::from_utf8(body.clone()).unwrap().replacen("{\"", "{ \"", 1);
        let other = received(&traffic, status, escaped.as_bytes());
        let wrong = traffic.check(request, &other, &mut outcomes).unwrap_err();
        assert!(
            wrong.reason().contains("is suspended: the suspension was acknowledged"),
            "{}",
            wrong.reason()
        );
        suspensions.ending(account);
        let ended = Received { read: Instant::now(), ..late };
        traffic.check(request, &ended, &mut outcomes).unwrap();
    }
    assert!(named > 20, "{named} answers name a churned account");
}
