//! `loadtest compare` lists the differences between the setups.

use crate::synthetic::{Noise, named, steady};
use loadtest::compare::{ChangeVerdict, ReportComparison};

#[test]
fn differing_setup_is_listed_with_conditions_first() {
    let before = steady(3, &mut Noise::new(1, 0.01));
    let mut after = before.clone();
    after.scenario = "mine".to_owned();
    let setup = &mut after.setup;
    setup.effective["mix"]["phone"] = 70.0.into();
    setup.effective.insert("duration".to_owned(), "30s".into());
    setup.daemon_digest = Some("0123456789abcdef".to_owned());
    setup.seed = 8;
    setup.connections = 64;
    setup.registry.accounts = 1_000_000;
    setup.pinning = None;
    setup.machine.cores = 8;
    setup.daemon = Some("0.2.0 (abcdef0)".to_owned());
    setup.command = "elsewhere/loadtest run".to_owned();
    for step in after.runs.iter_mut().flat_map(|run| &mut run.steps) {
        step.rate *= 1.5;
        step.achieved *= 1.5;
        step.process.as_mut().unwrap().cpu_seconds *= 1.5;
    }
    let comparison = ReportComparison::new(&before, &after);
    for figure in ["p99", "answered", "processor a request"] {
        assert_eq!(
            named(&comparison, figure).verdict,
            ChangeVerdict::NotComparable,
            "{figure} at another rate"
        );
    }
    assert_eq!(named(&comparison, "memory").verdict, ChangeVerdict::None);
    assert_eq!(
        named(&comparison, "of a null server").verdict,
        ChangeVerdict::Unknown,
        "one start of the daemon"
    );
    let found = comparison.differences;
    let differing = |expected| {
        found
            .iter()
            .filter(move |it| it.expected == expected)
            .map(|it| it.what.to_string())
            .collect::<Vec<_>>()
    };
    let conditions = [
        "scenario",
        "scenario's duration",
        "scenario's mix.phone",
        "processor",
        "pinning",
        "registry",
        "seed",
        "connections",
        "rate",
    ];
    assert_eq!(differing(false), conditions);
    assert_eq!(differing(true), ["daemon", "daemon's binary"]);
    let seed = found.iter().find(|it| it.what == "seed").unwrap();
    assert_eq!((seed.a.as_str(), seed.b.as_str()), ("7", "8"));
}

#[test]
fn flags_of_the_daemon_are_a_difference() {
    let report = |workers: &str| {
        let mut report = steady(3, &mut Noise::new(1, 0.01));
        // The harness writes FILE for paths, and port 0.
        report.setup.daemon_command =
            Some(format!("switchboard serve --listen 127.0.0.1:0 --snapshot FILE --workers {workers}"));
        report
    };
    let differences = |a, b| ReportComparison::new(&a, &b).differences;
    assert_eq!(differences(report("1"), report("1")), []);
    let found = differences(report("1"), report("2"));
    assert_eq!(found.iter().map(|it| it.what.as_ref()).collect::<Vec<_>>(), ["daemon's command"]);
}
