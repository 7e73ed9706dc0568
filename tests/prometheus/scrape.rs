//! From an answer to the dashboard: every kind of answer is counted, scraped, recorded and displayed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use switchboard::telemetry::{Route, STATUSES, SelectionOutcome};

use super::exposition::Exposition;
use super::server::Prometheus;
use super::{dashboard, documents, traffic};
use crate::harness::{DaemonProcess, get};

#[test]
#[cfg_attr(
    not(all(has_prometheus, has_nats_server)),
    ignore = "needs prometheus and nats-server: apt-get install prometheus nats-server"
)]
fn every_kind_of_answer_is_scraped_recorded_and_shown_on_the_dashboard() {
    let served = traffic::everything();
    let daemon = &served.daemon;
    let replica = &served.replica;
    let prometheus = Prometheus::start(&[("switchboard", &daemon.admin), ("fleet", &replica.admin)]);
    let ask = || [&served.data, &replica.data].into_iter().for_each(|data| traffic::ask(data));
    let recorded = |prometheus: &Prometheus| -> Vec<String> {
        let rules = prometheus.rules().into_iter().filter(|rule| rule["type"] == "recording");
        rules.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    };
    // Long windows have values too, from the available samples.
    prometheus.awaits("every recording rule gives a value", ask, |prometheus| {
        let names = recorded(prometheus);
        names.len() > 20 && names.iter().all(|name| prometheus.value(name).is_some_and(f64::is_finite))
    });
    let targets = prometheus.api("targets");
    for target in targets["activeTargets"].as_array().unwrap() {
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target:#}");
    }
    for rule in prometheus.rules() {
        assert_eq!((&rule["health"], rule.get("lastError")), (&"ok".into(), None), "{rule:#}");
    }
    assert_eq!(prometheus.complaints(), Vec::<Value>::new());

    every_kind_was_served(&prometheus);
    let scrapes = [daemon, replica].map(|daemon| get(&daemon.admin, "/metrics").1);
    let exposition = Exposition::read(&scrapes.concat());
    for rule in prometheus.rules() {
        exposition.hold(rule["query"].as_str().unwrap());
    }
    documents::hold(&prometheus.rules());
    documents::ask(&prometheus, &exposition);
    let known: BTreeSet<String> = recorded(&prometheus).into_iter().collect();
    dashboard::hold(&prometheus, &exposition, &known);
    scraped_in_time(daemon);
}

/// Asserts that every outcome, status, route and reload was counted, except those that only a bug causes.
fn every_kind_was_served(prometheus: &Prometheus) {
    let all = |expression: &str, label: &str| -> BTreeSet<String> {
        let samples = prometheus.query(expression);
        samples.iter().map(|sample| sample["metric"][label].as_str().unwrap().to_owned()).collect()
    };
    let outcomes = SelectionOutcome::all().map(|outcome| outcome.as_str().to_owned()).collect();
    assert_eq!(all("sum by (outcome) (switchboard_selections_total) > 0", "outcome"), outcomes);
    // A bug causes 500.
    let statuses = STATUSES.into_iter().filter(|status| *status != 500);
    let statuses: BTreeSet<String> = statuses.map(|status| status.to_string()).collect();
    assert_eq!(all("sum by (code) (switchboard_http_requests_total) > 0", "code"), statuses);
    let routes = Route::ALL.map(|route| route.as_str().to_owned()).into();
    assert_eq!(all("sum by (route) (switchboard_http_requests_total) > 0", "route"), routes);
    let reloads = ["published", "rejected", "unchanged"].map(str::to_owned).into();
    let reloaded = "switchboard_snapshot_reloads_total{outcome!=\"unreadable\"} > 0";
    assert_eq!(all(reloaded, "outcome"), reloads);
    assert_eq!(prometheus.value("sum(switchboard_standings)"), Some(2.0));
}

/// Asserts that the median of 21 scrapes, each on a new connection, is below 10 ms.
fn scraped_in_time(daemon: &DaemonProcess) {
    let mut took: Vec<Duration> = (0..21)
        .map(|_| {
            let start = Instant::now();
            get(&daemon.admin, "/metrics");
            start.elapsed()
        })
        .collect();
    took.sort();
    println!("/metrics: median {:?}, longest {:?}", took[10], took[20]);
    assert!(took[10] < Duration::from_millis(10), "{took:?}");
}

/// A scrape counts standings by words of the overlay, without a lookup for each standing.
#[test]
fn scrape_with_20000_standings_takes_under_10_ms() {
    let folder = crate::expected::acme();
    let accounts = folder.path().join("acme/accounts.csv");
    let mut text = std::fs::read_to_string(&accounts).unwrap();
    for at in 0..50_000 {
        text += &format!("spare-{at},telegram,secondary,@many{at},FR,acme-telegram,,,,\n");
    }
    std::fs::write(&accounts, text).unwrap();
    let journal = folder.path().join("standings.journal");
    let mut lines = b"switchboard standings 1\n".to_vec();
    for at in 0..20_000 {
        let key = switchboard::runtime::standings::AccountKey {
            company: "acme".into(),
            account: format!("spare-{at}").into(),
        };
        let standing = br#"{"standing":"draining","reason":"test"}"#;
        let standing = switchboard::runtime::standings::Standing::from_json(standing).unwrap();
        switchboard::runtime::standings::write_record(&mut lines, &key, Some(&standing));
    }
    std::fs::write(&journal, lines).unwrap();
    let registry = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join("acme"), registry.path().join("acme")).unwrap();
    let arguments =
        ["--registry", registry.path().to_str().unwrap(), "--standings", journal.to_str().unwrap()];
    let daemon = DaemonProcess::start(&arguments);
    traffic::ask(&daemon.data);
    assert_eq!(daemon.metric("switchboard_standings{standing=\"draining\"}"), 20_000.0);
    scraped_in_time(&daemon);
}
