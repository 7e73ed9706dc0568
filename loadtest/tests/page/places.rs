//! What is drawn is where the figures say.

use crate::fixtures::{all, latency, report, words, xml};
use loadtest::report::{
    model::{Event, Interval, Report},
    page::render,
};
use roxmltree::{Document, Node};

/// A run of 10 seconds.
fn plain() -> Report {
    let mut report = report("steady");
    report.runs.truncate(1);
    let step = &mut report.runs[0].steps[0];
    step.seconds = 10.0;
    step.corrected = latency(100.0, 1_000.0, 10_000.0);
    step.uncorrected = latency(100.0, 100.0, 1_000.0);
    let interval = |at, answered, p99, errors| Interval {
        at,
        due: 400.0,
        answered,
        p50: 100.0,
        p99,
        max: 10_000.0,
        errors,
    };
    step.timeline = vec![
        interval(2.5, 400.0, 1_000.0, 0),
        interval(5.0, 0.0, 10_000.0, 3),
        Interval { p50: 0.0, p99: 0.0, max: 0.0, ..interval(7.5, 0.0, 0.0, 0) },
        interval(10.0, 200.0, 100.0, 0),
    ];
    step.events = vec![Event { at: 2.0, kind: "reload".to_owned(), text: "generation 2".to_owned() }];
    report
}

fn drawn(report: &Report, look: impl Fn(&Document<'_>)) {
    let xml = xml(&render(report));
    look(&Document::parse(&xml).unwrap());
}

fn path<'a>(node: Node<'a, '_>) -> &'a str {
    node.attribute("d").unwrap()
}

/// Of a dot: its place across in per cent, and its height in pixels.
fn place(page: &Document<'_>, classes: &[&str], title: &str) -> (String, f64) {
    let found = all(page, "circle", classes).into_iter().find(|node| words(*node).starts_with(title));
    let node = found.unwrap_or_else(|| panic!("no {classes:?} dot {title}"));
    (node.attribute("cx").unwrap().to_owned(), node.attribute("cy").unwrap().parse().unwrap())
}

/// Across: 1,000 values are three times a tenth. Upward: 300 px from 100 µs at 316 to 10 ms at 16.
#[test]
fn percentiles() {
    drawn(&plain(), |page| {
        assert_eq!(path(all(page, "path", &["corrected"])[0]), "M0 316L333.3 316L666.7 166L1000 16");
        assert_eq!(path(all(page, "path", &["uncorrected"])[0]), "M0 316L333.3 316L666.7 316L1000 166");
        assert_eq!(
            place(page, &["dot", "corrected"], "99 %, corrected: 1.00 ms"),
            ("66.67%".to_owned(), 166.0)
        );
        assert_eq!(place(page, &["dot", "corrected"], "the longest"), ("100%".to_owned(), 16.0));
        assert_eq!(
            place(page, &["dot", "uncorrected"], "99 %, uncorrected: 100 µs"),
            ("66.67%".to_owned(), 316.0)
        );
        let tick = |label: &str| {
            let ticks = all(page, "text", &["tick"]);
            let tick = ticks.into_iter().find(|tick| words(*tick) == label);
            tick.unwrap_or_else(|| panic!("no tick {label}")).attribute("x").unwrap().to_owned()
        };
        assert_eq!(["90 %", "99 %", "99.9 %"].map(tick), ["33.33%", "66.67%", "100%"]);
    });
}

/// The rate is 110 px high, from 18 to 128; two lanes of 20 px; the latency 220 px from 198.
#[test]
fn time() {
    drawn(&plain(), |page| {
        assert_eq!(path(all(page, "path", &["due"])[0]), "M0 18H250V18H500V18H750V18H1000");
        let answered = "M0 128L0 18L250 18L250 128L500 128L500 128L750 128L750 73L1000 73L1000 128";
        assert_eq!(path(all(page, "path", &["answered"])[0]), answered);
        // Nothing was answered in the third slice: no line leads over it.
        assert_eq!(path(all(page, "path", &["p99"])[0]), "M125 308L375 198M875 418");
        assert_eq!(path(all(page, "path", &["p50"])[0]), "M125 418L375 418M875 418");
        let reload = all(page, "line", &["mark", "event"])[0];
        assert_eq!((reload.attribute("x1"), words(reload).as_str()), (Some("20%"), "2.00 s: generation 2"));
        assert_eq!(all(page, "line", &["guide"])[0].attribute("x1"), Some("20%"));
        let errors = all(page, "line", &["mark", "error"])[0];
        assert_eq!(
            (errors.attribute("x1"), words(errors).as_str()),
            (Some("37.5%"), "2.5 to 5.0 s: 3 errors")
        );
        let hit = all(page, "rect", &["hit"])[1];
        assert_eq!((hit.attribute("x"), hit.attribute("width")), (Some("25%"), Some("25%")));
        assert!(
            words(hit).contains("2.5 to 5.0 s\n0.00/s of 400/s\np50 100 µs, p99 10.0 ms, longest 10.0 ms"),
            "{}",
            words(hit)
        );
    });
}

/// Across: from nothing to the highest rate and 4 %. Upward: 320 px from 100 µs at 344 to 100 ms at 24.
#[test]
fn sweep() {
    let mut report = plain();
    let step = report.runs[0].steps[0].clone();
    report.runs[0].steps = [(2_600.0, 100_000.0), (1_300.0, 1_000.0), (650.0, 100.0)]
        .map(|(rate, p99)| {
            let mut step = step.clone();
            (step.rate, step.corrected) = (rate / 1.04, latency(100.0, p99, 100_000.0));
            step.errors.clear();
            step
        })
        .to_vec();
    (report.runs[0].knee, report.runs[0].limit) = (Some(1_250.0), Some(10_000.0));
    drawn(&report, |page| {
        let p99 = all(page, "path", &["p99"])[0];
        assert_eq!(path(p99), "M240.4 344L480.8 237.3L961.5 24");
        assert_eq!(all(page, "line", &["knee"])[0].attribute("x1"), Some("48.08%"));
        assert_eq!(all(page, "line", &["limit"])[0].attribute("y1"), Some("130.7"));
        let hollow = all(page, "circle", &["p99", "hollow"]);
        assert_eq!(
            hollow.iter().map(|node| words(*node)).collect::<Vec<_>>(),
            ["2,500/s: p99 100 ms\np99 over the limit"]
        );
        assert_eq!(place(page, &["dot", "p99"], "1,250/s"), ("48.08%".to_owned(), 237.3));
        // The distribution that is shown is the knee's.
        assert!(words(page.root_element()).contains("At 1,250 requests a second, the knee of the sweep."));
    });
}
