//! `switchboard completions`: clap's script for a shell, and the fields of a query.
//!
//! clap knows only whole values. The fields (`channel=`) and the values of some fields (`channel=sms`) are added
//! to each script here, so that a shell offers them in place of file names.

use clap::CommandFactory;
use clap_complete::Shell;
use switchboard_model::{QueryField, Role};

use super::arguments::{Arguments, CompletionsArguments};
use super::{CommandError, Exit, output};

/// The commands whose operands are fields of a query.
const COMMANDS: [&str; 2] = ["select", "explain"];
/// The built-in channel profiles. A registry may have others, which a shell does not know.
const CHANNELS: &str = include_str!("../../config/channels.toml");
/// The action of clap's zsh script for an operand, and the start of that script's last statement.
const ZSH_ACTION: &str = ":_default' \\\n";
const ZSH_END: &str = "if [ \"$funcstack[1]\" = ";

/// Prints the completion script of a shell: commands, options, values and the fields of a query.
pub(super) fn run(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
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
    let commands = COMMANDS.join("|");
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
    let lines = COMMANDS.map(|command| {
        format!(
            "complete -c switchboard -n \"__fish_switchboard_using_subcommand {command}\" -f -a \"{fields}{known}\"\n"
        )
    });
    lines.concat()
}
