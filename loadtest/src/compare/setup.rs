//! What differs in the setup: then more is compared than the daemon.

use super::steps::same;
use crate::report::{
    middle::median,
    model::{Report, Setup},
    units::{self, rate, thousands, time},
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// Something that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What.
    pub what: Cow<'static, str>,
    /// In the first.
    pub a: String,
    /// In the second.
    pub b: String,
    /// Whether it is what one compares, a daemon or a harness of another commit, and not what it is compared under.
    pub expected: bool,
}

/// All of it, what weighs most first.
pub(super) fn differences(a: &Report, b: &Report) -> Vec<Difference> {
    let mut found = scenarios(a, b);
    let sides = conditions(a).into_iter().zip(conditions(b));
    let differ = sides
        .filter(|((_, of_a, _), (_, of_b, _))| of_a != of_b)
        .map(|((what, a, expected), (_, b, _))| Difference { what: what.into(), a, b, expected });
    found.extend(differ);
    found.extend(asked(a, b));
    found.sort_by_key(|difference| difference.expected);
    found
}

/// Keys of a scenario that are for people, or stand with the setup.
const ELSEWHERE: [&str; 4] = ["about", "registry", "connections", "timeout"];

/// What was to be done, key by key.
fn scenarios(a: &Report, b: &Report) -> Vec<Difference> {
    let difference =
        |what: Cow<'static, str>, a: String, b: String| Difference { what, a, b, expected: false };
    let mut found = Vec::new();
    if a.scenario != b.scenario {
        found.push(difference("scenario".into(), a.scenario.clone(), b.scenario.clone()));
    }
    let (of_a, of_b) = (keys(a), keys(b));
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    for name in names {
        let [a, b] = [&of_a, &of_b].map(|keys| keys.get(name).map_or("absent".to_owned(), Value::to_string));
        if a != b {
            found.push(difference(format!("scenario's {name}").into(), a, b));
        }
    }
    found
}

/// `mix.phone` and its value.
fn keys(report: &Report) -> BTreeMap<String, Value> {
    fn below(prefix: &str, keys: &Map<String, Value>, found: &mut BTreeMap<String, Value>) {
        for (name, value) in keys {
            match value {
                Value::Object(keys) => below(&format!("{prefix}{name}."), keys, found),
                value => drop(found.insert(format!("{prefix}{name}"), value.clone())),
            }
        }
    }
    let mut found = BTreeMap::new();
    let mut keys = report.setup.effective.clone();
    keys.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
    below("", &keys, &mut found);
    found
}

fn digest(digest: &Option<String>) -> String {
    digest.clone().unwrap_or_else(|| "unknown".to_owned())
}

fn conditions(report: &Report) -> Vec<(&'static str, String, bool)> {
    let Setup { machine, registry, .. } = &report.setup;
    let setup = &report.setup;
    let count = thousands;
    let seconds = |report: &Report| match report.runs.first().and_then(|run| run.steps.first()) {
        Some(step) => format!("{:.1} s", step.seconds),
        None => "no run".to_owned(),
    };
    vec![
        (
            "registry",
            format!(
                "{} ({} companies, {} OUs, {} pools, {} accounts)",
                registry.source,
                count(registry.companies),
                count(registry.ous),
                count(registry.pools),
                count(registry.accounts)
            ),
            false,
        ),
        ("seed", setup.seed.to_string(), false),
        ("connections", setup.connections.to_string(), false),
        ("time-out", time(setup.timeout_us as f64), false),
        ("a step's length", seconds(report), false),
        ("processor", format!("{}, {} cores", machine.processor, machine.cores), false),
        ("kernel", machine.kernel.clone(), false),
        ("pinning", units::pinning(setup.pinning.as_ref()), false),
        ("daemon's command", setup.daemon_command.as_deref().map_or("ran already".to_owned(), flags), false),
        ("daemon", setup.daemon.clone().unwrap_or_else(|| "does not tell".to_owned()), true),
        ("harness's build", setup.profile.clone(), false),
        ("daemon's binary", digest(&setup.daemon_digest), true),
        ("harness's binary", digest(&setup.harness_digest), true),
        ("harness", setup.commit.clone().unwrap_or_else(|| "not of a checkout".to_owned()), true),
    ]
}

/// The rate that was asked for, where it is a share of what was measured first.
fn asked(a: &Report, b: &Report) -> Option<Difference> {
    let of = |report: &Report| {
        let rates: Vec<_> = report.runs.iter().flat_map(|run| &run.steps).map(|step| step.rate).collect();
        median(&rates)
    };
    let (of_a, of_b) = (of(a)?, of(b)?);
    let differs = !a.is_sweep() && !b.is_sweep() && !same(of_a, of_b);
    let shown = |value: f64| format!("{}/s", rate(value));
    differs.then(|| Difference { what: "rate".into(), a: shown(of_a), b: shown(of_b), expected: false })
}

/// A command line without what is of one run only: folders and ports.
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
