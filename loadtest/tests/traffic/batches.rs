//! Checks of batches, line by line.

use super::{NOW, SEED, check, demo, mixed, received, stand_in::StandIn, traffic};
use loadtest::{
    engine::{Media, OutcomeCounts, Received, Source},
    traffic::{Mix, PublishedGenerations, Traffic, TrafficConfig},
};

#[test]
fn batch_with_one_wrong_line_is_refused() {
    const LINES: u32 = 50;
    let mut traffic = traffic(&Mix { batch: Some(LINES), ..mixed(1_000) }, &demo());
    assert_eq!((traffic.selections(), traffic.len()), (LINES.into(), 20));
    let switchboard = StandIn::serving(&demo(), 1, NOW);
    let mut outcomes = OutcomeCounts::default();
    for request in 0..traffic.len() {
        let (status, body) = switchboard.answer(traffic.bytes(request));
        check(&mut traffic, request, status, &body, &mut outcomes).unwrap();
        let text = String::from_utf8(body).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for n in [0, 7, 49] {
            let mut wrong = lines.clone();
            let other = lines[n].replace("\"generation\":1", "\"generation\":2");
            wrong[n] = &other;
            let body = wrong.join("\n") + "\n";
            let wrong = check(&mut traffic, request, 200, body.as_bytes(), &mut OutcomeCounts::default())
                .unwrap_err();
            assert!(wrong.reason().starts_with(&format!("line {}: ", n + 1)), "{}", wrong.reason());
        }
        let mut refuse = |body: &str, why: &str| {
            let wrong = check(&mut traffic, request, 200, body.as_bytes(), &mut OutcomeCounts::default())
                .unwrap_err();
            assert!(wrong.reason().contains(why), "{}", wrong.reason());
        };
        refuse(&(lines[..49].join("\n") + "\n"), "49 lines, not 50");
        refuse(&(text.clone() + lines[0] + "\n"), "more than 50 lines");
        refuse(&lines.join("\n"), "49 lines, not 50");
        let turned: Vec<&str> = lines.iter().rev().copied().collect();
        if lines[0] != lines[49] {
            refuse(&(turned.join("\n") + "\n"), "line ");
        }
        assert!(check(&mut traffic, request, 400, text.as_bytes(), &mut OutcomeCounts::default()).is_err());
    }
    assert_eq!(outcomes.values().sum::<u64>(), 1_000);
}

#[test]
fn batch_of_two_generations_or_another_media_type_is_refused() {
    let published = PublishedGenerations::new(1);
    let registry = demo();
    let config = TrafficConfig { registries: &[&registry], churned: &[], seed: SEED, now: NOW };
    let mix = Mix { batch: Some(20), ..mixed(400) };
    let mut traffic = Traffic::draw(&mix, &config, published.clone()).unwrap();
    published.announce(2);
    let (old, new) = (StandIn::serving(&registry, 1, NOW), StandIn::serving(&registry, 2, NOW));
    let (_, before) = old.answer(traffic.bytes(0));
    let (_, after) = new.answer(traffic.bytes(0));
    let [before, after] = [before, after].map(|body| String::from_utf8(body).unwrap());
    let (first, last) = before.split_once('\n').zip(after.split_once('\n')).unwrap();
    let torn = format!("{}\n{}", first.0, last.1);
    let wrong = check(&mut traffic, 0, 200, torn.as_bytes(), &mut OutcomeCounts::default()).unwrap_err();
    assert!(
        wrong.reason().starts_with("line 2: of generation 2, and the line before of 1"),
        "{}",
        wrong.reason()
    );
    let whole = received(&traffic, 200, after.as_bytes());
    let other = Received { media: Media::Json, ..whole };
    let wrong = traffic.check(0, &other, &mut OutcomeCounts::default()).unwrap_err();
    assert_eq!(wrong.reason(), "its content-type is application/json, not application/x-ndjson");
    traffic.check(0, &whole, &mut OutcomeCounts::default()).unwrap();
    // An earlier generation on the same connection.
    let back = Received { body: before.as_bytes(), ..whole };
    let wrong = traffic.check(0, &back, &mut OutcomeCounts::default()).unwrap_err();
    assert!(wrong.reason().contains("on a connection that had answers of 2"), "{}", wrong.reason());
}
