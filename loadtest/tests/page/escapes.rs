//! The page escapes the texts of a report.

use crate::fixtures::{all, report, words, xml};
use loadtest::report::{
    model::{DemandVerdict, Event, Failures, Report},
    page::render,
};
use roxmltree::Document;

const EVIL: &str = r#"</title></style><script>alert("1")</script><b title='x'>&amp;"#;

#[test]
fn markup_in_a_report_is_escaped() {
    let mut report = report("steady");
    report.scenario = EVIL.to_owned();
    report.started = EVIL.to_owned();
    report.verdicts =
        vec![DemandVerdict { demand: EVIL.to_owned(), measured: EVIL.to_owned(), holds: false }];
    let Report { setup, runs, .. } = &mut report;
    for text in [
        &mut setup.command,
        &mut setup.machine.processor,
        &mut setup.machine.kernel,
        &mut setup.registry.source,
    ] {
        EVIL.clone_into(text);
    }
    for text in [&mut setup.daemon, &mut setup.commit, &mut setup.daemon_command] {
        *text = Some(EVIL.to_owned());
    }
    let step = &mut runs[0].steps[0];
    step.invalid = Some(EVIL.to_owned());
    step.errors.insert(EVIL.to_owned(), Failures { count: 1, first: EVIL.to_owned() });
    step.outcomes.insert(EVIL.to_owned(), 1);
    step.events.push(Event { at: 1.0, kind: EVIL.to_owned(), text: EVIL.to_owned() });
    let xml = xml(&render(&report));
    let document = Document::parse(&xml).unwrap();
    assert!(all(document.root(), "script", &[]).is_empty() && all(document.root(), "b", &[]).is_empty());
    let text = words(document.root_element());
    // Title, heading, started, demand, measured, command, daemon twice and its command, harness, processor
    // twice, kernel, registry, invalid run, error and its kind, outcome, event and its kind.
    assert_eq!(text.matches(EVIL).count(), 20, "{text}");
}
