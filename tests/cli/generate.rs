//! `switchboard completions` and `man`: scripts as shells run them, and man pages as source and rendered.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use switchboard_model::QueryField;

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

/// Returns the completions that bash offers for the last of these words.
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
    assert_eq!(bash(&["switchboard", "ch"]), ["check", "check-config"]);
    let offered = bash(&["switchboard", ""]);
    for command in commands() {
        assert!(offered.contains(&command), "{command} in {offered:?}");
    }
    assert_eq!(bash(&["switchboard", "serve", "--snap"]), ["--snapshot"]);
    assert_eq!(bash(&["switchboard", "check", "--format", ""]), ["text", "json"]);
}

/// Readline passes `=` as a word of its own.
#[test]
fn bash_completes_the_fields_of_a_query() {
    for command in ["select", "explain"] {
        let fields = bash(&["switchboard", command, ""]);
        assert_eq!(fields, QueryField::ALL.map(|field| format!("{}=", field.as_str())));
        assert_eq!(bash(&["switchboard", command, "channel=sms", "chan"]), ["channel="]);
        assert_eq!(bash(&["switchboard", command, "--registry", "config/demo", "ro"]), ["role="]);
        for [before, last] in [["role", "="], ["role=", ""]] {
            let words = ["switchboard", command, "ou=zurich", before, last];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            let joined = if last.is_empty() { "role=" } else { "" };
            assert_eq!(bash(&words), ["primary", "secondary"].map(|role| format!("{joined}{role}")));
        }
        assert_eq!(bash(&["switchboard", command, "fallback", "=", "n"]), ["none"]);
        assert_eq!(bash(&["switchboard", command, "channel", "=", "wechat_"]), ["wechat_miniapp"]);
        assert_eq!(bash(&["switchboard", command, "channel=wha"]), ["channel=whatsapp"]);
        for free in [&["phone", "="][..], &["phone", "=", "+4"], &["client=x"], &["nonsense", "=", "R"]] {
            assert_eq!(bash(&[&["switchboard", command], free].concat()), [""], "{free:?}");
        }
        assert_eq!(bash(&["switchboard", command, "--reg"]), ["--registry"]);
    }
    let offered = bash(&["switchboard", "check", ""]);
    assert!(!offered.iter().any(|word| word.ends_with('=')), "only queries have fields: {offered:?}");
}

#[test]
fn zsh_and_fish_scripts_have_the_fields_of_a_query() {
    for (shell, field, value) in [
        (
            "zsh",
            "compadd -S '' -- company= channel= ",
            "compset -P 'role='; then compadd -- primary secondary\n",
        ),
        ("fish", "using_subcommand explain\" -f -a \"company= channel= ", " role=primary role=secondary"),
    ] {
        let script = stdout(&switchboard(&["completions", shell]));
        assert!(script.contains(field) && script.contains(value), "{script}");
        for field in QueryField::ALL {
            assert!(script.contains(&format!("{}=", field.as_str())), "{shell}: {}", field.as_str());
        }
        assert!(!script.contains("::fields -- ") || script.matches(":_switchboard_fields'").count() == 2);
    }
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
fn rendered(page: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.1");
    fs::write(&path, page).unwrap();
    let mut man = Command::new("man");
    man.args(["--warnings=w", "--no-hyphenation", "-P", "cat", "-l"]).arg(&path);
    let output = man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8").output();
    let Output { status, stdout, stderr } = output.expect("no man: apt-get install man-db");
    let warnings = String::from_utf8_lossy(&stderr);
    assert!(status.success() && warnings.is_empty(), "{warnings}");
    String::from_utf8(stdout).unwrap()
}

/// Returns the text of a section of a rendered page.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let start = page.find(&format!("\n{name}\n")).unwrap_or_else(|| panic!("no {name} in {page}"));
    let rest = &page[start + name.len() + 2..];
    let end = rest
        .match_indices('\n')
        .map(|(at, _)| at)
        .find(|at| rest[at + 1..].starts_with(|first: char| first.is_ascii_uppercase()));
    &rest[..end.unwrap_or(rest.len())]
}

/// Writes all pages and returns their names and their source in the language of man.
fn pages() -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    assert_eq!(switchboard(&["man", pages.to_str().unwrap()]).status.code(), Some(0));
    let files = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    let mut pages: Vec<(String, String)> = files.map(read).collect();
    pages.sort();
    pages
}

/// Returns the names that a section of a page's source lists, with their meanings.
pub(crate) fn entries(page: &str, section: &str) -> Vec<(String, String)> {
    let quoted = if section.contains(' ') { format!("\"{section}\"") } else { section.to_owned() };
    let rest =
        page.split_once(&format!(".SH {quoted}\n")).unwrap_or_else(|| panic!("no {section}: {page}")).1;
    let lines = rest.split("\n.SH ").next().unwrap().split(".TP\n").skip(1);
    let entry = |lines: &str| {
        let (name, meaning) = lines.split_once('\n').unwrap();
        let name = name.trim_start_matches("\\fB").trim_end_matches("\\fR").replace("\\-", "-");
        (name, meaning.trim().to_owned())
    };
    lines.map(entry).collect()
}

/// Returns the texts of all source files below a folder, without the tests of crates.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") {
            // The programs do not have what tests read.
        } else if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all += &fs::read_to_string(&path).unwrap();
        }
    }
    all
}

#[test]
fn man_writes_a_page_for_the_program_and_each_command() {
    let mut expected: Vec<String> = commands()
        .iter()
        .filter(|command| *command != "help")
        .map(|command| format!("switchboard-{command}.1"))
        .chain(["switchboard.1".to_owned()])
        .chain(["list", "set", "clear"].map(|command| format!("switchboard-standing-{command}.1")))
        .chain(
            ["init", "publish", "status", "rollback"].map(|command| format!("switchboard-fleet-{command}.1")),
        )
        .chain(["migrate", "import", "export"].map(|command| format!("switchboard-db-{command}.1")))
        .chain(["switchboard-audit-verify.1".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(pages().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), expected);
}

#[test]
fn every_page_has_its_sections_and_the_serving_pages_have_signals() {
    for (name, page) in pages() {
        let has_no_files = name.starts_with("switchboard-st")
            || (name.starts_with("switchboard-fleet") && name != "switchboard-fleet-publish.1")
            || name == "switchboard-db-migrate.1";
        for section in
            ["EXIT STATUS", "ENVIRONMENT", "FILES"].into_iter().take(if has_no_files { 2 } else { 3 })
        {
            assert!(!entries(&page, section).is_empty(), "{name}: {section}");
        }
        assert!(page.contains(".SH EXAMPLES\n") && page.contains(".SH \"SEE ALSO\"\n"), "{name}");
        let serves =
            ["switchboard.1", "switchboard-serve.1", "switchboard-fleet-publish.1"].contains(&&*name);
        assert_eq!(page.contains(".SH SIGNALS\n"), serves, "{name}");
        assert_eq!(page.contains("Possible values:"), name_has_values(&name), "{name}");
    }
}

/// Returns whether the command of a page has an option with a closed list of values.
fn name_has_values(page: &str) -> bool {
    let others = ["compile", "standing", "audit", "keygen", "man", "sign", "token"];
    let fleet = ["fleet", "fleet-init", "fleet-publish", "fleet-rollback"];
    let db = ["db", "db-migrate", "db-import", "db-export"];
    let mut others = others.iter().chain(&fleet).chain(&db).map(|command| format!("switchboard-{command}.1"));
    !others.any(|other| other == page)
}

#[test]
fn pages_name_every_exit_code_signal_and_environment_variable_of_the_code() {
    let pages = pages();
    let page = |name: &str| &pages.iter().find(|(page, _)| page == name).unwrap().1;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = sources(&root.join("src")) + &sources(&root.join("crates"));
    for page in [page("switchboard.1"), page("switchboard-serve.1")] {
        let named = |section: &str| -> Vec<String> {
            let names = entries(page, section).into_iter().map(|(name, _)| name);
            names.flat_map(|name| name.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        let signals = named("SIGNALS");
        for (kind, signal) in [
            ("hangup", "SIGHUP"),
            ("interrupt", "SIGINT"),
            ("quit", "SIGQUIT"),
            ("terminate", "SIGTERM"),
            ("user_defined1", "SIGUSR1"),
            ("user_defined2", "SIGUSR2"),
        ] {
            let handled = code.contains(&format!("SignalKind::{kind}()"));
            assert_eq!(signals.contains(&signal.to_owned()), handled, "{signal}");
        }
        let variables = named("ENVIRONMENT");
        for call in ["env::var(\"", "env::var_os(\""] {
            for name in code.split(call).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(variables.contains(&name.to_owned()), "{name} is read, and in no page");
            }
        }
        // Libraries read these.
        for name in ["RUST_LOG", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "NO_COLOR", "COLUMNS"] {
            assert!(variables.contains(&name.to_owned()), "{name}");
        }
    }
    let codes: Vec<String> =
        entries(page("switchboard.1"), "EXIT STATUS").into_iter().map(|(code, _)| code).collect();
    let source = fs::read_to_string(root.join("src/cli/mod.rs")).unwrap();
    let variants = source.split_once("enum Exit {").unwrap().1.split_once('}').unwrap().0;
    let values: Vec<&str> =
        variants.lines().filter_map(|line| Some(line.split_once(" = ")?.1.trim_end_matches(','))).collect();
    assert_eq!(codes, values);
}

#[test]
#[cfg_attr(not(has_man), ignore = "needs man: apt-get install man-db")]
fn man_renders_every_page_without_warnings() {
    for (name, page) in pages() {
        let page = rendered(page.as_bytes());
        assert!(section(&page, "EXAMPLES").contains("switchboard"), "{name}: {page}");
        assert!(section(&page, "EXIT STATUS").contains(" is wrong."), "{name}: {page}");
        assert!(section(&page, "SEE ALSO").contains("(1)"), "{name}: {page}");
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{name}: {page}");
    }
    let page = rendered(&switchboard(&["man"]).stdout);
    for command in commands().iter().filter(|command| *command != "help") {
        assert!(section(&page, "SUBCOMMANDS").contains(&format!("switchboard-{command}(1)")), "{page}");
    }
    let examples = section(&page, "EXAMPLES");
    let example = "switchboard compile registry -o registry.swb";
    assert!(examples.lines().any(|line| line.trim() == example), "lines are kept: {examples}");
}

#[test]
fn man_into_an_unwritable_folder_exits_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let output = switchboard(&["man", file.join("man1").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("name a folder that you may write to"), "{}", stderr(&output));
}
