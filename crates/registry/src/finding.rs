//! What is wrong with a registry, where, and what to do about it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::mark::{Beside, Mark};

/// A file of the registry and a line in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Relative to the registry's folder, `/`-separated: `acme/company.toml`.
    pub file: Arc<str>,
    /// From 1; 0 where the fault is the file as a whole.
    pub line: u32,
}

/// Whether a finding stops the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is compiled.
    Error,
    /// Worth a look; compiled all the same.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What kind.
    pub code: Code,
    /// What is wrong: the field and the value as written, and what was expected. Never a client's phone number.
    pub message: String,
    /// What to do.
    pub help: String,
    /// What on the line it is about.
    pub mark: Mark,
    /// What else it is about.
    pub beside: Vec<Beside>,
}

/// A finding that was just added, to be told what it points at. Where it was one too many to be kept, nobody listens.
#[derive(Debug)]
pub struct Added<'f>(Option<&'f mut Finding>);

/// Everything that was found in one run. Of a kind that a file has thousands of, not all are kept: a finding
/// takes more memory than the row that it is about.
#[derive(Debug, Clone, Default)]
pub struct Findings(pub Vec<Finding>, Counts);

/// How many there were, kept or not.
#[derive(Debug, Clone, Default)]
struct Counts {
    alike: HashMap<(Arc<str>, Code), usize>,
    all: usize,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// The kinds of finding. Their text is an interface: pipelines match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }
        impl Code {
            /// Every code there is.
            pub const ALL: &[Code] = &[$(Code::$name,)*];
            /// As printed between brackets.
            pub const fn text(self) -> &'static str { match self { $(Code::$name => $text,)* } }
            /// Whether it stops the compiler.
            pub const fn severity(self) -> Severity { match self { $(Code::$name => Severity::$severity,)* } }
        }
    };
}

codes! {
    /// A file or folder cannot be read.
    Unreadable = "unreadable", Error;
    /// Not UTF-8, not TOML, not CSV.
    Syntax = "syntax", Error;
    /// A file where none belongs in a registry.
    UnknownFile = "unknown_file", Error;
    /// A file that must be there.
    MissingFile = "missing_file", Error;
    /// A key or table that no file of this kind has.
    UnknownKey = "unknown_key", Error;
    /// A CSV column that the file does not have.
    UnknownColumn = "unknown_column", Error;
    /// A key that must be there.
    MissingKey = "missing_key", Error;
    /// A CSV column that must be there.
    MissingColumn = "missing_column", Error;
    /// A value of the wrong type, or outside what is allowed.
    InvalidValue = "invalid_value", Error;
    /// An id with a character that ids do not have, or too long, or empty.
    InvalidId = "invalid_id", Error;
    /// The same id twice.
    DuplicateId = "duplicate_id", Error;
    /// A company without OUs, or a registry without companies.
    Empty = "empty", Error;
    /// A parent that is no OU of the company.
    UnknownParent = "unknown_parent", Error;
    /// OUs above each other in a circle.
    OuCycle = "ou_cycle", Error;
    /// A channel that has no profile.
    UnknownChannel = "unknown_channel", Error;
    /// A pool allocated to an OU that does not exist.
    UnknownOu = "unknown_ou", Error;
    /// An account of a pool that does not exist.
    UnknownPool = "unknown_pool", Error;
    /// An account with both pool and user.
    PoolAndUser = "pool_and_user", Error;
    /// An account of another channel than its pool's.
    ChannelMismatch = "channel_mismatch", Error;
    /// A shared account without a role, or a dedicated one with one.
    Role = "role", Error;
    /// Two dedicated accounts of one user on one channel.
    DuplicateDedicated = "duplicate_dedicated", Error;
    /// A dedicated account where the channel has none.
    DedicatedUnsupported = "dedicated_unsupported", Error;
    /// A dedicated account where the company's platform version has none yet.
    DedicatedVersion = "dedicated_version", Error;
    /// A country that ISO 3166-1 does not assign.
    InvalidCountry = "invalid_country", Error;
    /// An account without a country, whose address is no phone number that would tell it.
    MissingCountry = "missing_country", Error;
    /// An address that is not of the channel's kind.
    InvalidAddress = "invalid_address", Error;
    /// The same (channel, address) twice in a company.
    DuplicateAddress = "duplicate_address", Error;
    /// A pool that lacks a role its channel requires.
    MissingRole = "missing_role", Error;
    /// A country mapped to itself.
    MappingToItself = "mapping_to_itself", Error;
    /// A registry beyond what the snapshot's format holds, or a file with too many faults to go on reading.
    Limit = "limit", Error;
    /// An expected selection that is not what is selected.
    FailedTest = "failed_test", Error;
    /// A mapping or default to a country with no account of the conversation role in that pool.
    UnservedTarget = "unserved_target", Warning;
    /// A mapping that is never used, since the pool has accounts of that country.
    UnusedMapping = "unused_mapping", Warning;
    /// A pool that no OU has.
    PoolWithoutOu = "pool_without_ou", Warning;
    /// An OU that no chain serves for a channel that the company uses.
    UnservedOu = "unserved_ou", Warning;
    /// An account whose country its phone number contradicts.
    CountryContradicted = "country_contradicted", Warning;
    /// A mapping to a country that is itself mapped: one hop only.
    ChainedMapping = "chained_mapping", Warning;
}

/// Findings of one code in one company that are printed one by one.
const MOST_ALIKE: usize = 100;
/// Findings of one code in one file that are kept: they do not come in the order that they are printed in.
const MOST_KEPT: usize = 10_000;

impl Findings {
    /// Adds one.
    pub fn add(
        &mut self,
        place: &Place,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Added<'_> {
        self.1.all += 1;
        let count = self.1.alike.entry((place.file.clone(), code)).or_default();
        *count += 1;
        if *count > MOST_KEPT {
            return Added(None);
        }
        let (message, help) = (message.into(), help.into());
        let (mark, beside) = (Mark::Line, Vec::new());
        self.0.push(Finding { place: place.clone(), code, message, help, mark, beside });
        Added(self.0.last_mut())
    }

    /// How many were added, those that are not kept included.
    pub fn added(&self) -> usize {
        self.1.all
    }

    /// How many stop the compiler.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|finding| finding.code.severity() == Severity::Error).count()
    }

    /// How many do not.
    pub fn warnings(&self) -> usize {
        self.0.len() - self.errors()
    }

    /// Orders them by file and line, as they are printed.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.place, a.code).cmp(&(&b.place, b.code)));
    }

    /// Keeps the first hundred of each code in each company. The one behind them says how many more there are.
    pub(super) fn fold(&mut self) {
        let company = |file: &str| file.split_once('/').map_or("", |(company, _)| company).to_owned();
        let mut all: HashMap<(String, Code), usize> = HashMap::new();
        for ((file, code), count) in &self.1.alike {
            *all.entry((company(file), *code)).or_default() += count;
        }
        let mut seen: HashMap<(String, Code), usize> = HashMap::new();
        self.0.retain_mut(|finding| {
            let key = (company(&finding.place.file), finding.code);
            let more = all.get(&key).map_or(0, |all| all.saturating_sub(MOST_ALIKE + 1));
            let at = seen.entry(key).or_default();
            *at += 1;
            if *at == MOST_ALIKE + 1 && more > 0 {
                finding.message += &format!(" (and {more} more findings of this kind behind it)");
            }
            *at <= MOST_ALIKE + 1
        });
    }
}

impl<'f> Added<'f> {
    /// Points at this.
    pub(super) fn at(mut self, mark: Mark) -> Added<'f> {
        if let Some(finding) = &mut self.0 {
            finding.mark = mark;
        }
        self
    }

    /// Points at the value of this key, or the cell of this column.
    pub fn value(self, key: &str) -> Added<'f> {
        self.at(Mark::Value(key.into()))
    }

    /// Points at something else as well, and says what that is.
    pub(super) fn beside(mut self, place: &Place, mark: Mark, label: impl Into<String>) -> Added<'f> {
        if let Some(finding) = &mut self.0 {
            finding.beside.push(Beside { place: place.clone(), mark, label: label.into() });
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

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line.max(1))
    }
}

/// `file:line: severity[code]: message`, then what to do on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { place, code, message, help, .. } = self;
        write!(out, "{place}: {}[{}]: {message}\n  help: {help}", code.severity(), code.text())
    }
}
