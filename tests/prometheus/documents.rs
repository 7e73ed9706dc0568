//! Each alert links to its section of the runbook, and Prometheus can evaluate the queries of the runbook.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::exposition::Exposition;
use super::server::Prometheus;

/// Asserts that every query in the runbook names scraped series and can be evaluated.
pub(super) fn ask(prometheus: &Prometheus, exposition: &Exposition) {
    let runbook = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap();
    let spans = runbook.split('`').skip(1).step_by(2).map(|span| {
        // A fenced block begins with its language.
        span.strip_prefix("promql\n").unwrap_or(span).replace('\n', " ")
    });
    let queries: Vec<String> =
        spans.filter(|span| span.contains("switchboard_") || span.contains("process_")).collect();
    assert!(queries.len() > 10, "{queries:#?}");
    for query in queries {
        exposition.hold(&query);
        // The API rejects a malformed query, which fails the test.
        prometheus.query(&query);
    }
}

/// Asserts that every alert has its annotations, its severity, a test and a section of the runbook.
pub(super) fn hold(rules: &[Value]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runbook = fs::read_to_string(root.join("docs/runbook.md")).unwrap();
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: Vec<String> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let folder = root.join("config/prometheus/tests");
    let tests = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let tests: String = tests.collect();
    let alerts: Vec<&Value> = rules.iter().filter(|rule| rule["type"] == "alerting").collect();
    assert!(alerts.len() > 15);
    for alert in alerts {
        let name = alert["name"].as_str().unwrap();
        let annotations = &alert["annotations"];
        for annotation in ["summary", "description"] {
            assert!(annotations[annotation].as_str().is_some_and(|text| text.len() > 15), "{name}");
        }
        let url = annotations["runbook_url"].as_str().unwrap();
        let anchor = url.strip_prefix("docs/runbook.md#").unwrap_or_else(|| panic!("{name}: {url}"));
        assert!(anchors.iter().any(|known| known == anchor), "{name} leads to {url}, which is no heading");
        assert!(name.to_lowercase().starts_with(anchor), "{name} leads to another alert's section: {url}");
        assert!(matches!(alert["labels"]["severity"].as_str(), Some("page" | "ticket")), "{name}");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "no test in which {name} fires");
    }
}
