//! For programs: everything, nothing cut short. Groups are written one by one: with their accounts they may be many
//! times as large as both snapshots.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::fold::accounts;
use switchboard_pipeline::analysis::Decision;
use switchboard_pipeline::analysis::candidates::Difference;
use switchboard_pipeline::analysis::changes::{Changes, Group, Place};
use switchboard_pipeline::analysis::compare::{Comparison, Kind};
use switchboard_pipeline::analysis::replay::{Fate, Replay};
use switchboard_pipeline::analysis::survey::Survey;
use switchboard_snapshot::Snapshot;

/// The whole as one object.
pub(super) fn write(
    out: &mut dyn Write,
    [old, new]: [&Path; 2],
    comparison: &mut Comparison<'_>,
    changes: &Changes<'_>,
    replay: Option<&Replay<'_>>,
) -> io::Result<()> {
    let counts = changes.counts();
    let changed: usize = counts.iter().map(|(_, number)| number).sum();
    let kinds: Map<String, Value> =
        counts.iter().map(|(kind, number)| (kind.text().to_owned(), (*number).into())).collect();
    let head = [
        ("old", side(old, comparison.old.snapshot())),
        ("new", side(new, comparison.new.snapshot())),
        ("compared", changes.compared.into()),
        ("unchanged", (changes.compared - changed).into()),
        ("changes", kinds.into()),
    ];
    out.write_all(b"{\n")?;
    for (name, value) in head {
        writeln!(out, "\"{name}\":{value},")?;
    }
    out.write_all(b"\"groups\":[")?;
    for (at, group) in changes.groups.iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &self::group(comparison, group))?;
    }
    out.write_all(b"\n]")?;
    if let Some(replay) = replay {
        write!(out, ",\n\"queries\":{}", replayed(replay))?;
    }
    out.write_all(b"\n}\n")
}

fn side(path: &Path, snapshot: &Snapshot) -> Value {
    json!({
        "source": path.to_string_lossy(),
        "generation": snapshot.generation(),
        "digest": snapshot.digest(),
    })
}

fn group(comparison: &mut Comparison<'_>, group: &Group<'_>) -> Value {
    let Group { kind, company, channel, old, new, places } = group;
    let mut value = Map::new();
    value.insert("kind".into(), kind.text().into());
    value.insert("company".into(), (*company).into());
    value.insert("channel".into(), (*channel).into());
    value.insert("decisions".into(), group.decisions().into());
    value.insert("old".into(), decision(&comparison.old, old));
    value.insert("new".into(), decision(&comparison.new, new));
    if let (Kind::Accounts, Decision::Served(old), Decision::Served(new)) = (kind, old, new)
        && let Some(difference) = comparison.difference(old, new)
    {
        let Difference { lost, gained, reweighted, altered } = &*difference;
        let reweighted: Vec<Value> = reweighted
            .iter()
            .map(|(account, old, new)| json!({"account": account, "old": old, "new": new}))
            .collect();
        let parts = json!({"lost": lost, "gained": gained, "reweighted": reweighted, "altered": altered});
        value.insert("accounts".into(), parts);
    }
    let of = |Place { ous, countries }: &Place<'_>| {
        let countries: Vec<&str> = countries.iter().map(|country| country.alpha2()).collect();
        json!({"ous": ous, "countries": countries})
    };
    value.insert("where".into(), places.iter().map(of).collect());
    value.into()
}

/// With the columns of a coverage, and the accounts that can be had.
fn decision(survey: &Survey<'_>, decision: &Decision) -> Value {
    let snapshot = survey.snapshot();
    let Some(served) = decision.served() else { return json!({"rule": decision.text()}) };
    let weights = survey.available(served).iter().map(|member| member.weight());
    let accounts: Vec<Value> = accounts(survey, decision)
        .into_iter()
        .zip(weights)
        .map(|(account, weight)| json!({"account": account, "weight": weight}))
        .collect();
    json!({
        "rule": decision.text(),
        "climbed": served.climbed,
        "ou": served.ou(snapshot),
        "pool": served.pool(snapshot),
        "accounts": accounts,
    })
}

fn replayed(replay: &Replay<'_>) -> Value {
    let fates = Fate::ALL.iter().map(|fate| (fate.text().to_owned(), replay.count(*fate).into()));
    let fates: Map<String, Value> = fates.collect();
    let transitions: Vec<Value> = replay
        .transitions
        .iter()
        .map(|((fate, old, new), lines)| {
            json!({"kind": fate.text(), "old": old, "new": new, "queries": lines.len(), "lines": lines})
        })
        .collect();
    let bad: Vec<Value> =
        replay.bad.iter().map(|(line, why)| json!({"line": line, "message": why})).collect();
    json!({
        "asked": replay.asked,
        "unchanged": replay.same(),
        "changes": fates,
        "transitions": transitions,
        "bad": bad,
    })
}
