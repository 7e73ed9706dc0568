//! Batches: several queries in one request.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::InProcessDaemon;

fn line(country: &str) -> String {
    format!(r#"{{"channel":"whatsapp","ou":"uk","country":"{country}"}}"#)
}

#[test]
fn batch_answers_in_order_and_a_malformed_line_fails_alone() {
    let daemon = InProcessDaemon::start();
    let body = format!("{}\n\nnot json\r\n{}\r\n{}\n   \n{}", line("GB"), line("DE"), line("JP"), line("US"));
    let answer = daemon.post("/v1/select/batch", body);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines = answer.lines();
    let said: Vec<&str> =
        lines.iter().map(|line| line["account"].as_str().or(line["code"].as_str()).unwrap()).collect();
    assert_eq!(
        said,
        ["wa-gb-1", "bad_request", "bad_request", "wa-de-1", "no_account", "bad_request", "wa-us-001"]
    );
    assert!(lines.iter().all(|line| line["generation"] == 7));
    assert!(answer.text().ends_with("}\n"));
}

#[test]
fn problem_of_a_line_has_its_number_in_the_batch() {
    let daemon = InProcessDaemon::start();
    // More lines than are answered together.
    let mut lines = vec![line("GB"); 20];
    lines[2] = "{".to_owned();
    lines[4] = "[]".to_owned();
    lines[5] = "null".to_owned();
    lines[6] = "  7".to_owned();
    lines[9] = String::new();
    lines[16] = r#"{"channel":"whatsapp","ou":"uk","country":"GB","colour":1}"#.to_owned();
    lines[19] = r#"{"channel":"whatsapp"} x"#.to_owned();
    let answers = daemon.post("/v1/select/batch", lines.join("\n")).lines();
    for (at, detail) in [
        (2, "The fault is at line 3, column 1."),
        (4, "The fault is at line 5, column 1."),
        (5, "The fault is at line 6, column 4."),
        (6, "The fault is at line 7, column 3."),
        (9, "The fault is at line 10, column 1."),
        (16, "Line 17: The field `colour` is unknown."),
        (19, "The fault is at line 20, column 24."),
    ] {
        let found = answers[at]["detail"].as_str().unwrap();
        assert!(found.contains(detail), "{found}");
    }
    assert_eq!(answers.iter().filter(|answer| answer["account"] == "wa-gb-1").count(), 13);
    // A single query is its own text.
    for (text, place) in [("{\n", "line 2, column 1"), ("", "line 1, column 1"), ("\n\n", "line 3, column 1")]
    {
        let alone = daemon.post("/v1/select", text).problem().1;
        assert!(alone.contains(place), "{text:?}: {alone}");
    }
}

#[test]
fn empty_batch_has_an_empty_answer() {
    let daemon = InProcessDaemon::start();
    let answer = daemon.post("/v1/select/batch", "");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(daemon.post("/v1/select/batch", "\n").lines().len(), 1);
}

#[test]
fn batch_beyond_ten_thousand_lines_is_refused() {
    let daemon = InProcessDaemon::start();
    let full = format!("{}\n", line("GB")).repeat(10_000);
    let lines = daemon.post("/v1/select/batch", &full).lines();
    assert_eq!(lines.len(), 10_000);
    assert!(lines.iter().all(|line| line["account"] == "wa-gb-1"));
    let more = full + "\n";
    daemon.post("/v1/select/batch", more).refuses(413, "body_too_large");
}

#[test]
fn batch_beyond_four_megabytes_is_refused() {
    let daemon = InProcessDaemon::start();
    let mut body = format!("{}\n", line("GB")).into_bytes();
    body.resize(4 << 20, b' ');
    assert_eq!(daemon.post("/v1/select/batch", &body).lines().len(), 2);
    body.push(b' ');
    daemon.post("/v1/select/batch", &body).refuses(413, "body_too_large");
    // A chunked body does not announce its length.
    let mut client = daemon.client();
    client.send("POST /v1/select/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400001\r\n");
    client.send(&body);
    client.answer().refuses(413, "body_too_large");
}

#[test]
fn batch_comes_from_one_snapshot_while_others_are_published() {
    let daemon = InProcessDaemon::start();
    let body = format!("{}\n", line("GB")).repeat(5_000);
    let mut seen = std::collections::BTreeSet::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for generation in 8.. {
                daemon.store.swap(crate::harness::small_registry::snapshot(generation, &["acme"]));
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..20 {
            let lines = daemon.post("/v1/select/batch", &body).lines();
            let generation = lines[0]["generation"].as_u64().unwrap();
            assert!(lines.iter().all(|line| line["generation"] == generation));
            assert!(seen.last().is_none_or(|last| *last <= generation), "a generation went backwards");
            seen.insert(generation);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(seen.len() > 1, "nothing was published in between: {seen:?}");
}
