//! Reads the files of a registry into values. `layout` decides which file is which, and `text` has their
//! encoding and their lines. `toml` and `recover` read TOML, `sheet` and `csv` read CSV, and `value` reads what
//! both formats write alike. Each other file of this folder reads one kind of file.
//!
//! Reading continues after a fault, because one run must report every fault. A faulty value is reported once,
//! and is left out or replaced by its default.

mod accounts;
mod channels;
mod company;
mod csv;
mod layout;
mod recover;
mod sheet;
mod text;
mod toml;
mod value;

use crate::{Files, Findings, Registry};
use channels::Channels;
use company::read_company;
use layout::Layout;

pub(crate) use csv::{Dialect, Rows, cell_value};
pub(crate) use recover::{readable_text, sections};
pub(crate) use text::Lines;

/// Reads a registry's files. Reports every fault that can be seen in one file without the others. Afterwards,
/// [`check`](crate::check()) checks the registry as a whole.
///
/// ```
/// use switchboard_registry::{Files, read};
///
/// let accounts = "id,channel,role,address,pool\ngb-1,sms,secondary,+447400123401,emea\n";
/// let files = Files::from_iter([("acme/company.toml", ""), ("acme/accounts.csv", accounts)]);
/// let (registry, findings) = read(&files);
///
/// assert!(findings.is_empty());
/// let account = &registry.companies[0].accounts[0];
/// assert_eq!(account.country.unwrap().alpha2(), "GB");
/// assert_eq!(account.place.to_string(), "acme/accounts.csv:2");
/// ```
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
