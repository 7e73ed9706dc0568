//! The markup of the map of decisions: an overview of all OUs and channels, and for one of them a world map and a
//! table of every country. The console and the page of the command `coverage` share it with its script and style.
//!
//! `assets/world.mjs` makes `assets/world.tsv` from the npm package `@svg-maps/world`, whose license is
//! `assets/world.LICENSE.md`.

use std::collections::BTreeMap;

use maud::{Markup, html};
use switchboard_model::{Region, Rule};

/// The style sheets of the map: that of the console, and its own.
pub(crate) const STYLES: [&str; 2] = [include_str!("assets/style.css"), include_str!("assets/map.css")];
/// The script, a module that exports `mount`.
pub(crate) const SCRIPT: &str = include_str!("assets/map.js");
const WORLD: &str = include_str!("assets/world.tsv");
/// The part of the map that has countries, in units of the map: left, top, width, height.
const MAP_VIEW: &str = "0 0 10100 6660";

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

/// The OU whose decisions the markup has, for readers without scripts.
pub(crate) struct Shown<'a> {
    /// The id of the company.
    pub(crate) company: &'a str,
    /// The id of the OU.
    pub(crate) ou: &'a str,
    /// The id of the channel.
    pub(crate) channel: &'a str,
    /// The name of the role.
    pub(crate) role: &'a str,
    /// The decision for each country, in alphabetical order.
    pub(crate) decisions: Vec<ShownDecision<'a>>,
}

/// The decision for a country, in the words of the table.
pub(crate) struct ShownDecision<'a> {
    /// The rule, or the code of the problem.
    pub(crate) rule: &'static str,
    /// Number of OUs climbed and the id of the pool, if an account serves.
    pub(crate) served: Option<(u32, &'a str)>,
    /// The first available account.
    pub(crate) account: Option<&'a str>,
    /// Number of the other available accounts.
    pub(crate) others: usize,
}

/// Renders the map without decisions, for a script that fetches them.
pub(crate) fn skeleton() -> String {
    let lead = "Each country shows the decision for a client of this country whom an organizational unit (OU) invites \
                now, with the standings in force. Nothing else is known about the client.";
    html! {
        h1 { "Map" }
        p.lead { (lead) }
        (map(None))
        p.note { (attribution()) }
    }
    .into_string()
}

/// Returns the notice about the author and the license of the map.
pub(crate) fn attribution() -> &'static str {
    "Map: @svg-maps/world 2.0.0 by Victor Cazanave (github.com/VictorCazanave/svg-maps), licensed under CC BY 4.0 \
     (creativecommons.org/licenses/by/4.0); outlines simplified, some names changed. The borders are those of the map \
     and are no statement about territorial claims."
}

/// Renders the map, with the decisions of one OU if they are known.
pub(crate) fn map(shown: Option<&Shown<'_>>) -> Markup {
    let countries: Vec<CountryCell<'_>> = countries()
        .enumerate()
        .map(|(at, (region, country))| {
            let decision = shown.and_then(|shown| shown.decisions.get(at));
            CountryCell { region, country, decision }
        })
        .collect();
    html! { div.coverage { (overview(shown)) (one(shown, &countries)) } }
}

/// A country with its decision, if it is known.
struct CountryCell<'a> {
    region: Region,
    country: Country,
    decision: Option<&'a ShownDecision<'a>>,
}

fn overview(shown: Option<&Shown<'_>>) -> Markup {
    html! {
        section.card {
            h2 { "Overview: countries without an account" }
            p.note {
                "One row for each OU, one column for each channel and role. The number is the number of "
                "countries, of " (Region::COUNT) ", whose clients get no account. The OUs with the most gaps are first. The bar has "
                "the colors of the rules below. Choose a cell to see its countries; the arrow keys move between cells."
            }
            form.fields {
                (choice("company", "Company", shown.map(|shown| shown.company)))
                label { span { "Find an OU" } input type="search" name="find" autocomplete="off" spellcheck="false"; }
            }
            div.message.bad role="alert" hidden="hidden" {}
            p.found.note role="status" {}
            @if shown.is_some() {
                noscript { p.note { "This overview needs JavaScript. So does another OU or channel below." } }
            }
            div.wide tabindex="0" role="region" aria-label="Overview" { table.ous { thead {} tbody {} } }
            button.more type="button" hidden="hidden" { "Show more OUs" }
        }
    }
}

/// Renders the map and the table of one OU and channel.
fn one(shown: Option<&Shown<'_>>, countries: &[CountryCell<'_>]) -> Markup {
    html! {
        div.both {
        section.card {
            h2.place {
                @match shown {
                    Some(Shown { ou, channel, role, .. }) => { bdi { (ou) } " on " bdi { (channel) } " (" (role) ")" },
                    None => { "No OU is chosen" },
                }
            }
            form.fields {
                (choice("channel", "Channel and role", shown.map(|shown| shown.channel)))
                (choice("country", "Country", None))
            }
            div.message.bad role="alert" hidden="hidden" {}
            ul.legend aria-label="Show only" {
                @for (class, words) in LEGEND {
                    @let count = countries.iter().filter(|cell| cell.class() == class).count();
                    li { button type="button" aria-pressed="false" data-rule=(class) {
                        i class={"key " (class)} {} span { (words) } b { (count) }
                    } }
                }
                li.note { "paler: climbed, from a higher-level OU" }
            }
            p.decision role="status" { "Point at a country or choose a country to see its decision." }
            p.accounts.note {}
            (world_map(countries))
            h3 { "Countries that are too small for the map or missing on it" }
            ul.small {
                @for cell in countries.iter().filter(|cell| cell.country.outline.is_none()) {
                    li data-code=(cell.region) class=(cell.classes()) title=(cell.country.name) { (cell.region) }
                }
            }
        }
        section.card {
            h2 #every-country { "Every country" }
            div.wide tabindex="0" role="region" aria-labelledby="every-country" {
                table.countries {
                    thead { tr {
                        th.words scope="col" colspan="2" { "Country" }
                        th.words scope="col" { "Rule" } th scope="col" { "Climbed" } th.words scope="col" { "Pool" }
                        th.words scope="col" { "Accounts" }
                    } }
                    tbody { @for cell in countries { (table_row(cell)) } }
                }
            }
        }
        }
    }
}

fn world_map(countries: &[CountryCell<'_>]) -> Markup {
    html! {
        div.world tabindex="0" role="group"
            aria-label="World map. The arrow keys move it, + and - zoom, 0 shows the whole world" {
        div.tools {
            button type="button" data-key="+" aria-label="Zoom in" { "+" }
            button type="button" data-key="-" aria-label="Zoom out" { "−" }
            button type="button" data-key="0" { "Whole world" }
            button type="button" { "Zoom to country" }
        }
        svg viewBox=(MAP_VIEW) role="img" aria-label="World map, colored by rule. The table has the same data" {
            defs {
                pattern #hatch width="40" height="40" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect.plain width="40" height="40" {}
                    rect.stripe width="12" height="40" {}
                }
            }
            @for cell in countries {
                @if let Some(outline) = cell.country.outline {
                    path data-code=(cell.region) class=(cell.classes()) d=(outline) { title { (cell.country.name) } }
                }
            }
        }
        }
    }
}

fn table_row(cell: &CountryCell<'_>) -> Markup {
    let CountryCell { region, country, decision } = cell;
    let served = decision.and_then(|decision| decision.served);
    html! {
        tr data-code=(region) class=(cell.classes()) {
            th.words scope="row" { (region) } td.words { (country.name) }
            td.words { i class={"key " (cell.class())} {} span { (decision.map_or("", |decision| decision.rule)) } }
            td { @if let Some((climbed, _)) = served { (climbed) } }
            td.words { @if let Some((_, pool)) = served { bdi { (pool) } } }
            td.words { @if let Some(ShownDecision { account: Some(account), others, .. }) = decision {
                bdi { (account) } @if *others > 0 { " and " (others) " more" }
            } }
        }
    }
}

fn choice(name: &str, label: &str, option: Option<&str>) -> Markup {
    html! {
        label { span { (label) } select name=(name) autocomplete="off" {
            @if let Some(option) = option { option { (option) } }
        } }
    }
}

impl CountryCell<'_> {
    /// Returns the CSS class of the rule, or nothing if the decision is not known.
    fn class(&self) -> &'static str {
        match self.decision {
            Some(ShownDecision { served: Some(_), rule, .. }) => rule,
            Some(_) => PROBLEM_CLASS,
            None => "",
        }
    }

    fn classes(&self) -> String {
        let served = self.decision.and_then(|decision| decision.served);
        let is_climbed = served.is_some_and(|(climbed, _)| climbed > 0);
        format!("{}{}", self.class(), if is_climbed { " climbed" } else { "" })
    }
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
        let [_, style] = STYLES;
        for class in classes {
            assert!(
                style.contains(&format!(".{class} {{ --fill: var(--{class}); }}")),
                "{class} has a class"
            );
            let colors = style.matches(&format!("--{class}: #")).count();
            assert_eq!(colors, 2, "{class} has a color on light and on dark paper");
        }
    }

    /// The policy of the console refuses inline styles and scripts.
    #[test]
    fn skeleton_has_no_style_and_no_script() {
        let skeleton = skeleton();
        assert!(!skeleton.contains("<script") && !skeleton.contains("style="), "{}", skeleton.len());
    }
}
