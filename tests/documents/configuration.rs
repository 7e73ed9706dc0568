//! `docs/configuration.md`: its tables have every setting, signal, exit code and environment variable of the
//! program.

use clap::CommandFactory;
use switchboard::cli::arguments::Arguments;
use switchboard::config::Settings;

use super::page::Page;
use crate::cli::{generate::entries, stdout, switchboard};

/// Returns the cells of all tables below a heading, row by row, without backquotes.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = Page::read("docs/configuration.md");
    let rows = page.rows(&format!("## {heading}")).into_iter();
    rows.map(|row| row.into_iter().map(|cell| cell.replace('`', "")).collect()).collect()
}

/// Returns the names in the first column of the tables below a heading, in order. A cell may have several
/// names.
fn names(heading: &str) -> Vec<String> {
    let first = rows(heading).into_iter().map(|row| row[0].clone());
    first.flat_map(|cell| cell.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn every_setting_has_its_option_and_its_default() {
    let rows = rows("Settings");
    let (settings, meanings): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.len() == 5);
    let keys = Settings::keys();
    assert_eq!(settings.iter().map(|row| &*row[0]).collect::<Vec<_>>(), keys);
    assert_eq!(meanings.iter().map(|row| &*row[0]).collect::<Vec<_>>(), keys);

    let defaults: String = settings.iter().map(|row| format!("{} = {}\n", row[0], row[3])).collect();
    assert_eq!(Settings::from_toml(&defaults).unwrap(), Settings::default(), "{defaults}");

    let program = Arguments::command();
    let serve = program.find_subcommand("serve").unwrap();
    let options: Vec<&str> = serve.get_arguments().filter_map(|argument| argument.get_long()).collect();
    for row in &settings {
        assert_eq!(row[1], format!("--{}", row[0].replace('_', "-")), "the option of {}", row[0]);
        assert!(options.contains(&&row[1][2..]), "{}", row[1]);
    }
    let others: Vec<&&str> =
        options.iter().filter(|option| !keys.contains(&option.replace('-', "_"))).collect();
    assert_eq!(others, [&"config"], "options that are no settings");
}

#[test]
fn defaults_in_the_help_are_those_of_the_settings() {
    let rows = rows("Settings");
    let program = Arguments::command();
    let serve = program.find_subcommand("serve").unwrap();
    let mut compared = 0;
    for row in rows.iter().filter(|row| row.len() == 5 && row[1] != "–") {
        let option = row[1].trim_start_matches("--");
        let argument = serve.get_arguments().find(|argument| argument.get_long() == Some(option)).unwrap();
        let help = argument.get_help().unwrap().to_string();
        // Paths and switches have no default that is worth a line.
        let Some((_, default)) = help.split_once("[default: ") else { continue };
        // The key is empty there, because a variable of another name applies first.
        if option != "log-level" {
            assert_eq!(default.trim_end_matches(']'), row[3].trim_matches('"'), "{option}");
        }
        compared += 1;
    }
    assert_eq!(compared, Settings::keys().len() - 20);
}

#[test]
fn documented_ranges_are_those_of_the_settings() {
    for row in rows("Settings").iter().filter(|row| row.len() == 5) {
        let (key, range) = (&row[0], &*row[4]);
        let accepts = |value: &str| Settings::from_toml(&format!("{key} = {value}")).is_ok();
        match (&*row[2], range) {
            ("duration", "more than 0") => assert!(!accepts("\"0s\"") && accepts("\"1ms\""), "{key}"),
            ("duration", _) => assert!(accepts("\"0s\""), "{key}"),
            (_, "1 or more") => assert!(!accepts("0") && accepts("1"), "{key}"),
            (_, "16777216 (16 MiB) or more") => {
                assert!(!accepts("16777215") && accepts("16777216"), "{key}");
            }
            (_, zero) if zero.starts_with("0 means") => assert!(accepts("0") && !accepts("-1"), "{key}"),
            ("text", values) => {
                let quoted = values.split('"').skip(1).step_by(2).map(|value| format!("\"{value}\""));
                assert!(quoted.into_iter().all(|value| accepts(&value)), "{key}");
                assert!(!accepts("\"other\""), "{key}");
            }
            _ => {}
        }
    }
}

/// The man page is held to the code, so the document is held to the man page.
#[test]
fn signals_exit_codes_and_variables_are_those_of_the_man_page() {
    let man = stdout(&switchboard(&["man"]));
    for (heading, section) in
        [("Signals", "SIGNALS"), ("Exit codes", "EXIT STATUS"), ("Environment variables", "ENVIRONMENT")]
    {
        let listed = entries(&man, section).into_iter().map(|(name, _)| name);
        let listed: Vec<String> =
            listed.flat_map(|name| name.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect();
        assert_eq!(names(heading), listed, "{heading}");
    }
}
