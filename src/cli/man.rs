//! `switchboard man [DIR]`

use std::fs;
use std::io;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::arguments::{Arguments, EXIT_CODES, Pages};
use super::{Exit, Failure, output};

/// Prints the program's page, or writes it and one for each command into a folder.
pub fn run(arguments: &Pages) -> Result<Exit, Failure> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    // Gives the commands their full names.
    program.build();
    let Some(folder) = &arguments.folder else {
        let (_, page) = page(&program, &program).map_err(|error| Failure::io(error.to_string()))?;
        output::print(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let failed = |path: &std::path::Path, error: io::Error| {
        Failure::io(format!("{}: {error}; name a folder that can be written to", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for command in all(&program) {
        let (name, page) = page(command, &program).map_err(|error| Failure::io(error.to_string()))?;
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
    }
    Ok(Exit::Done)
}

/// The program, its commands, and theirs.
fn all(command: &clap::Command) -> Vec<&clap::Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(shown.flat_map(all)).collect()
}

/// A page's file name and its text.
fn page(command: &clap::Command, program: &clap::Command) -> io::Result<(String, Vec<u8>)> {
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
    // The program's help says what its exit codes are; those of a command do not, and are the same.
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    sections(help.trim_end_matches(EXIT_CODES)).to_writer(&mut text)?;
    let mut closing = Roff::new();
    exit_status(&mut closing);
    see_also(&mut closing, command, program);
    closing.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

/// What stands behind a command's help: the examples line by line, the rest as running text.
fn sections(help: &str) -> Roff {
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

/// Each code under its number.
fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    let listed = EXIT_CODES.trim_start_matches("Exit codes:").trim_end_matches('.').replace('\n', " ");
    for (code, meaning) in listed.split(';').filter_map(|code| code.trim().split_once(' ')) {
        roff.control("TP", ["4"]).text([bold(code)]).text([roman(meaning)]);
    }
}

/// The other pages.
fn see_also(roff: &mut Roff, command: &clap::Command, program: &clap::Command) {
    let name =
        |command: &clap::Command| command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let own = name(command);
    let others: Vec<String> = all(program).into_iter().map(name).filter(|other| *other != own).collect();
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (at, other) in others.iter().enumerate() {
        let end = if at + 1 == others.len() { "(1)" } else { "(1), " };
        line.extend([bold(other), roman(end)]);
    }
    roff.text(line);
}
