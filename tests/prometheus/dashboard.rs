//! The dashboard `config/grafana/switchboard.json`: its structure, and the data of each panel.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::exposition::Exposition;
use super::server::Prometheus;

/// Parts of expressions that may return no data.
const MAY_BE_EMPTY: [&str; 1] = ["avg_over_time("];

/// Asserts the structure of every panel, and that every expression names scraped series and returns data.
pub(super) fn hold(prometheus: &Prometheus, exposition: &Exposition, recorded: &BTreeSet<String>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/grafana/switchboard.json");
    let text = fs::read_to_string(file).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(dashboard["uid"], "switchboard");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "instance", "channel"]);
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id twice");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is beyond the edge");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{title} lies over another");
            }
        }
        if panel["type"] != "row" {
            hold_panel(panel, title, prometheus, exposition, recorded);
        }
    }
    assert!(panels.len() > 30);
    let annotation = dashboard["annotations"]["list"][0]["expr"].as_str().unwrap();
    exposition.hold(annotation);
    prometheus.query(&filled(annotation));
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        exposition.hold(variable["definition"].as_str().unwrap());
    }
}

fn hold_panel(
    panel: &Value,
    title: &str,
    prometheus: &Prometheus,
    exposition: &Exposition,
    recorded: &BTreeSet<String>,
) {
    assert!(panel["description"].as_str().is_some_and(|text| text.len() > 10), "{title}: no description");
    assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
    assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    for target in panel["targets"].as_array().unwrap() {
        assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        let expression = target["expr"].as_str().unwrap();
        exposition.hold(expression);
        for name in expression.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))) {
            assert!(
                !name.contains(":switchboard_") || recorded.contains(name),
                "{title}: {name} is not recorded"
            );
        }
        let legend = target["legendFormat"].as_str().unwrap();
        for label in legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
            let is_counted = expression.contains(&format!("count_values by (job) (\"{label}\""));
            assert!(is_counted || exposition.has_label(label), "{title}: no label {label}");
        }
        let samples = prometheus.query(&filled(expression));
        let may_be_empty =
            MAY_BE_EMPTY.iter().any(|part| expression.contains(part)) || expression.ends_with("> 0");
        assert!(!samples.is_empty() || may_be_empty, "{title} shows nothing: {expression}");
    }
}

/// Returns the expression with the variables replaced, as Grafana does.
fn filled(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "1m");
    ["$job", "$instance", "$channel"].iter().fold(filled, |text, variable| text.replace(variable, ".*"))
}
