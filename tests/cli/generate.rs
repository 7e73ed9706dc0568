//! `switchboard completions` and `man`: scripts as shells run them, pages as man shows them.

use std::fs;
use std::process::{Command, Output};

use super::{stderr, stdout, switchboard};

/// Returns the commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = stdout(&switchboard(&["--help"]));
    let listed = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.len() >= 8 && names.iter().any(|name| name == "check"), "{help}");
    names
}

/// Returns what bash offers for the last of these words.
fn bash(words: &[&str]) -> Vec<String> {
    let script = r#"set -eu; source /dev/stdin; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        complete -p switchboard >&2
        _switchboard switchboard "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switchboard");
    fs::write(&path, switchboard(&["completions", "bash"]).stdout).unwrap();
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile", "-c", script, "bash", "-"]).args(words);
    let output = command.stdin(fs::File::open(&path).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(bash(&["switchboard", "ch"]), ["check"]);
    let offered = bash(&["switchboard", ""]);
    for command in commands() {
        assert!(offered.contains(&command), "{command} in {offered:?}");
    }
    assert_eq!(bash(&["switchboard", "serve", "--snap"]), ["--snapshot"]);
    assert_eq!(bash(&["switchboard", "check", "--format", ""]), ["text", "json"]);
}

#[test]
fn completion_script_of_every_shell_names_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = switchboard(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}: {}", stderr(&output));
        let script = stdout(&output);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    let output = switchboard(&["completions", "csh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("bash, elvish, fish, powershell, zsh"), "{}", stderr(&output));
}

/// Returns a page as man shows it, and fails on warnings.
fn shown(page: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.1");
    fs::write(&path, page).unwrap();
    let mut man = Command::new("man");
    man.args(["--warnings=w", "--no-hyphenation", "-P", "cat", "-l"]).arg(&path);
    let output = man.env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8").output();
    let Output { status, stdout, stderr } = output.expect("no man: apt-get install man-db");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success() && said.is_empty(), "{said}");
    String::from_utf8(stdout).unwrap()
}

/// Returns the text of a section.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let start = page.find(&format!("\n{name}\n")).unwrap_or_else(|| panic!("no {name} in {page}"));
    let rest = &page[start + name.len() + 2..];
    let end = rest
        .match_indices('\n')
        .map(|(at, _)| at)
        .find(|at| rest[at + 1..].starts_with(|first: char| first.is_ascii_uppercase()));
    &rest[..end.unwrap_or(rest.len())]
}

#[test]
#[cfg_attr(not(has_man), ignore = "needs man: apt-get install man-db")]
fn man_page_has_commands_examples_and_exit_codes() {
    let page = shown(&switchboard(&["man"]).stdout);
    for command in commands().iter().filter(|command| *command != "help") {
        assert!(
            section(&page, "SUBCOMMANDS").contains(&format!("switchboard-{command}(1)")),
            "{command}: {page}"
        );
    }
    let examples = section(&page, "EXAMPLES");
    let first = examples.lines().find(|line| line.contains("compile")).unwrap();
    assert_eq!(first.trim(), "switchboard compile registry -o registry.swb", "lines are kept");
    let status = section(&page, "EXIT STATUS");
    let codes: Vec<&str> = status.split_whitespace().filter(|word| word.parse::<u8>().is_ok()).collect();
    assert_eq!(codes, ["0", "1", "2", "3"], "{status}");
}

#[test]
#[cfg_attr(not(has_man), ignore = "needs man: apt-get install man-db")]
fn man_writes_a_page_for_each_command_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    assert_eq!(switchboard(&["man", pages.to_str().unwrap()]).status.code(), Some(0));
    let mut written: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected: Vec<String> = commands()
        .iter()
        .filter(|command| *command != "help")
        .map(|command| format!("switchboard-{command}.1"))
        .chain(["switchboard.1".to_owned()])
        .collect();
    written.sort();
    expected.sort();
    assert_eq!(written, expected);
    for name in &written {
        let page = shown(&fs::read(pages.join(name)).unwrap());
        assert!(section(&page, "EXAMPLES").contains("switchboard"), "{name}");
        assert!(section(&page, "EXIT STATUS").contains("wrong usage"), "{name}");
        assert!(section(&page, "SEE ALSO").contains("(1)"), "{name}");
    }
    let check = shown(&fs::read(pages.join("switchboard-check.1")).unwrap());
    assert!(section(&check, "OPTIONS").contains("--fail-under <PCT>"), "{check}");
    assert!(section(&check, "NOTES").contains("file:line: severity[code]: message"), "{check}");
}

#[test]
fn man_into_an_unwritable_folder_exits_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let output = switchboard(&["man", file.join("man1").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("name a folder that can be written to"), "{}", stderr(&output));
}
