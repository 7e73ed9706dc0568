//! `switchboard db`: the schema of a registry in PostgreSQL, import and export.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use switchboard_database::{Change, DatabaseError, ImportScope};
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_registry::{Entry, Files, read};

use super::arguments::{DbCommand, ExportArguments, ImportArguments, MigrateArguments};
use super::output::{self, HEADING, ProgressLine, SUCCESS, count};
use super::source::{database_error, database_from_url, findings_text, now, read_registry};
use super::{CommandError, Exit};

/// Runs a subcommand of `switchboard db`.
pub(super) fn run(command: &DbCommand) -> Result<Exit, CommandError> {
    match command {
        DbCommand::Migrate(arguments) => migrate(arguments),
        DbCommand::Import(arguments) => import(arguments),
        DbCommand::Export(arguments) => export(arguments),
    }
}

/// Makes or upgrades the schema.
fn migrate(arguments: &MigrateArguments) -> Result<Exit, CommandError> {
    let MigrateArguments { database, roles } = arguments;
    let database = database_from_url(&database.url)?;
    let migrated = database.migrate(*roles).map_err(|error| database_error(&database, &error))?;
    let to = migrated.to;
    let text = match migrated.from {
        0 => format!("{SUCCESS}made{SUCCESS:#} the schema `switchboard` in {database}, version {to}"),
        from if from == to => format!("the schema `switchboard` in {database} has version {to} already"),
        from => format!(
            "{SUCCESS}upgraded{SUCCESS:#} the schema `switchboard` in {database} from version {from} to {to}"
        ),
    };
    let roles = if *roles { "; roles switchboard_reader and switchboard_editor" } else { "" };
    output::print(&format!("{text}{roles}\n"))?;
    Ok(Exit::Success)
}

/// Replaces companies in the database. Refuses a registry with errors.
fn import(arguments: &ImportArguments) -> Result<Exit, CommandError> {
    let ImportArguments { folder, database, companies, dry_run, limits } = arguments;
    refuse_url(folder)?;
    let database = database_from_url(&database.url)?;
    let mut files = read_registry(folder, limits.limits())?;
    let scope = if companies.is_empty() { ImportScope::Registry } else { ImportScope::Companies };
    if scope == ImportScope::Companies {
        keep_companies(&mut files, companies, folder)?;
    }
    let progress = ProgressLine::new();
    let now = now();
    let built = build_snapshot(&files, now.as_u64(), now.to_seconds(), BuildMode::Strict, &progress);
    drop(progress);
    if let Err(failure) = built {
        output::print_error(&findings_text(&failure.findings, &files, folder));
        let errors = count(failure.findings.errors(), "error", "errors");
        output::print_failure(&format!("{errors}: nothing was imported"));
        return Ok(Exit::Failed);
    }
    let (registry, _) = read(&files);
    let imported = database.import(&registry, scope, *dry_run).map_err(|error| match error {
        DatabaseError::OtherChannels(_) => CommandError::failed(format!("{database}: {error}")),
        error => database_error(&database, &error),
    })?;
    output::print(&changes_text(&imported.changes))?;
    let what = match (imported.changes.is_empty(), *dry_run) {
        (true, _) => format!("{database} has these companies already: nothing changes"),
        (false, true) => format!("nothing was written to {database}: --dry-run shows only what would change"),
        (false, false) => format!(
            "{SUCCESS}imported{SUCCESS:#} {} into {database}",
            count(registry.companies.len(), "company", "companies")
        ),
    };
    output::print_error(&format!("{what}\n"));
    Ok(Exit::Success)
}

/// Refuses a URL in the place of a folder, without repeating it, because it may contain a password.
fn refuse_url(folder: &Path) -> Result<(), CommandError> {
    let is_url = folder.to_str().is_some_and(|text| text.contains("://"));
    let text = "a URL is in the place of a folder: write `switchboard db import DIR URL` or `switchboard db export \
                URL DIR`; export one database, and import the folder into the other one";
    if is_url { Err(CommandError::usage(text)) } else { Ok(()) }
}

/// Removes the files of all other companies.
fn keep_companies(files: &mut Files, companies: &[String], folder: &Path) -> Result<(), CommandError> {
    let is_of =
        |path: &str, company: &str| path.strip_prefix(company).is_some_and(|rest| rest.starts_with('/'));
    if let Some(missing) = companies.iter().find(|id| !files.iter().any(|(path, _)| is_of(path, id))) {
        let folder = folder.display();
        return Err(CommandError::usage(format!(
            "{folder} has no company {missing}: --company names a folder in it"
        )));
    }
    files.retain(|path| !path.contains('/') || companies.iter().any(|company| is_of(path, company)));
    Ok(())
}

/// Renders the changes, with a line for each company and table.
fn changes_text(changes: &[Change]) -> String {
    let mut lines: BTreeMap<(Option<&str>, &str), Vec<String>> = BTreeMap::new();
    for Change { company, table, kind, rows, first } in changes {
        let more = if *rows > first.len() as u64 { ", …" } else { "" };
        let line = format!("{rows} {kind} ({}{more})", first.join(", "));
        lines.entry((company.as_deref(), table)).or_default().push(line);
    }
    let line = |((company, table), kinds): ((Option<&str>, &str), Vec<String>)| {
        let of = company.map_or(String::new(), |company| format!("{HEADING}{company}{HEADING:#}: "));
        format!("{of}{table}: {}\n", kinds.join("; "))
    };
    lines.into_iter().map(line).collect()
}

/// Writes the registry of the database to a new folder.
fn export(arguments: &ExportArguments) -> Result<Exit, CommandError> {
    let ExportArguments { database, folder, limits } = arguments;
    refuse_url(folder)?;
    let database = database_from_url(&database.url)?;
    let failed = |path: &Path, error: &io::Error| {
        CommandError::io(format!("cannot write {}: {error}; nothing was exported", path.display()))
    };
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(folder, &error)),
        Ok(true) => {}
        Ok(false) => {
            let folder = folder.display();
            return Err(CommandError::usage(format!(
                "{folder} is not empty: name a folder that does not exist"
            )));
        }
    }
    let contents = database.read(limits.limits()).map_err(|error| database_error(&database, &error))?;
    // The folder appears complete, or not at all.
    let absolute = std::path::absolute(folder).map_err(|error| failed(folder, &error))?;
    let parent = absolute.parent().unwrap_or(&absolute);
    fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
    let written = tempfile::tempdir_in(parent).map_err(|error| failed(parent, &error))?;
    let complete = written.path().join("registry");
    let number = write(&contents.files, &complete)
        .and_then(|number| fs::rename(&complete, &absolute).map(|()| number))
        .map_err(|error| failed(folder, &error))?;
    output::print_error(&format!(
        "{SUCCESS}exported{SUCCESS:#} {database} to {}: {}\n",
        folder.display(),
        count(number, "file", "files")
    ));
    Ok(Exit::Success)
}

/// Writes the files into a new folder. Returns their number.
fn write(files: &Files, folder: &Path) -> io::Result<usize> {
    fs::create_dir(folder)?;
    let mut number = 0;
    for (path, entry) in files.iter() {
        let Entry::File(content) = entry else { continue };
        let path = folder.join(&**path);
        if let Some(company) = path.parent() {
            fs::create_dir_all(company)?;
        }
        fs::write(path, content)?;
        number += 1;
    }
    Ok(number)
}
