//! Every metric exists from the start and counts its events.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard::telemetry::{PublishedSnapshot, ReloadOutcome, SelectionOutcome, Telemetry};
use switchboard_fleet::release::Reason;
use switchboard_model::UnixMillis;
use switchboard_pipeline::build::LoadStage;
use switchboard_snapshot::RejectionStage;
use switchboard_snapshot::view::RecordCounts;

use crate::harness::InProcessDaemon;

const GET: &str = "/v1/select?channel=whatsapp&ou=uk&country=";

/// Returns the value of every series in a text of the Prometheus format.
fn series(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn every_series_exists_from_the_start() {
    let telemetry = Telemetry::new("0.1.0", "abcdef");
    telemetry.add_channels(&["sms", "whatsapp"]);
    let series = series(&telemetry.render());
    let mut expected: Vec<String> = [
        "switchboard_batch_lines_total",
        "switchboard_http_connections",
        "switchboard_http_connections_limit",
        "switchboard_http_panics_total",
        "switchboard_snapshot_generation",
        "switchboard_snapshot_built_timestamp_seconds",
        "switchboard_snapshot_activated_timestamp_seconds",
        "switchboard_snapshot_confirmed_timestamp_seconds",
        "switchboard_snapshot_bytes",
        "switchboard_snapshots_alive",
        "switchboard_select_duration_seconds_count",
        "switchboard_select_duration_seconds_sum",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut labelled = |name: &str, label: &str, values: &[&str]| {
        expected.extend(values.iter().map(|value| format!("switchboard_{name}{{{label}=\"{value}\"}}")));
    };
    labelled("climbed_total", "levels", &["0", "1", "2", "3+"]);
    labelled(
        "http_connections_total",
        "outcome",
        &["accepted", "rejected", "accept_error", "timed_out", "error", "cut"],
    );
    labelled("snapshot_entries", "kind", &["companies", "ous", "pools", "accounts", "chains"]);
    labelled("snapshot_reloads_total", "outcome", &["published", "unchanged", "rejected", "unreadable"]);
    labelled("snapshot_rejections_total", "stage", &RejectionStage::ALL.map(RejectionStage::as_str));
    labelled("snapshot_load_duration_seconds_count", "stage", &["read", "compile", "verify", "tests"]);
    labelled(
        "http_request_duration_seconds_count",
        "route",
        &["select", "batch", "account", "explain", "other"],
    );
    labelled("select_duration_seconds_bucket", "le", &["0.000001", "0.001", "0.005", "0.01", "0.1", "+Inf"]);
    for channel in ["", "sms", "whatsapp"] {
        expected.extend(SelectionOutcome::all().map(|outcome| {
            let outcome = outcome.as_str();
            format!("switchboard_selections_total{{channel=\"{channel}\",outcome=\"{outcome}\"}}")
        }));
    }
    for route in ["select", "batch", "account", "explain", "other"] {
        for code in [200, 400, 404, 405, 413, 415, 422, 431, 500, 503] {
            expected.push(format!("switchboard_http_requests_total{{route=\"{route}\",code=\"{code}\"}}"));
        }
    }
    for name in expected {
        assert_eq!(series.get(&name), Some(&0.0), "{name}");
    }
    assert_eq!(series.get("switchboard_build_info{version=\"0.1.0\",commit=\"abcdef\"}"), Some(&1.0));
    for name in [
        "cpu_seconds_total",
        "open_fds",
        "max_fds",
        "resident_memory_bytes",
        "virtual_memory_bytes",
        "start_time_seconds",
    ] {
        assert!(series.contains_key(&format!("process_{name}")), "{name}");
    }
}

#[test]
fn cpu_time_has_fractions_and_grows() {
    let telemetry = Telemetry::new("0.1.0", "abcdef");
    let cpu = || series(&telemetry.render())["process_cpu_seconds_total"];
    let before = cpu();
    let used = std::time::Instant::now();
    let mut now = before;
    // The loop uses CPU time. It ends long before a whole second, unless other tests take the cores.
    while now - before < 0.02 {
        assert!(used.elapsed() < Duration::from_secs(20), "{before} to {now}");
        now = cpu();
        assert!(now >= before, "{before}, then {now}");
    }
    assert!(now - before < 1.0 || used.elapsed() > Duration::from_millis(500), "{before} to {now}");
    let text = telemetry.render();
    assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"), "{text}");
    assert_eq!(text.matches("\nprocess_cpu_seconds_total ").count(), 1);
    let sample = text.lines().find(|line| line.starts_with("process_cpu_seconds_total ")).unwrap();
    assert_eq!(sample.rsplit_once('.').map(|(_, decimals)| decimals.len()), Some(6), "{sample}");
}

#[test]
fn every_metric_has_help_and_type() {
    let daemon = InProcessDaemon::start();
    let text = daemon.admin("/metrics").text();
    let names = |keyword: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(keyword));
        let mut names: Vec<String> = lines.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let typed = names("# TYPE ");
    assert_eq!(typed, names("# HELP "));
    let mut once = typed.clone();
    once.dedup();
    assert_eq!(typed, once);
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert_eq!(line.ends_with(" counter"), line.contains("_total "), "{line}");
    }
}

#[test]
fn requests_and_selections_are_counted() {
    let daemon = InProcessDaemon::start();
    daemon.get(&format!("{GET}GB"));
    daemon.get(&format!("{GET}US"));
    daemon.get(&format!("{GET}JP"));
    daemon.get("/v1/select?channel=x&ou=uk&country=GB");
    daemon.get("/v1/select?channel=whatsapp&ou=uk&country=GB&user=anna");
    daemon.get("/v1/select?nonsense");
    daemon.get("/v1/select?channel=whatsapp&ou=uk&country=GB&role=x");
    daemon.post("/v1/select", "nonsense");
    daemon.post("/v1/select/batch", "{\"channel\":\"whatsapp\",\"ou\":\"emea\",\"country\":\"GB\"}\n\n");
    daemon.get("/v1/explain?channel=whatsapp&ou=uk&country=GB");
    daemon.get("/nowhere");
    daemon.ask("nonsense\r\n\r\n");
    let metrics = daemon.admin("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let series = series(&metrics.text());
    let expect = |name: &str, value: f64| {
        assert_eq!(series.get(&format!("switchboard_{name}")), Some(&value), "{name}")
    };
    let selections = |channel: &str, outcome: &str, value: f64| {
        expect(&format!("selections_total{{channel=\"{channel}\",outcome=\"{outcome}\"}}"), value);
    };
    selections("whatsapp", "country", 3.0);
    selections("whatsapp", "dedicated", 1.0);
    selections("whatsapp", "no_account", 1.0);
    selections("", "unknown_channel", 1.0);
    selections("", "bad_request", 3.0);
    selections("whatsapp", "bad_request", 1.0);
    expect("climbed_total{levels=\"0\"}", 1.0);
    expect("climbed_total{levels=\"1\"}", 1.0);
    expect("climbed_total{levels=\"2\"}", 1.0);
    expect("batch_lines_total", 2.0);
    expect("select_duration_seconds_count", 8.0);
    expect("http_requests_total{route=\"select\",code=\"200\"}", 3.0);
    expect("http_requests_total{route=\"select\",code=\"400\"}", 3.0);
    expect("http_requests_total{route=\"batch\",code=\"200\"}", 1.0);
    expect("http_requests_total{route=\"explain\",code=\"200\"}", 1.0);
    expect("http_requests_total{route=\"other\",code=\"404\"}", 1.0);
    expect("http_requests_total{route=\"other\",code=\"400\"}", 1.0);
    expect("http_request_duration_seconds_count{route=\"select\"}", 8.0);
    expect("http_connections_total{outcome=\"accepted\"}", 12.0);
    expect("http_connections_limit", 10_000.0);
    let sum = series["switchboard_select_duration_seconds_sum"];
    assert!(sum > 0.0 && sum < 1.0, "{sum}");
}

#[test]
fn snapshots_and_reloads_are_counted() {
    let telemetry = Telemetry::new("0.1.0", "abcdef");
    telemetry.set_published_snapshot(&PublishedSnapshot {
        generation: 7,
        built_at: UnixMillis(1_500),
        activated_at: UnixMillis(2_500),
        bytes: 4096,
        counts: RecordCounts {
            companies: 1,
            ous: 2,
            pools: 3,
            accounts: 4,
            levels: 5,
            ..RecordCounts::default()
        },
    });
    telemetry.count_reload(ReloadOutcome::Published);
    telemetry.count_rejection(RejectionStage::Checksum);
    telemetry.record_load_stage(LoadStage::Compile, Duration::from_millis(20));
    telemetry.set_snapshots_alive(2);
    let series = series(&telemetry.render());
    for (name, value) in [
        ("generation", 7.0),
        ("built_timestamp_seconds", 1.5),
        ("activated_timestamp_seconds", 2.5),
        ("bytes", 4096.0),
        ("entries{kind=\"accounts\"}", 4.0),
        ("reloads_total{outcome=\"published\"}", 1.0),
        ("rejections_total{stage=\"checksum\"}", 1.0),
        ("load_duration_seconds_bucket{stage=\"compile\",le=\"0.01\"}", 0.0),
        ("load_duration_seconds_bucket{stage=\"compile\",le=\"0.025\"}", 1.0),
        ("load_duration_seconds_sum{stage=\"compile\"}", 0.02),
    ] {
        assert_eq!(series.get(&format!("switchboard_snapshot_{name}")), Some(&value), "{name}");
    }
    assert_eq!(series["switchboard_snapshots_alive"], 2.0);
}

#[test]
fn a_replica_has_at_most_one_reason_at_a_time() {
    let telemetry = Telemetry::new("0.1.0", "abcdef");
    let reasons = || -> BTreeMap<String, f64> {
        let mut series = series(&telemetry.render());
        series.retain(|name, _| name.starts_with("switchboard_fleet_release_not_taken{"));
        series
    };
    telemetry.set_fleet_reason(Some(Reason::Digest));
    assert!(reasons().is_empty(), "without a fleet");
    telemetry.add_fleet();
    assert_eq!(reasons().into_values().collect::<Vec<_>>(), [0.0; Reason::ALL.len()]);
    for reason in Reason::ALL {
        telemetry.set_fleet_reason(Some(reason));
        let name = format!("switchboard_fleet_release_not_taken{{reason=\"{}\"}}", reason.as_str());
        let set: Vec<String> =
            reasons().into_iter().filter(|(_, value)| *value != 0.0).map(|it| it.0).collect();
        assert_eq!(set, [name]);
    }
    telemetry.set_fleet_reason(None);
    assert_eq!(reasons().into_values().sum::<f64>(), 0.0);
}
