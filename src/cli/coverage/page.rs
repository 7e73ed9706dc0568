//! The coverage as one HTML page that loads no other file: a world map for the selected company, OU and
//! channel, and a table of every country.
//!
//! The page holds the outlines once, and each distinct row of decisions once. A script recolors the map for
//! another OU. Without scripts, the page shows the first OU. `assets/world.mjs` makes `assets/world.tsv` from
//! the npm package `@svg-maps/world`, whose license is `assets/world.LICENSE.md`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use switchboard_model::{Region, Rule};
use switchboard_pipeline::analysis::{Decision, DecisionTable, Row, Scoped};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const WORLD: &str = include_str!("assets/world.tsv");
/// The part of the map that has countries, in units of the map: left, top, width, height.
const MAP_VIEW: &str = "0 0 10100 6660";
/// The letters for the first decisions of a row. Further decisions have letters from [`BEYOND`] on.
const LETTERS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The first of 256 letters that need no escape in HTML or JSON.
const BEYOND: u32 = 0x100;

/// The CSS classes with a color in the style sheet, and their labels in the legend.
const LEGEND: [(&str, &str); 5] = [
    (Rule::Country.as_str(), "country"),
    (Rule::CallingCode.as_str(), "calling code"),
    (Rule::Geography.as_str(), "geography"),
    (Rule::DefaultRegion.as_str(), "default region"),
    (PROBLEM_CLASS, "no account"),
];
/// The CSS class of a country without an account.
const PROBLEM_CLASS: &str = "none";

/// Writes the HTML page of a coverage.
pub(super) fn write(out: &mut dyn Write, table: &mut DecisionTable<'_>, scope: &[Scoped]) -> io::Result<()> {
    let data = PageData::new(table, scope);
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
                            "Each country shows the decision for a client of this country. Nothing else is known about the client. A "
                            "decision is the rule, the number of levels climbed, and the pool."
                        }
                    }
                    (selected(table, scope))
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

/// Renders the part that the script changes: the first company, OU and channel.
fn selected(table: &mut DecisionTable<'_>, scope: &[Scoped]) -> Markup {
    let first = scope.iter().find_map(|scoped| {
        let (&ou, &channel) = (scoped.ous.first()?, scoped.channels.first()?);
        Some((scoped, ou, channel))
    });
    let Some((scoped, ou, channel)) = first else {
        return html! { section { p { "There are no decisions, because no company has both an OU and a pool." } } };
    };
    let number = table.row_of(scoped.company, ou, channel);
    let row = table.row(number);
    let decided: Vec<(Region, Country, Decision)> = countries()
        .zip(row.countries())
        .map(|((region, country), (_, decision))| (region, country, *decision))
        .collect();
    html! {
        form.choose {
            (choice("company", "Company", &company_ids(table, scope)))
            (choice("ou", "Organizational unit", &ou_ids(table, scoped)))
            (choice("channel", "Channel", &channel_ids(table, scoped)))
            (choice("country", "Country", &[]))
        }
        noscript { p.about { "This page needs JavaScript to show another organizational unit or channel." } }
        div.both {
        section {
            ul.legend aria-label="Show only" {
                @for (class, words) in LEGEND {
                    @let count = decided.iter().filter(|(.., decision)| css_class(decision) == class).count();
                    li { button type="button" aria-pressed="false" data-rule=(class) {
                        i class={"key " (class)} {} span { (words) } b { (count) }
                    } }
                }
                li.note { "paler: from a higher-level OU" }
            }
            p #decision role="status" { "Point at a country or choose a country to see its decision." }
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
                table {
                    thead { tr {
                        th.words scope="col" colspan="2" { "Country" }
                        th.words scope="col" { "Rule" } th scope="col" { "Climbed" } th.words scope="col" { "Pool" }
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

fn table_row(table: &DecisionTable<'_>, region: Region, country: &Country, decision: &Decision) -> Markup {
    let served = decision.served();
    html! {
        tr data-code=(region) class=(css_classes(decision)) {
            th.words scope="row" { (region) } td.words { (country.name) }
            td.words { i class={"key " (css_class(decision))} {} span { (decision.as_str()) } }
            td { @if let Some(served) = served { (served.climbed) } }
            td.words { @if let Some(served) = served { (served.pool(table.snapshot())) } }
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

fn ou_ids<'s>(table: &DecisionTable<'s>, scoped: &Scoped) -> Vec<&'s str> {
    let snapshot = table.snapshot();
    scoped.ous.iter().map(|&ou| snapshot.ou(ou).id()).collect()
}

fn channel_ids<'s>(table: &DecisionTable<'s>, scoped: &Scoped) -> Vec<&'s str> {
    let snapshot = table.snapshot();
    let channels = scoped.channels.iter();
    channels.map(|&channel| snapshot.channel(channel).id()).collect()
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
    /// For each row: the indices of its decisions, and a letter for each country.
    rows: Vec<(Vec<usize>, String)>,
    companies: Vec<CompanyJson<'s>>,
}

/// The rule, the number of levels climbed and the pool; or the code of the problem.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct DecisionJson<'s>(&'static str, Option<u32>, Option<&'s str>);

#[derive(Serialize)]
struct CompanyJson<'s> {
    id: &'s str,
    channels: Vec<&'s str>,
    /// The OUs, each with the index of its row for every channel.
    ous: Vec<(&'s str, Vec<usize>)>,
}

impl<'s> PageData<'s> {
    fn new(table: &mut DecisionTable<'s>, scope: &[Scoped]) -> PageData<'s> {
        let snapshot = table.snapshot();
        let companies = scope
            .iter()
            .map(|Scoped { company, ous, channels }| CompanyJson {
                id: snapshot.company(*company).id(),
                channels: channels.iter().map(|&channel| snapshot.channel(channel).id()).collect(),
                ous: ous
                    .iter()
                    .map(|&ou| {
                        let rows =
                            channels.iter().map(|&channel| table.row_of(*company, ou, channel)).collect();
                        (snapshot.ou(ou).id(), rows)
                    })
                    .collect(),
            })
            .collect();
        let mut known: BTreeMap<DecisionJson<'_>, usize> = BTreeMap::new();
        let mut decisions = Vec::new();
        let mut index_of = |decision: &Decision| {
            let served = decision.served();
            let json = DecisionJson(
                decision.as_str(),
                served.map(|it| it.climbed),
                served.map(|it| it.pool(snapshot)),
            );
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
        PageData { letters: LETTERS, decisions, rows, companies }
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
