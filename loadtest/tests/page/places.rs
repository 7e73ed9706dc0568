//! The charts draw values at their ticks.

use crate::fixtures::{all, latency, report, words, xml};
use loadtest::report::{
    model::{Event, Interval, Report},
    page::render,
};
use roxmltree::{Document, Node};

/// Returns a report of one run of 10 seconds.
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

/// Element of one of the page's charts.
struct Chart<'a>(Node<'a, 'a>);

type Place = (i32, i32);

impl<'a> Chart<'a> {
    fn named(page: &'a Document<'_>, name: &str) -> Self {
        let charts = all(page.root(), "svg", &["plot"]);
        Self(charts.into_iter().find(|chart| chart.attribute("aria-label") == Some(name)).expect(name))
    }

    fn tick(&self, label: &str) -> Node<'a, 'a> {
        let mut texts = all(self.0, "text", &[]).into_iter();
        texts.find(|text| words(*text).trim() == label).unwrap_or_else(|| panic!("no tick {label}"))
    }

    fn x(&self, label: &str) -> i32 {
        number(self.tick(label), "x")
    }

    fn y(&self, label: &str) -> i32 {
        number(self.tick(label), "y")
    }

    /// Returns the pieces of the line that has this ink.
    fn curves(&self, ink: &str) -> Vec<Vec<Place>> {
        let stroke = format!("var(--{ink})");
        let lines = all(self.0, "polyline", &[]).into_iter();
        lines.filter(|line| line.attribute("stroke") == Some(&stroke)).map(points).collect()
    }

    fn dot(&self, classes: &[&str], title: &str) -> Place {
        let mut dots = all(self.0, "circle", classes).into_iter();
        let dot = dots.find(|dot| words(*dot).starts_with(title));
        let dot = dot.unwrap_or_else(|| panic!("no {classes:?} dot {title}"));
        (number(dot, "cx"), number(dot, "cy"))
    }

    fn one(&self, name: &str, classes: &[&str]) -> Node<'a, 'a> {
        let found = all(self.0, name, classes);
        assert_eq!(found.len(), 1, "{name} {classes:?}");
        found[0]
    }
}

fn number(node: Node<'_, '_>, attribute: &str) -> i32 {
    node.attribute(attribute).expect(attribute).parse().expect(attribute)
}

fn points(line: Node<'_, '_>) -> Vec<Place> {
    let pairs = line.attribute("points").expect("points").split_whitespace();
    let pairs = pairs.map(|pair| pair.split_once(',').expect("a pair"));
    pairs.map(|(x, y)| (x.parse().expect("x"), y.parse().expect("y"))).collect()
}

/// Returns the place at a share of the way between two places.
fn between(from: i32, to: i32, share: f64) -> i32 {
    from + (f64::from(to - from) * share).floor() as i32
}

#[test]
fn percentiles_are_at_their_ticks() {
    let xml = xml(&render(&plain()));
    let page = Document::parse(&xml).unwrap();
    let chart = Chart::named(&page, "Latency by percentile, corrected and uncorrected");
    let [all, p90, p99, longest] = ["0 %", "90 %", "99 %", "99.9 %"].map(|label| chart.x(label));
    let [low, middle, high] = ["100 µs", "1 ms", "10 ms"].map(|label| chart.y(label));
    assert_eq!(chart.curves("corrected"), [[(all, low), (p90, low), (p99, middle), (longest, high)]]);
    assert_eq!(chart.curves("uncorrected"), [[(all, low), (p90, low), (p99, low), (longest, middle)]]);
    assert_eq!(chart.dot(&["corrected"], "99 %, corrected: 1.00 ms"), (p99, middle));
    assert_eq!(chart.dot(&["corrected"], "max, corrected"), (longest, high));
    assert_eq!(chart.dot(&["uncorrected"], "99 %, uncorrected: 100 µs"), (p99, low));
    // 0 %, 90 %, 99 % and 99.9 %, the last of 1,000 values, have equal distances.
    assert!((p99 - p90).abs_diff(longest - p99) <= 1 && (p90 - all).abs_diff(p99 - p90) <= 1);
}

#[test]
fn timeline_is_at_its_ticks_with_gaps_where_nothing_was_answered() {
    let xml = xml(&render(&plain()));
    let page = Document::parse(&xml).unwrap();
    let chart = Chart::named(&page, "Rate and latency over time");
    let (start, end) = (chart.x("0 s"), chart.x("10 s"));
    let at = |share: f64| between(start, end, share);
    let [nothing, half, full] = ["0", "200/s", "400/s"].map(|label| chart.y(label));
    let stairs = [0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0].map(at);
    assert_eq!(chart.curves("due"), [stairs.map(|x| (x, full))]);
    let heights = [full, full, nothing, nothing, nothing, nothing, half, half];
    let around: Vec<_> = stairs.into_iter().zip(heights).collect();
    let around = [[(start, nothing)].as_slice(), &around, &[(end, nothing)]].concat();
    assert_eq!(points(chart.one("polygon", &[])), around);
    let [low, middle, high] = ["100 µs", "1 ms", "10 ms"].map(|label| chart.y(label));
    assert_eq!(chart.curves("p99"), [[(at(0.125), middle), (at(0.375), high)]]);
    assert_eq!(chart.curves("p50"), [[(at(0.125), low), (at(0.375), low)]]);
    let reload = chart.one("line", &["mark", "event"]);
    assert_eq!((number(reload, "x1"), words(reload).as_str()), (at(0.2), "2.00 s: generation 2"));
    assert_eq!(number(chart.one("line", &["guide"]), "x1"), at(0.2));
    let errors = chart.one("line", &["mark", "error"]);
    assert_eq!((number(errors, "x1"), words(errors).as_str()), (at(0.375), "2.5 to 5.0 s: 3 errors"));
    let hit = all(chart.0, "rect", &["hit"])[1];
    assert_eq!((number(hit, "x"), number(hit, "width")), (at(0.25), at(0.5) - at(0.25)));
    let title = "2.5 to 5.0 s\n0.00/s of 400/s\np50 100 µs, p99 10.0 ms, max 10.0 ms";
    assert_eq!(words(hit), title);
}

#[test]
fn sweep_is_at_its_ticks_and_broken_steps_are_hollow() {
    let mut report = plain();
    let step = report.runs[0].steps[0].clone();
    report.runs[0].steps = [(2_500.0, 100_000.0), (1_250.0, 1_000.0), (625.0, 100.0)]
        .map(|(rate, p99)| {
            let mut step = step.clone();
            (step.rate, step.corrected) = (rate, latency(100.0, p99, 100_000.0));
            step.errors.clear();
            step
        })
        .to_vec();
    (report.runs[0].knee, report.runs[0].limit) = (Some(1_250.0), Some(10_000.0));
    let xml = xml(&render(&report));
    let page = Document::parse(&xml).unwrap();
    let chart = Chart::named(&page, "Latency against rate");
    let at = |share: f64| between(chart.x("0"), chart.x("2.5k/s"), share);
    let [low, middle, limit, high] = ["100 µs", "1 ms", "10 ms", "100 ms"].map(|label| chart.y(label));
    assert_eq!(chart.curves("p99"), [[(at(0.25), low), (at(0.5), middle), (at(1.0), high)]]);
    assert_eq!(number(chart.one("line", &["knee"]), "x1"), at(0.5));
    assert_eq!(number(chart.one("line", &["limit"]), "y1"), limit);
    let hollow = all(chart.0, "circle", &["p99", "hollow"]);
    let hollow: Vec<_> = hollow.into_iter().map(words).collect();
    assert_eq!(hollow, ["2,500/s: p99 100 ms\np99 over the limit"]);
    assert_eq!(chart.dot(&["p99"], "1,250/s"), (at(0.5), middle));
    // The distribution below is that of the knee.
    assert!(words(page.root()).contains("At 1,250/s, the knee of the sweep."));
}

/// Returns a report of two steps of a second. Each has two slices of half a second and one after the end, all
/// three divided into `parts` intervals.
fn two_steps(parts: u32) -> Report {
    let mut report = plain();
    let interval = |n: u32| Interval {
        at: f64::from(n + 1) * 0.5 / f64::from(parts),
        due: 100.0,
        answered: 90.0,
        p50: 10.0,
        p99: 20.0 + f64::from(n),
        max: 30.0 + f64::from(n),
        errors: 1,
    };
    let steps = &mut report.runs[0].steps;
    steps[0].timeline = (0..3 * parts).map(interval).collect();
    steps[0].seconds = 1.0;
    steps[0].events = vec![Event { at: 0.25, kind: "reload".to_owned(), text: "generation 2".to_owned() }];
    steps.push(steps[0].clone());
    report
}

#[test]
fn steps_follow_each_other_with_their_events() {
    let xml = xml(&render(&two_steps(1)));
    let page = Document::parse(&xml).unwrap();
    let chart = Chart::named(&page, "Rate and latency over time");
    let titles: Vec<_> = all(chart.0, "rect", &["hit"]).into_iter().map(words).collect();
    let times: Vec<_> = titles.iter().filter_map(|title| title.lines().next()).collect();
    let starts = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5];
    assert_eq!(times, starts.map(|from| format!("{from:.1} to {:.1} s", from + 0.5)));
    assert!(titles[1].ends_with("p50 10.0 µs, p99 21.0 µs, max 31.0 µs"), "{}", titles[1]);
    // After the end, percentiles and the due rate are left out.
    assert!(titles[2].ends_with("/s\nmax 32.0 µs"), "{}", titles[2]);
    assert_eq!(chart.curves("due").len(), 2);
    let events: Vec<_> = all(chart.0, "line", &["mark", "event"]).into_iter().map(words).collect();
    assert_eq!(events, ["0.25 s: generation 2", "1.75 s: generation 2"]);
}

#[test]
fn areas_show_their_worst_slice_and_marks_count_every_error() {
    let xml = xml(&render(&two_steps(400)));
    let page = Document::parse(&xml).unwrap();
    let chart = Chart::named(&page, "Rate and latency over time");
    let errors = all(chart.0, "line", &["mark", "error"]);
    assert_eq!(errors.len(), 150);
    let counts = errors.into_iter().map(|mark| {
        let title = words(mark);
        let (_, count) =
            title.strip_suffix(" errors").and_then(|title| title.rsplit_once(' ')).expect("a count");
        count.parse::<u32>().expect("a number")
    });
    assert_eq!(counts.sum::<u32>(), 2_400);
    let areas = all(chart.0, "rect", &["hit"]);
    assert_eq!(areas.len(), 2_400 / 16);
    let first = words(areas[0]);
    assert!(first.ends_with("\n90.0/s of 100/s\np50 10.0 µs, p99 35.0 µs, max 45.0 µs"), "{first}");
}
