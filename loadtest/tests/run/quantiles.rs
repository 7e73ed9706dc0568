//! The quantiles that a real Prometheus computes from the daemon's histogram, against those of the harness
//! for the same requests.
//!
//! The two clocks differ. The daemon's runs from the head read to the answer rendered; the harness's
//! *uncorrected* one around that, from sent to read; its *corrected* one also counts the wait for a
//! connection, of which the daemon cannot know. So the uncorrected one is compared, on a line that delivers
//! bodies 60 to 450 ms late, while both clocks run. Beside this the network and the pauses of a busy machine
//! are small.
//!
//! - The harness's percentile is at least the lower bound of the bucket that the histogram's lies in: no
//!   request took its client less than the daemon. No load of the machine changes that.
//! - It is at most one and a half times the upper bound. The 99th percentile is one request, which a pause
//!   may have met, and is left out.
//!
//! A histogram that loses a part of the time, counts it twice or in other units breaks one or the other.

use crate::{
    output_text, report, run,
    server::Prometheus,
    slow_line,
    target::{Running, registry},
};
use std::fs;

/// The warm-up has one request, which the line delays least: it moves no percentile.
const SCENARIO: &str = "about = 'every body comes late'\nrate = 20\nduration = '5s'\nwarm_up = '1us'\nrepeat = 1\n\
    connections = 16\nlatest_us = 60000000\ntimeout = '10m'\n[mix]\npost = 100";

#[test]
#[cfg_attr(not(has_prometheus), ignore = "needs prometheus: apt-get install prometheus")]
fn quantiles_of_prometheus_agree_with_those_of_the_harness() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("late.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let (served, out) = (registry(folder.path(), 1), folder.path().join("out"));
    let running = Running::serve(&served);
    let prometheus = Prometheus::start(&[("switchboard", running.admin.trim_start_matches("http://"))]);
    let line = slow_line::before(&running.data);
    let ran =
        run(&out, &[scenario.to_str().unwrap(), "--target", &line, "--registry", served.to_str().unwrap()]);
    assert!(ran.status.success(), "{}", output_text(&ran));
    let harness = report(&out).runs[0].steps[0].uncorrected.clone();
    assert_eq!(harness.count, 100);

    let of = |part: &str| format!("switchboard_http_request_duration_seconds_{part}{{route=\"select\"}}");
    prometheus.awaits(
        "a scrape of all of them",
        || {},
        |prometheus| prometheus.value(&of("count")) == Some(harness.count as f64 + 1.0),
    );
    let buckets = prometheus.query(&of("bucket"));
    let bound = |bucket: &serde_json::Value| bucket["metric"]["le"].as_str().unwrap().parse::<f64>().unwrap();
    let mut bounds: Vec<f64> = buckets.iter().map(bound).collect();
    bounds.sort_by(f64::total_cmp);
    for (quantile, measured, both_ways) in
        [(0.5, harness.p50, true), (0.9, harness.p90, true), (0.99, harness.p99, false)]
    {
        // Of microseconds, exact to a thousandth.
        let measured = measured / 1e6;
        let told = prometheus.value(&format!("histogram_quantile({quantile}, {})", of("bucket"))).unwrap();
        let above = bounds.iter().position(|bound| told <= *bound).unwrap();
        let (least, most) = (above.checked_sub(1).map_or(0.0, |below| bounds[below]), bounds[above]);
        println!(
            "{quantile}: {told:.3} s by Prometheus, of {least} to {most}; {measured:.3} s by the harness"
        );
        assert!(
            measured * 1.001 >= least,
            "{quantile}: {measured} s, but {least} at the least in the daemon"
        );
        assert!(
            !both_ways || measured <= most * 1.5,
            "{quantile}: {measured} s, but {most} at the most in the daemon"
        );
    }
}
