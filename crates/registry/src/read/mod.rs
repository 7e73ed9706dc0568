//! Reads files into values. Reads on after a fault, so that one run reports every fault with its line.
//!
//! A faulty value is left out of the model or replaced by its default, and is reported once. `toml` and
//! `recover` read TOML, `sheet` reads CSV, `value` what is written alike in both; each other file reads one
//! kind of file.

mod accounts;
mod channels;
mod company;
mod expectations;
mod layout;
mod recover;
mod sheet;
mod toml;
mod value;

use crate::{Files, Findings, Registry};
use channels::Channels;
use company::read_company;
use layout::Layout;

pub(crate) use recover::sections;
pub(crate) use toml::Lines;

/// Reads a registry's files, and reports every fault that a single file shows.
/// [`check`](crate::check()) then checks the registry as a whole.
pub fn read(files: &Files) -> (Registry, Findings) {
    let mut findings = Findings::default();
    let layout = Layout::new(files, &mut findings);
    let channels = Channels::read(layout.channels, layout.channels_misnamed, &mut findings);
    let companies = layout
        .companies
        .iter()
        .map(|(id, files)| read_company(id, files, &channels, &mut findings))
        .collect();
    findings.sort();
    (Registry { channels: channels.into_profiles(), companies }, findings)
}
