//! Checks that tampered answers are refused.

use super::{NOW, check, demo, mixed, stand_in::StandIn, traffic};
use loadtest::engine::{FailureKind, OutcomeCounts, Source};
use serde_json::{Map, Value, json};

/// Returns copies of the answer with one error each, and a description of the error.
fn tampered(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let right: Map<String, Value> = serde_json::from_slice(body).unwrap();
    let bytes = |fields: &Map<String, Value>| serde_json::to_vec(fields).unwrap();
    let mut wrong = Vec::new();
    for (name, value) in &right {
        let mut other = right.clone();
        // A problem must have a detail, which may be any text.
        let instead = match value {
            Value::String(_) if name == "detail" => json!(""),
            Value::String(text) => json!(format!("{text}x")),
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            _ => panic!("{name} is {value}"),
        };
        other.insert(name.clone(), instead);
        wrong.push((format!("another {name}"), bytes(&other)));
        let mut other = right.clone();
        other.shift_remove(name);
        wrong.push((format!("no {name}"), bytes(&other)));
        if name == "generation" {
            continue;
        }
        let mut other = right.clone();
        let value = other.shift_remove(name).unwrap();
        let generation = other.shift_remove("generation").unwrap();
        other.insert(name.clone(), value);
        other.insert("generation".to_owned(), generation);
        if !other.keys().eq(right.keys()) {
            wrong.push((format!("{name} in another place"), bytes(&other)));
        }
    }
    for name in ["role", "climbed", "current_ignored", "colour"] {
        if !right.contains_key(name) {
            let mut other = right.clone();
            let generation = other.shift_remove("generation").unwrap();
            other.insert(name.to_owned(), json!("x"));
            other.insert("generation".to_owned(), generation);
            wrong.push((format!("a {name}"), bytes(&other)));
        }
    }
    wrong.push(("its end cut off".to_owned(), body[..body.len() - 1].to_vec()));
    wrong.push(("nothing".to_owned(), Vec::new()));
    wrong.push(("more".to_owned(), [body, b" "].concat()));
    wrong
}

#[test]
fn answer_with_one_wrong_field_is_refused() {
    let mut traffic = traffic(&mixed(2_000), &demo());
    let switchboard = StandIn::serving(&demo(), 1, NOW);
    let mut outcomes = OutcomeCounts::default();
    for request in 0..traffic.len() {
        let asked = traffic.bytes(request).to_vec();
        let (status, body) = switchboard.answer(&asked);
        // The right answer first, because it sets the title of the problem.
        check(&mut traffic, request, status, &body, &mut outcomes).unwrap();
        let counted = outcomes.clone();
        for (what, wrong) in tampered(&body) {
            let verdict = check(&mut traffic, request, status, &wrong, &mut outcomes);
            let text = String::from_utf8_lossy(&wrong);
            assert!(verdict.is_err(), "{what} was accepted: {text}\n{}", String::from_utf8_lossy(&asked));
        }
        for other in [200, 400, 404, 422, 503].into_iter().filter(|other| *other != status) {
            let wrong = check(&mut traffic, request, other, &body, &mut outcomes).unwrap_err();
            assert_eq!(wrong.kind(), FailureKind::UnexpectedStatus, "{}", wrong.reason());
        }
        assert_eq!(outcomes, counted, "a wrong answer was counted");
        check(&mut traffic, request, status, &body, &mut outcomes).unwrap();
    }
}

#[test]
fn reason_names_the_wrong_field() {
    let mut traffic = traffic(&mixed(400), &demo());
    let switchboard = StandIn::serving(&demo(), 1, NOW);
    let mut outcomes = OutcomeCounts::default();
    let mut said = 0;
    for request in 0..traffic.len() {
        let (status, body) = switchboard.answer(traffic.bytes(request));
        let text = String::from_utf8(body).unwrap();
        let other = text.replace("\"climbed\":", "\"climbed\":9");
        if status == 200 && other != text {
            let wrong = check(&mut traffic, request, status, other.as_bytes(), &mut outcomes).unwrap_err();
            assert_eq!(wrong.kind(), FailureKind::WrongAnswer);
            assert!(wrong.reason().starts_with("climbed is 9"), "{}", wrong.reason());
            said += 1;
        }
    }
    assert!(said > 100);
}

#[test]
fn client_that_gets_another_account_is_refused() {
    let mut traffic = traffic(&mixed(2_000), &demo());
    let switchboard = StandIn::serving(&demo(), 1, NOW);
    let mut outcomes = OutcomeCounts::default();
    let mut seen = 0;
    for request in 0..traffic.len() {
        let asked = String::from_utf8(traffic.bytes(request).to_vec()).unwrap();
        if !asked.starts_with("GET") || !asked.contains("client=client-") {
            continue;
        }
        let (status, body) = switchboard.answer(asked.as_bytes());
        check(&mut traffic, request, status, &body, &mut outcomes).unwrap();
        let another = asked.replace("client=client-", "client=another-client-");
        let (_, other) = switchboard.answer(another.as_bytes());
        if other != body {
            let wrong = check(&mut traffic, request, status, &other, &mut outcomes).unwrap_err();
            assert!(wrong.reason().starts_with("the client has "), "{}", wrong.reason());
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}
