//! The sweep: latency against rate, with the limit, and the knee where it broke.

use super::{
    chart::{self, Axis, Chart, Ink, SCALE},
    time,
};
use crate::report::{
    model::{Report, Run, Step},
    units::{self, per_second},
};
use maud::{Markup, html};

type Curve = (&'static str, &'static str, Ink, fn(&Step) -> f64);

const CURVES: [Curve; 3] = [
    ("p50", "p50", Ink::P50, |step| step.corrected.p50),
    ("p99", "p99", Ink::P99, |step| step.corrected.p99),
    ("p999", "p99.9", Ink::P999, |step| step.corrected.p999),
];

/// The last one only where there are other runs.
const KEYS: [(&str, &str); 6] = [
    ("p50", "p50"),
    ("p99", "p99"),
    ("p999", "p99.9"),
    ("limit", "the limit of the p99"),
    ("knee", "the knee"),
    ("other", "p99 and knee of the other runs"),
];

pub(super) fn section(report: &Report) -> Markup {
    let Some(middle) = report.middle_run().filter(|_| report.is_sweep()) else { return html! {} };
    let Some(run) = report.runs.get(middle) else { return html! {} };
    let several = report.runs.len() > 1;
    let in_run = if several { format!(" in run {}, the middle one", middle + 1) } else { String::new() };
    let keys = KEYS.get(..if several { 6 } else { 5 }).unwrap_or_default();
    html! {
        section {
            h2 { "Latency against rate" }
            p.about {
                @if let Some(knee) = run.knee {
                    "The highest rate" (in_run) @if several { "," }
                    @if let Some(limit) = run.limit { " with a p99 of at most " (time(limit)) " and without an error is " }
                    @else { " at which every limit held is " }
                    strong { (units::rate(knee)) " requests a second" } ". "
                }
                @else { "No highest rate was found" (in_run) @if let Some(why) = &run.no_knee { ": " (why) } ". " }
                "Hollow: a step that did not hold."
            }
            (chart::legend(keys))
            figure { (plot(report, run)) figcaption { "requests a second that were due" } }
            (table(run))
        }
    }
}

fn plot(report: &Report, run: &Run) -> Markup {
    let others: Vec<_> = report.runs.iter().filter(|other| !std::ptr::eq(*other, run)).collect();
    let all = || report.runs.iter().flat_map(|run| &run.steps);
    let x = Axis::linear(all().map(|step| step.rate).fold(0.0, f64::max) * 1.04, 8, units::tick_rate);
    let values = all().flat_map(|step| CURVES.map(|(.., of)| of(step))).chain(run.limit);
    let y = Axis::log(values, units::tick_time);
    let points = |run: &Run, of: fn(&Step) -> f64| {
        by_rate(run).into_iter().map(|step| Some((step.rate, of(step)))).collect::<Vec<_>>()
    };
    chart::svg(390, "Latency against rate", |area| {
        let chart = Chart::new(area, x, y, chart::BOTTOM)?;
        for other in &others {
            chart.curve(Ink::Other, SCALE, &points(other, |step| step.corrected.p99))?;
        }
        for (.., ink, of) in CURVES {
            chart.curve(ink, 2 * SCALE, &points(run, of))?;
        }
        let ((left, top), (right, bottom)) = chart.corners();
        let knee = |class: &str, knee: f64, whose: &str| {
            let title = format!("the knee{whose}: {} requests a second", units::rate(knee));
            chart::vertical(class, chart.place(knee, 0.0).0, (top, bottom), &title)
        };
        Ok(html! {
            @if let Some(limit) = run.limit {
                @let (_, y) = chart.place(0.0, limit);
                line.limit x1=(left) x2=(right) y1=(y) y2=(y) { title { "limit of the p99: " (time(limit)) } }
                text.limit x=(left + 12) y=(y - 12) { "limit " (time(limit)) }
            }
            @for other in others.iter().filter_map(|other| other.knee) { (knee("elsewhere", other, " of another run")) }
            @if let Some(rate) = run.knee {
                (knee("knee", rate, ""))
                @let x = chart.place(rate, 0.0).0;
                @let anchor = if right - x < 200 { "end" } else { "middle" };
                text.knee x=(x) y=(top - 14) text-anchor=(anchor) { "knee " (per_second(rate)) }
            }
            @for (class, name, _, of) in CURVES { @for step in by_rate(run) {
                @let broken = broken(run, step);
                @let class = if broken.is_some() { format!("{class} hollow") } else { class.to_owned() };
                @let why = broken.map(|why| format!("\n{why}")).unwrap_or_default();
                @let title = format!("{}: {name} {}{why}", per_second(step.rate), time(of(step)));
                (chart::dot(&class, chart.place(step.rate, of(step)), &title))
            } }
        })
    })
}

fn by_rate(run: &Run) -> Vec<&Step> {
    let mut steps: Vec<_> = run.steps.iter().collect();
    steps.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    steps
}

/// Returns why a step did not hold.
fn broken(run: &Run, step: &Step) -> Option<String> {
    match (&step.invalid, step.failed()) {
        (Some(why), _) => Some(format!("invalid: {why}")),
        (None, 0) => {
            run.limit.filter(|limit| step.corrected.p99 > *limit).map(|_| "p99 over the limit".to_owned())
        }
        (None, failed) => Some(format!("{} errors", units::thousands(failed))),
    }
}

fn table(run: &Run) -> Markup {
    html! {
        details {
            summary { "The steps in figures" }
            div.wide { table {
                thead { tr {
                    @for name in ["due", "answered", "p50", "p99", "p99.9", "longest", "errors"] { th { (name) } }
                    th.words {}
                } }
                tbody { @for step in by_rate(run) { tr.chosen[run.knee == Some(step.rate)] {
                    td { (per_second(step.rate)) }
                    td { (per_second(step.achieved)) }
                    @for (.., of) in CURVES { td { (time(of(step))) } }
                    td { (time(step.corrected.max)) }
                    td { (units::thousands(step.failed())) }
                    td.words { (if run.knee == Some(step.rate) { "the knee".to_owned() } else { broken(run, step).unwrap_or_default() }) }
                } } }
            } }
        }
    }
}
