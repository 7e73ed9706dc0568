//! Files into values. Strict, and never satisfied with the first fault: whatever can still be read
//! after one is read, and reported with its line.
//!
//! A value that is faulty is left out of the model, or stands there as its default, and is never
//! reported twice. Where a whole file could not be read, an entry with an empty id and on no line stands
//! in the model for it, so that [`check`](super::check()) does not take whatever refers to it for a fault.
//!
//! `repair`, `document` and `fields` know TOML, `sheet` knows CSV, `cells` what is written alike in
//! both. Every other file knows one kind of entry.

mod accounts;
mod cells;
mod channels;
mod company;
mod document;
mod expectations;
mod fields;
mod lines;
mod mapping;
mod ous;
mod pools;
mod repair;
mod sheet;

use channels::Channels;
pub(super) use lines::Lines;
pub(super) use repair::sections;

use super::layout::{Folder, sort_out};
use super::{Code, Company, Files, Findings, Mark, Place, Registry, id};

/// Reads a registry's files, and reports everything in them that is wrong by itself.
/// [`check`](super::check()) then judges what was read as a whole.
pub fn read(files: &Files) -> (Registry, Findings) {
    let mut findings = Findings::default();
    let layout = sort_out(files, &mut findings);
    let mut channels = channels::read(layout.channels, layout.channels_misnamed, &mut findings);
    let companies = layout
        .companies
        .iter()
        .map(|(id, folder)| company(id, folder, &mut channels, &mut findings))
        .collect();
    findings.sort();
    (Registry { channels: channels.into_profiles(), companies }, findings)
}

fn company(id: &str, folder: &Folder<'_>, channels: &mut Channels, findings: &mut Findings) -> Company {
    let path = folder.settings.map_or_else(|| format!("{id}/company.toml").into(), |(path, _)| path.clone());
    let place = Place { file: path, line: 0 };
    id::demand_id(id, "the folder's name is the company's id, and", &place, Mark::Line, findings);

    let mut company = company::read(id, place, folder.settings, channels, findings);
    if folder.settings.is_none() {
        company.ous.push(ous::unread(&company.place));
        company.pools.push(pools::unread(&company.place));
        if !folder.settings_misnamed {
            let message = "the company has no settings file";
            let help = "add a `company.toml`; an empty one gives every setting its default";
            findings.add(&company.place, Code::MissingFile, message, help);
        }
    }
    if let Some(source) = folder.ous {
        ous::read_sheet(source, &mut company.ous, findings);
    }
    if folder.ous_misnamed {
        company.ous.push(ous::unread(&company.place));
    }
    if let Some(source) = folder.accounts {
        company.accounts = accounts::read(source, channels, findings);
    }
    if folder.accounts_misnamed {
        company.accounts.push(accounts::unread(&company.place));
    }
    if let Some(source) = folder.tests {
        company.tests = expectations::read(id, source, findings);
    }
    company
}
