//! The coverage as one HTML page that loads no other file: the map of decisions, which the console shows as well.
//!
//! The page holds the outlines once, and each distinct row of decisions once. A script fills the overview and
//! recolors the map for another OU. Without scripts, the page shows one OU.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use maud::{DOCTYPE, PreEscaped, html};
use serde::Serialize;
use switchboard_model::Role;
use switchboard_pipeline::analysis::compare::candidate_ids;
use switchboard_pipeline::analysis::{Decision, DecisionTable, Row, RuleCounts, Scoped};
use switchboard_snapshot::{ChannelIdx, GroupIdx, OuIdx};

use crate::console::map;

/// Answers the script of the map from the data of the page.
const SCRIPT: &str = include_str!("assets/page.js");
/// The letters for the first decisions of a row. Further decisions have letters from [`BEYOND`] on.
const LETTERS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The first of 256 letters that need no escape in HTML or JSON.
const BEYOND: u32 = 0x100;

/// Maximum number of accounts that the page names for one decision.
const MAX_NAMED_ACCOUNTS: usize = 50;

/// What the map shows at first.
#[derive(Clone, Copy)]
struct Shown<'a> {
    scoped: &'a Scoped,
    ou: OuIdx,
    channel: ChannelIdx,
    role: Role,
    /// The number of the row of decisions.
    row: usize,
}

/// Returns the OU and channel with the fewest countries without an account. Of equal ones, the first of those
/// that serve most countries by an account of the country itself.
fn least_gaps<'a>(table: &mut DecisionTable<'_>, scope: &'a [Scoped]) -> Option<Shown<'a>> {
    let mut rank_of_row: BTreeMap<usize, (usize, Reverse<usize>)> = BTreeMap::new();
    let mut best: Option<((usize, Reverse<usize>), Shown<'a>)> = None;
    for scoped in scope {
        for &ou in &scoped.ous {
            for &(channel, role) in &scoped.channels {
                let row = table.row_of(scoped.company, ou, channel, role);
                let rank = *rank_of_row.entry(row).or_insert_with(|| {
                    let counts = RuleCounts::from_row(&table.row(row));
                    (counts.none, Reverse(counts.country))
                });
                if best.is_none_or(|(least, _)| rank < least) {
                    best = Some((rank, Shown { scoped, ou, channel, role, row }));
                }
            }
        }
    }
    best.map(|(_, shown)| shown)
}

/// Writes the HTML page of a coverage.
pub(super) fn write(out: &mut dyn Write, table: &mut DecisionTable<'_>, scope: &[Scoped]) -> io::Result<()> {
    let shown = least_gaps(table, scope);
    let data = PageData::new(table, scope, shown);
    let shown = shown.map(|shown| with_decisions(table, shown));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Coverage · Switchboard" }
                @for style in map::STYLES { style { (PreEscaped(style)) } }
            }
            body {
                main {
                    header {
                        h1 { "Which rule selects the account, for each country" }
                        p.lead {
                            "Each country shows the decision for a client of this country whom an organizational unit (OU) invites. "
                            "Nothing else is known about the client. A decision is the rule, the number of OUs climbed, the pool and its accounts."
                        }
                    }
                    @match &shown {
                        Some(shown) => { (map::map(Some(shown))) },
                        None => { section.card { p { "There are no decisions, because no company has both an OU and a pool." } } },
                    }
                }
                footer { (map::attribution()) }
                script type="application/json" id="data" { (PreEscaped(data.to_json()?)) }
                script type="module" { (PreEscaped(map::SCRIPT)) (PreEscaped(SCRIPT)) }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())
}

/// Returns what the page shows without scripts.
fn with_decisions<'s>(
    table: &DecisionTable<'s>,
    Shown { scoped, ou, channel, role, row }: Shown<'_>,
) -> map::Shown<'s> {
    let snapshot = table.snapshot();
    let row = table.row(row);
    let decisions = row.countries().map(|(_, decision)| {
        let available = decision.served().map(|served| table.available(served)).unwrap_or_default();
        map::ShownDecision {
            rule: decision.as_str(),
            served: decision.served().map(|served| (served.climbed, served.pool(snapshot))),
            account: available.first().map(|candidate| snapshot.account(candidate.account()).id()),
            others: available.len().saturating_sub(1),
        }
    });
    map::Shown {
        company: snapshot.company(scoped.company).id(),
        ou: snapshot.ou(ou).id(),
        channel: snapshot.channel(channel).id(),
        role: role.as_str(),
        decisions: decisions.collect(),
    }
}

/// Returns the ids of the companies that have decisions.
fn company_ids<'s>(table: &DecisionTable<'s>, scope: &[Scoped]) -> Vec<&'s str> {
    let snapshot = table.snapshot();
    let companies = scope.iter().filter(|scoped| !scoped.ous.is_empty() && !scoped.channels.is_empty());
    companies.map(|scoped| snapshot.company(scoped.company).id()).collect()
}

/// All decisions in the form that the script reads: each distinct decision once, and rows of letters.
#[derive(Serialize)]
struct PageData<'s> {
    letters: &'static str,
    decisions: Vec<DecisionJson<'s>>,
    /// The accounts of each step that serves: the first ids, and the number of further ones.
    groups: Vec<(Vec<&'s str>, usize)>,
    /// For each row: the indices of its decisions, and a letter for each country.
    rows: Vec<(Vec<usize>, String)>,
    companies: Vec<CompanyJson<'s>>,
    /// What the page shows at first: the index among the companies that have decisions, the OU, and the channel
    /// with its role.
    first: Option<(usize, &'s str, (&'s str, &'static str))>,
}

/// The rule, the number of OUs climbed, the pool, the OU of the level and the index in `groups`; or the code
/// of the problem.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct DecisionJson<'s>(&'static str, Option<u32>, Option<&'s str>, Option<&'s str>, Option<usize>);

#[derive(Serialize)]
struct CompanyJson<'s> {
    id: &'s str,
    /// The channels with their roles.
    channels: Vec<(&'s str, &'static str)>,
    /// The OUs, each with the index of its row for every channel.
    ous: Vec<(&'s str, Vec<usize>)>,
}

impl<'s> PageData<'s> {
    fn new(table: &mut DecisionTable<'s>, scope: &[Scoped], shown: Option<Shown<'_>>) -> PageData<'s> {
        let snapshot = table.snapshot();
        let title = |channel: ChannelIdx, role: Role| (snapshot.channel(channel).id(), role.as_str());
        // The table also has rows of OUs above, which the page does not show.
        let mut used: Vec<usize> = Vec::new();
        let mut place_of_row: BTreeMap<usize, usize> = BTreeMap::new();
        let mut place_of = |row: usize| {
            *place_of_row.entry(row).or_insert_with(|| {
                used.push(row);
                used.len() - 1
            })
        };
        let companies: Vec<CompanyJson<'_>> = scope
            .iter()
            .map(|Scoped { company, ous, channels }| CompanyJson {
                id: snapshot.company(*company).id(),
                channels: channels.iter().map(|&(channel, role)| title(channel, role)).collect(),
                ous: ous
                    .iter()
                    .map(|&ou| {
                        let rows = channels.iter();
                        let rows =
                            rows.map(|&(channel, role)| place_of(table.row_of(*company, ou, channel, role)));
                        (snapshot.ou(ou).id(), rows.collect())
                    })
                    .collect(),
            })
            .collect();
        let first = shown.map(|Shown { scoped, ou, channel, role, .. }| {
            let company = snapshot.company(scoped.company).id();
            let at = company_ids(table, scope).iter().position(|id| *id == company);
            (at.unwrap_or(0), snapshot.ou(ou).id(), title(channel, role))
        });
        let table = &*table;
        let mut groups = Vec::new();
        let mut group_of: BTreeMap<GroupIdx, usize> = BTreeMap::new();
        let mut known: BTreeMap<DecisionJson<'_>, usize> = BTreeMap::new();
        let mut decisions = Vec::new();
        let mut index_of = |decision: &Decision| {
            let json = match decision.served() {
                None => DecisionJson(decision.as_str(), None, None, None, None),
                Some(it) => {
                    let group = *group_of.entry(it.group).or_insert_with(|| {
                        let available = table.available(it);
                        let named = available.get(..MAX_NAMED_ACCOUNTS).unwrap_or(available);
                        groups.push((candidate_ids(table, named), available.len() - named.len()));
                        groups.len() - 1
                    });
                    let (pool, ou) = (it.pool(snapshot), it.ou(snapshot));
                    DecisionJson(decision.as_str(), Some(it.climbed), Some(pool), Some(ou), Some(group))
                }
            };
            *known.entry(json).or_insert_with(|| {
                decisions.push(json);
                decisions.len() - 1
            })
        };
        let rows = used.into_iter().map(|row| {
            let row = table.row(row);
            let distinct = row.distinct().iter().map(&mut index_of).collect();
            (distinct, letters(&row))
        });
        let rows = rows.collect();
        PageData { letters: LETTERS, decisions, groups, rows, companies, first }
    }

    /// Returns JSON that cannot end the script element around it.
    fn to_json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"))
    }
}

fn letters(row: &Row) -> String {
    let letter = |&place: &u8| {
        let common = LETTERS.as_bytes().get(usize::from(place)).map(|&letter| char::from(letter));
        common.or_else(|| char::from_u32(BEYOND + u32::from(place))).unwrap_or_default()
    };
    row.cells().iter().map(letter).collect()
}
