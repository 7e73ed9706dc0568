//! Findings: what is wrong with a registry, where, and what to do about it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A line in a file of the registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The path relative to the registry's folder, `/`-separated: `acme/company.toml`.
    pub file: Arc<str>,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
}

/// The part of a line that a finding is about.
///
/// Most parts are named, not measured: an account keeps its line but not the position of each cell.
/// [`Snippets`](crate::Snippets) looks the part up when a finding is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Span {
    /// The whole line.
    #[default]
    Line,
    /// The value of a key in the entry on the line, or the row's cell in the column of this name.
    Value(Box<str>),
    /// A key with its value. Case is ignored.
    Entry(Box<str>),
    /// A text in a list on the line.
    Item(Box<str>),
    /// The row's cell with this index.
    Cell(usize),
    /// A range of bytes in the file, counted after its byte order mark.
    Bytes(Range<usize>),
}

/// Another place that a finding is about, such as the first of two equal ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub place: Place,
    /// The part of its line.
    pub span: Span,
    /// The relation to the finding, in a few words.
    pub text: String,
}

/// Whether a finding stops the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The registry is not compiled.
    Error,
    /// The registry is compiled all the same.
    Warning,
}

/// One fault of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place of the fault.
    pub place: Place,
    /// The kind of fault.
    pub code: Code,
    /// What is wrong: the field and the value as written, and what was expected. Phone numbers are redacted.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The part of the line that is wrong.
    pub span: Span,
    /// Other places that the fault involves.
    pub labels: Vec<Label>,
}

/// All findings of one run. At most 10,000 of one code and file are kept, because a finding takes more memory
/// than the row that it is about.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    /// How many findings were added, by file and code, kept or not.
    added_by_kind: HashMap<(Arc<str>, Code), usize>,
    added: usize,
}

/// The finding that was just added, to give it a span and labels. Holds nothing if the finding was not kept.
#[derive(Debug)]
pub struct AddedFinding<'f>(Option<&'f mut Finding>);

/// Findings of one code in one company that are reported one by one.
const MAX_REPORTED: usize = 100;
/// Findings of one code in one file that are kept. This is more than [`MAX_REPORTED`] because findings are
/// not added in the order in which they are reported.
const MAX_KEPT: usize = 10_000;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// The kinds of finding. Their texts are an interface: pipelines match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }
        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name,)*];
            /// Returns the text that is printed between brackets.
            pub const fn as_str(self) -> &'static str { match self { $(Code::$name => $text,)* } }
            /// Returns whether findings of this code stop the compiler.
            pub const fn severity(self) -> Severity { match self { $(Code::$name => Severity::$severity,)* } }
        }
    };
}

codes! {
    /// A file or folder that cannot be read.
    Unreadable = "unreadable", Error;
    /// A file that is not UTF-8, not TOML or not CSV.
    Syntax = "syntax", Error;
    /// A file that no registry has.
    UnknownFile = "unknown_file", Error;
    /// A required file is missing.
    MissingFile = "missing_file", Error;
    /// A key or table that no file of this kind has.
    UnknownKey = "unknown_key", Error;
    /// A CSV column that no file of this kind has.
    UnknownColumn = "unknown_column", Error;
    /// A required key is missing.
    MissingKey = "missing_key", Error;
    /// A required CSV column is missing.
    MissingColumn = "missing_column", Error;
    /// A value of the wrong type, or outside its range.
    InvalidValue = "invalid_value", Error;
    /// An id that is empty, too long, or has a character that ids do not have.
    InvalidId = "invalid_id", Error;
    /// The same id twice.
    DuplicateId = "duplicate_id", Error;
    /// A company without OUs, or a registry without companies.
    Empty = "empty", Error;
    /// A parent that is not an OU of the company.
    UnknownParent = "unknown_parent", Error;
    /// OUs that are above each other in a circle.
    OuCycle = "ou_cycle", Error;
    /// A channel without a profile.
    UnknownChannel = "unknown_channel", Error;
    /// A pool allocated to an OU that does not exist.
    UnknownOu = "unknown_ou", Error;
    /// An account of a pool that does not exist.
    UnknownPool = "unknown_pool", Error;
    /// An account with both a pool and a user.
    PoolAndUser = "pool_and_user", Error;
    /// An account whose channel is not the channel of its pool.
    ChannelMismatch = "channel_mismatch", Error;
    /// A shared account without a role, or a dedicated account with one.
    Role = "role", Error;
    /// Two dedicated accounts of one user on one channel.
    DuplicateDedicated = "duplicate_dedicated", Error;
    /// A dedicated account on a channel that has none.
    DedicatedUnsupported = "dedicated_unsupported", Error;
    /// A dedicated account on a platform version that has none.
    DedicatedVersion = "dedicated_version", Error;
    /// A country that ISO 3166-1 does not assign.
    InvalidCountry = "invalid_country", Error;
    /// An account without a country whose address does not determine one.
    MissingCountry = "missing_country", Error;
    /// An address that is not of the channel's kind.
    InvalidAddress = "invalid_address", Error;
    /// The same address twice on one channel of a company.
    DuplicateAddress = "duplicate_address", Error;
    /// A pool without a role that its channel requires.
    MissingRole = "missing_role", Error;
    /// A country mapped to itself.
    MappingToItself = "mapping_to_itself", Error;
    /// A registry beyond what the snapshot's format holds, or a file with too many faults to be read to its
    /// end.
    Limit = "limit", Error;
    /// A fault of this program, not of the registry: its own snapshot does not open.
    Internal = "internal", Error;
    /// An expected selection that differs from the selection.
    FailedTest = "failed_test", Error;
    /// A mapping or default to a country without an account of the conversation role in the pool.
    UnservedTarget = "unserved_target", Warning;
    /// A mapping that is never used because the pool has accounts of the mapped country.
    UnusedMapping = "unused_mapping", Warning;
    /// A pool that is allocated to no OU.
    PoolWithoutOu = "pool_without_ou", Warning;
    /// An OU that no pool serves on a channel that the company uses.
    UnservedOu = "unserved_ou", Warning;
    /// An account whose country contradicts its phone number.
    CountryContradicted = "country_contradicted", Warning;
    /// A mapping to a country that is itself mapped. Selection takes one hop only.
    ChainedMapping = "chained_mapping", Warning;
}

impl Place {
    /// Returns the place of a file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Place {
        Place { file: file.into(), line: 0 }
    }
}

impl Span {
    /// Returns the span of a key's value, or of the cell in a column.
    pub fn value(name: &str) -> Span {
        Span::Value(name.into())
    }
}

impl Findings {
    /// Adds a finding about a whole line. The result takes a narrower span and labels.
    pub fn add(
        &mut self,
        place: &Place,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> AddedFinding<'_> {
        self.added += 1;
        let count = self.added_by_kind.entry((place.file.clone(), code)).or_default();
        *count += 1;
        if *count > MAX_KEPT {
            return AddedFinding(None);
        }
        let (message, help) = (message.into(), help.into());
        let (span, labels) = (Span::Line, Vec::new());
        self.kept.push(Finding { place: place.clone(), code, message, help, span, labels });
        AddedFinding(self.kept.last_mut())
    }

    /// Returns the findings in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.kept.iter()
    }

    /// Returns the number of findings that are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns the number of findings that were added, including those that were not kept.
    pub(crate) fn added(&self) -> usize {
        self.added
    }

    /// Returns the number of findings that stop the compiler.
    pub fn errors(&self) -> usize {
        self.iter().filter(|finding| finding.code.severity() == Severity::Error).count()
    }

    /// Returns the number of findings that do not stop the compiler.
    pub fn warnings(&self) -> usize {
        self.len() - self.errors()
    }

    /// Sorts by file, line and code.
    pub fn sort(&mut self) {
        self.kept.sort_by(|a, b| (&a.place, a.code).cmp(&(&b.place, b.code)));
    }

    /// Keeps the first [`MAX_REPORTED`] findings of each code and company, and one more that counts the rest.
    pub(crate) fn fold(&mut self) {
        let company = |file: &str| file.split_once('/').map_or("", |(company, _)| company).to_owned();
        let mut all: HashMap<(String, Code), usize> = HashMap::new();
        for ((file, code), count) in &self.added_by_kind {
            *all.entry((company(file), *code)).or_default() += count;
        }
        let mut seen: HashMap<(String, Code), usize> = HashMap::new();
        self.kept.retain_mut(|finding| {
            let key = (company(&finding.place.file), finding.code);
            let more = all.get(&key).map_or(0, |all| all.saturating_sub(MAX_REPORTED + 1));
            let seen = seen.entry(key).or_default();
            *seen += 1;
            if *seen == MAX_REPORTED + 1 && more > 0 {
                finding.message += &format!(" (and {more} more findings of this kind behind it)");
            }
            *seen <= MAX_REPORTED + 1
        });
    }
}

impl<'f> IntoIterator for &'f Findings {
    type Item = &'f Finding;
    type IntoIter = std::slice::Iter<'f, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}

impl<'f> AddedFinding<'f> {
    /// Sets the part of the line that is wrong.
    pub fn primary(mut self, span: Span) -> AddedFinding<'f> {
        if let Some(finding) = &mut self.0 {
            finding.span = span;
        }
        self
    }

    /// Adds another place, with its relation to the finding.
    pub fn secondary(mut self, place: &Place, span: Span, text: impl Into<String>) -> AddedFinding<'f> {
        if let Some(finding) = &mut self.0 {
            finding.labels.push(Label { place: place.clone(), span, text: text.into() });
        }
        self
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// Writes `file:line`. A file as a whole has line 1, so that editors open it.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line.max(1))
    }
}

/// Writes `file:line: severity[code]: message`, and the help on a second line.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { place, code, message, help, .. } = self;
        write!(out, "{place}: {}[{}]: {message}\n  help: {help}", code.severity(), code.as_str())
    }
}
