//! A server that stalls for 200 ms every two seconds.

use crate::{ExpectYes, plan, stub};
use loadtest::engine::measure;
use std::{
    thread,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_millis(200);

/// Of the requests due in 4 s, a tenth falls into a stall, and waits for up to 200 ms; of the four
/// connections, each has one request on it when a stall begins, which is not one in a hundred.
#[test]
fn a_stall_raises_the_corrected_latencies_alone() {
    let origin = Instant::now();
    let target = stub::serve(move |_| {
        let into = Duration::from_nanos((origin.elapsed().as_nanos() % EVERY.as_nanos()) as u64);
        if into > EVERY - STALL {
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
    // The stall is no lateness of the sender.
    assert_eq!(step.invalid, None);
    assert!(step.lateness.p99 < 50_000.0, "lateness p99: {} us", step.lateness.p99);
    // The timeline shows where it was.
    assert!(step.timeline.iter().any(|slice| slice.max >= 150_000.0), "{:?}", step.timeline);
    let answers: f64 = step.timeline.iter().map(|slice| slice.answered * 0.1).sum();
    assert!((answers - 2_000.0).abs() < 1.0, "{answers}");
}
