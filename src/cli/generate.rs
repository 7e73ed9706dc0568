//! `switchboard completions`, `man` and `schema`: texts for shells, for man and for editors.
//!
//! clap knows only whole values of an argument. The fields of a query (`channel=`) and the values of some fields
//! (`channel=sms`) are added to each completion script here, so that a shell offers them in place of file names.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use switchboard_model::{QueryField, Role};

use super::arguments::{Arguments, CompletionsArguments, ManArguments, SchemaArguments, SchemaFile};
use super::help::{self, CommandHelp, ENVIRONMENT};
use super::{CommandError, Exit, output};

/// The commands whose operands are fields of a query.
const QUERY_COMMANDS: [&str; 2] = ["select", "explain"];
/// The built-in channel profiles. A registry may have others, which a shell does not know.
const CHANNELS: &str = include_str!("../../config/channels.toml");
/// The action of clap's zsh script for an operand, and the start of that script's last statement.
const ZSH_ACTION: &str = ":_default' \\\n";
const ZSH_END: &str = "if [ \"$funcstack[1]\" = ";

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

/// Prints the completion script of a shell: commands, options, values and the fields of a query.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let mut program = Arguments::command();
    let name = program.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    output::print(&match arguments.shell {
        Shell::Bash => bash(&script),
        Shell::Zsh => zsh(&script),
        Shell::Fish => format!("{script}{}", fish()),
        _ => script.into_owned(),
    })?;
    Ok(Exit::Success)
}

/// Returns the known values of a field. Other fields have any value.
fn values(field: QueryField) -> Vec<&'static str> {
    match field {
        QueryField::Channel => {
            let ids = CHANNELS.lines().filter_map(|line| line.strip_prefix("[channel.")?.strip_suffix(']'));
            ids.collect()
        }
        QueryField::Role => Role::ALL.map(Role::as_str).to_vec(),
        QueryField::Fallback => vec!["all", "none"],
        _ => Vec::new(),
    }
}

/// Returns `name=` for every field.
fn fields() -> String {
    QueryField::ALL.map(|field| format!("{}=", field.as_str())).join(" ")
}

/// Returns a text for every field with known values.
fn for_each_with_values(text: impl Fn(&str, &[&str]) -> String) -> String {
    let with_values = QueryField::ALL.map(|field| (field.as_str(), values(field)));
    with_values
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| text(name, values))
        .collect()
}

/// Returns clap's script with a function around its own. Readline begins a new word at `=`, so a field and its
/// value are joined first.
fn bash(script: &str) -> String {
    let fields = fields();
    let known = for_each_with_values(|name, values| {
        let values: Vec<String> = values.iter().map(|value| format!("{name}={value}")).collect();
        format!("        {name}=*) words=\"{}\" ;;\n", values.join(" "))
    });
    let commands = QUERY_COMMANDS.join("|");
    let function = format!(
        r#"
# Completes the fields of a query.
_switchboard() {{
    local word="${{2#=}}" field="" words
    if [[ "$COMP_CWORD" -gt 2 && "${{COMP_WORDS[COMP_CWORD]}}" == "=" ]]; then
        field="${{COMP_WORDS[COMP_CWORD - 1]}}="
    elif [[ "$COMP_CWORD" -gt 3 && "${{COMP_WORDS[COMP_CWORD - 1]}}" == "=" ]]; then
        field="${{COMP_WORDS[COMP_CWORD - 2]}}="
    fi
    word="$field$word"
    if [[ ! "${{COMP_WORDS[1]-}}" =~ ^({commands})$ || "$COMP_CWORD" -lt 2 || "$word" == -* || "$3" == -* ]]; then
        _switchboard_options "$@"
        return
    fi
    case "$word" in
{known}        *=*) words="" ;;
        *) words="{fields}" ;;
    esac
    COMPREPLY=( $(compgen -W "$words" -- "$word" || true) )
    COMPREPLY=( "${{COMPREPLY[@]#"$field"}}" )
    if [[ "${{COMPREPLY[0]-}}" == *= ]]; then
        compopt -o nospace 2>/dev/null || true
    fi
    # No operand is a file.
    compopt +o default +o bashdefault 2>/dev/null || true
}}
"#
    );
    script.replacen("_switchboard() {", "_switchboard_options() {", 1) + &function
}

/// Returns clap's script with a function that completes the operands of queries.
fn zsh(script: &str) -> String {
    let action = ZSH_ACTION.replace("_default", "_switchboard_fields");
    let lines = script.split_inclusive('\n').map(|line| match line.strip_suffix(ZSH_ACTION) {
        Some(before) if line.contains("::fields -- ") => format!("{before}{action}"),
        _ => line.to_owned(),
    });
    let script: String = lines.collect();
    let known = for_each_with_values(|name, values| {
        format!("    elif compset -P '{name}='; then compadd -- {}\n", values.join(" "))
    });
    let fields = fields();
    let function = format!(
        r#"_switchboard_fields() {{
    if [[ "$PREFIX" != *=* ]]; then compadd -S '' -- {fields}
{known}    else _message 'value'
    fi
}}

"#
    );
    match script.rsplit_once(ZSH_END) {
        Some((before, after)) => format!("{before}{function}{ZSH_END}{after}"),
        None => script,
    }
}

/// Returns further lines of the fish script. fish adds no blank after `=`.
fn fish() -> String {
    let fields = fields();
    let known = for_each_with_values(|name, values| {
        values.iter().map(|value| format!(" {name}={value}")).collect::<String>()
    });
    let lines = QUERY_COMMANDS.map(|command| {
        format!(
            "complete -c switchboard -n \"__fish_switchboard_using_subcommand {command}\" -f -a \"{fields}{known}\"\n"
        )
    });
    lines.concat()
}
