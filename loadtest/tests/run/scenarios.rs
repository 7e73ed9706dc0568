//! Runs each built-in scenario with its requests and actors for a second.

use crate::{daemon, output_text, report, run};
use loadtest::{report::model::Report, scenario::BUILTIN};
use std::fs;
use toml::{Table, Value};

/// Runs a scenario with short durations. It has no limits, because tests share the machine. Every answer must
/// be right.
fn shortened(name: &str, edit: impl FnOnce(&mut Table)) -> Report {
    let (_, text) = BUILTIN.iter().find(|(known, _)| *known == name).unwrap();
    let mut table: Table = text.parse().unwrap();
    for (key, value) in [("warm_up", "200ms"), ("duration", "1s"), ("ceiling", "40ms")] {
        table.insert(key.to_owned(), value.into());
    }
    table.insert("latest_us".to_owned(), Value::Integer(60_000_000));
    table.insert("timeout".to_owned(), "60s".into());
    table.remove("demand");
    edit(&mut table);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{name}.toml"));
    fs::write(&file, table.to_string()).unwrap();
    let (out, daemon) = (folder.path().join("out"), daemon());
    let (file, daemon) = (file.to_str().unwrap(), daemon.to_str().unwrap());
    let ran = run(&out, &[file, "--switchboard", daemon, "--size", "small", "--repeat", "2"]);
    assert!(ran.status.success(), "{}", output_text(&ran));
    let report = report(&out);
    assert_eq!((report.scenario.as_str(), report.runs.len()), (name, 2));
    assert!(
        output_text(&ran).contains("holds  errors at most 0 %: none") || report.runs[0].knee.is_some(),
        "{}",
        output_text(&ran)
    );
    for step in report.runs.iter().flat_map(|run| &run.steps) {
        assert_eq!(step.corrected.count, step.due);
        assert!(step.due > 10 && step.errors.is_empty(), "{:?}", step.errors);
        assert!(step.outcomes.values().sum::<u64>() >= step.due, "{:?}", step.outcomes);
        assert!(step.process.as_ref().is_some_and(|process| process.rss > 0), "{:?}", step.process);
    }
    report
}

/// Sets a rate that a slow machine can reach.
fn set_low_rate(table: &mut Table) {
    table.insert("rate".to_owned(), Value::Integer(200));
}

fn events<'a>(report: &'a Report, kind: &str) -> Vec<&'a str> {
    let all = report.runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.events);
    all.filter(|event| event.kind == kind).map(|event| event.text.as_str()).collect()
}

#[test]
fn steady_measures_half_of_the_highest_rate() {
    let report = shortened("steady", |_| ());
    let ceiling = report.ceiling.unwrap();
    assert_eq!((ceiling.null.len(), ceiling.daemon.len()), (5, 5));
    let half = report.runs[0].steps[0].rate;
    assert!(ceiling.daemon.iter().any(|rate| *rate / 2.0 <= half), "{half} of {:?}", ceiling.daemon);
    assert_eq!(report.setup.registry.accounts, 5_000);
    assert!(report.setup.daemon.unwrap().starts_with(env!("CARGO_PKG_VERSION")));
}

#[test]
fn ramp_finds_the_highest_good_rate() {
    let report = shortened("ramp", |table| {
        // The sender must not be the limit.
        table.insert("connections".to_owned(), Value::Integer(1));
        let sweep = table["sweep"].as_table_mut().unwrap();
        for (key, value) in [("step", "200ms"), ("settle", "50ms"), ("p99", "50ms")] {
            sweep.insert(key.to_owned(), value.into());
        }
        sweep.insert("start".to_owned(), Value::Integer(100));
        sweep.insert("factor".to_owned(), Value::Float(10.0));
        sweep.insert("refine".to_owned(), Value::Integer(1));
    });
    let run = &report.runs[0];
    assert!(run.steps.len() >= 3, "{} steps", run.steps.len());
    assert!(run.steps.iter().any(|step| Some(step.rate) == run.knee));
    assert_eq!(run.limit, Some(50_000.0));
}

#[test]
fn mixed_has_several_outcomes() {
    let outcomes = shortened("mixed", set_low_rate).runs[0].steps[0].outcomes.clone();
    assert!(outcomes.len() >= 3, "{outcomes:?}");
}

#[test]
fn batch_counts_selections() {
    let report = shortened("batch", |table| drop(table.insert("rate".to_owned(), Value::Integer(20))));
    let selections = report.runs[0].steps[0].selections.unwrap();
    assert!(selections > 1_000.0, "{selections}");
}

#[test]
fn reload_storm_records_its_reloads() {
    let report = shortened("reload-storm", |table| {
        set_low_rate(table);
        table["reload"].as_table_mut().unwrap().insert("every".to_owned(), "300ms".into());
    });
    assert!(!events(&report, "reload").is_empty());
}

#[test]
fn standings_churn_records_its_changes() {
    let report = shortened("standings-churn", set_low_rate);
    let texts = events(&report, "standing");
    assert!(texts.iter().all(|text| !text.starts_with("0 ")) && texts.len() == 2, "{texts:?}");
}

#[test]
fn slow_clients_records_its_connections() {
    let report = shortened("slow-clients", set_low_rate);
    let texts = events(&report, "slow_clients");
    let all = |text: &&str| text.starts_with("200 slow clients from before the start, over ");
    assert_eq!(texts.iter().filter(|text| all(text)).count(), 2, "{texts:?}");
}

#[test]
fn open_pages_records_its_requests() {
    let report = shortened("open-pages", set_low_rate);
    for text in events(&report, "open_pages") {
        assert!(text.starts_with("10 pages, ") && text.contains("/v1/coverage "), "{text}");
    }
    assert_eq!(events(&report, "open_pages").len(), 2);
}

#[test]
fn new_connections_are_opened_beside_normal_clients() {
    for (name, resumes) in [("new-connections", false), ("resumed-connections", true)] {
        let report = shortened(name, set_low_rate);
        for text in events(&report, "new_connections") {
            let numbers: Vec<u64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
            let [opened, resumed] = numbers[..] else { panic!("{text}") };
            // The first connection has no session to resume.
            assert!(opened >= 20 && (resumed > 0) == resumes && resumed < opened, "{name}: {text}");
        }
        assert_eq!(events(&report, "new_connections").len(), 2, "{name}");
    }
}
