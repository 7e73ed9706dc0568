//! Classifies the files of a registry by their paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::files::{CHANNELS_FILE, COMPANY_FILES};
use crate::redact::quoted;
use crate::suggest::closest;
use crate::{Code, Entry, Files, Findings, Place};

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

    /// Returns the length of the file in bytes.
    pub(super) fn len(&self) -> usize {
        self.content.len()
    }

    pub(super) fn place(&self, line: u32) -> Place {
        Place { file: self.path.clone(), line }
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

impl<'f> Layout<'f> {
    /// Classifies every file by its path. Reports files that do not belong to a registry.
    pub(super) fn new(files: &'f Files, findings: &mut Findings) -> Layout<'f> {
        let mut layout = Layout::default();
        for (path, entry) in files.iter() {
            match path.split_once('/') {
                Some((company, name)) => layout.add_company_file(company, name, path, entry, findings),
                None => match entry {
                    Entry::File(content) if &**path == CHANNELS_FILE => {
                        layout.channels = Some(SourceFile::new(path, content));
                    }
                    _ => {
                        let meant = report_unknown(path, path, entry, &[CHANNELS_FILE], findings);
                        layout.channels_misnamed |= meant.is_some();
                    }
                },
            }
        }
        layout
    }

    fn add_company_file(
        &mut self,
        company: &'f str,
        name: &str,
        path: &'f Arc<str>,
        entry: &'f Entry,
        findings: &mut Findings,
    ) {
        let known = COMPANY_FILES.into_iter().find(|known| *known == name);
        let (file, meant) = match (entry, known) {
            (Entry::File(content), Some(known)) => (Some(SourceFile::new(path, content)), Some(known)),
            _ => (None, report_unknown(path, name, entry, &COMPANY_FILES, findings)),
        };
        // A folder without any file of a company is no company, so each of its files is reported instead.
        let Some(meant) = meant else { return };
        let files = self.companies.entry(company).or_default();
        match meant {
            "company.toml" => {
                files.settings = files.settings.or(file);
                files.settings_misnamed |= file.is_none();
            }
            "ous.csv" => {
                files.ous = files.ous.or(file);
                files.ous_misnamed |= file.is_none();
            }
            "accounts.csv" => {
                files.accounts = files.accounts.or(file);
                files.accounts_misnamed |= file.is_none();
            }
            _ => files.tests = files.tests.or(file),
        }
    }
}

/// Reports a file that does not belong to a registry. Returns the name that the file was probably meant to
/// have.
fn report_unknown(
    path: &Arc<str>,
    name: &str,
    entry: &Entry,
    known: &[&'static str],
    findings: &mut Findings,
) -> Option<&'static str> {
    let place = Place::file(entry.marked(path));
    let same = known.iter().find(|known| **known == name);
    if let (Some(known), Entry::Folder | Entry::Special) = (same, entry) {
        let message = format!("{} is a folder or a special file, but must be a regular file", quoted(known));
        findings.add(
            &place,
            Code::UnknownFile,
            message,
            "move it away, and write a regular file with this name",
        );
        return Some(known);
    }
    let name = entry.marked(&name.into());
    let meant = closest(&name.to_ascii_lowercase(), known.iter().copied());
    let help = match meant {
        Some(meant) => format!("rename it to `{meant}`, or move it out of the registry"),
        None if COMPANY_FILES.contains(&&*name) => {
            "move it into a folder named after its company; if this folder is the company's, pass its parent \
             folder as the registry"
                .to_owned()
        }
        None => format!("move it out of the registry; the files of this folder are {}", known.join(", ")),
    };
    let message = format!("{} is not a file of a registry", quoted(&name));
    findings.add(&place, Code::UnknownFile, message, help);
    meant
}
