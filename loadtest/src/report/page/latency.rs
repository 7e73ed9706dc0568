//! Latency against rate, and by percentile.

use super::{
    chart::{self, Axis, Chart, Ink, SCALE},
    parts::{describe_middle, time},
};
use crate::report::{
    model::{Latency, RateStep, Report, ScenarioRun},
    units::{self, per_second},
};
use maud::{Markup, html};
use std::f64::consts::LOG10_2;

type Curve = (&'static str, &'static str, Ink, fn(&RateStep) -> f64);

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

/// The sweep, with the limit, and the knee where it broke.
pub(super) fn by_rate(report: &Report) -> Markup {
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
            figure { (plot_rates(report, run)) figcaption { "requests a second that were due" } }
            (table(run))
        }
    }
}

fn plot_rates(report: &Report, run: &ScenarioRun) -> Markup {
    let others: Vec<_> = report.runs.iter().filter(|other| !std::ptr::eq(*other, run)).collect();
    let all = || report.runs.iter().flat_map(|run| &run.steps);
    let x = Axis::linear(all().map(|step| step.rate).fold(0.0, f64::max) * 1.04, 8, units::tick_rate);
    let values = all().flat_map(|step| CURVES.map(|(.., of)| of(step))).chain(run.limit);
    let y = Axis::log(values, units::tick_time);
    let points = |run: &ScenarioRun, of: fn(&RateStep) -> f64| {
        sorted_steps(run).into_iter().map(|step| Some((step.rate, of(step)))).collect::<Vec<_>>()
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
            @for (class, name, _, of) in CURVES { @for step in sorted_steps(run) {
                @let broken = broken(run, step);
                @let class = if broken.is_some() { format!("{class} hollow") } else { class.to_owned() };
                @let why = broken.map(|why| format!("\n{why}")).unwrap_or_default();
                @let title = format!("{}: {name} {}{why}", per_second(step.rate), time(of(step)));
                (chart::dot(&class, chart.place(step.rate, of(step)), &title))
            } }
        })
    })
}

fn sorted_steps(run: &ScenarioRun) -> Vec<&RateStep> {
    let mut steps: Vec<_> = run.steps.iter().collect();
    steps.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    steps
}

fn broken(run: &ScenarioRun, step: &RateStep) -> Option<String> {
    match (&step.invalid, step.failed()) {
        (Some(why), _) => Some(format!("invalid: {why}")),
        (None, 0) => {
            run.limit.filter(|limit| step.corrected.p99 > *limit).map(|_| "p99 over the limit".to_owned())
        }
        (None, failed) => Some(format!("{} errors", units::thousands(failed))),
    }
}

fn table(run: &ScenarioRun) -> Markup {
    html! {
        details {
            summary { "The steps in figures" }
            div.wide { table {
                thead { tr {
                    @for name in ["due", "answered", "p50", "p99", "p99.9", "longest", "errors"] { th { (name) } }
                    th.words {}
                } }
                tbody { @for step in sorted_steps(run) { tr.chosen[run.knee == Some(step.rate)] {
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

type Mark = (&'static str, Option<f64>, fn(&Latency) -> f64);

/// Points of the curve that have a dot: how many nines, and which figure.
const MARKS: [Mark; 6] = [
    ("50 %", Some(LOG10_2), |latency| latency.p50),
    ("90 %", Some(1.0), |latency| latency.p90),
    ("99 %", Some(2.0), |latency| latency.p99),
    ("99.9 %", Some(3.0), |latency| latency.p999),
    ("99.99 %", Some(4.0), |latency| latency.p9999),
    ("the longest", None, |latency| latency.max),
];

/// One run as HdrHistogram plots it: each step to the right leaves a tenth of the requests.
pub(super) fn by_percentile(report: &Report) -> Markup {
    let Some(middle) = report.middle_run() else { return html! {} };
    let Some(run) = report.runs.get(middle) else { return html! {} };
    let Some(step) = run.main_step() else { return html! {} };
    let runs = report.runs.iter().enumerate();
    let others = runs.filter(|(n, _)| *n != middle).filter_map(|(_, run)| run.main_step());
    let others: Vec<_> = others.map(|step| &step.corrected).collect();
    let mut keys = vec![
        ("corrected", "corrected: from when a request should have been sent"),
        ("uncorrected", "uncorrected: from when it was sent"),
    ];
    if !others.is_empty() {
        keys.push(("other", "corrected, the other runs"));
    }
    html! {
        section {
            h2 { "Latency by percentile" }
            p.about {
                @if report.is_sweep() { "At " (units::rate(step.rate)) " requests a second, " (standing_for(run)) ". " }
                @if report.runs.len() > 1 { (describe_middle(report, middle)) ", beside the others. " }
                "Where the two curves part, requests waited to be sent: for a connection whose answer had not come, or "
                "for the harness, by as much as it was late itself."
            }
            (chart::legend(&keys))
            figure {
                (plot_percentiles(&step.corrected, &step.uncorrected, &others))
                figcaption { "share of the requests that took at most so long" }
            }
        }
    }
}

fn standing_for(run: &ScenarioRun) -> &'static str {
    match run.knee {
        Some(_) => "the knee of the sweep",
        None => "the first step of a sweep without a knee",
    }
}

fn plot_percentiles(corrected: &Latency, uncorrected: &Latency, others: &[&Latency]) -> Markup {
    let all = || others.iter().copied().chain([corrected, uncorrected]);
    let depth = all().map(deepest).fold(1.0, f64::max);
    let percent = |nines| format!("{} %", units::shortest(100.0 - 100.0 / 10_f64.powf(nines)));
    let x = Axis::linear(depth, depth as usize + 1, percent);
    let values = all().flat_map(|it| it.curve.iter().map(|point| point.1).chain([it.p50, it.max]));
    let y = Axis::log(values, units::tick_time);
    let points = |latency: &Latency| {
        let deepest = deepest(latency);
        let points = latency.curve.iter().map(|(quantile, value)| Some((nines(*quantile, deepest), *value)));
        points.collect::<Vec<_>>()
    };
    chart::svg(360, "Latency by percentile, corrected and uncorrected", |area| {
        let chart = Chart::new(area, x, y, chart::BOTTOM)?;
        for other in others {
            chart.curve(Ink::Other, SCALE, &points(other))?;
        }
        chart.curve(Ink::Uncorrected, 2 * SCALE, &points(uncorrected))?;
        chart.curve(Ink::Corrected, 2 * SCALE, &points(corrected))?;
        let deepest = deepest(corrected);
        let marks = MARKS.map(|(name, nines, of)| (name, nines.unwrap_or(deepest), of));
        let (_, (_, bottom)) = chart.corners();
        Ok(html! {
            text x=(chart.place(LOG10_2, 0.0).0) y=(bottom + 34) text-anchor="middle" { "50 %" }
            @for (name, nines, of) in marks.into_iter().filter(|(_, nines, _)| *nines <= deepest) {
                @for (class, latency) in [("uncorrected", uncorrected), ("corrected", corrected)] {
                    @let title = format!("{name}, {class}: {}", time(of(latency)));
                    (chart::dot(class, chart.place(nines, of(latency)), &title))
                }
                @let (x, y) = chart.place(nines, of(corrected));
                @let anchor = if nines > 0.5 { "end" } else { "middle" };
                text.value x=(x) y=(y - 18) text-anchor=(anchor) { (time(of(corrected))) }
            }
        })
    })
}

/// Returns how many nines a quantile has. The last one has as many as the count allows.
fn nines(quantile: f64, deepest: f64) -> f64 {
    if quantile < 1.0 { (1.0 / (1.0 - quantile)).log10().min(deepest) } else { deepest }
}

fn deepest(latency: &Latency) -> f64 {
    (latency.count.max(10) as f64).log10()
}
