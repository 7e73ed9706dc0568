//! The changes as JSON, without a limit. Groups are written one at a time, because all of them with their
//! accounts may be many times as large as both snapshots.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use switchboard_model::{Rule, SelectError};
use switchboard_pipeline::analysis::compare::{
    CandidateDifference, Cells, Change, ChangeGroup, Changes, Comparison, StepChange, candidate_ids,
};
use switchboard_pipeline::analysis::replay::{AnswerChange, Replay, Transition};
use switchboard_pipeline::analysis::{Decision, DecisionTable};
use switchboard_snapshot::Snapshot;

/// Writes all changes as one JSON object.
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
        counts.iter().map(|(kind, number)| (kind.as_str().to_owned(), (*number).into())).collect();
    let head = [
        ("old", source_json(old, comparison.old.snapshot())),
        ("new", source_json(new, comparison.new.snapshot())),
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
        serde_json::to_writer(&mut *out, &group_json(comparison, group))?;
    }
    out.write_all(b"\n]")?;
    if let Some(replay) = replay {
        write!(out, ",\n\"queries\":{}", replay_json(replay))?;
    }
    out.write_all(b"\n}\n")
}

fn source_json(path: &Path, snapshot: &Snapshot) -> Value {
    json!({
        "source": path.to_string_lossy(),
        "generation": snapshot.generation(),
        "digest": snapshot.digest(),
    })
}

fn group_json(comparison: &mut Comparison<'_>, group: &ChangeGroup<'_>) -> Value {
    let ChangeGroup { change, company, channel, old, new, cells } = group;
    let mut value = Map::new();
    value.insert("kind".into(), change.as_str().into());
    value.insert("company".into(), (*company).into());
    value.insert("channel".into(), (*channel).into());
    value.insert("decisions".into(), group.decisions().into());
    value.insert("old".into(), decision_json(&comparison.old, old));
    value.insert("new".into(), decision_json(&comparison.new, new));
    if let (Change::Answer(StepChange::Accounts), Decision::Served(old), Decision::Served(new)) =
        (change, old, new)
        && let Some(difference) = comparison.difference(old, new)
    {
        let CandidateDifference { lost, gained, reweighted, altered } = &*difference;
        let reweighted: Vec<Value> = reweighted
            .iter()
            .map(|(account, old, new)| json!({"account": account, "old": old, "new": new}))
            .collect();
        let parts = json!({"lost": lost, "gained": gained, "reweighted": reweighted, "altered": altered});
        value.insert("accounts".into(), parts);
    }
    let cells_json = |Cells { ous, countries }: &Cells<'_>| {
        let countries: Vec<&str> = countries.iter().map(|country| country.alpha2()).collect();
        json!({"ous": ous, "countries": countries})
    };
    value.insert("where".into(), cells.iter().map(cells_json).collect());
    value.into()
}

/// Returns the fields that a coverage has, and the available accounts.
fn decision_json(table: &DecisionTable<'_>, decision: &Decision) -> Value {
    let snapshot = table.snapshot();
    let Some(served) = decision.served() else { return json!({"rule": decision.as_str()}) };
    let weights = table.available(served).iter().map(|member| member.weight());
    let accounts: Vec<Value> = available_accounts(table, decision)
        .into_iter()
        .zip(weights)
        .map(|(account, weight)| json!({"account": account, "weight": weight}))
        .collect();
    json!({
        "rule": decision.as_str(),
        "climbed": served.climbed,
        "ou": served.ou(snapshot),
        "pool": served.pool(snapshot),
        "accounts": accounts,
    })
}

/// Returns the ids of the available accounts of a decision.
pub(super) fn available_accounts<'s>(table: &DecisionTable<'s>, decision: &Decision) -> Vec<&'s str> {
    decision.served().map(|served| candidate_ids(table, table.available(served))).unwrap_or_default()
}

/// Returns the line numbers of each transition, by its change and its old and new outcome as text.
pub(super) fn worded_transitions<'r>(
    replay: &'r Replay<'_>,
) -> BTreeMap<(AnswerChange, &'static str, &'static str), &'r [usize]> {
    let word = |outcome: Result<Rule, SelectError>| outcome.map_or_else(SelectError::as_str, Rule::as_str);
    let worded = |(&Transition { change, old, new }, lines): (_, &'r Vec<usize>)| {
        ((change, word(old), word(new)), lines.as_slice())
    };
    replay.transitions.iter().map(worded).collect()
}

fn replay_json(replay: &Replay<'_>) -> Value {
    let changes =
        AnswerChange::ALL.iter().map(|change| (change.as_str().to_owned(), replay.count(*change).into()));
    let changes: Map<String, Value> = changes.collect();
    let transitions: Vec<Value> = worded_transitions(replay)
        .iter()
        .map(|((change, old, new), lines)| {
            json!({"kind": change.as_str(), "old": old, "new": new, "queries": lines.len(), "lines": lines})
        })
        .collect();
    let malformed: Vec<Value> =
        replay.bad.iter().map(|(line, why)| json!({"line": line, "message": why})).collect();
    json!({
        "asked": replay.asked,
        "unchanged": replay.same(),
        "changes": changes,
        "transitions": transitions,
        "bad": malformed,
    })
}
