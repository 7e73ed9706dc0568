//! The latencies of a server that stalls for 200 ms every two seconds.

use crate::{ExpectYes, plan, stub};
use loadtest::engine::measure;
use std::{
    thread,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_millis(200);

/// A tenth of the requests that are due in 4 s are due in a stall, and wait for up to 200 ms. Only the four
/// requests in flight at the start of a stall are slow without the correction, which is less than one in a
/// hundred.
#[test]
fn stall_raises_the_corrected_latencies_alone() {
    let origin = Instant::now();
    let target = stub::serve(move |_| {
        let into = Duration::from_nanos((origin.elapsed().as_nanos() % EVERY.as_nanos()) as u64);
        if into > EVERY - STALL {
            // The stall: the server answers at its end.
            thread::sleep(EVERY - into);
        }
        stub::YES
    });
    let measured = measure(&plan(target, 500.0, 2 * EVERY), &mut ExpectYes, &mut |_| ()).unwrap();
    let step = measured.step;
    assert!(step.errors.is_empty(), "{:?}", step.errors);
    assert_eq!((step.due, step.corrected.count, step.uncorrected.count), (2_000, 2_000, 2_000));
    assert!(step.corrected.p99 >= 100_000.0, "corrected p99: {} us", step.corrected.p99);
    assert!(step.uncorrected.p99 < 50_000.0, "uncorrected p99: {} us", step.uncorrected.p99);
    assert!(step.corrected.p50 < 50_000.0, "{} us", step.corrected.p50);
    // The stall does not make the sender late.
    assert_eq!(step.invalid, None);
    assert!(step.lateness.p99 < 50_000.0, "lateness p99: {} us", step.lateness.p99);
    // The timeline shows the time of the stall.
    assert!(step.timeline.iter().any(|slice| slice.max >= 150_000.0), "{:?}", step.timeline);
    let answers: f64 = step.timeline.iter().map(|slice| slice.answered * 0.1).sum();
    assert!((answers - 2_000.0).abs() < 1.0, "{answers}");
}
