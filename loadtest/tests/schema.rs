//! docs/loadtest.md documents each field of a report, and each key of a scenario, and no other.
#![cfg(test)]

use loadtest::report::model::*;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const DOCS: &str = include_str!("../../docs/loadtest.md");

/// Returns a report with all optional parts. New fields must be added here.
fn report() -> Report {
    let latency = Latency { curve: vec![(0.5, 1.0)], ..Latency::default() };
    let interval = Interval { at: 1.0, due: 1.0, answered: 1.0, p50: 1.0, p99: 1.0, max: 1.0, errors: 0 };
    let failures = Failures { count: 1, first: String::new() };
    let step = RateStep {
        rate: 1.0,
        seconds: 1.0,
        due: 1,
        achieved: 1.0,
        corrected: latency.clone(),
        uncorrected: latency.clone(),
        lateness: latency,
        idle_percent: 1.0,
        invalid: None,
        warnings: vec![String::new()],
        errors: BTreeMap::from([("timeout".to_owned(), failures)]),
        outcomes: BTreeMap::new(),
        selections: None,
        timeline: vec![interval],
        events: vec![Event { at: 1.0, kind: "reload".to_owned(), text: String::new() }],
        process: Some(Process { cpu_seconds: 1.0, rss: 1, rss_peak: 1 }),
        waited: Waited { daemon_percent: Some(1.0), harness_percent: Some(1.0) },
    };
    Report {
        schema: SCHEMA,
        scenario: String::new(),
        started: String::new(),
        setup: Setup {
            command: String::new(),
            daemon: None,
            commit: None,
            profile: String::new(),
            harness_digest: None,
            daemon_digest: None,
            effective: Map::new(),
            notes: Vec::new(),
            daemon_command: None,
            machine: Machine { processor: String::new(), cores: 1, memory: 1, kernel: String::new() },
            pinning: Some(Pinning { daemon: vec![0], harness: vec![1] }),
            registry: RegistryFacts {
                source: String::new(),
                companies: 1,
                ous: 1,
                pools: 1,
                accounts: 1,
                snapshot_bytes: None,
            },
            seed: 1,
            connections: 1,
            timeout_us: 1,
        },
        ceiling: Some(Ceiling {
            null: vec![1.0],
            daemon: vec![1.0],
            null_idle: vec![1.0],
            daemon_idle: vec![1.0],
            ratio: 1.0,
        }),
        runs: vec![ScenarioRun { steps: vec![step], knee: None, no_knee: None, limit: None }],
        verdicts: vec![DemandVerdict { demand: String::new(), measured: String::new(), holds: true }],
    }
}

/// The fields that stand in the table under this heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let section = DOCS.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let rows = section.split("\n#").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(field, _)| field.to_owned()).collect()
}

fn fields(object: &Map<String, Value>) -> BTreeSet<String> {
    object.keys().cloned().collect()
}

#[test]
fn docs_have_each_field_of_a_report() {
    let json = serde_json::to_value(report()).unwrap();
    for (name, at) in [
        ("Report", ""),
        ("Setup", "/setup"),
        ("Machine", "/setup/machine"),
        ("Pinning", "/setup/pinning"),
        ("RegistryFacts", "/setup/registry"),
        ("Ceiling", "/ceiling"),
        ("Run", "/runs/0"),
        ("Step", "/runs/0/steps/0"),
        ("Failures", "/runs/0/steps/0/errors/timeout"),
        ("Latency", "/runs/0/steps/0/corrected"),
        ("Interval", "/runs/0/steps/0/timeline/0"),
        ("Event", "/runs/0/steps/0/events/0"),
        ("Process", "/runs/0/steps/0/process"),
        ("Waited", "/runs/0/steps/0/waited"),
        ("Verdict", "/verdicts/0"),
    ] {
        let object = json.pointer(at).and_then(Value::as_object).unwrap();
        assert_eq!(documented(&format!("### {name}")), fields(object), "{name}");
    }
    assert!(DOCS.contains(&format!("| `schema` | {SCHEMA} |")));
}

/// The parser lists the keys that it expects in its error on an unknown one.
#[test]
fn docs_have_each_key_of_a_scenario() {
    let section = DOCS.split("\n## Scenarios\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut keys = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let mut table = String::new();
        for name in row.split('|').nth(1).unwrap().split(", ").map(|name| name.trim().trim_matches('`')) {
            // `mix.phone`, and behind it `.client`: of the same table.
            let (of, key) = name.split_once('.').unwrap_or(("", name));
            if !name.starts_with('.') {
                table = of.to_owned();
            }
            keys.insert((table.clone(), key.to_owned()));
        }
    }
    for table in ["", "mix", "registry", "reload", "standings", "slow_clients", "sweep", "demand"] {
        let head = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        let text = format!("about = 'a'\n{head}unknown_key = 1");
        let why = toml::from_str::<loadtest::scenario::Scenario>(&text).unwrap_err().to_string();
        let expected = why.split("expected").nth(1).unwrap_or_else(|| panic!("{why}"));
        let expected: BTreeSet<_> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let tables = ["mix", "registry", "reload", "standings", "slow_clients", "sweep", "demand"];
        let own = expected.into_iter().filter(|key| !table.is_empty() || !tables.contains(&key.as_str()));
        let documented = keys.iter().filter(|(of, _)| of == table).map(|(_, key)| key.clone());
        assert_eq!(documented.collect::<BTreeSet<_>>(), own.collect(), "[{table}]");
    }
}
