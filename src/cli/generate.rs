//! `switchboard man` and `schema`: texts for man and for editors.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::arguments::{Arguments, ManArguments, SchemaArguments, SchemaFile};
use super::help::{self, CommandHelp, ENVIRONMENT};
use super::{CommandError, Exit, output};

/// Prints the JSON Schema of one of the files of a registry.
pub(super) fn schema(arguments: &SchemaArguments) -> Result<Exit, CommandError> {
    // Tests compare these files with generated ones, so the binary needs no generator.
    output::print(match arguments.file {
        SchemaFile::Company => include_str!("../../docs/schema/company.schema.json"),
        SchemaFile::Channels => include_str!("../../docs/schema/channels.schema.json"),
        SchemaFile::Tests => include_str!("../../docs/schema/tests.schema.json"),
    })?;
    Ok(Exit::Success)
}

/// Prints the man page of the program, or writes its page and one for each command into a folder.
pub(super) fn man(arguments: &ManArguments) -> Result<Exit, CommandError> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    // Gives the commands their full names.
    program.build();
    let Some(folder) = &arguments.folder else {
        let (_, page) = man_page(&program, &program).map_err(|error| CommandError::io(error.to_string()))?;
        output::print(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Success);
    };
    let failed = |path: &Path, error: io::Error| {
        CommandError::io(format!(
            "cannot write {}: {error}; name a folder that you may write to",
            path.display()
        ))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for command in with_subcommands(&program) {
        let (name, page) =
            man_page(command, &program).map_err(|error| CommandError::io(error.to_string()))?;
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
    }
    Ok(Exit::Success)
}

/// Returns a command and all of its subcommands, without hidden ones.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(shown.flat_map(with_subcommands)).collect()
}

/// Returns the file name and the text of a command's page.
fn man_page(command: &Command, program: &Command) -> io::Result<(String, Vec<u8>)> {
    let version = program.get_version().unwrap_or_default();
    let man =
        Man::new(command.clone()).source(format!("{} {version}", program.get_name())).manual("Switchboard");
    // The full name of `standing set` is `switchboard-standing-set`.
    let full_name = command.get_display_name().unwrap_or_default();
    let name = full_name.strip_prefix(program.get_name()).unwrap_or_default().trim_start_matches('-');
    let help = help::of_display_name(name);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    description(command, help).to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    list(&mut roff, "FIELDS", help.fields.iter().copied());
    let codes: Vec<(String, &str)> = help.exit_codes().collect();
    list(&mut roff, "EXIT STATUS", codes.iter().map(|(code, meaning)| (code.as_str(), *meaning)));
    list(&mut roff, "SIGNALS", help.signals.iter().copied());
    list(&mut roff, "ENVIRONMENT", help.environment.iter().chain(ENVIRONMENT).copied());
    list(&mut roff, "FILES", help.files.iter().flat_map(|files| files.iter()).copied());
    examples(&mut roff, help);
    see_also(&mut roff, command, program);
    roff.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

fn description(command: &Command, help: &CommandHelp) -> Roff {
    let mut roff = Roff::new();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    roff.control("SH", ["DESCRIPTION"]).text([roman(format!("{about}."))]);
    for note in help.notes {
        roff.control("PP", []).text([roman(*note)]);
    }
    roff
}

/// Renders a section of names with their meanings, unless it is empty.
fn list<'e>(roff: &mut Roff, section: &str, entries: impl Iterator<Item = (&'e str, &'e str)>) {
    for (at, (name, meaning)) in entries.enumerate() {
        if at == 0 {
            roff.control("SH", [section]);
        }
        roff.control("TP", []).text([bold(name)]).text([roman(meaning)]);
    }
}

/// Renders the purpose of each example, and below it the command line as it is typed.
fn examples(roff: &mut Roff, help: &CommandHelp) {
    roff.control("SH", ["EXAMPLES"]);
    for (purpose, command) in help.examples {
        roff.control("PP", []).text([roman(format!("{purpose}:"))]);
        roff.control("PP", []).control("RS", ["2"]).control("nf", []);
        for line in command.lines() {
            roff.text([bold(line)]);
        }
        roff.control("fi", []).control("RE", []);
    }
}

fn see_also(roff: &mut Roff, command: &Command, program: &Command) {
    let name =
        |command: &Command| command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let own = name(command);
    let others: Vec<String> =
        with_subcommands(program).into_iter().map(name).filter(|other| *other != own).collect();
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (at, other) in others.iter().enumerate() {
        let end = if at + 1 == others.len() { "(1)" } else { "(1), " };
        line.extend([bold(other), roman(end)]);
    }
    roff.text(line);
}
