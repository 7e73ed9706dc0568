//! The report as one HTML page that needs nothing beside itself: no script, no font, no network.
//!
//! The plots are SVG of our own. The charting crates that are released either write fixed colours and a fixed size
//! (plotters), know no logarithmic axis (poloto) or hand the drawing to a script (charming); here colours are the
//! style sheet's, for light and dark, and text keeps its size on a phone. maud escapes whatever a report holds.

mod axis;
mod ceiling;
mod command;
mod course;
mod figures;
mod header;
mod lanes;
mod percentiles;
mod setup;
mod slices;
mod spread;
mod svg;
mod sweep;
mod tallies;

pub use self::command::{Page, run};
use super::model::Report;
use maud::{DOCTYPE, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// The page.
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
                (header::header(report))
                (sweep::section(report))
                (percentiles::section(report))
                (course::section(report))
                (ceiling::section(report))
                (tallies::errors(report))
                (tallies::outcomes(report))
                (spread::section(report))
                (setup::section(report))
            } }
        }
    };
    page.into_string()
}
