//! The same walk with a tracer along: every step of the chain, its candidates, and why each was
//! passed over.

use serde_json::{Map, Value, json};

use crate::numbering::Region;
use crate::snapshot::Snapshot;
use crate::snapshot::view::Records;

use super::answer::{write_problem, write_selection};
use super::client::Client;
use super::walk::{Moment, Step, Tracer, walk};
use super::{Answer, Code, Outcome, Query};

/// Most candidates that are listed of a step; the rest is counted.
pub const MOST_CANDIDATES: usize = 50;

/// Explains a query: the answer, and the explanation as JSON, or the problem where the query failed
/// before there was a chain.
pub fn explain(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>) -> (Answer, Result<Value, Code>) {
    let mut notes = Notes { snapshot, client: None, chain: false, steps: Vec::new() };
    let answer = walk(snapshot, query, moment, &mut notes);
    let explanation = match (notes.client, answer.result) {
        (Some(client), _) if notes.chain => Ok(notes.render(client, &answer)),
        (_, Err(code)) => Err(code),
        (_, Ok(_)) => Err(Code::Internal),
    };
    (answer, explanation)
}

/// What is noted on the way.
struct Notes<'s> {
    snapshot: &'s Snapshot,
    client: Option<Client>,
    chain: bool,
    steps: Vec<Note>,
}

struct Note {
    rule: &'static str,
    country: Option<Region>,
    found: super::Found,
    /// By account, which is by id.
    candidates: Vec<(u32, Outcome)>,
}

impl Tracer for Notes<'_> {
    const WHOLE_CHAIN: bool = true;

    fn client(&mut self, client: Client) {
        self.client = Some(client);
    }

    fn chain(&mut self) {
        self.chain = true;
    }

    fn step(&mut self, step: Step<'_>, outcome: impl Fn(u32) -> Outcome) {
        let members = self.snapshot.members(step.stored).iter();
        let accounts = members.map(|member| member.account.to_native());
        let mut candidates: Vec<(u32, Outcome)> =
            accounts.map(|account| (account, outcome(account))).collect();
        candidates.sort_unstable();
        self.steps.push(Note {
            rule: step.rule.text(),
            country: step.country,
            found: step.found,
            candidates,
        });
    }
}

impl Notes<'_> {
    fn render(&self, client: Client, answer: &Answer) -> Value {
        let mut explanation = Map::new();
        let mut about = Map::new();
        if let Some(country) = client.country {
            about.insert("country".into(), country.alpha2().into());
        }
        about.insert("source".into(), if client.stated { "query" } else { "phone" }.into());
        about.insert("guessed".into(), client.guessed.into());
        about.insert("conflict".into(), client.conflict().into());
        explanation.insert("client".into(), about.into());
        let mut bytes = Vec::new();
        let (name, chosen) = match &answer.result {
            Ok(selection) => {
                write_selection(&mut bytes, self.snapshot, selection);
                ("selection", Some(selection))
            }
            Err(code) => {
                write_problem(&mut bytes, *code, None, Some(self.snapshot.generation()));
                ("problem", None)
            }
        };
        explanation.insert(name.into(), serde_json::from_slice(&bytes).unwrap_or_default());
        let mut chosen = chosen.map(|selection| (selection.account, selection.found, selection.rule.text()));
        let mut steps = Vec::with_capacity(self.steps.len());
        for note in &self.steps {
            let here = chosen.filter(|&(account, found, rule)| {
                let kept = rule == super::Rule::Current.text();
                found == Some(note.found)
                    && (kept || rule == note.rule)
                    && note.candidates.iter().any(|&(candidate, _)| candidate == account)
            });
            if here.is_some() {
                // An account kept or picked is marked in the one step that it was found in.
                chosen = None;
            }
            steps.push(self.step(note, here.map(|(account, _, _)| account)));
        }
        explanation.insert("steps".into(), steps.into());
        explanation.insert("generation".into(), self.snapshot.generation().into());
        explanation.into()
    }

    fn step(&self, note: &Note, chosen: Option<u32>) -> Value {
        let contents = self.snapshot.contents();
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
        let mut step = Map::new();
        step.insert("rule".into(), note.rule.into());
        step.insert("ou".into(), text(self.snapshot.text(&contents.ous.at(note.found.ou).id)));
        step.insert("pool".into(), text(self.snapshot.text(&contents.pools.at(note.found.pool).id)));
        if let Some(country) = note.country {
            step.insert("country".into(), country.alpha2().into());
        }
        step.insert("climbed".into(), note.found.climbed.into());
        // The chosen one is always among those listed.
        let beyond =
            note.candidates.iter().skip(MOST_CANDIDATES).any(|(account, _)| chosen == Some(*account));
        let first = MOST_CANDIDATES - usize::from(beyond);
        let shown = note.candidates.iter().enumerate();
        let shown = shown.filter(|(at, (account, _))| *at < first || chosen == Some(*account));
        let candidates = shown.map(|(_, (account, outcome))| {
            let outcome = if chosen == Some(*account) { "chosen" } else { outcome.text() };
            json!({"account": text(self.snapshot.account_id(contents.accounts.at(*account))), "outcome": outcome})
        });
        step.insert("candidates".into(), candidates.collect());
        step.insert("more".into(), note.candidates.len().saturating_sub(MOST_CANDIDATES).into());
        step.into()
    }
}
