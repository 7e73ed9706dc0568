//! Runs `switchboard coverage` as a process, and checks rows, formats, unknown names and exit codes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use oracle::Oracle;
use serde_json::Value;
use switchboard_model::{Region, Role};
use switchboard_registry::Files;

use super::agreement::oracle_decision;
use crate::expected::{acme, demo, edit};
use crate::oracle::properties::sound;

pub fn switchboard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard")).args(arguments).output().unwrap()
}

pub fn coverage(arguments: &[&str]) -> String {
    let demo = demo();
    let output = switchboard(&[&["coverage", demo.to_str().unwrap()], arguments].concat());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rows_of_the_demo_agree_with_the_oracle() {
    let files = Files::read_dir(&demo()).unwrap();
    let registry = sound(&files).unwrap();
    let oracle = Oracle::new(&registry);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let text = coverage(&["--format", "csv"]);
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        csv.headers().unwrap(),
        vec!["company", "ou", "channel", "country", "rule", "climbed", "pool", "role"]
    );
    let conversation = |channel: &str| if channel == "wechat_miniapp" { "primary" } else { "secondary" };
    let (mut rows, mut last, mut asked) = (0, Vec::new(), BTreeSet::new());
    for record in csv.records() {
        let record = record.unwrap();
        assert_eq!(&record[7], conversation(&record[2]), "{record:?}");
        let key: Vec<String> = record.iter().take(4).map(str::to_owned).collect();
        assert!(key > last, "{key:?} after {last:?}");
        asked.insert((key[0].clone(), key[2].clone()));
        // The larger company has a million rows, for which the oracle takes too long.
        if rows < 20_000 || rows % 23 == 0 {
            let (rule, place) = oracle_decision(&oracle, now, [&key[0], &key[1], &key[2]], None, &key[3]);
            let (climbed, pool) =
                place.map(|(climbed, pool, ..)| (climbed.to_string(), pool)).unwrap_or_default();
            assert_eq!([&record[4], &record[5], &record[6]], [&rule, &climbed, &pool], "{record:?}");
        }
        last = key;
        rows += 1;
    }
    let mut expected = 0;
    for company in &registry.companies {
        let channels: BTreeSet<&str> = company.pools.iter().map(|pool| &*pool.channel).collect();
        expected += company.ous.len() * channels.len() * Region::COUNT;
        assert!(
            channels.iter().all(|channel| asked.contains(&(company.id.to_string(), (*channel).to_owned())))
        );
    }
    assert_eq!(rows, expected);
}

#[test]
fn json_rows_equal_csv_rows() {
    let scope = ["--company", "acme", "--ou", "zurich,london", "--channel", "sms", "--channel", "line"];
    let text = coverage(&[&scope[..], &["--format", "csv"]].concat());
    let json: Vec<Value> =
        serde_json::from_str(&coverage(&[&scope[..], &["--format", "json"]].concat())).unwrap();
    assert_eq!(json.len(), 2 * 2 * Region::COUNT);
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    for (record, object) in csv.records().zip(&json) {
        let record = record.unwrap();
        let shown = |name: &str| match &object[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let names = ["company", "ou", "channel", "country", "rule", "climbed", "pool", "role"];
        assert_eq!(record.iter().map(str::to_owned).collect::<Vec<_>>(), names.map(shown));
        assert_eq!(object.as_object().unwrap().len(), names.len());
        assert!(object["climbed"].is_null() == object["pool"].is_null());
    }
}

#[test]
fn coverage_of_a_snapshot_equals_that_of_its_registry() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("demo.swb");
    let demo = demo();
    let written = switchboard(&["compile", demo.to_str().unwrap(), "-o", snapshot.to_str().unwrap()]);
    assert!(written.status.success());
    let of = |path: &str| switchboard(&["coverage", path, "--company", "acme", "--format", "csv"]).stdout;
    assert_eq!(of(snapshot.to_str().unwrap()), of(demo.to_str().unwrap()));
}

#[test]
fn totals_of_the_folded_table_equal_those_of_the_whole() {
    let whole = coverage(&["--company", "acme"]);
    assert!(whole.starts_with("acme: 9 OUs, 7 channels, 252 countries each\n"), "{whole}");
    let total = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("total")).unwrap().to_owned();
        line.split_whitespace().skip(1).map(|count| count.parse().unwrap_or(0)).collect::<Vec<usize>>()
    };
    // The last column, in brackets, counts decisions that climbed. They are in the columns before as well.
    assert_eq!(total(&whole).iter().sum::<usize>(), 9 * 7 * Region::COUNT);
    assert_eq!(coverage(&["--company", "acme", "--format", "table"]), whole);
    let folded = coverage(&["--fold"]);
    assert!(folded.lines().count() < coverage(&[]).lines().count() / 4, "{folded}");
    assert_eq!(
        total(&coverage(&["--company", "meridian", "--fold"])),
        total(&coverage(&["--company", "meridian"]))
    );
    assert!(!whole.contains('\u{1b}'), "colour in a pipe");
    // A line that stands for several OUs shows their number, even after a long name.
    let line = folded.lines().find(|line| line.starts_with("us-wealth-boston ")).unwrap();
    assert!(line.split_whitespace().nth(1).is_some_and(|more| more.starts_with('+')), "{line}");
}

/// Returns the rows of a CSV, without the header.
fn rows(arguments: &[&str]) -> Vec<Vec<String>> {
    let text = coverage(&[arguments, &["--format", "csv"]].concat());
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    csv.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn role_selects_the_rows() {
    let scope = ["--company", "acme", "--ou", "emea,london"];
    let of = |more: &[&str]| rows(&[&scope[..], more].concat());
    let (default, all) = (of(&[]), of(&["--role", "all"]));
    let (primary, secondary) = (of(&["--role", "primary"]), of(&["--role", "secondary"]));
    assert!(
        primary.iter().all(|row| row[7] == "primary") && secondary.iter().all(|row| row[7] == "secondary")
    );
    assert_eq!(primary.len(), default.len());
    assert_eq!(secondary.len(), default.len());
    // `all` has the conversation role, and the other role where there are accounts of it.
    assert!(default.iter().all(|row| all.contains(row)));
    let others: Vec<_> = all.iter().filter(|row| !default.contains(row)).collect();
    assert_eq!(all.len(), default.len() + others.len());
    assert!(others.iter().all(|row| primary.contains(row)) && !others.is_empty());
    let whatsapp =
        |rows: &[Vec<String>]| rows.iter().filter(|row| row[2] == "whatsapp").cloned().collect::<Vec<_>>();
    assert_eq!(whatsapp(&all).len(), whatsapp(&primary).len() + whatsapp(&secondary).len());
    let files = Files::read_dir(&demo()).unwrap();
    let registry = sound(&files).unwrap();
    let oracle = Oracle::new(&registry);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    for row in &all {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == row[7]);
        let (rule, place) = oracle_decision(&oracle, now, [&row[0], &row[1], &row[2]], role, &row[3]);
        let (climbed, pool) =
            place.map(|(climbed, pool, ..)| (climbed.to_string(), pool)).unwrap_or_default();
        assert_eq!([&row[4], &row[5], &row[6]], [&rule, &climbed, &pool], "{row:?}");
    }
    let output = switchboard(&["coverage", demo().to_str().unwrap(), "--role", "tertiary"]);
    assert_eq!(output.status.code(), Some(2));
    let table = coverage(&["--company", "acme", "--role", "all"]);
    assert!(table.contains("whatsapp (primary)") && table.contains("whatsapp  "), "{table}");
    // A channel in two roles is one channel.
    let pairs = rows(&["--company", "acme", "--ou", "london", "--role", "all"]).len() / Region::COUNT;
    assert!(pairs > 7, "{pairs}");
    let heading = format!(
        "acme: 9 OUs, 7 channels, {pairs} pairs of channel and role, {} countries each\n",
        Region::COUNT
    );
    assert!(table.starts_with(&heading), "{table}");
    let one = coverage(&["--company", "acme", "--ou", "london", "--channel", "whatsapp", "--role", "all"]);
    assert!(
        one.starts_with("acme: 1 OU, 1 channel, 2 pairs of channel and role, 252 countries each\n"),
        "{one}"
    );
    let one =
        coverage(&["--company", "acme", "--ou", "london", "--channel", "whatsapp", "--role", "primary"]);
    assert!(one.starts_with("acme: 1 OU, 1 channel, 252 countries each\n"), "{one}");
}

/// A unit without pools of its own is served by the rules of the unit above. Its line names these rules.
#[test]
fn line_of_a_child_names_the_rules_behind_a_climb() {
    let scope = ["--company", "acme", "--ou", "london", "--channel", "whatsapp"];
    let table = coverage(&scope);
    let mut lines = table.lines().skip(1);
    let header: Vec<&str> =
        lines.next().unwrap().split("  ").map(str::trim).filter(|it| !it.is_empty()).collect();
    let names = ["country", "calling_code", "geography", "default_region"];
    assert_eq!(header, [&["OU", "channel"], &names[..], &["no account", "thereof climbed"]].concat());
    let cells: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let rows = rows(&scope);
    let of = |name: &str| rows.iter().filter(|row| row[4] == name).count();
    for (name, cell) in names.into_iter().zip(&cells[2..]) {
        assert_eq!(cell.parse().unwrap_or(0), of(name), "{name} in {table}");
    }
    let climbed = rows.iter().filter(|row| row[5].parse::<u32>().is_ok_and(|levels| levels > 0)).count();
    assert!(climbed > 0 && of("default_region") + of("geography") > 0, "{table}");
    assert_eq!(cells[7], format!("({climbed})"), "{table}");
}

#[test]
fn output_named_by_a_dash_is_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let demo = demo();
    for format in ["text", "csv", "json", "html"] {
        let scope = ["--company", "acme", "--ou", "london", "--format", format];
        for option in [&["-o", "-"][..], &["--output=-"], &["-o-"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_switchboard"))
                .args([&["coverage", demo.to_str().unwrap()], &scope[..], option].concat())
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{format}");
            assert_eq!(String::from_utf8(output.stdout).unwrap(), coverage(&scope), "{format}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no file is written");
}

#[test]
fn closed_pipe_is_no_error() {
    for format in ["text", "csv", "json", "html"] {
        let demo = demo();
        let mut process = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["coverage", demo.to_str().unwrap(), "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let output = process.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{format}");
    }
}

#[test]
fn unknown_name_exits_2_with_a_suggestion() {
    let demo = demo();
    for (flag, name, meant) in
        [("--ou", "lodnon", "london"), ("--channel", "whatsap", "whatsapp"), ("--company", "acne", "acme")]
    {
        let output = switchboard(&["coverage", demo.to_str().unwrap(), flag, name]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(name) && text.contains(&format!("did you mean `{meant}`?")), "{text}");
    }
    assert_eq!(switchboard(&["coverage", "/nowhere/at/all"]).status.code(), Some(3));
    assert_eq!(switchboard(&["coverage", "/etc/hostname"]).status.code(), Some(3));
    let registry = acme();
    edit(registry.path(), "acme/company.toml", "parent = \"dach\"", "parent = \"dech\"");
    let output = switchboard(&["coverage", registry.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("error[unknown_parent]"));
}

#[test]
fn named_channel_without_pools_is_shown() {
    let registry = acme();
    fs::write(registry.path().join("channels.toml"), "[channel.pager]\nconversation_role = \"primary\"\npool_must_hold = [\"primary\"]\naddress = \"phone\"\n").unwrap();
    let of = |more: &[&str]| {
        let root = registry.path().to_str().unwrap();
        let output = switchboard(&[&["coverage", root, "--format", "csv"], more].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!of(&[]).contains(",pager,"));
    let named = of(&["--channel", "pager", "--ou", "emea"]);
    assert_eq!(named.matches("acme,emea,pager,").count(), Region::COUNT);
    assert_eq!(named.matches(",no_pool,,").count(), Region::COUNT);
}

/// Computes more than a million decisions. An optimized build takes 0.1 s.
#[test]
fn coverage_of_a_large_registry_takes_seconds_at_most() {
    let started = Instant::now();
    assert!(coverage(&["--format", "csv"]).lines().count() > 1_200_000);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
