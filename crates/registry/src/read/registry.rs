//! A registry from its files: the channels, then each company.

use super::channels::Channels;
use super::company::read_company;
use super::layout::Layout;
use crate::{Files, Findings, Registry};

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
