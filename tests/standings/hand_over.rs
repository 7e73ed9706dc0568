//! One process takes over from another: the journal has one writer, and nothing is lost between them.

use super::*;
use crate::expected::acme;

#[test]
fn a_second_process_follows_and_then_takes_over() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let mut first = serve(registry.path(), Some(&journal));
    put(&first, GERMAN_ACCOUNT, &standing("suspended"));
    let second = serve(registry.path(), Some(&journal));
    second.logged_at_start("another process holds the journal");
    assert_ne!(second.select(GERMAN)["account"], "wa-emea-de-1");

    // It sees what the first one is told, and makes no changes of its own.
    let (status, problem) = second.admin("PUT", GERMAN_ACCOUNT, &standing("draining").to_string());
    assert!(status == 503 && problem.contains("\"code\":\"overloaded\""), "{status} {problem}");
    assert_eq!(stored(&second, GERMAN_ACCOUNT), Some(standing("suspended")));
    lift(&first, GERMAN_ACCOUNT);
    until(|| second.select(GERMAN)["account"] == "wa-emea-de-1");
    put(&first, "/v1/standings/acme/wa-emea-gb-1", &standing("draining"));
    until(|| stored(&second, "/v1/standings/acme/wa-emea-gb-1").is_some());

    first.signal("-TERM");
    assert_eq!(first.wait().code(), Some(0));
    second.log("journal of standings read");
    put(&second, GERMAN_ACCOUNT, &standing("draining"));
    drop(second);
    let third = serve(registry.path(), Some(&journal));
    assert_eq!(stored(&third, GERMAN_ACCOUNT), Some(standing("draining")));
    assert_eq!(stored(&third, "/v1/standings/acme/wa-emea-gb-1"), Some(standing("draining")));
}

/// Asks until it is so: what one process tells another has no event to wait for.
#[track_caller]
fn until(holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
