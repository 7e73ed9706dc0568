//! The sources that commands read: registries in folders and in databases, snapshot files, releases of fleets, and the
//! demo registry; the findings of a registry as text; and the clock.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::Value;
use switchboard_database::{Contents, Database, DatabaseError, Rows, is_database_url};
use switchboard_model::UnixMillis;
use switchboard_pipeline::build::open_tested;
use switchboard_pipeline::{
    BuildFailure, BuildMode, BuiltSnapshot, DEMO_GENERATION, SnapshotSource, build_snapshot, demo_files,
    findings_json,
};
use switchboard_registry::{
    self as registry, Code, Files, Finding, Findings, Label, ReadError, ReadLimits, Severity, Snippets,
};
use switchboard_snapshot::{Bytes, Snapshot, file};

use super::CommandError;
use super::arguments::FleetAccessArguments;
use super::broker::{FetchedRelease, fetch_release, is_fleet};
use super::output::{self, ERROR, HEADING, HELP, ProgressLine, WARNING, count, terminal_width};
use crate::config::url_fault;

/// Columns in front of a quoted line, for its number and a bar.
const GUTTER: usize = 12;
/// Width of a quoted line in columns, if standard output is no terminal.
const DEFAULT_WIDTH: usize = 120;
const MIN_WIDTH: usize = 40;
/// Width for the renderer. No line is wider, because lines are cut before they are rendered.
const UNLIMITED_WIDTH: usize = 10_000;

/// A source of a command.
pub(super) enum CommandSource {
    /// A registry folder, a snapshot file, or the demo registry.
    Local(SnapshotSource),
    /// The release of a fleet, in a file.
    Release(FetchedRelease),
    /// A registry in PostgreSQL.
    Database(Box<Database>),
}

impl CommandSource {
    /// Returns the demo registry.
    pub(super) fn demo() -> CommandSource {
        CommandSource::Local(SnapshotSource::Demo)
    }

    /// Describes the source for people.
    pub(super) fn describe(&self) -> String {
        match self {
            CommandSource::Local(source) => source.describe(),
            CommandSource::Release(release) => release.describe().to_owned(),
            CommandSource::Database(database) => format!("the registry {database}"),
        }
    }

    /// Returns the name of the source in findings: the path, the fleet, or the database.
    pub(super) fn name(&self, path: &Path) -> String {
        match self {
            CommandSource::Local(_) => path.display().to_string(),
            CommandSource::Release(release) => release.describe().to_owned(),
            CommandSource::Database(database) => database.to_string(),
        }
    }

    /// Returns the snapshot file of the source. `None` for a registry.
    pub(super) fn snapshot_file(&self) -> Option<PathBuf> {
        match self {
            CommandSource::Local(source) => source.file().map(Path::to_owned),
            CommandSource::Release(release) => Some(release.file()),
            CommandSource::Database(_) => None,
        }
    }

    /// Reads the registry of a source without a snapshot file.
    pub(super) fn read_registry(&self, limits: ReadLimits) -> Result<ReadRegistry, CommandError> {
        match self {
            CommandSource::Local(SnapshotSource::Registry(root)) => {
                let files = read_registry(root, limits)?;
                Ok(ReadRegistry { files, root: root.clone(), rows: None })
            }
            CommandSource::Database(database) => {
                let Contents { files, rows } =
                    database.read(limits).map_err(|error| database_error(database, &error))?;
                Ok(ReadRegistry { files, root: database.to_string().into(), rows: Some(rows) })
            }
            CommandSource::Local(_) | CommandSource::Release(_) => {
                Ok(ReadRegistry { files: demo_files(), root: PathBuf::new(), rows: None })
            }
        }
    }
}

/// A registry that a command has read.
pub(super) struct ReadRegistry {
    pub(super) files: Files,
    /// The folder that file names of findings begin with, or the name of the database.
    pub(super) root: PathBuf,
    /// The rows that findings name in place of lines, if the registry is in a database.
    rows: Option<Rows>,
}

impl ReadRegistry {
    /// Checks and compiles the registry, and runs its tests at the present time.
    pub(super) fn build(&self, generation: u64, mode: BuildMode) -> Result<BuiltSnapshot, BuildFailure> {
        let progress = ProgressLine::new();
        let mut built = build_snapshot(&self.files, generation, now().to_seconds(), mode, &progress);
        drop(progress);
        if let Some(rows) = &self.rows {
            let findings = match &mut built {
                Ok(built) => &mut built.findings,
                Err(failure) => &mut failure.findings,
            };
            rows.relocate(&self.files, findings);
        }
        built
    }
}

/// Returns the error of a database, which is named without user and password.
pub(super) fn database_error(database: &Database, error: &DatabaseError) -> CommandError {
    CommandError::io(format!("{database}: {error}"))
}

/// Returns the source at a path or a URL: a registry if the path is a folder, otherwise a snapshot. Fetches the release
/// of a fleet. No message repeats a URL, which may contain a password.
pub(super) fn source_from_path(
    path: &Path,
    access: &FleetAccessArguments,
) -> Result<CommandSource, CommandError> {
    if is_fleet(path) {
        return Ok(CommandSource::Release(fetch_release(path, access, false)?));
    }
    if let Some(url) = path.to_str().filter(|text| is_database_url(text)) {
        return Ok(CommandSource::Database(database_from_url(url)?.into()));
    }
    Ok(CommandSource::Local(local_source(path)?))
}

/// Parses the URL of a database.
pub(super) fn database_from_url(url: &str) -> Result<Database, CommandError> {
    Database::from_url(url).map_err(|error| CommandError::usage(error.to_string()))
}

/// Returns the source at a path, which must not be a URL.
pub(super) fn local_source(path: &Path) -> Result<SnapshotSource, CommandError> {
    if let Some(fault) = url_fault(path) {
        return Err(CommandError::usage(fault));
    }
    reject_standard_input(path)?;
    let path = path.to_owned();
    Ok(if path.is_dir() { SnapshotSource::Registry(path) } else { SnapshotSource::Snapshot(path) })
}

/// Rejects `-`, which other programs read as standard input.
pub(super) fn reject_standard_input(path: &Path) -> Result<(), CommandError> {
    if path.as_os_str() != "-" {
        return Ok(());
    }
    Err(CommandError::usage(
        "-: a source cannot be standard input: name the folder of a registry or a snapshot file; a file of this name \
         is ./-",
    ))
}

/// The tests of a registry that fail, although the registry has no errors.
pub(super) struct FailedTests {
    /// Number of tests that fail.
    pub(super) number: usize,
    findings: Findings,
    files: Files,
    /// The folder of the registry.
    root: PathBuf,
}

impl FailedTests {
    /// Returns the findings of the failed tests alone, for people.
    pub(super) fn text(&self) -> String {
        let failed = self.findings.iter().filter(|finding| finding.code == Code::FailedTest);
        render(failed, &self.files, &self.root)
    }

    /// Returns the findings of the failed tests alone, as a JSON array.
    pub(super) fn json(&self) -> Value {
        let failed = self.findings.iter().filter(|finding| finding.code == Code::FailedTest);
        findings_json(failed, &self.files)
    }
}

/// Reads or builds the snapshot of a source. If the registry has errors, prints its findings and returns
/// `None`. Warns of failed tests, which do not stop the command, because its user may look for their cause.
pub(super) fn open_snapshot(
    source: &CommandSource,
    limits: ReadLimits,
) -> Result<Option<Snapshot>, CommandError> {
    let Some((snapshot, failed)) = open_with_failed_tests(source, limits)? else { return Ok(None) };
    if let Some(FailedTests { number, root, .. }) = failed {
        let tests = count(number, "test fails", "tests fail");
        let root = root.display();
        output::print_error(&format!(
            "{WARNING}warning{WARNING:#}: {tests}: `switchboard check {root}` shows why\n"
        ));
    }
    Ok(Some(snapshot))
}

/// Reads or builds the snapshot of a source, together with the failed tests of a registry. If the registry has
/// errors, prints its findings and returns `None`.
pub(super) fn open_with_failed_tests(
    source: &CommandSource,
    limits: ReadLimits,
) -> Result<Option<(Snapshot, Option<FailedTests>)>, CommandError> {
    if let Some(path) = source.snapshot_file() {
        let (snapshot, _) = open_tested(read_snapshot(&path)?)
            .map_err(|rejection| CommandError::io(format!("{}: {rejection}", path.display())))?;
        return Ok(Some((snapshot, None)));
    }
    let registry = source.read_registry(limits)?;
    let generation = match source {
        CommandSource::Local(SnapshotSource::Demo) => DEMO_GENERATION,
        _ => now().as_u64(),
    };
    match registry.build(generation, BuildMode::Inspect) {
        Ok(BuiltSnapshot { snapshot, findings, failed: number, .. }) => {
            let ReadRegistry { files, root, .. } = registry;
            Ok(Some((snapshot, (number > 0).then_some(FailedTests { number, findings, files, root }))))
        }
        Err(failure) => {
            output::print_error(&findings_text(&failure.findings, &registry.files, &registry.root));
            output::print_failure("the registry has errors: correct them, then run the command again");
            Ok(None)
        }
    }
}

/// Reads all files of a registry folder.
pub(super) fn read_registry(folder: &Path, limits: ReadLimits) -> Result<Files, CommandError> {
    Files::read_dir_within(folder, limits).map_err(|error| unreadable_registry(folder, &error))
}

fn unreadable_registry(folder: &Path, error: &ReadError) -> CommandError {
    let inner = error.path.trim_start_matches('.');
    let remedy = match inner {
        "" => "expected a registry folder, which has one folder for each company",
        _ => "check that it exists and that you have permission to read it",
    };
    let (path, error) = (folder.join(inner), &error.error);
    CommandError::io(format!("cannot read {}: {error}; {remedy}", path.display()))
}

/// Reads the bytes of a snapshot file.
pub(super) fn read_snapshot(path: &Path) -> Result<Bytes, CommandError> {
    file::read(path).map_err(|error| unreadable_file(path, &error))
}

fn unreadable_file(path: &Path, error: &io::Error) -> CommandError {
    let path = path.display();
    CommandError::io(format!(
        "cannot read {path}: {error}; expected a registry folder, which has one folder for each company, or a \
         snapshot file"
    ))
}

/// Returns the present time of the system clock.
pub(super) fn now() -> UnixMillis {
    UnixMillis::from(SystemTime::now())
}

/// Renders findings for people: `file:line: severity[code]: message`, the line with its fault underlined, and
/// the remedy. File names begin with `root`.
pub fn findings_text(findings: &Findings, files: &Files, root: &Path) -> String {
    render(findings.iter(), files, root)
}

fn render<'f>(findings: impl Iterator<Item = &'f Finding>, files: &Files, root: &Path) -> String {
    let width = terminal_width().map_or(DEFAULT_WIDTH, |width| width.saturating_sub(GUTTER).max(MIN_WIDTH));
    let mut snippets = Snippets::new(files);
    findings.map(|finding| one(finding, &mut snippets, root, width)).collect()
}

fn one(finding: &Finding, snippets: &mut Snippets<'_>, root: &Path, width: usize) -> String {
    let Finding { place, code, message, help, span, labels } = finding;
    let (style, level) = match code.severity() {
        Severity::Error => (ERROR, Level::ERROR),
        Severity::Warning => (WARNING, Level::WARNING),
    };
    let file = root.join(&*place.file);
    let at = if place.has_no_file() {
        place.to_string()
    } else {
        format!("{}:{}", file.display(), place.line.max(1))
    };
    let (severity, code) = (code.severity(), code.as_str());
    let first = format!("{HEADING}{at}:{HEADING:#} {style}{severity}[{code}]{style:#}: {message}\n");
    let Some(quote) = snippets.find(place, span, width) else {
        return format!("{first}  {HELP}help{HELP:#}: {help}\n");
    };

    let labels: Vec<(&Label, registry::Snippet)> = labels
        .iter()
        .filter_map(|other| Some((other, snippets.find(&other.place, &other.span, width)?)))
        .collect();
    // A second place on the same line is underlined in the same quote.
    let (here, elsewhere): (Vec<_>, Vec<_>) = labels.into_iter().partition(|(other, there)| {
        other.place == *place && (there.first_line, &there.text) == (quote.first_line, &quote.text)
    });
    let fault = AnnotationKind::Primary.span(quote.fault);
    let labels = here
        .into_iter()
        .map(|(other, there)| AnnotationKind::Context.span(there.fault).label(other.text.clone()));
    let snippet = Snippet::source(quote.text).line_start(quote.first_line as usize).fold(false);
    let mut group = Group::with_level(level).element(snippet.annotation(fault).annotations(labels));
    for (other, there) in elsewhere {
        let label = AnnotationKind::Context.span(there.fault).label(other.text.clone());
        let snippet = Snippet::source(there.text).line_start(there.first_line as usize).fold(false);
        let path = root.join(&*other.place.file).display().to_string();
        group = group.element(snippet.path(path).annotation(label));
    }
    let group = group.element(Level::HELP.message(help.as_str()));
    // The renderer would cut lines without regard to the underlined parts.
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii).term_width(UNLIMITED_WIDTH);
    format!("{first}{}\n\n", renderer.render(&[group]))
}
