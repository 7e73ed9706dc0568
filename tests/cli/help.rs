//! The help texts as a terminal shows them, at several widths.

use std::process::Command;

use clap::{CommandFactory, Parser};
use switchboard::cli::arguments::Arguments;

const WIDTHS: [usize; 2] = [80, 120];
/// Words that docs and help texts avoid, because their reader has to guess the noun.
const BANNED: [&str; 8] =
    ["whoever", "nobody", "somebody", "told", "can be had", "what came of it", "what is to be", "heed"];

/// Returns the commands with their names. The program itself has an empty name.
fn commands() -> Vec<(String, clap::Command)> {
    let mut program = Arguments::command();
    program.build();
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let mut named: Vec<(String, clap::Command)> = Vec::new();
    for command in commands {
        named.push((command.get_name().to_owned(), command.clone()));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            named.push((format!("{} {}", command.get_name(), below.get_name()), below.clone()));
        }
    }
    named.push((String::new(), program));
    assert!(named.len() > 10);
    named
}

fn help(command: &str, flag: &str, columns: usize) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    process.args(command.split_whitespace().chain([flag]));
    let output = process.env("COLUMNS", columns.to_string()).output().unwrap();
    assert!(output.status.success(), "{command}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the lines of a list: those from its heading to the next empty line.
fn list<'h>(help: &'h str, heading: &str) -> Vec<&'h str> {
    help.lines().skip_while(|line| *line != heading).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn help_of_every_command_fits_80_and_120_columns() {
    for (command, _) in commands() {
        for flag in ["-h", "--help"] {
            let [narrow, wide] = WIDTHS.map(|columns| help(&command, flag, columns));
            for (text, columns) in [(&narrow, WIDTHS[0]), (&wide, WIDTHS[1])] {
                for line in text.lines() {
                    assert!(line.chars().count() <= columns, "{command} {flag} at {columns}: {line}");
                    let is_broken = line.ends_with("[default:") || line.ends_with("[possible values:");
                    assert!(!is_broken, "{command} {flag}: {line}");
                }
                for word in BANNED {
                    assert!(!text.to_lowercase().contains(word), "{command} {flag}: {word}");
                }
            }
            // A line that clap breaks begins in the first column.
            for heading in ["Examples:", "Fields:", "Exit codes:"] {
                for line in list(&narrow, heading)
                    .iter()
                    .chain(&list(&wide, heading))
                    .filter(|line| **line != heading)
                {
                    assert!(line.starts_with("  "), "{command} {flag}: {line}");
                }
            }
            assert!(list(&narrow, "Examples:").len() > 2, "{command} {flag} has no examples");
            assert!(list(&narrow, "Exit codes:").len() > 2, "{command} {flag} has no exit codes");
        }
    }
}

#[test]
fn every_help_text_has_two_words_or_more() {
    let check = |of: &str, text: Option<String>| {
        let text = text.unwrap_or_default();
        assert!(text.split_whitespace().count() >= 2, "{of}: {text:?}");
    };
    for (name, command) in commands() {
        check(&name, command.get_about().map(ToString::to_string));
        for argument in command.get_arguments() {
            let of = format!("{name} {}", argument.get_id());
            check(&of, argument.get_help().map(ToString::to_string));
            // The names of shells need no explanation.
            for value in argument.get_possible_values().iter().filter(|_| argument.get_id() != "shell") {
                check(&format!("{of} {}", value.get_name()), value.get_help().map(ToString::to_string));
            }
        }
    }
}

#[test]
fn examples_of_the_help_are_valid_command_lines() {
    for (command, _) in commands() {
        let text = help(&command, "--help", WIDTHS[0]).replace("\\\n", "");
        let lines = text.lines().skip_while(|line| *line != "Examples:").take_while(|line| !line.is_empty());
        let mut parsed = 0;
        for line in lines.filter(|line| line.starts_with("    switchboard")) {
            let line = line.split(['|', '>']).next().unwrap();
            if let Err(error) = Arguments::try_parse_from(line.split_whitespace()) {
                panic!("{line}: {error}");
            }
            parsed += 1;
        }
        assert!(parsed > 0, "{text}");
    }
}

#[test]
fn fields_of_the_help_are_those_of_a_query() {
    for command in ["select", "explain"] {
        let text = help(command, "--help", WIDTHS[0]);
        let fields = list(&text, "Fields:");
        let names = fields.iter().skip(1).filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
        let mut names: Vec<&str> = names.map(|(name, _)| name).filter(|name| !name.is_empty()).collect();
        let mut known = switchboard_model::QueryField::ALL.map(|field| field.as_str()).to_vec();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known, "{text}");
    }
}
