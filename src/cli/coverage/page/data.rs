//! All decisions, as the script reads them: distinct ones by number, rows as a letter for each country.

use std::collections::BTreeMap;

use serde::Serialize;

use switchboard_pipeline::analysis::{Decision, Row, Scoped, Survey};

/// Letters for a row's first decisions; further ones are the letters from [`BEYOND`] on.
const LETTERS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The first of as many letters as a row may need, none of which means anything in HTML or JSON.
const BEYOND: u32 = 0x100;

/// What the script is given.
#[derive(Serialize)]
pub(super) struct Data<'s> {
    letters: &'static str,
    decisions: Vec<Shown<'s>>,
    /// Which of the decisions a row has, and a letter for each country.
    rows: Vec<(Vec<usize>, String)>,
    companies: Vec<Company<'s>>,
}

/// Rule or code, and, where an account serves, how far up and the pool.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct Shown<'s>(&'static str, Option<u32>, Option<&'s str>);

#[derive(Serialize)]
struct Company<'s> {
    id: &'s str,
    channels: Vec<&'s str>,
    /// With a row for each channel.
    ous: Vec<(&'s str, Vec<usize>)>,
}

impl<'s> Data<'s> {
    /// Of everything that is asked for.
    pub(super) fn of(survey: &mut Survey<'s>, scope: &[Scoped]) -> Data<'s> {
        let snapshot = survey.snapshot();
        let companies = scope
            .iter()
            .map(|Scoped { company, ous, channels }| Company {
                id: snapshot.company(*company).id(),
                channels: channels.iter().map(|&channel| snapshot.channel(channel).id()).collect(),
                ous: ous
                    .iter()
                    .map(|&ou| {
                        let rows =
                            channels.iter().map(|&channel| survey.ask(*company, ou, channel)).collect();
                        (snapshot.ou(ou).id(), rows)
                    })
                    .collect(),
            })
            .collect();
        let mut known: BTreeMap<Shown<'_>, usize> = BTreeMap::new();
        let mut decisions = Vec::new();
        let mut number = |decision: &Decision| {
            let served = decision.served();
            let shown =
                Shown(decision.text(), served.map(|it| it.climbed), served.map(|it| it.pool(snapshot)));
            *known.entry(shown).or_insert_with(|| {
                decisions.push(shown);
                decisions.len() - 1
            })
        };
        let rows = survey.rows().iter().map(|row| {
            let distinct = row.distinct().iter().map(&mut number).collect();
            (distinct, letters(row))
        });
        let rows = rows.collect();
        Data { letters: LETTERS, decisions, rows, companies }
    }

    /// As JSON that can stand in a script: nothing in it ends one.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"))
    }
}

fn letters(row: &Row) -> String {
    let letter = |&place: &u8| {
        let common = LETTERS.as_bytes().get(usize::from(place)).map(|&letter| char::from(letter));
        common.or_else(|| char::from_u32(BEYOND + u32::from(place))).unwrap_or_default()
    };
    row.places().iter().map(letter).collect()
}
