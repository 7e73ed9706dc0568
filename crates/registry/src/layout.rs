//! Which files make a registry, and where in its folder each one lives.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use super::nearest::nearest;
use super::shown::shown;
use super::{Code, Files, Findings, Place};

/// Where in the registry's folder a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The registry's own folder.
    Root,
    /// A company's folder.
    Company,
}

/// The only file that is the registry's own.
pub(super) const CHANNELS: &str = "channels.toml";

/// A company's files.
const COMPANY_FILES: [&str; 4] = ["company.toml", "ous.csv", "accounts.csv", "tests.toml"];

/// A file: its path relative to the root, and its content.
pub(super) type Source<'f> = (&'f Arc<str>, &'f [u8]);

/// A company's files. `None`: there is none; its `lost` flag then says whether that is already reported.
#[derive(Debug, Default)]
pub(super) struct Folder<'f> {
    pub(super) settings: Option<Source<'f>>,
    pub(super) ous: Option<Source<'f>>,
    pub(super) accounts: Option<Source<'f>>,
    pub(super) tests: Option<Source<'f>>,
    /// A file that must be meant to be `company.toml` was found under another name.
    pub(super) settings_misnamed: bool,
    /// The same for `ous.csv`.
    pub(super) ous_misnamed: bool,
    /// The same for `accounts.csv`.
    pub(super) accounts_misnamed: bool,
}

/// A registry's files, each in its place.
#[derive(Debug, Default)]
pub(super) struct Layout<'f> {
    pub(super) channels: Option<Source<'f>>,
    /// `channels.toml` was found under another name.
    pub(super) channels_misnamed: bool,
    pub(super) companies: BTreeMap<&'f str, Folder<'f>>,
}

/// Whether a name is nothing of the registry's: hidden files (which are how mounted volumes keep
/// their versions), what editors and file systems leave behind, notes for people, and
/// snapshots compiled into the registry's own folder.
pub(super) fn is_litter(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.starts_with('.')
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || ["lost+found", "thumbs.db", "desktop.ini"].contains(&lower.as_str())
        || [".swp", ".swo", ".swx", ".md", ".swb"].iter().any(|end| lower.ends_with(end))
        || lower.starts_with("readme")
}

/// Whether a path is one of those that a registry consists of.
pub(super) fn is_known(path: &str) -> bool {
    match path.split_once('/') {
        None => path == CHANNELS,
        Some((_, name)) => COMPANY_FILES.contains(&name),
    }
}

/// Puts every file in its place, and reports those that have none.
pub(super) fn sort_out<'f>(files: &'f Files, findings: &mut Findings) -> Layout<'f> {
    let mut layout = Layout::default();
    for (path, content) in &files.files {
        let source = (path, content.as_slice());
        match path.split_once('/') {
            None if &**path == CHANNELS => layout.channels = Some(source),
            None => layout.channels_misnamed |= stray(path, path, &[CHANNELS], findings).is_some(),
            Some((company, name)) => layout.put(company, name, source, findings),
        }
    }
    layout
}

impl<'f> Layout<'f> {
    fn put(&mut self, company: &'f str, name: &str, source: Source<'f>, findings: &mut Findings) {
        let known = if COMPANY_FILES.contains(&name) {
            Some(name)
        } else {
            stray(source.0, name, &COMPANY_FILES, findings)
        };
        // A folder in which nothing resembles a company's file is reported file by file, and is not
        // taken for a company that lacks everything.
        let Some(known) = known else { return };
        let folder = match self.companies.entry(company) {
            btree_map::Entry::Vacant(vacant) => vacant.insert(Folder::default()),
            btree_map::Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let right = known == name;
        match known {
            "company.toml" if right => folder.settings = Some(source),
            "company.toml" => folder.settings_misnamed = true,
            "ous.csv" if right => folder.ous = Some(source),
            "ous.csv" => folder.ous_misnamed = true,
            "accounts.csv" if right => folder.accounts = Some(source),
            "accounts.csv" => folder.accounts_misnamed = true,
            _ if right => folder.tests = Some(source),
            _ => {}
        }
    }
}

/// Reports a file that belongs nowhere; returns the name it was probably meant to have.
fn stray(
    path: &Arc<str>,
    name: &str,
    known: &[&'static str],
    findings: &mut Findings,
) -> Option<&'static str> {
    let place = Place { file: path.clone(), line: 0 };
    let no_file = name.strip_suffix(['/', '|']).and_then(|bare| known.iter().find(|known| **known == bare));
    if let Some(known) = no_file {
        let message = format!("{} is a folder or a pipe, where a file belongs", shown(known));
        findings.add(&place, Code::UnknownFile, message, "put the file in its place");
        return Some(known);
    }
    let meant = nearest(&name.to_ascii_lowercase(), known.iter().copied());
    let help = match meant {
        Some(meant) => format!("rename it to `{meant}`, or move it out of the registry"),
        None if COMPANY_FILES.contains(&name) => {
            "move it into a folder named after its company; or name the folder above this one as the registry"
                .to_owned()
        }
        None => format!("move it out of the registry; the files that belong here are {}", known.join(", ")),
    };
    findings.add(&place, Code::UnknownFile, format!("no file of a registry is called {}", shown(name)), help);
    meant
}
