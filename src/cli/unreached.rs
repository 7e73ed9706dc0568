//! The steps that no test reaches, for people and programs, and the test that would reach the first.

use serde_json::{Value, json};

use super::output::{ASIDE, HELP, PLACE, count};
use switchboard_model::Region;
use switchboard_model::Role;
use switchboard_pipeline::test_coverage::{Suggestion, Unreached};
use switchboard_snapshot::Snapshot;

/// Most steps that are listed, and most countries of one; the rest is counted.
const MOST_STEPS: usize = 20;
const MOST_COUNTRIES: usize = 8;
/// Steps that a suggestion is looked for. Of some none can be made: nobody there is available.
const MOST_TRIED: usize = 50;

/// For people.
pub fn text(unreached: &[Unreached], snapshot: &Snapshot, now: i64) -> String {
    let mut text = format!(
        "{} that no test reaches, those first that decide the most:\n",
        count(unreached.len(), "step")
    );
    for step in unreached.iter().take(MOST_STEPS) {
        let Unreached { company, channel, ou, pool, rule, .. } = step;
        text += &format!(
            "  {PLACE}{company}: OU {ou}{PLACE:#}, {channel} {}, pool {pool}, {}: {}\n",
            role(step.role),
            rule.text(),
            clients(step),
        );
    }
    if unreached.len() > MOST_STEPS {
        let more = unreached.len() - MOST_STEPS;
        text += &format!("  {ASIDE}and {more} more; --format json lists all of them{ASIDE:#}\n");
    }
    let mut tried = unreached.iter().take(MOST_TRIED);
    if let Some((step, suggestion)) = tried.find_map(|step| Some((step, step.suggestion(snapshot, now)?))) {
        text += &format!(
            "{HELP}help{HELP:#}: this test reaches one; it goes into {}/tests.toml\n\n",
            step.company
        );
        text += &test(step, &suggestion);
        text.push('\n');
    }
    text
}

/// For programs: all of them, with all of their countries.
pub fn json(unreached: &[Unreached]) -> Value {
    let one = |step: &Unreached| {
        json!({
            "company": step.company,
            "ou": step.ou,
            "channel": step.channel,
            "role": role(step.role),
            "pool": step.pool,
            "rule": step.rule.text(),
            "countries": step.countries.iter().map(|country| country.alpha2()).collect::<Vec<_>>(),
            "no_country": step.stateless,
        })
    };
    unreached.iter().map(one).collect()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    }
}

fn clients(step: &Unreached) -> String {
    let mut names: Vec<&str> =
        step.countries.iter().take(MOST_COUNTRIES).map(|country| country.alpha2()).collect();
    let more = step.countries.len() - names.len();
    if step.countries.len() == Region::COUNT {
        return "every country".to_owned();
    }
    if names.is_empty() {
        names.push("clients of no country");
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &more
}

/// A `[[test]]` to be pasted. Ids have no control characters, so that JSON's quoting is TOML's.
fn test(step: &Unreached, Suggestion { query, exclude }: &Suggestion) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut fields: Vec<String> =
        query.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
    if !exclude.is_empty() {
        let ids: Vec<String> = exclude.iter().map(|id| quoted(id)).collect();
        fields.push(format!("exclude = [{}]", ids.join(", ")));
    }
    let client = query.iter().find(|(name, _)| *name == "country");
    let client = client.map_or("a client of no country", |(_, country)| country.as_str());
    let name = format!("{client} at {} is served by {} from {}", step.ou, step.rule.text(), step.pool);
    format!(
        "[[test]]\nname = {}\nquery = {{ {} }}\nexpect = {{ rule = {}, ou = {}, pool = {}, climbed = 0 }}\n",
        quoted(&name),
        fields.join(", "),
        quoted(step.rule.text()),
        quoted(&step.ou),
        quoted(&step.pool),
    )
}
