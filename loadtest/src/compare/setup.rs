//! What differs in the setup: then more than the daemon is compared.

use crate::{
    report::{
        model::Report,
        units::{self, per_second, thousands, time},
    },
    statistics::median,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// A difference between the setups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetupDifference {
    /// What differs.
    pub what: Cow<'static, str>,
    /// The first report's.
    pub a: String,
    /// The second report's.
    pub b: String,
    /// Whether it is what one compares, the daemon or the harness, and not a condition of the comparison.
    pub expected: bool,
}

/// Keys of a scenario that are for people, or are compared with the setup.
const ELSEWHERE: [&str; 4] = ["about", "registry", "connections", "timeout"];

/// Rates that differ by a smaller share are the same.
const SAME_RATE: f64 = 0.01;

/// Returns the differences, the unexpected ones first.
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
    for ((what, a, expected), (_, b, _)) in conditions(a).into_iter().zip(conditions(b)) {
        add(what.into(), a, b, expected);
    }
    if !a.is_sweep() && !b.is_sweep() {
        let [a, b] = [a, b].map(|report| {
            median(&report.runs.iter().flat_map(|run| &run.steps).map(|step| step.rate).collect::<Vec<_>>())
        });
        // Where the rate is a share of what was measured first, it differs a little from report to report.
        if let (Some(a), Some(b)) = (a, b)
            && !is_same_rate(a, b)
        {
            add("rate".into(), per_second(a), per_second(b), false);
        }
    }
    found.sort_by_key(|difference| difference.expected);
    found
}

pub(super) fn is_same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME_RATE * a.abs().max(b.abs())
}

/// Returns the scenario's keys as `mix.phone`, with their values.
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

/// Returns what the report was measured with and under: name, value, and whether a difference is expected.
fn conditions(report: &Report) -> [(&'static str, String, bool); 14] {
    let setup = &report.setup;
    let (machine, registry) = (&setup.machine, &setup.registry);
    let [companies, ous, pools, accounts] =
        [registry.companies, registry.ous, registry.pools, registry.accounts].map(thousands);
    let source = &registry.source;
    let registry = format!("{source} ({companies} companies, {ous} OUs, {pools} pools, {accounts} accounts)");
    let step = report.runs.first().and_then(|run| run.steps.first());
    let length = step.map_or("no run".to_owned(), |step| format!("{:.1} s", step.seconds));
    let or = |text: &Option<String>, absent: &str| text.clone().unwrap_or_else(|| absent.to_owned());
    [
        ("registry", registry, false),
        ("seed", setup.seed.to_string(), false),
        ("connections", setup.connections.to_string(), false),
        ("time-out", time(setup.timeout_us as f64), false),
        ("a step's length", length, false),
        ("processor", format!("{}, {} cores", machine.processor, machine.cores), false),
        ("kernel", machine.kernel.clone(), false),
        ("pinning", units::pinning(setup.pinning.as_ref()), false),
        ("daemon's command", setup.daemon_command.as_deref().map_or("ran already".to_owned(), flags), false),
        ("daemon", or(&setup.daemon, "does not tell"), true),
        ("harness's build", setup.profile.clone(), false),
        ("daemon's binary", or(&setup.daemon_digest, "unknown"), true),
        ("harness's binary", or(&setup.harness_digest, "unknown"), true),
        ("harness", or(&setup.commit, "not of a checkout"), true),
    ]
}

/// Returns a command line without the folders and ports of a single run.
fn flags(command: &str) -> String {
    let words = command.split_whitespace().skip(1);
    let kept = words.map(|word| if word.contains(['/', ':']) { "…" } else { word });
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_ports_are_no_difference() {
        let at = |folder: &str, workers: &str| {
            flags(&format!(
                "{folder}/switchboard serve --snapshot {folder}/a.swb --listen 127.0.0.1:0 --workers {workers}"
            ))
        };
        assert_eq!(at("/tmp/x", "1"), at("/tmp/y", "1"));
        assert_ne!(at("/tmp/x", "1"), at("/tmp/x", "2"));
    }
}
