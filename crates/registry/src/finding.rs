//! Findings: the faults of a registry, each with its place, its code, a message and a remedy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::redact::{is_confidential, redacted};

/// A line in a file of the registry, or an entry of a registry that has no files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The path relative to the registry's folder, `/`-separated: `acme/company.toml`. Of an entry without a
    /// file, its description: `account[company=acme,id=wa-1].country`.
    pub file: Arc<str>,
    /// The number of the line, from 1. The number 0 stands for the file as a whole, and [`Place::NO_FILE`] for
    /// an entry without a file.
    pub line: u32,
}

/// The part of a line that a finding is about.
///
/// Most variants name the part instead of its bytes, because an account keeps its line but not the position
/// of each cell. [`Snippets`](crate::Snippets) finds the bytes when a finding is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Span {
    /// The line as a whole, without a narrower part.
    #[default]
    Line,
    /// The value of the key with this name, or the row's cell in the column with this name.
    Value(Box<str>),
    /// The key with this name, together with its value. Ignores case.
    Entry(Box<str>),
    /// The item with this text, in a list that begins on the line.
    Item(Box<str>),
    /// The cell of the row with this index, from 0.
    Cell(usize),
    /// A range of bytes in the file, not counting its byte order mark.
    Bytes(Range<usize>),
}

/// A further place that a finding involves, such as the first of two equal ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The line that the label points at.
    pub place: Place,
    /// The part of the line.
    pub span: Span,
    /// The relation to the finding, in a few words for display.
    pub text: String,
}

/// The severity of a finding, which decides whether the registry is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The registry is not compiled.
    Error,
    /// The registry is compiled, although the finding may be a mistake.
    Warning,
}

/// One fault of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line that has the fault.
    pub place: Place,
    /// The code, which names the kind of the fault.
    pub code: Code,
    /// The message: the field, the value as written, and what was expected. Contains no number of a client.
    pub message: String,
    /// The remedy, as an instruction to the administrator.
    pub help: String,
    /// The part of the line that has the fault.
    pub span: Span,
    /// Further places that the fault involves.
    pub labels: Vec<Label>,
}

/// The findings of one run.
///
/// Keeps at most 500 findings of one code and file, because a finding takes more memory than the row that
/// it concerns. Counts all findings.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    /// The number of findings that were added, by file or folder and by code. Includes findings that were not
    /// kept.
    added_by_kind: BTreeMap<(Arc<str>, Code), usize>,
    added: usize,
    /// The companies and codes of which the last kept finding has the number of the others in its message.
    folded: BTreeSet<(String, Code)>,
}

/// A handle to the finding that was just added. Its methods set the span and add labels. They do nothing if
/// the finding was not kept.
#[derive(Debug)]
pub struct AddedFinding<'f>(Option<&'f mut Finding>);

/// The maximum number of findings of one code in one company that are reported one by one.
const MAX_REPORTED: usize = 100;
/// The maximum number of findings of one code in one file that are kept. Greater than [`MAX_REPORTED`],
/// because findings are added in another order than they are reported. All kept findings of a file with many
/// faults take less memory than 512 bytes for each of its rows.
const MAX_KEPT: usize = 500;
/// The maximum number of findings that a short report shows besides the first cause.
const MAX_BESIDE_FIRST: usize = 9;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// The code of a finding, which names the kind of the fault.
        ///
        /// The texts of the codes are a stable interface, because continuous integration matches on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }
        impl Code {
            /// All codes, in the order in which findings of one line are sorted.
            pub const ALL: &[Code] = &[$(Code::$name,)*];
            /// Returns the text of the code, which is printed in brackets.
            pub const fn as_str(self) -> &'static str { match self { $(Code::$name => $text,)* } }
            /// Returns the severity of findings with this code.
            pub const fn severity(self) -> Severity { match self { $(Code::$name => Severity::$severity,)* } }
        }
    };
}

codes! {
    /// A file or folder of the registry cannot be read.
    Unreadable = "unreadable", Error;
    /// A file is not UTF-8, not TOML or not CSV.
    Syntax = "syntax", Error;
    /// A file has almost the name of a file of a registry, or such a name in the wrong folder.
    UnknownFile = "unknown_file", Error;
    /// A required file of a company is missing.
    MissingFile = "missing_file", Error;
    /// A key or a table is not known in this file.
    UnknownKey = "unknown_key", Error;
    /// A CSV column is not known in this file, or occurs twice.
    UnknownColumn = "unknown_column", Error;
    /// A required key of a table is missing.
    MissingKey = "missing_key", Error;
    /// A required CSV column is missing.
    MissingColumn = "missing_column", Error;
    /// A value has the wrong type or is outside its range.
    InvalidValue = "invalid_value", Error;
    /// An id is empty, is too long, or has a character that is not allowed in ids.
    InvalidId = "invalid_id", Error;
    /// Two entries of a company have the same id.
    DuplicateId = "duplicate_id", Error;
    /// A company has no OU, or a registry has no company.
    Empty = "empty", Error;
    /// The parent of an OU is not an OU of the company.
    UnknownParent = "unknown_parent", Error;
    /// The parents of OUs form a cycle.
    OuCycle = "ou_cycle", Error;
    /// A channel has no profile.
    UnknownChannel = "unknown_channel", Error;
    /// A pool is allocated to an OU that does not exist.
    UnknownOu = "unknown_ou", Error;
    /// An account names a pool that does not exist.
    UnknownPool = "unknown_pool", Error;
    /// An account has both a pool and a user.
    PoolAndUser = "pool_and_user", Error;
    /// An account has another channel than its pool.
    ChannelMismatch = "channel_mismatch", Error;
    /// A shared account has no role, or a dedicated account has one.
    Role = "role", Error;
    /// A user has two dedicated accounts on one channel.
    DuplicateDedicated = "duplicate_dedicated", Error;
    /// An account is dedicated, but its channel does not support dedicated accounts.
    DedicatedUnsupported = "dedicated_unsupported", Error;
    /// An account is dedicated, but the company's platform version does not support this on the channel.
    DedicatedVersion = "dedicated_version", Error;
    /// A country code is not assigned by ISO 3166-1.
    InvalidCountry = "invalid_country", Error;
    /// An account has no country, and its address does not determine one.
    MissingCountry = "missing_country", Error;
    /// The address of an account is not of the kind that its channel has.
    InvalidAddress = "invalid_address", Error;
    /// Two accounts of a company have the same address on one channel.
    DuplicateAddress = "duplicate_address", Error;
    /// A pool has no account of a role that its channel requires.
    MissingRole = "missing_role", Error;
    /// A mapping maps a country to itself.
    MappingToItself = "mapping_to_itself", Error;
    /// The registry exceeds a limit, or a file has too many faults to be read to its end.
    Limit = "limit", Error;
    /// This program has a fault, not the registry: the compiled snapshot was rejected.
    Internal = "internal", Error;
    /// An expected selection of `tests.toml` differs from the actual selection.
    FailedTest = "failed_test", Error;
    /// A file has a name that no file of a registry has. The code has the text of [`Code::UnknownFile`], because
    /// only the severity differs.
    StrayFile = "unknown_file", Warning;
    /// The result of an expected selection changes when an account of the company becomes available.
    DatedTest = "dated_test", Warning;
    /// A header row writes the name of a column in capital letters or with blanks.
    ColumnCase = "column_case", Warning;
    /// A line of a quoted cell looks like a row, so that stray quotes may have joined rows.
    RowInCell = "row_in_cell", Warning;
    /// A mapping or a default names a country without an account of the conversation role in the pool.
    UnservedTarget = "unserved_target", Warning;
    /// A mapping is used only while none of the pool's active accounts of the client's own country is available.
    UnusedMapping = "unused_mapping", Warning;
    /// A pool is allocated to no OU.
    PoolWithoutOu = "pool_without_ou", Warning;
    /// No pool serves an OU on a channel that the company uses.
    UnservedOu = "unserved_ou", Warning;
    /// The country of an account contradicts its phone number.
    CountryContradicted = "country_contradicted", Warning;
    /// The phone number of an account is not valid: a digit may be missing, or a trunk zero is part of it.
    InvalidNumber = "invalid_number", Warning;
    /// An account of a pool has no country, so no rule selects it.
    UnreachableAccount = "unreachable_account", Warning;
    /// No account of a pool can be selected by any rule.
    UnreachablePool = "unreachable_pool", Warning;
    /// A mapping names a country that is itself mapped. A selection uses one mapping only.
    ChainedMapping = "chained_mapping", Warning;
}

impl Code {
    /// Returns whether findings of this code say that a file, or a part of its text, could not be read. Other
    /// findings may follow from them.
    const fn is_of_the_text(self) -> bool {
        matches!(self, Code::Unreadable | Code::Syntax | Code::Limit)
    }
}

impl Place {
    /// The line of an entry of a registry that has no files.
    pub const NO_FILE: u32 = u32::MAX;

    /// Returns the place of a file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Place {
        Place { file: file.into(), line: 0 }
    }

    /// Returns the place of an entry without a file, such as `account[company=acme,id=wa-1].country`.
    pub fn entry(entry: impl Into<Arc<str>>) -> Place {
        Place { file: entry.into(), line: Place::NO_FILE }
    }

    /// Returns whether the place is an entry without a file.
    pub fn has_no_file(&self) -> bool {
        self.line == Place::NO_FILE
    }

    /// Returns the company whose folder has the file, or to which the entry belongs.
    pub fn company(&self) -> Option<&str> {
        if !self.has_no_file() {
            return company_of(&self.file);
        }
        // An id has no comma, but may have brackets.
        match self.file.strip_prefix("company[id=") {
            Some(rest) => rest.rsplit_once(']').map(|(company, _)| company),
            None => self.file.split_once("[company=")?.1.split(',').next(),
        }
    }
}

/// Returns the company whose folder has a file. A path without a folder belongs to no company.
fn company_of(path: &str) -> Option<&str> {
    path.split_once('/').map(|(company, _)| company)
}

impl Span {
    /// Returns the span of the value of a key, or of the cell in a column.
    pub fn value(name: &str) -> Span {
        Span::Value(name.into())
    }
}

impl Findings {
    /// Adds a finding about a line as a whole. The returned handle narrows the span and adds labels.
    pub fn add(
        &mut self,
        place: &Place,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> AddedFinding<'_> {
        self.added += 1;
        // Findings about whole files are counted by folder, because a folder may have a million stray files.
        let counted_as = match place.file.split_once('/') {
            _ if place.line > 0 => place.file.clone(),
            Some((folder, _)) => format!("{folder}/").into(),
            None => "".into(),
        };
        let count = self.added_by_kind.entry((counted_as, code)).or_default();
        *count += 1;
        if *count > MAX_KEPT {
            return AddedFinding(None);
        }
        let (mut message, mut help) = (message.into(), help.into());
        if is_confidential(&place.file) {
            (message, help) = (redacted(&message), redacted(&help));
        }
        let (span, labels) = (Span::Line, Vec::new());
        self.kept.push(Finding { place: place.clone(), code, message, help, span, labels });
        AddedFinding(self.kept.last_mut())
    }

    /// Returns the findings in their current order.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.kept.iter()
    }

    /// Returns the number of findings that are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns whether there is no finding.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns the number of findings that were added. Includes findings that were not kept.
    pub(crate) fn added(&self) -> usize {
        self.added
    }

    /// Returns the number of findings with the severity error. Includes findings that are not kept. A registry
    /// with errors is not compiled.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Returns the number of findings with the severity warning. Includes findings that are not kept.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        let kinds = self.added_by_kind.iter().filter(|((_, code), _)| code.severity() == severity);
        kinds.map(|(_, count)| count).sum()
    }

    /// Returns the findings whose company and code are accepted, with their counts. The company is the folder
    /// of the finding's file.
    pub fn filtered(&self, is_accepted: impl Fn(Option<&str>, Code) -> bool) -> Findings {
        let mut accepted = Findings::default();
        let kept = self.iter().filter(|finding| is_accepted(finding.place.company(), finding.code));
        accepted.kept.extend(kept.cloned());
        for ((file, code), count) in &self.added_by_kind {
            if is_accepted(company_of(file), *code) {
                accepted.added_by_kind.insert((file.clone(), *code), *count);
                accepted.added += count;
            }
        }
        accepted.folded.clone_from(&self.folded);
        accepted
    }

    /// Returns the errors of each company, with their counts.
    pub fn errors_by_company(&self) -> BTreeMap<&str, Findings> {
        let mut companies: BTreeMap<&str, Findings> = BTreeMap::new();
        for ((file, code), count) in &self.added_by_kind {
            let Some(company) = company_of(file).filter(|_| code.severity() == Severity::Error) else {
                continue;
            };
            let own = companies.entry(company).or_default();
            own.added_by_kind.insert((file.clone(), *code), *count);
            own.added += count;
        }
        for finding in self.iter().filter(|finding| finding.code.severity() == Severity::Error) {
            if let Some(own) = finding.place.company().and_then(|company| companies.get_mut(company)) {
                own.kept.push(finding.clone());
            }
        }
        for (company, code) in &self.folded {
            if let Some(own) = companies.get_mut(company.as_str()) {
                own.folded.insert((company.clone(), *code));
            }
        }
        companies
    }

    /// Adds other findings, with their counts.
    pub fn append(&mut self, other: &Findings) {
        self.kept.extend_from_slice(&other.kept);
        for (kind, count) in &other.added_by_kind {
            *self.added_by_kind.entry(kind.clone()).or_default() += count;
        }
        self.added += other.added;
        self.folded.extend(other.folded.iter().cloned());
    }

    /// Gives every kept finding and label another place, also where the text of the finding names the place or the line of
    /// a label. The new places have no part of a line.
    pub fn relocate(&mut self, place_of: impl Fn(&Place, &Span) -> Place) {
        for finding in &mut self.kept {
            finding.place = place_of(&finding.place, &finding.span);
            finding.span = Span::Line;
            for label in &mut finding.labels {
                let (before, line) = (label.place.to_string(), format!(" on line {}", label.place.line));
                label.place = place_of(&label.place, &label.span);
                label.span = Span::Line;
                for text in [&mut finding.message, &mut finding.help] {
                    *text = text.replace(&before, &label.place.to_string());
                    if label.place.has_no_file() {
                        *text = text.replace(&line, "");
                    }
                }
            }
        }
    }

    /// Returns the findings for a short report, such as the log line of a rejected registry or `/status`: the
    /// first cause, then at most nine other findings.
    ///
    /// If there are errors, returns only errors: first one finding of each code, then the second one of each
    /// code, and so on. Of these, files that could not be read or parsed come first, and then the order is that
    /// of the findings.
    pub fn causes(&self) -> Vec<&Finding> {
        let severity = if self.errors() > 0 { Severity::Error } else { Severity::Warning };
        let mut counts: HashMap<Code, usize> = HashMap::new();
        let mut ranked = Vec::new();
        for (at, finding) in self.iter().enumerate().filter(|(_, it)| it.code.severity() == severity) {
            let count = counts.entry(finding.code).or_default();
            if *count <= MAX_BESIDE_FIRST {
                ranked.push(((*count, !finding.code.is_of_the_text(), at), finding));
            }
            *count += 1;
        }
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, finding)| finding).take(1 + MAX_BESIDE_FIRST).collect()
    }

    /// Sorts the findings: first those about a file or a part of its text that could not be read, because others
    /// may follow from them, and then by file, line and code.
    pub fn sort(&mut self) {
        let rank = |finding: &Finding| !finding.code.is_of_the_text();
        self.kept.sort_by(|a, b| (rank(a), &a.place, a.code).cmp(&(rank(b), &b.place, b.code)));
    }

    /// Sorts the findings. Keeps the first 100 findings of each code and company, and one more that has the
    /// number of the rest.
    pub fn sort_and_fold(&mut self) {
        self.sort();
        let company = |file: &str| company_of(file).unwrap_or_default().to_owned();
        let mut all: HashMap<(String, Code), usize> = HashMap::new();
        for ((file, code), count) in &self.added_by_kind {
            *all.entry((company(file), *code)).or_default() += count;
        }
        let mut seen: HashMap<(String, Code), usize> = HashMap::new();
        let folded = &mut self.folded;
        self.kept.retain_mut(|finding| {
            let key = (finding.place.company().unwrap_or_default().to_owned(), finding.code);
            let more = all.get(&key).map_or(0, |all| all.saturating_sub(MAX_REPORTED + 1));
            let seen = seen.entry(key.clone()).or_default();
            *seen += 1;
            if *seen == MAX_REPORTED + 1 && more > 0 && folded.insert(key) {
                finding.message += &format!(" (and {more} more findings of this kind)");
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
    /// Sets the part of the line that has the fault.
    pub fn primary(mut self, span: Span) -> AddedFinding<'f> {
        if let Some(finding) = &mut self.0 {
            finding.span = span;
        }
        self
    }

    /// Adds a label: a further place, with its relation to the finding.
    pub fn secondary(mut self, place: &Place, span: Span, text: impl Into<String>) -> AddedFinding<'f> {
        if let Some(finding) = &mut self.0 {
            let mut text = text.into();
            if is_confidential(&place.file) {
                text = redacted(&text);
            }
            finding.labels.push(Label { place: place.clone(), span, text });
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

/// Writes `file:line`. Writes line 1 for a file as a whole, because editors open only lines from 1. Writes an
/// entry without a file as its description alone.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_no_file() {
            return out.write_str(&self.file);
        }
        write!(out, "{}:{}", self.file, self.line.max(1))
    }
}

/// Writes `file:line: severity[code]: message`, and the remedy on a second line.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { place, code, message, help, .. } = self;
        write!(out, "{place}: {}[{}]: {message}\n  help: {help}", code.severity(), code.as_str())
    }
}
