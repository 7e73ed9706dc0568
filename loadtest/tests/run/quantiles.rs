//! Compares the quantiles that Prometheus computes from the daemon's histogram with those of the harness for
//! the same requests.
//!
//! The daemon's time begins when it has read the head, and ends when it has rendered the answer. The
//! harness's uncorrected time contains the daemon's: it begins when the request is sent, and ends when the
//! answer is read. The corrected time also contains the wait for a connection, which the daemon cannot know,
//! so the test compares the uncorrected one. A proxy delays each body by 60 to 450 ms, while both times run.
//! Compared with this, the network and the pauses of a busy machine are short.
//!
//! - The harness's percentile is at least the lower bound of the histogram's bucket, because the client's
//!   time contains the daemon's. The load of the machine does not change this.
//! - It is at most one and a half times the upper bound. The 99th percentile is not compared, because it is
//!   one request, which a pause may have delayed.
//!
//! A histogram that loses time, counts it twice or has another unit violates one of the two.

use crate::{
    output_text, report, run,
    server::Prometheus,
    slow_line,
    target::{Running, registry},
};
use std::fs;

/// Short, because only then the warm-up has a single request. The proxy delays it least, so it changes no
/// percentile.
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
        // In microseconds, exact to a thousandth.
        let measured = measured / 1e6;
        let computed =
            prometheus.value(&format!("histogram_quantile({quantile}, {})", of("bucket"))).unwrap();
        let above = bounds.iter().position(|bound| computed <= *bound).unwrap();
        let (least, most) = (above.checked_sub(1).map_or(0.0, |below| bounds[below]), bounds[above]);
        println!(
            "{quantile}: {computed:.3} s by Prometheus, of {least} to {most}; {measured:.3} s by the harness"
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
