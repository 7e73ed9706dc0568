//! The page as a whole, the command that writes it, and what its sections share.

use super::{details, latency, overview, runs, timeline};
use crate::{
    error::{Error, Result},
    report::{
        files,
        model::Report,
        units::{self, sign_of_micro},
    },
};
use clap::Args;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::{fs, path::PathBuf};

const STYLE: &str = include_str!("style.css");

/// The arguments of `loadtest page`.
#[derive(Args)]
pub struct Page {
    /// A report's JSON
    report: PathBuf,
    /// The page; without it, beside the report, with its name and .html
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the page of a report's JSON.
///
/// # Errors
/// The report cannot be read, or the page cannot be written.
pub fn run(page: &Page) -> Result<()> {
    let report = files::read(&page.report)?;
    let path = page.output.clone().unwrap_or_else(|| page.report.with_extension("html"));
    fs::write(&path, render(&report)).map_err(|source| Error::Io { doing: "write", path, source })
}

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

pub(super) fn time(micros: f64) -> String {
    sign_of_micro(&units::time(micros))
}

pub(super) fn describe_middle(report: &Report, middle: usize) -> String {
    let all_alike = report.counted_runs().len() == report.runs.len();
    format!("Run {}, the middle {}", middle + 1, if all_alike { "one" } else { "of the valid ones" })
}

/// Returns the number of a run, with the rate of the step in a sweep.
pub(super) fn run_number(report: &Report, run: usize, rate: f64) -> String {
    let rate = if report.is_sweep() { format!(" at {}", units::per_second(rate)) } else { String::new() };
    format!("{}{rate}", run + 1)
}

pub(super) fn bar(class: &str, share: f64, single: Markup) -> Markup {
    html! { span.bar { i class={ "fill " (class) } style={ "width:" (css_percent(share)) } {} (single) } }
}

pub(super) fn css_percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
