//! Changes as JSON, for `diff --format json` and for the comparison of a registry over HTTP.

use serde_json::{Map, Value, json};

use super::compare::{CandidateDifference, Cells, Change, ChangeGroup, Changes, Comparison, StepChange};
use super::decision::{Decision, DecisionTable};

/// Returns the members `compared`, `unchanged` and `changes`, which has the number of decisions for each kind.
pub fn totals_json(changes: &Changes<'_>) -> [(&'static str, Value); 3] {
    let counts = changes.counts();
    let changed: usize = counts.iter().map(|(_, number)| number).sum();
    let kinds: Map<String, Value> =
        counts.iter().map(|(kind, number)| (kind.as_str().to_owned(), (*number).into())).collect();
    [
        ("compared", changes.compared.into()),
        ("unchanged", (changes.compared - changed).into()),
        ("changes", kinds.into()),
    ]
}

/// Renders a group of changes as a JSON object. Each list has at most `max_items` items. Where items are left out, a
/// member whose name begins with `more` has their number.
pub fn group_json(comparison: &mut Comparison<'_>, group: &ChangeGroup<'_>, max_items: usize) -> Value {
    let ChangeGroup { change, company, channel, role, old, new, cells } = group;
    let mut value = Map::new();
    value.insert("kind".into(), change.as_str().into());
    value.insert("company".into(), (*company).into());
    value.insert("channel".into(), (*channel).into());
    value.insert("role".into(), role.as_str().into());
    value.insert("decisions".into(), group.decisions().into());
    value.insert("old".into(), decision_json(&comparison.old, old, max_items));
    value.insert("new".into(), decision_json(&comparison.new, new, max_items));
    if let (Change::Answer(StepChange::Accounts), Decision::Served(old), Decision::Served(new)) =
        (change, old, new)
        && let Some(difference) = comparison.difference(old, new)
    {
        value.insert("accounts".into(), difference_json(&difference, max_items));
    }
    let cells_json = |Cells { ous, countries }: &Cells<'_>| {
        let mut object = Map::new();
        insert_list(&mut object, "ous", "more_ous", ous, max_items, |ou| (*ou).into());
        let countries: Vec<&str> = countries.iter().map(|country| country.alpha2()).collect();
        object.insert("countries".into(), countries.into());
        object.into()
    };
    insert_list(&mut value, "where", "more_where", cells, max_items, cells_json);
    value.into()
}

/// Returns the fields that a coverage has, and the available accounts.
fn decision_json(table: &DecisionTable<'_>, decision: &Decision, max_items: usize) -> Value {
    let snapshot = table.snapshot();
    let mut object = Map::new();
    object.insert("rule".into(), decision.as_str().into());
    let Some(served) = decision.served() else { return object.into() };
    object.insert("climbed".into(), served.climbed.into());
    object.insert("ou".into(), served.ou(snapshot).into());
    object.insert("pool".into(), served.pool(snapshot).into());
    let accounts = table.available(served);
    insert_list(
        &mut object,
        "accounts",
        "more_accounts",
        accounts,
        max_items,
        |member| json!({"account": snapshot.account(member.account()).id(), "weight": member.weight()}),
    );
    object.into()
}

fn difference_json(difference: &CandidateDifference<'_>, max_items: usize) -> Value {
    let CandidateDifference { lost, gained, reweighted, altered } = difference;
    let mut object = Map::new();
    let id = |id: &&str| Value::from(*id);
    insert_list(&mut object, "lost", "more_lost", lost, max_items, id);
    insert_list(&mut object, "gained", "more_gained", gained, max_items, id);
    insert_list(
        &mut object,
        "reweighted",
        "more_reweighted",
        reweighted,
        max_items,
        |(account, old, new)| json!({"account": account, "old": old, "new": new}),
    );
    insert_list(&mut object, "altered", "more_altered", altered, max_items, id);
    object.into()
}

/// Inserts the first items of a list, and the number of the others if there are any.
fn insert_list<T>(
    object: &mut Map<String, Value>,
    name: &str,
    more_name: &str,
    items: &[T],
    max_items: usize,
    json: impl Fn(&T) -> Value,
) {
    object.insert(name.into(), items.iter().take(max_items).map(json).collect());
    if let more @ 1.. = items.len().saturating_sub(max_items) {
        object.insert(more_name.into(), more.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_names_the_first_items_and_counts_the_others() {
        for (max_items, expected) in [
            (4, json!({"ous": ["a", "b", "c"]})),
            (3, json!({"ous": ["a", "b", "c"]})),
            (2, json!({"ous": ["a", "b"], "more_ous": 1})),
            (0, json!({"ous": [], "more_ous": 3})),
        ] {
            let mut object = Map::new();
            insert_list(&mut object, "ous", "more_ous", &["a", "b", "c"], max_items, |ou| (*ou).into());
            assert_eq!(Value::from(object), expected);
        }
    }
}
