//! Differences between the setups of two reports. They may explain a change that the daemon did not cause.

use crate::{
    report::{
        figures::{SetupRole, setup_rows},
        model::Report,
        units::per_second,
    },
    statistics::median,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Difference between the setups of two reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetupDifference {
    /// Name of the differing row of the setup, or of the differing key of the scenario.
    pub what: Cow<'static, str>,
    /// Value of this row in report A.
    pub a: String,
    /// Value of this row in report B.
    pub b: String,
    /// Whether the difference is the daemon or the harness itself, and not a condition of the comparison.
    pub expected: bool,
}

/// Keys of a scenario that do not matter, or are compared as rows of the setup.
const ELSEWHERE: [&str; 4] = ["about", "registry", "connections", "timeout"];

/// Two rates are the same if they differ by at most this share.
const SAME_RATE: f64 = 0.01;

/// Returns the differences. The unexpected ones come first.
pub(super) fn differences(a: &Report, b: &Report) -> Vec<SetupDifference> {
    let mut found = Vec::new();
    let mut add = |what: Cow<'static, str>, a: String, b: String, expected: bool| {
        if a != b {
            found.push(SetupDifference { what, a, b, expected });
        }
    };
    add("scenario".into(), a.scenario.clone(), b.scenario.clone(), false);
    let keys = [a, b].map(scenario_keys);
    for name in keys.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>() {
        let [a, b] = keys.each_ref().map(|keys| keys.get(name).map_or("absent".to_owned(), Value::to_string));
        add(format!("scenario's {name}").into(), a, b, false);
    }
    for ((what, a, role), (_, b, _)) in setup_rows(a).into_iter().zip(setup_rows(b)) {
        if role != SetupRole::Shown {
            add(what.into(), a, b, role == SetupRole::Subject);
        }
    }
    if !a.is_sweep() && !b.is_sweep() {
        let [a, b] = [a, b].map(|report| median(report.steps().map(|(_, step)| step.rate)));
        // A rate that is a share of the highest rate differs a little from report to report.
        if !is_same_rate(a, b) {
            let [a, b] = [a, b].map(|rate| rate.map_or("none".to_owned(), per_second));
            add("rate".into(), a, b, false);
        }
    }
    found.sort_by_key(|difference| difference.expected);
    found
}

/// Returns whether two rates are the same. A rate that is missing differs from every rate.
pub(super) fn is_same_rate(a: Option<f64>, b: Option<f64>) -> bool {
    a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= SAME_RATE * a.abs().max(b.abs()))
}

/// Returns the scenario's keys, such as `mix.phone`, with their values.
fn scenario_keys(report: &Report) -> BTreeMap<String, Value> {
    fn flatten(prefix: &str, keys: &Map<String, Value>, found: &mut BTreeMap<String, Value>) {
        for (name, value) in keys {
            match value {
                Value::Object(keys) => flatten(&format!("{prefix}{name}."), keys, found),
                value => drop(found.insert(format!("{prefix}{name}"), value.clone())),
            }
        }
    }
    let mut keys = report.setup.effective.clone();
    keys.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
    let mut found = BTreeMap::new();
    flatten("", &keys, &mut found);
    found
}
