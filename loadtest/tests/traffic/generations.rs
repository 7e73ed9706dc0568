//! Two registries in turn: the registry of its generation decides whether an answer is right.

use super::{NOW, SEED, check, demo, mixed, stand_in::StandIn};
use loadtest::{
    engine::{OutcomeCounts, Source},
    traffic::{PublishedGenerations, Traffic, TrafficConfig, check_forward},
};
use std::{fs, path::Path};

/// Writes the demo with one account in ten suspended, and without its tests.
fn write_variant(folder: &Path) {
    for company in ["acme", "meridian"] {
        let (from, to) = (demo().join(company), folder.join(company));
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(&from).unwrap() {
            let name = file.unwrap().file_name();
            if name != "tests.toml" {
                fs::copy(from.join(&name), to.join(&name)).unwrap();
            }
        }
        let sheet = fs::read_to_string(to.join("accounts.csv")).unwrap();
        let rows = sheet.lines().enumerate().map(|(n, row)| {
            let mut cells: Vec<&str> = row.split(',').collect();
            if n % 10 == 3 && !cells[5].is_empty() {
                cells[8] = "suspended";
            }
            cells.join(",") + "\n"
        });
        fs::write(to.join("accounts.csv"), rows.collect::<String>()).unwrap();
    }
}

#[test]
fn answer_of_another_generation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_variant(folder.path());
    let (first, second) = (demo(), folder.path());
    let config = TrafficConfig { registries: &[&first, second], churned: &[], seed: SEED, now: NOW };
    let published = PublishedGenerations::new(2);
    let mut traffic = Traffic::draw(&mixed(5_000), &config, published.clone()).unwrap();
    let (even, odd) = (StandIn::serving(&first, 2, NOW), StandIn::serving(second, 3, NOW));
    let mislabelled = StandIn::serving(second, 2, NOW);
    let mut outcomes = OutcomeCounts::default();
    let answer = |traffic: &Traffic, of: &StandIn, request| of.answer(traffic.bytes(request));
    let (status, body) = answer(&traffic, &odd, 0);
    let wrong = check(&mut traffic, 0, status, &body, &mut outcomes).unwrap_err();
    assert!(wrong.reason().contains("generation 3 was never published"), "{}", wrong.reason());
    published.announce(3);
    let mut differ = 0;
    for request in 0..traffic.len() {
        let (asked, _) = (traffic.bytes(request).to_vec(), ());
        for of in [&even, &odd, &even] {
            let (status, body) = of.answer(&asked);
            if let Err(wrong) = check(&mut traffic, request, status, &body, &mut outcomes) {
                panic!("{}\n{}", wrong.reason(), String::from_utf8_lossy(&asked));
            }
        }
        let (status, body) = mislabelled.answer(&asked);
        let right = even.answer(&asked);
        let keyed =
            [&b"client"[..], b"phone"].iter().any(|key| asked.windows(key.len()).any(|at| at == *key));
        if keyed && (status, &body) != (right.0, &right.1) {
            differ += 1;
            assert!(
                check(&mut traffic, request, status, &body, &mut outcomes).is_err(),
                "{}",
                String::from_utf8_lossy(&body)
            );
        }
    }
    assert!(differ > 100, "{differ}");
}

#[test]
fn client_that_moves_between_generations_without_a_reason_is_refused() {
    let first = demo();
    let config = TrafficConfig { registries: &[&first, &first], churned: &[], seed: SEED, now: NOW };
    let mut traffic = Traffic::draw(&mixed(2_000), &config, PublishedGenerations::any()).unwrap();
    let (even, odd) = (StandIn::serving(&first, 2, NOW), StandIn::serving(&first, 3, NOW));
    let mut outcomes = OutcomeCounts::default();
    let mut seen = 0;
    for request in 0..traffic.len() {
        let asked = String::from_utf8(traffic.bytes(request).to_vec()).unwrap();
        let (status, body) = even.answer(asked.as_bytes());
        check(&mut traffic, request, status, &body, &mut outcomes).unwrap();
        let (_, other) = odd.answer(asked.replace("client=client-", "client=another-").as_bytes());
        let same = String::from_utf8(body).unwrap().replace("\"generation\":2", "\"generation\":3");
        if asked.contains("client=") && asked.starts_with("GET") && other != same.as_bytes() {
            let wrong = check(&mut traffic, request, status, &other, &mut outcomes).unwrap_err();
            assert!(wrong.reason().contains("another generation"), "{}", wrong.reason());
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn generations_must_not_decrease_on_a_connection() {
    let mut last = Vec::new();
    let mut goes = |connection, replaced, generation| {
        check_forward(&mut last, (connection, replaced), generation).is_ok()
    };
    assert!(goes(1, 0, 4) && goes(1, 0, 4) && goes(1, 0, 6));
    assert!(!goes(1, 0, 4), "back");
    assert!(goes(0, 0, 4) && goes(2, 0, 2), "of other connections");
    assert!(goes(0, 0, 6) && goes(0, 1, 4), "of another socket on the connection");
    assert!(!goes(0, 1, 2));
}
