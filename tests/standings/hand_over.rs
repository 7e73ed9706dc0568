//! A process takes over from another: the journal has one writer, and no change is lost.

use rustix::process::Signal;

use super::*;
use crate::expected::acme;
use crate::harness::{HttpClient, wait_until};

#[test]
fn second_process_follows_the_journal_and_then_takes_it_over() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut first = serve(registry.path(), Some(&journal));
    put(&first, GERMAN_ACCOUNT, &standing("suspended"));
    let second = serve(registry.path(), Some(&journal));
    second.logged_at_start("another process writes the journal");
    assert_ne!(second.select(GERMAN)["account"], "wa-emea-de-1");

    // The second process sees the changes of the first, and makes none.
    let (status, problem) = second.admin("PUT", GERMAN_ACCOUNT, &standing("draining").to_string());
    assert!(status == 503 && problem.contains("\"code\":\"overloaded\""), "{status} {problem}");
    assert_eq!(stored(&second, GERMAN_ACCOUNT), Some(standing("suspended")));
    remove(&first, GERMAN_ACCOUNT);
    wait_until("the second process sees the removal", || second.select(GERMAN)["account"] == "wa-emea-de-1");
    put(&first, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    wait_until("the second process sees the standing", || {
        stored(&second, "/v1/standings/acme/wa-emea-gb-1").is_some()
    });

    first.signal(Signal::TERM);
    assert_eq!(first.wait().code(), Some(0));
    second.log("journal of standings opened");
    put(&second, GERMAN_ACCOUNT, &standing("draining"));
    drop(second);
    let third = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&third, GERMAN_ACCOUNT), Some(standing("draining")));
    assert_eq!(stored(&third, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("draining")));
}

/// A drain can take half a minute, and changes of standings must not wait for it.
#[test]
fn second_process_takes_over_while_the_first_finishes_a_request() {
    const QUERY: &str = r#"{"channel":"whatsapp","ou":"emea","country":"DE"}"#;
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut first = serve(registry.path(), Some(&journal));
    put(&first, "/v1/standings/acme/wa-emea-gb-1", &standing("suspended"));
    let second = serve(registry.path(), Some(&journal));
    second.logged_at_start("another process writes the journal");
    let mut slow = HttpClient::connect(&first.data);
    slow.post_head("/v1/select", QUERY.len());

    first.signal(Signal::TERM);
    second.log("journal of standings opened");
    put(&second, GERMAN_ACCOUNT, &standing("suspended"));
    let (status, problem) = first.admin("PUT", GERMAN_ACCOUNT, &standing("draining").to_string());
    assert!(status == 503 && problem.contains("\"code\":\"overloaded\""), "{status} {problem}");
    // The first process answers its last requests with the standings that the second one sets.
    wait_until("the first process sees the standing", || {
        stored(&first, GERMAN_ACCOUNT) == Some(standing("suspended"))
    });
    slow.send(QUERY);
    let answer = slow.answer();
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("wa-emea-de-1"), "{}", answer.text());
    assert!(slow.is_closed());
    assert_eq!(first.wait().code(), Some(0));
    assert_eq!(stored(&second, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("suspended")));
}
