//! The page as a whole.

use super::{details, latency, overview, runs, timeline};
use crate::report::model::Report;
use maud::{DOCTYPE, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// Renders the page.
pub fn render(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (report.scenario) " · Switchboard load test" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                (overview::header(report))
                (latency::by_rate(report))
                (latency::by_percentile(report))
                (timeline::section(report))
                (details::ceiling(report))
                (details::errors(report))
                (details::answers(report))
                (runs::section(report))
                (details::setup(report))
            } }
        }
    };
    page.into_string()
}
