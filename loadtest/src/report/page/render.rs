//! The page as a whole, and the command that writes it.

use super::{details, latency, overview, runs, timeline};
use crate::{
    error::{Error, Result},
    report::{files, model::Report},
};
use clap::Args;
use maud::{DOCTYPE, PreEscaped, html};
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
