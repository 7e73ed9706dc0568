//! Classifies the files of a registry by their paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::text::{EncodingFault, count_line_ends};
use crate::files::{CHANNELS_FILE, COMPANY_FILES, SETTINGS_FILE, almost};
use crate::redact::quoted;
use crate::{Code, Entry, Files, Findings, Place, Span};

/// The names of all files of a registry, in whichever folder.
const ALL_FILES: [&str; 5] = [CHANNELS_FILE, SETTINGS_FILE, "ous.csv", "accounts.csv", "tests.toml"];

/// A file of a registry that is to be read.
#[derive(Clone, Copy)]
pub(super) struct SourceFile<'f> {
    /// The path relative to the registry's root.
    pub(super) path: &'f Arc<str>,
    content: &'f [u8],
}

impl<'f> SourceFile<'f> {
    pub(super) fn new(path: &'f Arc<str>, content: &'f [u8]) -> SourceFile<'f> {
        SourceFile { path, content }
    }

    /// Returns the content without its byte order mark.
    pub(super) fn text(&self) -> &'f [u8] {
        self.content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(self.content)
    }

    pub(super) fn place(&self, line: u32) -> Place {
        Place { file: self.path.clone(), line }
    }

    /// Reports a fault of the encoding at its line.
    pub(super) fn report_encoding(&self, fault: EncodingFault, help: &str, findings: &mut Findings) {
        let before = self.text().get(..fault.offset).unwrap_or_default();
        let line = u32::try_from(1 + count_line_ends(before)).unwrap_or(u32::MAX);
        let span = Span::Bytes(fault.offset..fault.offset + 1);
        let help = fault.help.unwrap_or(help);
        findings.add(&self.place(line), Code::Syntax, fault.message, help).primary(span);
    }
}

/// The files of one company. A file is misnamed if a file of the folder has almost its name.
#[derive(Default)]
pub(super) struct CompanyFiles<'f> {
    pub(super) settings: Option<SourceFile<'f>>,
    pub(super) ous: Option<SourceFile<'f>>,
    pub(super) accounts: Option<SourceFile<'f>>,
    pub(super) tests: Option<SourceFile<'f>>,
    pub(super) settings_misnamed: bool,
    pub(super) ous_misnamed: bool,
    pub(super) accounts_misnamed: bool,
}

/// The files of a registry, by purpose.
#[derive(Default)]
pub(super) struct Layout<'f> {
    pub(super) channels: Option<SourceFile<'f>>,
    pub(super) channels_misnamed: bool,
    pub(super) companies: BTreeMap<&'f str, CompanyFiles<'f>>,
}

/// An entry of a folder: its name, its path in the registry, and the entry.
type NamedEntry<'f> = (&'f str, &'f Arc<str>, &'f Entry);

impl<'f> Layout<'f> {
    /// Classifies every file by its path. Reports files that do not belong to a registry.
    pub(super) fn new(files: &'f Files, findings: &mut Findings) -> Layout<'f> {
        let mut layout = Layout::default();
        let mut folders: BTreeMap<&str, Vec<NamedEntry<'f>>> = BTreeMap::new();
        for (path, entry) in files.iter() {
            match path.split_once('/') {
                Some((folder, name)) => folders.entry(folder).or_default().push((name, path, entry)),
                None => {
                    let has_file = |name: &str| files.iter().any(|(path, _)| &**path == name);
                    let (file, meant) = classify((path, path, entry), &[CHANNELS_FILE], has_file, findings);
                    layout.channels = layout.channels.or(file);
                    layout.channels_misnamed |= file.is_none() && meant == Some(CHANNELS_FILE);
                }
            }
        }
        for (folder, entries) in folders {
            let has_file = |known: &[&str]| entries.iter().any(|(name, ..)| known.contains(name));
            let meant_as_settings =
                entries.iter().any(|(name, ..)| almost(name, [SETTINGS_FILE].into_iter()).is_some());
            if has_file(&COMPANY_FILES) || meant_as_settings {
                let company = layout.companies.entry(folder).or_default();
                for &entry in &entries {
                    company.add(entry, |name| has_file(&[name]), findings);
                }
            } else {
                report_no_company(folder, entries, findings);
            }
        }
        layout
    }
}

impl<'f> CompanyFiles<'f> {
    fn add(&mut self, entry: NamedEntry<'f>, has_file: impl Fn(&str) -> bool, findings: &mut Findings) {
        let (file, meant) = classify(entry, &COMPANY_FILES, has_file, findings);
        match meant {
            Some(SETTINGS_FILE) => {
                self.settings = self.settings.or(file);
                self.settings_misnamed |= file.is_none();
            }
            Some("ous.csv") => {
                self.ous = self.ous.or(file);
                self.ous_misnamed |= file.is_none();
            }
            Some("accounts.csv") => {
                self.accounts = self.accounts.or(file);
                self.accounts_misnamed |= file.is_none();
            }
            Some("tests.toml") => self.tests = self.tests.or(file),
            _ => {}
        }
    }
}

/// Reports a folder that is no company, and the files in it that are probably misnamed files of a company.
fn report_no_company(folder: &str, entries: Vec<NamedEntry<'_>>, findings: &mut Findings) {
    let mut misnamed = false;
    for entry in entries {
        if almost(entry.0, ALL_FILES.into_iter()).is_some() {
            classify(entry, &COMPANY_FILES, |_| false, findings);
            misnamed = true;
        }
    }
    if !misnamed {
        let message =
            format!("the folder {} has no `{SETTINGS_FILE}`, so it is not a company", quoted(folder));
        let help = "move the folder out of the registry; if it is a company, add the file";
        findings.add(&Place::file(folder), Code::StrayFile, message, help);
    }
}

/// Returns the file if it is one of the known files of its folder (`has_file` says whether the folder has a
/// file of a name), and the name that it has or was probably
/// meant to have. Reports every other entry.
fn classify<'f>(
    (name, path, entry): NamedEntry<'f>,
    known: &[&'static str],
    has_file: impl Fn(&str) -> bool,
    findings: &mut Findings,
) -> (Option<SourceFile<'f>>, Option<&'static str>) {
    let place = Place::file(path.clone());
    let Some(same) = known.iter().find(|known| **known == name) else {
        return (None, report_unknown(name, entry, place, known, has_file, findings));
    };
    match entry {
        Entry::File(content) => return (Some(SourceFile::new(path, content)), Some(same)),
        Entry::Oversized { bytes, max_bytes } => {
            let message = format!("the file has {bytes} bytes, but at most {max_bytes} are read");
            let help = "check that it is the right file; the option `--max-file-size` raises the limit";
            findings.add(&place, Code::Limit, message, help);
        }
        Entry::Unreadable { reason } => {
            let help = "restore the file, or give this process permission to read it";
            findings.add(&place, Code::Unreadable, reason.clone(), help);
        }
        Entry::Folder | Entry::Special(_) => {
            let message = format!("{} is {}, but must be a regular file", quoted(same), entry.kind());
            let help = "move it away, and write a regular file with this name";
            findings.add(&place, Code::UnknownFile, message, help);
        }
    }
    (None, Some(same))
}

/// Reports an entry that does not belong to its folder. Returns the name that it was probably meant to have.
fn report_unknown(
    name: &str,
    entry: &Entry,
    place: Place,
    known: &[&'static str],
    has_file: impl Fn(&str) -> bool,
    findings: &mut Findings,
) -> Option<&'static str> {
    let here = known.join(", ");
    let Some(meant) = almost(name, known.iter().copied().chain(ALL_FILES)) else {
        let message = match entry {
            Entry::Folder | Entry::Special(_) => {
                format!("{} is {}, which no registry has here, and is not read", quoted(name), entry.kind())
            }
            _ => format!("{} is not a file of a registry, and is not read", quoted(name)),
        };
        let help = format!("move it out of the registry; the files of this folder are {here}");
        findings.add(&place, Code::StrayFile, message, help);
        return None;
    };
    let message = format!("{} is not a file of this folder", quoted(name));
    let help = if known.contains(&meant) && has_file(meant) {
        format!("move it out of the registry; the folder already has a file `{meant}`")
    } else if known.contains(&meant) {
        format!("rename it to `{meant}`, or move it out of the registry")
    } else if meant == CHANNELS_FILE {
        format!("move it, as `{CHANNELS_FILE}`, to the folder that contains the companies' folders")
    } else {
        format!(
            "move it, as `{meant}`, into a folder named after its company; if this folder is the company's, pass \
             its parent folder as the registry"
        )
    };
    findings.add(&place, Code::UnknownFile, message, help);
    Some(meant)
}
