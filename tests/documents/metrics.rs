//! `docs/metrics.md`: its tables have the series of a scrape, and the alerts that use them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use switchboard::config::{FleetUrl, Settings};

use super::page::{Page, quoted};
use crate::harness::{InProcessDaemon, one_worker};
use crate::tls::certificates::Certificates;

const PAGE: &str = "docs/metrics.md";
/// The headings of the tables of metrics.
const METRICS: [&str; 8] = [
    "## Selections",
    "## Requests and connections",
    "## Access",
    "## Snapshots",
    "## Fleet",
    "## Audit log",
    "## Standings",
    "## Process",
];
/// The headings of the tables of label values, with the metric and the label.
const VALUES: [(&str, &str, &str); 21] = [
    ("### Outcomes of selections", "switchboard_selections_total", "outcome"),
    ("### levels", "switchboard_climbed_total", "levels"),
    ("### route", "switchboard_http_requests_total", "route"),
    ("### code", "switchboard_http_requests_total", "code"),
    ("### Outcomes of connections", "switchboard_http_connections_total", "outcome"),
    ("### listener", "switchboard_auth_requests_total", "listener"),
    ("### Outcomes of access", "switchboard_auth_requests_total", "outcome"),
    ("### Outcomes of file changes", "switchboard_principals_reloads_total", "outcome"),
    ("### Outcomes of file changes", "switchboard_tls_reloads_total", "outcome"),
    ("### Outcomes of file changes", "switchboard_trusted_keys_reloads_total", "outcome"),
    ("### reason", "switchboard_fleet_rejected_total", "reason"),
    ("### reason", "switchboard_fleet_release_not_taken", "reason"),
    ("### file", "switchboard_access_file_in_force", "file"),
    ("### listener", "switchboard_tls_handshakes_total", "listener"),
    ("### Outcomes of handshakes", "switchboard_tls_handshakes_total", "outcome"),
    ("### certificate", "switchboard_tls_certificate_expiry_timestamp_seconds", "certificate"),
    ("### kind", "switchboard_snapshot_entries", "kind"),
    ("### Outcomes of reloads", "switchboard_snapshot_reloads_total", "outcome"),
    ("### Stages of rejections", "switchboard_snapshot_rejections_total", "stage"),
    ("### Stages of loading", "switchboard_snapshot_load_duration_seconds", "stage"),
    ("### standing", "switchboard_standings", "standing"),
];
/// Labels whose values are not a closed set.
const OPEN: [&str; 3] = ["channel", "version", "commit"];

/// A metric of a scrape.
#[derive(Debug, Default)]
struct Metric {
    kind: String,
    /// The values of each label, without the bounds of a histogram.
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn scrape() -> BTreeMap<String, Metric> {
    let folder = tempfile::tempdir().unwrap();
    let principals = folder.path().join("principals.toml");
    fs::write(&principals, "[[principal]]\nname = \"anonymous\"\nallow = [\"metrics\"]\n").unwrap();
    let keys = folder.path().join("keys.toml");
    let key = switchboard_release::SigningKey::generate().unwrap().public();
    fs::write(&keys, key.to_toml("a")).unwrap();
    let certificates = Certificates::new();
    let daemon = InProcessDaemon::empty(Settings {
        principals: Some(principals),
        state: Some(folder.path().join("state")),
        tls_cert: Some(certificates.path("server.pem")),
        tls_key: Some(certificates.path("server.key")),
        tls_client_ca: Some(certificates.path("ca.pem")),
        trusted_keys: Some(keys),
        snapshot: None,
        // Nothing listens there.
        fleet: Some(FleetUrl("nats://127.0.0.1:1".to_owned())),
        ..one_worker()
    });
    let text = certificates.connect(&daemon.admin.to_string()).get("/metrics").text();
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        metrics.entry(name.to_owned()).or_default().kind = kind.to_owned();
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, labels)) = line.split_once('{') else { continue };
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end));
        let name = name.filter(|name| metrics.contains_key(*name)).unwrap_or(series);
        for label in labels.split('}').next().unwrap().split(',') {
            let (label, value) = label.split_once('=').unwrap();
            if label != "le" {
                let values = metrics.get_mut(name).unwrap().labels.entry(label.to_owned()).or_default();
                values.insert(value.trim_matches('"').to_owned());
            }
        }
    }
    metrics
}

#[test]
fn tables_have_every_metric_with_its_type_and_labels() {
    let page = Page::read(PAGE);
    let metrics = scrape();
    let mut listed = BTreeSet::new();
    for row in METRICS.iter().flat_map(|heading| page.rows(heading)) {
        let name = row[0].trim_matches('`');
        let metric = metrics.get(name).unwrap_or_else(|| panic!("no metric {name}"));
        assert_eq!(row[1], metric.kind, "{name}");
        assert_eq!(quoted(row[2]), metric.labels.keys().map(String::as_str).collect(), "{name}");
        assert!(listed.insert(name.to_owned()), "{name} occurs twice");
    }
    assert_eq!(listed, metrics.keys().cloned().collect());
}

#[test]
fn tables_have_every_value_of_a_closed_label() {
    let page = Page::read(PAGE);
    let metrics = scrape();
    for (heading, metric, label) in VALUES {
        page.assert_rows(heading, &metrics[metric].labels[label]);
    }
    let described: BTreeSet<&str> = VALUES.iter().map(|(.., label)| *label).chain(OPEN).collect();
    let labels = metrics.values().flat_map(|metric| metric.labels.keys());
    assert_eq!(described, labels.map(String::as_str).collect());
}

/// Returns the text behind each `- key: name` of a rule file up to its labels, by the name.
fn expressions(file: &str, key: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(super::root().join("config/prometheus").join(file)).unwrap();
    let mut expressions: BTreeMap<String, String> = BTreeMap::new();
    for rule in text.split(&format!("- {key}: ")).skip(1) {
        let (name, rest) = rule.split_once('\n').unwrap();
        expressions.entry(name.trim().to_owned()).or_default().push_str(rest);
    }
    expressions
}

#[test]
fn metrics_name_the_alerts_that_use_them() {
    let page = Page::read(PAGE);
    let metrics = scrape();
    let recorded = expressions("recording.yml", "record");
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (_, rule) in expressions("alerts.yml", "alert") {
        let (expression, rest) = rule.split_once("labels:").unwrap();
        let anchor = rest.split_once("docs/runbook.md#").unwrap().1.lines().next().unwrap();
        let mut expression = expression.to_owned();
        // A recorded series may be made of recorded series.
        for _ in 0..3 {
            let inner: String =
                recorded.iter().filter(|(name, _)| expression.contains(*name)).map(|(_, of)| &**of).collect();
            expression += &inner;
        }
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        for word in words {
            let found = metrics.keys().find(|name| {
                word.strip_prefix(name.as_str())
                    .is_some_and(|end| ["", "_bucket", "_sum", "_count"].contains(&end))
            });
            if let Some(name) = found {
                used.entry(name).or_default().insert(format!("runbook.md#{anchor}"));
            }
        }
    }
    for row in METRICS.iter().flat_map(|heading| page.rows(heading)) {
        let name = row[0].trim_matches('`');
        let named: BTreeSet<String> =
            row[5].split("](").skip(1).map(|link| link.split(')').next().unwrap().to_owned()).collect();
        assert_eq!(named, used.remove(name).unwrap_or_default(), "alerts that use {name}");
    }
    assert!(used.is_empty(), "{used:?}");
}
