//! `switchboard compile` and `switchboard inspect`: write a snapshot file, and show what a snapshot file
//! holds.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::json;
use switchboard_pipeline::BuildMode;
use switchboard_pipeline::build::open_tested;
use switchboard_release::{Envelope, MAX_ENVELOPE_BYTES, release_path};
use switchboard_snapshot::header::{self, VERSION};
use switchboard_snapshot::{Header, RejectionStage, Snapshot, file};

use super::arguments::{CompileArguments, FormatArguments, InspectArguments, OutputFormat};
use super::broker::{FetchedRelease, fetch_release, is_fleet};
use super::output::{self, STANDARD_OUTPUT, SUCCESS, WARNING, count};
use super::source::{
    ReadRegistry, findings_text, now, read_snapshot, reject_standard_input, source_from_path,
};
use super::{CommandError, Exit};
use crate::config::url_fault;
use crate::runtime::read_bounded;

/// The greatest generation that `--generation` accepts.
const MAX_GENERATION: u64 = i64::MAX as u64;

/// Writes the snapshot of a registry, or a snapshot with a new generation. If the source has errors or fails a
/// test, the old file stays.
pub(super) fn compile(arguments: &CompileArguments) -> Result<Exit, CommandError> {
    let CompileArguments { source, output, generation, limits, access } = arguments;
    let output = Output::from_path(output)?;
    let opened = source_from_path(source, access)?;
    match opened.snapshot_file() {
        Some(path) => renumber(&path, &output, *generation),
        None => compile_registry(&opened.read_registry(limits.limits())?, &output, *generation),
    }
}

fn compile_registry(
    registry: &ReadRegistry,
    output: &Output<'_>,
    stated: Option<u64>,
) -> Result<Exit, CommandError> {
    let ReadRegistry { files, root, .. } = registry;
    let generation = output.generation(stated, 0)?;
    let compiled = match registry.build(generation, BuildMode::Strict) {
        Ok(compiled) => compiled,
        Err(refused) => {
            output::print_error(&findings_text(&refused.findings, files, root));
            let errors = count(refused.findings.errors(), "error", "errors");
            output::print_failure(&format!("{errors}: nothing was written to {output}"));
            return Ok(Exit::Failed);
        }
    };
    output::print_error(&findings_text(&compiled.findings, files, root));
    output.write(generation, &[compiled.snapshot.bytes()])?;
    let tests = count(compiled.coverage.tests, "test", "tests");
    print_written("compiled", &compiled.snapshot, output, &format!("generation {generation}, {tests}"));
    Ok(Exit::Success)
}

/// Writes a snapshot with another generation. Every byte behind the header stays the same.
fn renumber(path: &Path, output: &Output<'_>, stated: Option<u64>) -> Result<Exit, CommandError> {
    let snapshot = match open_tested(read_snapshot(path)?) {
        Ok((snapshot, _)) => snapshot,
        Err(rejection) => {
            let message = format!("{}: {rejection}; nothing was written to {output}", path.display());
            return match rejection.stage {
                RejectionStage::Tests => {
                    output::print_failure(&message);
                    Ok(Exit::Failed)
                }
                _ => Err(CommandError::io(message)),
            };
        }
    };
    let old = snapshot.generation();
    let generation = output.generation(stated, old)?;
    let contents = snapshot.bytes().get(header::LEN..).unwrap_or_default();
    let head = Header { generation, ..*snapshot.header() }.seal(contents);
    output.write(generation, &[&head, contents])?;
    let numbers = format!("generation {generation} in place of {old}");
    print_written("copied", &snapshot, output, &numbers);
    Ok(Exit::Success)
}

fn print_written(what: &str, snapshot: &Snapshot, output: &Output<'_>, numbers: &str) {
    let records = snapshot.counts();
    output::print_error(&format!(
        "{SUCCESS}{what}{SUCCESS:#} {}, {}, {} to {output}: {numbers}, {}\n",
        count(records.companies, "company", "companies"),
        count(records.ous, "OU", "OUs"),
        count(records.accounts, "account", "accounts"),
        count(snapshot.bytes().len(), "byte", "bytes"),
    ));
}

/// The place that a snapshot is written to.
enum Output<'a> {
    Standard,
    File {
        path: &'a Path,
        /// The generation of the snapshot file that is replaced.
        replaced: Option<u64>,
    },
}

impl<'a> Output<'a> {
    /// Returns the output that `-o` names. A terminal is wrong usage.
    fn from_path(path: &'a Path) -> Result<Output<'a>, CommandError> {
        if path.to_str().is_some_and(|text| text.contains("://")) {
            return Err(CommandError::usage("-o is a URL, but a snapshot is written to a file: name a file"));
        }
        if path.as_os_str() != STANDARD_OUTPUT {
            return Ok(Output::File { path, replaced: file::read_generation(path) });
        }
        if io::stdout().is_terminal() {
            return Err(CommandError::usage(
                "standard output is a terminal, and a snapshot is binary: redirect standard output, or name a file \
                 with -o",
            ));
        }
        Ok(Output::Standard)
    }

    /// Returns the stated generation. Without one, returns the present time in milliseconds, or one more than the
    /// generation of the source or of the replaced file, whichever is the greatest.
    fn generation(&self, stated: Option<u64>, source: u64) -> Result<u64, CommandError> {
        let older = match self {
            Output::Standard => source,
            Output::File { replaced, .. } => source.max(replaced.unwrap_or(0)),
        };
        match stated {
            Some(stated) => Ok(stated),
            None if older >= MAX_GENERATION => Err(CommandError::usage(format!(
                "the generation {older} has no successor: name another output, or choose the generation with \
                 --generation"
            ))),
            None => Ok(now().as_u64().max(older + 1)),
        }
    }

    /// Writes the parts of a snapshot file. Warns if a daemon that serves the replaced file rejects the new one.
    fn write(&self, generation: u64, parts: &[&[u8]]) -> Result<(), CommandError> {
        let fill = |out: &mut dyn Write| parts.iter().try_for_each(|part| out.write_all(part));
        match self {
            // A closed pipe is an error here, because the reader does not have the whole snapshot.
            Output::Standard => {
                let mut out = io::stdout().lock();
                let written = fill(&mut out).and_then(|()| out.flush());
                written.map_err(|error| CommandError::io(format!("cannot write to standard output: {error}")))
            }
            Output::File { path, replaced } => {
                file::write_with(path, |file| fill(file))
                    .map_err(|error| CommandError::io(format!("cannot write {self}: {error}")))?;
                if let Some(replaced) = replaced.filter(|replaced| generation < *replaced) {
                    output::print_error(&format!(
                        "{WARNING}warning{WARNING:#}: the replaced file had the greater generation {replaced}: a \
                         daemon that serves it rejects this one; without --generation, the new one is the greater\n",
                    ));
                }
                let release = release_path(path);
                if release.exists() {
                    let release = release.display();
                    output::print_error(&format!(
                        "{WARNING}warning{WARNING:#}: {release} is the signed manifest of the file before: run \
                         `switchboard sign {self} --key FILE`, because daemons with --trusted-keys reject the new file \
                         until then\n",
                    ));
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Output<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Standard => out.write_str("standard output"),
            Output::File { path, .. } => path.display().fmt(out),
        }
    }
}

/// Verifies a snapshot and prints its header and its record counts.
pub(super) fn inspect(arguments: &InspectArguments) -> Result<Exit, CommandError> {
    let InspectArguments { snapshot: path, access, output: FormatArguments { format } } = arguments;
    reject_standard_input(path)?;
    let fetched = is_fleet(path).then(|| fetch_release(path, access, false)).transpose()?;
    let file = fetched.as_ref().map(FetchedRelease::file);
    if let Some(fault) = url_fault(path).filter(|_| file.is_none()) {
        return Err(CommandError::usage(fault));
    }
    let path = file.as_deref().unwrap_or(path);
    if path.is_dir() {
        let path = path.display();
        return Err(CommandError::io(format!(
            "{path} is a folder, and inspect shows a snapshot file: `switchboard compile {path} -o FILE` makes one, and \
             `switchboard check {path}` checks a registry"
        )));
    }
    let failed = |what: &dyn std::fmt::Display| CommandError::io(format!("{}: {what}", path.display()));
    let snapshot = Snapshot::open(read_snapshot(path)?).map_err(|rejection| failed(&rejection))?;
    let header = snapshot.header();
    let records = snapshot.counts();
    let counts = [
        ("companies", records.companies),
        ("channels", records.channels),
        ("ous", records.ous),
        ("pools", records.pools),
        ("accounts", records.accounts),
        ("dedicated", records.dedicated),
        ("chains", records.levels),
        ("steps", records.steps),
        ("groups", records.groups),
        ("candidates", records.candidates),
        ("tests", snapshot.tests().count()),
    ];
    let built_at =
        header.built_at_ms().and_then(|ms| jiff::Timestamp::from_millisecond(ms.try_into().ok()?).ok());
    let built_at = built_at.map(|at| at.to_string());
    let bytes = snapshot.bytes().len();
    let release = Release::beside(path, &snapshot);
    let per_account = bytes as f64 / records.accounts.max(1) as f64;
    let text = match format {
        OutputFormat::Json => {
            let counts: serde_json::Map<_, _> =
                counts.iter().map(|&(name, n)| (name.to_owned(), n.into())).collect();
            let whole = json!({
                "format_version": VERSION,
                "generation": header.generation,
                "built_at": built_at,
                "digest": snapshot.digest(),
                "content": snapshot.content_digest(),
                "bytes": {"file": bytes, "contents": header.contents_len, "text": records.text_bytes,
                          "definitions": header.definitions_len, "tests": header.tests_len},
                "counts": counts,
                "release": release.to_json(),
            });
            format!("{whole:#}\n")
        }
        OutputFormat::Text => {
            let mut text = format!(
                "format version  {VERSION}\ngeneration      {}\nbuilt at        {}\ndigest          {}\ncontent         {}\n\
                 bytes           {bytes} ({per_account:.0} for each account)\n  contents      {}\n    text        {}\n  \
                 definitions   {}\n  tests         {}\n",
                header.generation,
                built_at.as_deref().unwrap_or("unknown, because the generation is not a time"),
                snapshot.digest(),
                snapshot.content_digest(),
                header.contents_len,
                records.text_bytes,
                header.definitions_len,
                header.tests_len,
            );
            for (name, count) in counts {
                text.push_str(&format!("{name:<15} {count}\n"));
            }
            text.push_str(&format!("{:<15} {release}\n", "release"));
            text
        }
    };
    output::print(&text)?;
    Ok(Exit::Success)
}

/// The signed manifest beside a snapshot file. No signature is verified.
enum Release {
    Missing,
    /// The file is not the signed manifest of this snapshot. The text is the reason.
    Unusable(String),
    Signed {
        signatures: usize,
        created: String,
        expires: Option<String>,
    },
}

impl Release {
    fn beside(path: &Path, snapshot: &Snapshot) -> Release {
        let content = match read_bounded(&release_path(path), MAX_ENVELOPE_BYTES) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Release::Missing,
            Err(error) => return Release::Unusable(error.to_string()),
        };
        let read = Envelope::from_json(&content).and_then(|it| Ok((it.signatures(), it.unverified()?)));
        match read {
            Err(error) => Release::Unusable(error.to_string()),
            Ok((_, manifest)) if !manifest.names(&snapshot.digest()) => Release::Unusable(format!(
                "it names another snapshot, of generation {}; sign this one with `switchboard sign`",
                manifest.generation
            )),
            Ok((signatures, manifest)) => Release::Signed {
                signatures,
                created: manifest.created.to_string(),
                expires: manifest.expires.map(|time| time.to_string()),
            },
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Release::Missing => serde_json::Value::Null,
            Release::Unusable(reason) => json!({"error": reason}),
            Release::Signed { signatures, created, expires } => {
                json!({"signatures": signatures, "created": created, "expires": expires})
            }
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Release::Missing => out.write_str("none"),
            Release::Unusable(reason) => write!(out, "not usable: {reason}"),
            Release::Signed { signatures, created, expires } => {
                write!(out, "{} of {created}", count(*signatures, "signature", "signatures"))?;
                expires.as_ref().map_or(Ok(()), |expires| write!(out, ", expires {expires}"))?;
                out.write_str(" (not verified)")
            }
        }
    }
}
