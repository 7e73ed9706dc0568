//! The page is one small, well-formed file that shows all figures of the report.

use crate::fixtures::{NAMES, all, path, report, words, xml};
use loadtest::report::{
    model::{Interval, Report},
    page::render,
    units,
};
use roxmltree::Document;

#[test]
fn page_is_well_formed_and_loads_nothing() {
    for name in NAMES {
        let page = render(&report(name));
        assert!(!page.contains("#0000"), "{name}: a colour that is no variable");
        let xml = xml(&page);
        let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{name}: {error}"));
        for node in document.root().descendants().filter(roxmltree::Node::is_element) {
            let tag = node.tag_name().name();
            assert!(
                !["script", "link", "iframe", "img", "object", "image", "use"].contains(&tag),
                "{name}: <{tag}>"
            );
            for attribute in node.attributes() {
                assert!(
                    !["src", "href", "onload", "onclick"].contains(&attribute.name()),
                    "{name}: {attribute:?}"
                );
                assert!(!attribute.value().contains("://"), "{name}: {attribute:?}");
                assert!(
                    !attribute.value().contains("NaN") && !attribute.value().contains("inf"),
                    "{name}: {attribute:?}"
                );
            }
            if tag == "style" {
                let style = words(node);
                assert!(
                    !style.contains("url(")
                        && !style.contains("@import")
                        && style.contains("prefers-color-scheme: dark")
                );
            }
        }
    }
}

#[test]
fn page_shows_every_figure_of_the_report() {
    for name in NAMES {
        let report = report(name);
        let page = render(&report);
        let xml = xml(&page);
        let text = words(Document::parse(&xml).unwrap().root_element());
        let has = |what: &str| assert!(text.contains(what), "{name}: {what}");
        for verdict in &report.verdicts {
            has(&verdict.demand);
            has(&format!("measured: {}", verdict.measured));
        }
        for step in report.runs.iter().flat_map(|run| &run.steps) {
            has(&units::rate(step.achieved));
            for time in [step.corrected.p50, step.corrected.p99, step.corrected.p999, step.corrected.max] {
                has(&units::time(time));
            }
            step.errors.values().for_each(|failures| has(&failures.first));
            step.invalid.iter().for_each(|why| has(why));
            step.events.iter().for_each(|event| has(&event.text));
            step.outcomes.keys().for_each(|outcome| has(outcome));
        }
        for rate in report.ceiling.iter().flat_map(|ceiling| ceiling.null.iter().chain(&ceiling.daemon)) {
            assert!(page.contains(&format!("title=\"{}/s\"", units::rate(*rate))), "{name}: {rate}");
        }
        let setup = &report.setup;
        has(&setup.command);
        has(&setup.registry.source);
        has(&setup.machine.processor);
        has(&units::thousands(setup.registry.accounts));
        setup.daemon_command.iter().chain(&setup.commit).chain(&setup.daemon).for_each(|it| has(it));
        assert_eq!(
            text.contains("The figures are invalid") || text.contains("Some runs are invalid"),
            name == "failing",
            "{name}"
        );
    }
}

#[test]
fn page_of_three_runs_of_a_thousand_intervals_is_small() {
    let mut report = report("reload-storm");
    for run in &mut report.runs {
        let step = &mut run.steps[0];
        step.timeline = (1..=1_000_u32)
            .map(|n| Interval {
                at: f64::from(n) * 0.03,
                due: 13_000.0,
                answered: 13_000.0 - f64::from(n * 37 % 101),
                p50: 40.0 + f64::from(n * 31 % 17),
                p99: 90.0 + f64::from(n * 7919 % 1_013),
                max: 900.0 + f64::from(n * 104_729 % 20_011),
                errors: u64::from(n % 10 == 0),
            })
            .collect();
    }
    let page = render(&report);
    assert!(page.len() < 350_000, "{} bytes", page.len());
    let xml = xml(&page);
    let document = Document::parse(&xml).unwrap();
    assert_eq!(all(document.root(), "line", &["mark", "error"]).len(), 3 * 100);
}

#[test]
fn report_with_next_to_nothing_is_rendered() {
    let bare = |change: fn(&mut Report)| {
        let mut report = report("steady");
        report.ceiling = None;
        report.verdicts.clear();
        report.runs.truncate(1);
        change(&mut report);
        let xml = xml(&render(&report));
        Document::parse(&xml).map(|document| words(document.root_element())).unwrap()
    };
    assert!(bare(|report| report.runs.clear()).contains("0 runs"));
    let nothing_answered = bare(|report| {
        let step = &mut report.runs[0].steps[0];
        step.timeline.clear();
        step.outcomes.clear();
        step.process = None;
        (step.corrected, step.uncorrected, step.lateness) = Default::default();
    });
    assert!(nothing_answered.contains("One run does not show the noise"));
    let unfound = bare(|report| report.runs[0].limit = Some(5_000.0));
    assert!(unfound.contains("No knee was found"));
    assert!(
        unfound.contains("the first step of a sweep without a knee")
            && !unfound.contains("the knee of the sweep")
    );
    assert!(unfound.contains("no knee: the first step"));
}

#[test]
fn invalid_run_is_shown_and_is_in_no_median() {
    let mut report = report("steady");
    for (run, p99) in report.runs.iter_mut().zip([111.0, 222.0, 9e5]) {
        run.steps[0].corrected.p99 = p99;
    }
    report.runs[2].steps[0].invalid = Some("late".to_owned());
    let xml = xml(&render(&report));
    let document = Document::parse(&xml).unwrap();
    assert!(words(document.root()).contains("Run 1 is the middle one of 2 valid runs"));
    let figures: Vec<_> = all(document.root(), "div", &["figure"]).into_iter().map(words).collect();
    let p99 = figures.iter().find(|it| it.starts_with("p99") && !it.starts_with("p99.")).unwrap();
    assert!(p99.contains("111 µs – 222 µs") && !p99.contains("ms"), "{p99}");
    let rows: Vec<_> = all(document.root(), "tr", &[]).into_iter().map(words).collect();
    assert!(rows.iter().any(|row| row.contains("run 3, invalid")), "{rows:?}");
    let p99 = rows.iter().find(|row| row.starts_with("p99111")).unwrap();
    assert!(
        p99.contains("900 ms") && p99.contains("166 µs"),
        "the third is shown, and not in the median: {p99}"
    );
}

#[test]
fn page_and_table_show_warnings_and_the_limit_of_the_harness() {
    let mut report = report("steady");
    let before = render(&report);
    assert!(!before.contains("<h2>Warnings") && !before.contains("the harness's limit"));
    report.runs[1].steps[0].warnings = vec!["others ran on the daemon's core for 7 % of the time".to_owned()];
    report.ceiling.as_mut().unwrap().null_idle = vec![1.0, 2.0, 30.0];
    let page = render(&report);
    roxmltree::Document::parse(&xml(&page)).unwrap();
    assert!(page.contains("Run 2: others ran on the daemon's core for 7 % of the time"));
    assert!(
        page.contains(
            "idle for 2.0 % of the time beside the null server, so that rate is the harness's limit"
        )
    );
    let table = loadtest::report::summary::table(&report);
    assert!(table.contains("warning: ") && table.contains("at most 0.62"), "{table}");
}

#[test]
fn charts_show_the_middle_run_and_a_valid_one_where_there_is_one() {
    let mut report = report("steady");
    let shows = |report: &Report, text: &str| assert!(render(report).contains(text), "{text}");
    for (run, p99) in report.runs.iter_mut().zip([300.0, 100.0, 200.0]) {
        run.steps[0].corrected.p99 = p99;
    }
    shows(&report, "Run 3 is the middle one of 3 runs");
    report.runs[2].steps[0].invalid = Some("late".to_owned());
    shows(&report, "Run 2 is the middle one of 2 valid runs");
    report.runs.iter_mut().for_each(|run| run.steps[0].invalid = Some("late".to_owned()));
    shows(&report, "Run 3 is the middle one of 3 runs");
}

/// On two cores, the harness reaches its limit before the daemon. The sweep is then a success with a lower
/// bound, and the terminal and the page agree on it.
#[test]
fn knee_below_an_unmeasured_rate_is_a_lower_bound() {
    let mut report = report("ramp");
    let before = report.failures();
    let why = "the harness was idle for 1.0 % of the time";
    report.runs[0].at_least = Some(why.to_owned());
    assert_eq!(report.failures(), before);
    let table = loadtest::report::summary::table(&report);
    let page = loadtest::report::page::render(&report);
    for (text, bound) in [(&table, "knee: at least "), (&page, ", is at least ")] {
        assert!(text.contains(bound) && text.contains(why), "{text}");
        assert!(!text.contains("no knee") && !text.contains("No knee"), "{text}");
    }
}

#[test]
fn lack_of_free_cores_is_a_warning_before_the_start() {
    let warned = |usable, load, is_target_running| {
        loadtest::run::machine::too_few_cores(usable, load, is_target_running).is_some()
    };
    assert!(warned(1, 0.0, false) && warned(2, 1.0, false) && warned(2, 17.0, false) && warned(1, 3.0, true));
    assert!(!warned(2, 0.3, false) && !warned(4, 2.0, false) && !warned(1, 0.0, true));
}

#[test]
fn page_named_by_a_dash_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("page")
        .arg(path("steady"))
        .args(["-o", "-"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), render(&report("steady")));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no file is written");
}
