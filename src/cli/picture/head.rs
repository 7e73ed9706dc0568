//! What was asked and what came of it: the answer before the way there.

use super::canvas::{Canvas, printable};
use crate::cli::output::{ERROR, GOOD, PLACE, WARNING, count};
use switchboard_model::Role;
use switchboard_select::tracer::Asked;
use switchboard_select::{Climb, Code, Rule, Selection, write_selection};
use switchboard_snapshot::Snapshot;

/// Behind the names of what is said.
const REST: &str = "          ";

pub(super) fn draw(canvas: &mut Canvas, snapshot: &Snapshot, climb: &Climb) {
    match &climb.answer.result {
        Ok(selection) => answer(canvas, snapshot, selection),
        Err(code) => problem(canvas, *code, None),
    }
    canvas.line("client    ", REST, &client(climb));
    canvas.line("asked     ", REST, &asked(snapshot, &climb.asked));
    canvas.gap();
}

pub(super) fn problem(canvas: &mut Canvas, code: Code, detail: Option<&str>) {
    canvas.line("answer    ", REST, &format!("{ERROR}none: {}{ERROR:#}", code.text()));
    // Where to look for more is here.
    let detail = detail.unwrap_or(code.detail()).split("; explain shows").next().unwrap_or_default();
    canvas.line(REST, REST, &format!("{}: {detail}", code.title()));
}

fn answer(canvas: &mut Canvas, snapshot: &Snapshot, selection: &Selection) {
    let mut json = Vec::new();
    write_selection(&mut json, snapshot, selection);
    let said: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
    let text = |field: &str| printable(said.get(field).and_then(|it| it.as_str()).unwrap_or_default());
    let (account, address) = (text("account"), text("address"));
    canvas.line("answer    ", REST, &format!("{GOOD}{account}{GOOD:#}  {address}"));
    let country = match said.get("country") {
        Some(_) => format!(", {}", text("country")),
        None => String::new(),
    };
    let role = if said.get("role").is_some() { text("role") } else { "dedicated".to_owned() };
    canvas.line(REST, REST, &format!("{}, {role}{country}", text("channel")));
    let rule = selection.rule;
    canvas.line("rule      ", REST, &format!("{PLACE}{}{PLACE:#}: {}", rule.text(), meaning(rule)));
    if let Some(found) = selection.found {
        let far = match found.climbed {
            0 => "where it was asked".to_owned(),
            climbed => format!("{} up", count(climbed as usize, "level")),
        };
        let place = format!("pool {}, OU {}, {far}", text("pool"), text("ou"));
        canvas.line("found     ", REST, &place);
    }
}

fn meaning(rule: Rule) -> &'static str {
    match rule {
        Rule::Current => "the client already talks to it",
        Rule::Dedicated => "it is the user's own",
        Rule::Country => "it is of the client's country",
        Rule::CallingCode => "its country shares the calling code of the client's",
        Rule::Geography => "the client's country is mapped to its country",
        Rule::DefaultRegion => "it is of the pool's default country",
    }
}

/// Never with the number itself.
fn client(climb: &Climb) -> String {
    let client = &climb.client;
    let country = match client.country {
        Some(country) => format!("{PLACE}{country}{PLACE:#}"),
        None => "no country".to_owned(),
    };
    let source = match (client.stated, client.country) {
        (true, _) => "stated by the query",
        (false, Some(_)) => "derived from the phone number",
        (false, None) => "the phone number belongs to none, so that only defaults can match",
    };
    let mut said = format!("{country}, {source}");
    if client.guessed() {
        said += &format!(" {WARNING}(guessed){WARNING:#}: it is not a valid number");
    }
    if client.conflict() {
        said +=
            &format!("; {WARNING}the phone number is of another country{WARNING:#}, which does not count");
    }
    said
}

fn asked(snapshot: &Snapshot, asked: &Asked) -> String {
    let company = printable(snapshot.company(asked.company).id());
    let channel = snapshot.channel(asked.channel);
    let ou = printable(snapshot.ou(asked.ou).id());
    let role = match asked.role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    };
    let usual =
        if asked.role == channel.conversation_role() { "" } else { ", not the one for conversations" };
    let strictly = if asked.strictly { "; fallback none" } else { "" };
    format!("{} for OU {ou} of {company}; role {role}{usual}{strictly}", printable(channel.id()))
}
