//! What is chosen, the map and the table: here of the first company, OU and channel.

use maud::{Markup, html};

use super::world::{self, Country};
use switchboard_model::Region;
use switchboard_pipeline::analysis::{Decision, Scoped, Survey};
use switchboard_select::Rule;

/// Classes, which the style sheet has colours for, and what they mean.
const LEGEND: [(&str, &str); 5] = [
    (Rule::Country.text(), "by country"),
    (Rule::CallingCode.text(), "by calling code"),
    (Rule::Geography.text(), "by mapping"),
    (Rule::DefaultRegion.text(), "by default"),
    (NONE, "nobody answers"),
];
/// The class of whatever is a problem.
const NONE: &str = "none";

/// The section that the script changes.
pub(super) fn section(survey: &mut Survey<'_>, scope: &[Scoped]) -> Markup {
    let first = scope.iter().find_map(|scoped| {
        let (&ou, &channel) = (scoped.ous.first()?, scoped.channels.first()?);
        Some((scoped, ou, channel))
    });
    let Some((scoped, ou, channel)) = first else {
        return html! { section { p { "There is nothing to decide: no company has both an OU and a pool." } } };
    };
    let number = survey.ask(scoped.company, ou, channel);
    let row = survey.row(number);
    let decided: Vec<(Region, Country, Decision)> = world::countries()
        .zip(row.countries())
        .map(|((region, country), (_, decision))| (region, country, *decision))
        .collect();
    html! {
        form.choose {
            (choice("company", "Company", &names(survey, scope)))
            (choice("ou", "Organizational unit", &ous(survey, scoped)))
            (choice("channel", "Channel", &channels(survey, scoped)))
            (choice("country", "Country", &[]))
        }
        noscript { p.about { "Without a script, this page shows the first organizational unit and channel alone." } }
        div.both {
        section {
            ul.legend aria-label="Show only" {
                @for (class, words) in LEGEND {
                    @let count = decided.iter().filter(|(.., decision)| self::class(decision) == class).count();
                    li { button type="button" aria-pressed="false" data-rule=(class) {
                        i class={"key " (class)} {} span { (words) } b { (count) }
                    } }
                }
                li.note { "paler: by an OU above" }
            }
            p #told role="status" { "Point at a country, or choose one, to see who answers." }
            (map(&decided))
            h2 { "Too small for the map, or not on it" }
            ul.small {
                @for (region, country, decision) in decided.iter().filter(|(_, country, _)| country.outline.is_none()) {
                    li data-code=(region) class=(classes(decision)) title=(country.name) { (region) }
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
                    tbody { @for (region, country, decision) in &decided { (line(survey, *region, country, decision)) } }
                }
            }
        }
        }
    }
}

fn map(decided: &[(Region, Country, Decision)]) -> Markup {
    html! {
        svg #map viewBox=(world::VIEW) role="img" aria-label="Map of the world, coloured by rule; the table below says the same" {
            defs {
                pattern #hatch width="40" height="40" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect.plain width="40" height="40" {}
                    rect.stripe width="12" height="40" {}
                }
            }
            @for (region, country, decision) in decided {
                @if let Some(outline) = country.outline {
                    path data-code=(region) class=(classes(decision)) d=(outline) { title { (country.name) } }
                }
            }
        }
    }
}

fn line(survey: &Survey<'_>, region: Region, country: &Country, decision: &Decision) -> Markup {
    let served = decision.served();
    html! {
        tr data-code=(region) class=(classes(decision)) {
            th.words scope="row" { (region) } td.words { (country.name) }
            td.words { i class={"key " (class(decision))} {} span { (decision.text()) } }
            td { @if let Some(served) = served { (served.climbed) } }
            td.words { @if let Some(served) = served { (served.pool(survey.snapshot())) } }
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

/// The companies of which there is something to show.
fn names<'s>(survey: &Survey<'s>, scope: &[Scoped]) -> Vec<&'s str> {
    let snapshot = survey.snapshot();
    let companies = scope.iter().filter(|scoped| !scoped.ous.is_empty() && !scoped.channels.is_empty());
    companies.map(|scoped| snapshot.company(scoped.company).id()).collect()
}

fn ous<'s>(survey: &Survey<'s>, scoped: &Scoped) -> Vec<&'s str> {
    let snapshot = survey.snapshot();
    scoped.ous.iter().map(|&ou| snapshot.ou(ou).id()).collect()
}

fn channels<'s>(survey: &Survey<'s>, scoped: &Scoped) -> Vec<&'s str> {
    let snapshot = survey.snapshot();
    let channels = scoped.channels.iter();
    channels.map(|&channel| snapshot.channel(channel).id()).collect()
}

fn class(decision: &Decision) -> &'static str {
    match decision {
        Decision::Served(served) => served.rule.text(),
        Decision::Refused(_) => NONE,
    }
}

fn classes(decision: &Decision) -> String {
    let climbed = decision.served().is_some_and(|served| served.climbed > 0);
    format!("{}{}", class(decision), if climbed { " climbed" } else { "" })
}
