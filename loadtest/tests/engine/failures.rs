//! Failures: they are counted by kind, and included in the distribution.

use crate::{ExpectYes, plan, stub, stub::Reaction};
use loadtest::{
    engine::{Plan, measure},
    report::model::RateStep,
};
use std::time::Duration;

fn step(react: impl Fn(u64) -> Reaction + Send + Sync + 'static, timeout: Duration) -> RateStep {
    let target = stub::serve(react);
    let plan = Plan { timeout, ..plan(target, 200.0, Duration::from_millis(500)) };
    let step = measure(&plan, &mut ExpectYes, &mut |_| ()).unwrap().step;
    assert_eq!((step.due, step.corrected.count), (100, 100), "each request is in the distribution");
    step
}

/// Returns the number and the first reason of the only kind of error.
fn only(step: &RateStep, kind: &str) -> (u64, String) {
    assert_eq!(step.errors.keys().collect::<Vec<_>>(), [kind]);
    (step.errors[kind].count, step.errors[kind].first.clone())
}

#[test]
fn time_outs_count_with_the_whole_time_out() {
    let timeout = Duration::from_millis(150);
    let step = step(|n| if n % 20 == 19 { Reaction::Silence } else { stub::YES }, timeout);
    let (count, first) = only(&step, "timeout");
    assert!((4..=6).contains(&count), "{count}");
    assert_eq!(first, "no answer within 150ms");
    assert_eq!(step.outcomes["yes"], 100 - count);
    assert!(step.corrected.max >= 150_000.0 && step.corrected.p99 >= 149_000.0, "{:?}", step.corrected);
}

#[test]
fn requests_that_wait_for_a_connection_time_out() {
    let step = step(|_| Reaction::Silence, Duration::from_millis(100));
    let (count, _) = only(&step, "timeout");
    assert_eq!(count, 100);
    assert!(step.corrected.p50 >= 99_000.0, "{:?}", step.corrected);
    // Four connections and twenty requests per time-out: each waits for four fifths of its time-out.
    assert!(step.uncorrected.p50 < 60_000.0, "{:?}", step.uncorrected);
    assert_eq!(step.achieved, 0.0);
    assert_eq!(step.invalid, None);
}

#[test]
fn closed_connections_are_replaced() {
    let timeout = Duration::from_secs(20);
    let step = step(|n| if n % 10 == 9 { Reaction::Close } else { stub::YES }, timeout);
    let (count, first) = only(&step, "closed");
    assert!((9..=11).contains(&count), "{count}");
    assert_eq!(first, "closed without an answer");
    assert_eq!(step.outcomes["yes"], 100 - count);
    assert_counts_as_a_time_out(&step, timeout);
}

/// Checks that requests that failed at once count as a time-out in the corrected latencies, and only there.
fn assert_counts_as_a_time_out(step: &RateStep, timeout: Duration) {
    let timeout = timeout.as_secs_f64() * 1e6;
    assert!(step.corrected.p99 >= timeout * 0.998, "{:?}", step.corrected);
    assert!(step.corrected.p50 < timeout && step.uncorrected.max < timeout, "{:?}", step.uncorrected);
    assert!(step.timeline.iter().any(|slice| slice.max >= timeout * 0.998), "{:?}", step.timeline);
}

#[test]
fn connections_that_the_server_closes_after_an_answer_are_no_failure() {
    const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nyes";
    let step = step(|n| if n % 2 == 0 { stub::YES } else { Reaction::Answer(LAST) }, Duration::from_secs(1));
    assert!(step.errors.is_empty(), "{:?}", step.errors);
    // Without the header, the sender may read the answer and the end of the stream at once. Each connection
    // rests for half a second, because a thread of the server may close it late.
    let target = stub::serve(|_| Reaction::Last("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes"));
    let plan = Plan { connections: 100, ..plan(target, 200.0, Duration::from_millis(500)) };
    let step = measure(&plan, &mut ExpectYes, &mut |_| ()).unwrap().step;
    assert_eq!(step.outcomes["yes"], 100);
    assert!(step.errors.is_empty(), "{:?}", step.errors);
}

#[test]
fn requests_that_the_server_did_not_read_are_sent_again() {
    const YES: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes";
    let step = step(|_| Reaction::LastUnread(YES), Duration::from_secs(1));
    assert!(step.errors.is_empty(), "{:?}", step.errors);
    assert_eq!(step.outcomes["yes"], 100);
}

#[test]
fn wrong_answers_are_counted_by_their_kind() {
    const NO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
    const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nyes";
    const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyesno";
    for (answer, kind, words) in [
        (NO, "wrong_answer", "no"),
        (BUSY, "unexpected_status", "503 for 200"),
        (LONG, "malformed", "2 bytes after the answer"),
        ("SMTP\r\n\r\n", "malformed", "the answer is not HTTP/1.1: invalid HTTP version"),
    ] {
        let timeout = Duration::from_secs(20);
        let step = step(move |n| if n % 10 == 9 { Reaction::Answer(answer) } else { stub::YES }, timeout);
        assert_counts_as_a_time_out(&step, timeout);
        let (count, first) = only(&step, kind);
        // Of the twenty requests of the warm-up, only those with wrong content count.
        let (range, words) = match kind {
            "wrong_answer" => (11..=13, format!("in the warm-up: {words}")),
            _ => (9..=11, words.to_owned()),
        };
        assert!(range.contains(&count), "{count}");
        assert_eq!(first, words);
    }
}
