//! The time for which an account is certainly suspended.

use loadtest::traffic::Suspensions;
use std::time::{Duration, Instant};

#[test]
fn suspension_holds_from_its_acknowledgement_to_its_end() {
    let suspensions = Suspensions::new(2);
    let hour = Duration::from_secs(3_600);
    let before = Instant::now();
    assert_eq!(suspensions.suspended_for(0, before, before), None);
    suspensions.acknowledged(0, hour);
    let after = Instant::now();
    assert!(suspensions.suspended_for(0, after, after).is_some());
    assert_eq!(suspensions.suspended_for(1, after, after), None, "another account");
    assert_eq!(suspensions.suspended_for(0, before - hour, after), None, "sent before");
    assert_eq!(suspensions.suspended_for(0, after, after + 2 * hour), None, "may have expired");
    suspensions.ending(0);
    assert_eq!(suspensions.suspended_for(0, after, Instant::now()), None);
    assert!(suspensions.suspended_for(0, after, after).is_some(), "read before the end");
}
