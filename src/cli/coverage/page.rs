//! The coverage as one HTML page that loads no other file: an overview of all OUs and channels, and for one of
//! them a world map and a table of every country.
//!
//! The page holds the outlines once, and each distinct row of decisions once. A script fills the overview and
//! recolors the map for another OU. Without scripts, the page shows one OU. `assets/world.mjs` makes `assets/world.tsv` from
//! the npm package `@svg-maps/world`, whose license is `assets/world.LICENSE.md`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use switchboard_model::{Region, Role, Rule};
use switchboard_pipeline::analysis::compare::candidate_ids;
use switchboard_pipeline::analysis::{Decision, DecisionTable, Row, RuleCounts, Scoped};
use switchboard_snapshot::{ChannelIdx, GroupIdx, OuIdx};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const WORLD: &str = include_str!("assets/world.tsv");
/// The part of the map that has countries, in units of the map: left, top, width, height.
const MAP_VIEW: &str = "0 0 10100 6660";
/// The letters for the first decisions of a row. Further decisions have letters from [`BEYOND`] on.
const LETTERS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The first of 256 letters that need no escape in HTML or JSON.
const BEYOND: u32 = 0x100;

/// The CSS classes with a color in the style sheet, and their labels in the legend: the names of the rules.
const LEGEND: [(&str, &str); 5] = [
    (Rule::Country.as_str(), Rule::Country.as_str()),
    (Rule::CallingCode.as_str(), Rule::CallingCode.as_str()),
    (Rule::Geography.as_str(), Rule::Geography.as_str()),
    (Rule::DefaultRegion.as_str(), Rule::DefaultRegion.as_str()),
    (PROBLEM_CLASS, "no account"),
];
/// The CSS class of a country without an account.
const PROBLEM_CLASS: &str = "none";
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
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Coverage · Switchboard" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.kind { "Switchboard coverage" }
                        h1 { "Which rule selects the account, for each country" }
                        p.about {
                            "Each country shows the decision for a client of this country whom an organizational unit (OU) invites. "
                            "Nothing else is known about the client. A decision is the rule, the number of OUs climbed, the pool and its accounts."
                        }
                    }
                    (parts(table, scope, shown))
                    footer {
                        "Map: @svg-maps/world 2.0.0 by Victor Cazanave (github.com/VictorCazanave/svg-maps), licensed "
                        "under CC BY 4.0 (creativecommons.org/licenses/by/4.0); outlines simplified, some names changed. "
                        "The borders are those of the map and are no statement about territorial claims."
                    }
                }
                script type="application/json" id="data" { (PreEscaped(data.to_json()?)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())
}

/// Renders the parts that the script fills or changes: the overview, and the map and table of one OU and channel.
fn parts(table: &DecisionTable<'_>, scope: &[Scoped], shown: Option<Shown<'_>>) -> Markup {
    let Some(shown) = shown else {
        return html! { section { p { "There are no decisions, because no company has both an OU and a pool." } } };
    };
    html! {
        section {
            h2 { "Overview: countries without an account" }
            p.about {
                "One row for each OU, one column for each channel and role. The number is the number of "
                "countries, of " (Region::COUNT) ", whose clients get no account. The OUs with the most gaps are first. The bar has "
                "the colors of the rules below. Choose a cell to see its countries."
            }
            form {
                (choice("company", "Company", &company_ids(table, scope)))
                label { span { "Find an OU" } input type="search" name="find" autocomplete="off"; }
            }
            p #found.note role="status" {}
            noscript { p.about { "This overview needs JavaScript. So does another OU or channel below." } }
            div.wide tabindex="0" role="region" aria-label="Overview" { table #ous { thead {} tbody {} } }
            button #more type="button" hidden="hidden" { "Show all OUs" }
        }
        (one(table, shown))
    }
}

/// Renders the map and the table of one OU and channel.
fn one(table: &DecisionTable<'_>, Shown { ou, channel, role, row, .. }: Shown<'_>) -> Markup {
    let row = table.row(row);
    let decided: Vec<(Region, Country, Decision)> = countries()
        .zip(row.countries())
        .map(|((region, country), (_, decision))| (region, country, *decision))
        .collect();
    let snapshot = table.snapshot();
    let (ou, channel) = (snapshot.ou(ou).id(), snapshot.channel(channel).id());
    html! {
        form.choose {
            (choice("ou", "OU", &[ou]))
            (choice("channel", "Channel and role", &[channel]))
            (choice("country", "Country", &[]))
        }
        div.both {
        section {
            h2 #place { (ou) " on " (channel) " (" (role.as_str()) ")" }
            ul.legend aria-label="Show only" {
                @for (class, words) in LEGEND {
                    @let count = decided.iter().filter(|(.., decision)| css_class(decision) == class).count();
                    li { button type="button" aria-pressed="false" data-rule=(class) {
                        i class={"key " (class)} {} span { (words) } b { (count) }
                    } }
                }
                li.note { "paler: climbed, from a higher-level OU" }
            }
            p #decision role="status" { "Point at a country or choose a country to see its decision." }
            p #accounts.note {}
            (world_map(&decided))
            h2 { "Countries that are too small for the map or missing on it" }
            ul.small {
                @for (region, country, decision) in decided.iter().filter(|(_, country, _)| country.outline.is_none()) {
                    li data-code=(region) class=(css_classes(decision)) title=(country.name) { (region) }
                }
            }
        }
        section {
            h2 #of { "Every country" }
            div.wide tabindex="0" role="region" aria-labelledby="of" {
                table #countries {
                    thead { tr {
                        th.words scope="col" colspan="2" { "Country" }
                        th.words scope="col" { "Rule" } th scope="col" { "Climbed" } th.words scope="col" { "Pool" }
                        th.words scope="col" { "Accounts" }
                    } }
                    tbody { @for (region, country, decision) in &decided { (table_row(table, *region, country, decision)) } }
                }
            }
        }
        }
    }
}

fn world_map(decided: &[(Region, Country, Decision)]) -> Markup {
    html! {
        div.world tabindex="0" role="group"
            aria-label="World map. The arrow keys move it, + and - zoom, 0 shows the whole world" {
        div.tools {
            button type="button" data-key="+" aria-label="Zoom in" { "+" }
            button type="button" data-key="-" aria-label="Zoom out" { "−" }
            button type="button" data-key="0" { "World" }
            button type="button" { "Country" }
        }
        svg #map viewBox=(MAP_VIEW) role="img" aria-label="World map, colored by rule. The table has the same data" {
            defs {
                pattern #hatch width="40" height="40" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect.plain width="40" height="40" {}
                    rect.stripe width="12" height="40" {}
                }
            }
            @for (region, country, decision) in decided {
                @if let Some(outline) = country.outline {
                    path data-code=(region) class=(css_classes(decision)) d=(outline) { title { (country.name) } }
                }
            }
        }
        }
    }
}

fn table_row(table: &DecisionTable<'_>, region: Region, country: &Country, decision: &Decision) -> Markup {
    let served = decision.served();
    html! {
        tr data-code=(region) class=(css_classes(decision)) {
            th.words scope="row" { (region) } td.words { (country.name) }
            td.words { i class={"key " (css_class(decision))} {} span { (decision.as_str()) } }
            td { @if let Some(served) = served { (served.climbed) } }
            td.words { @if let Some(served) = served { (served.pool(table.snapshot())) } }
            td.words { @if let Some(served) = served {
                @let ids = candidate_ids(table, table.available(served));
                @if let [first, others @ ..] = &*ids {
                    (first) @if !others.is_empty() { " and " (others.len()) " more" }
                }
            } }
        }
    }
}

fn choice(name: &str, label: &str, options: &[&str]) -> Markup {
    html! {
        label { span { (label) } select name=(name) autocomplete="off" {
            @for option in options { option { (option) } }
        } }
    }
}

/// Returns the ids of the companies that have decisions.
fn company_ids<'s>(table: &DecisionTable<'s>, scope: &[Scoped]) -> Vec<&'s str> {
    let snapshot = table.snapshot();
    let companies = scope.iter().filter(|scoped| !scoped.ous.is_empty() && !scoped.channels.is_empty());
    companies.map(|scoped| snapshot.company(scoped.company).id()).collect()
}

fn css_class(decision: &Decision) -> &'static str {
    match decision {
        Decision::Served(served) => served.rule.as_str(),
        Decision::Refused(_) => PROBLEM_CLASS,
    }
}

fn css_classes(decision: &Decision) -> String {
    let climbed = decision.served().is_some_and(|served| served.climbed > 0);
    format!("{}{}", css_class(decision), if climbed { " climbed" } else { "" })
}

struct Country {
    name: &'static str,
    /// The attribute `d` of an SVG path. A country that is too small for the map has no outline.
    outline: Option<&'static str>,
}

/// Returns every region. The name of a region that is missing on the map is its code.
fn countries() -> impl Iterator<Item = (Region, Country)> {
    let mut known: BTreeMap<&str, Country> = WORLD.lines().filter_map(country).collect();
    Region::all().map(move |region| {
        let code = region.alpha2();
        (region, known.remove(code).unwrap_or(Country { name: code, outline: None }))
    })
}

fn country(line: &'static str) -> Option<(&'static str, Country)> {
    let mut fields = line.split('\t');
    let (code, name) = (fields.next()?, fields.next()?);
    Some((code, Country { name, outline: fields.next().filter(|outline| !outline.is_empty()) }))
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
        let companies: Vec<CompanyJson<'_>> = scope
            .iter()
            .map(|Scoped { company, ous, channels }| CompanyJson {
                id: snapshot.company(*company).id(),
                channels: channels.iter().map(|&(channel, role)| title(channel, role)).collect(),
                ous: ous
                    .iter()
                    .map(|&ou| {
                        let rows = channels.iter();
                        let rows = rows.map(|&(channel, role)| table.row_of(*company, ou, channel, role));
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
        let rows = table.rows().iter().map(|row| {
            let distinct = row.distinct().iter().map(&mut index_of).collect();
            (distinct, letters(row))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_a_name_and_most_an_outline() {
        let all: Vec<(Region, Country)> = countries().collect();
        assert_eq!(all.len(), Region::COUNT);
        for (region, country) in &all {
            assert!(country.name.len() > 2, "{region}");
        }
        assert!(all.iter().filter(|(_, country)| country.outline.is_some()).count() > 160);
        assert_eq!(WORLD.lines().filter_map(country).count(), Region::COUNT, "only countries");
    }
    /// The script draws a rule that the legend does not have as "no account".
    #[test]
    fn legend_and_style_sheet_have_every_rule_of_a_step() {
        let classes = Rule::STEPS.map(Rule::as_str).into_iter().chain([PROBLEM_CLASS]);
        assert_eq!(LEGEND.map(|(class, _)| class).to_vec(), classes.clone().collect::<Vec<_>>());
        for class in classes {
            assert!(
                STYLE.contains(&format!(".{class} {{ --fill: var(--{class}); }}")),
                "{class} has a class"
            );
            let colors = STYLE.matches(&format!("--{class}: #")).count();
            assert_eq!(colors, 2, "{class} has a color on light and on dark paper");
        }
    }
}
