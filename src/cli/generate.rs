//! `switchboard completions`, `man` and `schema`: files that help other programs with this one.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::arguments::{
    Arguments, CompletionsArguments, EXIT_CODES, ManArguments, SchemaArguments, SchemaFile, exit_codes_help,
};
use super::{CommandError, Exit, output};

/// Prints the script that completes commands, options and values in a shell.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let mut program = Arguments::command();
    let name = program.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Prints the JSON Schema of one of a registry's files.
pub(super) fn schema(arguments: &SchemaArguments) -> Result<Exit, CommandError> {
    // The tests generate the files from types and compare them, so the binary needs no generator.
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
        CommandError::io(format!("{}: {error}; name a folder that can be written to", path.display()))
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

/// Returns a command and all commands below it, without hidden ones.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(shown.flat_map(with_subcommands)).collect()
}

/// Returns the file name and the text of a command's page.
fn man_page(command: &Command, program: &Command) -> io::Result<(String, Vec<u8>)> {
    let version = program.get_version().unwrap_or_default();
    let man =
        Man::new(command.clone()).source(format!("{} {version}", program.get_name())).manual("Switchboard");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    // The help of the program ends with the exit codes, which have a section of their own in every page.
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let exit_codes = exit_codes_help();
    let help = help.strip_suffix(&exit_codes).unwrap_or(&help);
    examples_and_notes(help).to_writer(&mut text)?;
    let mut closing = Roff::new();
    exit_status(&mut closing);
    see_also(&mut closing, command, program);
    closing.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

/// Renders the end of a help text: examples line by line, other paragraphs as running text.
fn examples_and_notes(help: &str) -> Roff {
    let mut roff = Roff::new();
    let mut notes = false;
    for paragraph in help.split("\n\n").map(str::trim_end).filter(|paragraph| !paragraph.is_empty()) {
        match paragraph.strip_prefix("Examples:\n") {
            Some(examples) => {
                roff.control("SH", ["EXAMPLES"]).control("nf", []);
                for line in examples.lines() {
                    roff.text([roman(line.trim_start())]);
                }
                roff.control("fi", []);
            }
            None => {
                if notes {
                    roff.control("PP", []);
                } else {
                    roff.control("SH", ["NOTES"]);
                }
                notes = true;
                roff.text([roman(paragraph)]);
            }
        }
    }
    roff
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in EXIT_CODES {
        roff.control("TP", ["4"]).text([bold((exit as u8).to_string())]).text([roman(meaning)]);
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
