//! Latency against rate, and by percentile.

use super::{
    chart::{self, Axis, Chart, SCALE},
    describe_middle,
};
use crate::report::{
    figures::FIGURES,
    model::{Latency, RateStep, Report, ScenarioRun},
    units::{per_second, shortest, thousands, tick_rate, tick_time, time},
};
use maud::{Markup, html};
use std::f64::consts::LOG10_2;

/// Class and ink, name, and value of a curve over the rates of a sweep.
type SweepCurve = (&'static str, &'static str, fn(&RateStep) -> f64);

const CURVES: [SweepCurve; 3] = [
    ("p50", "p50", |step| step.corrected.p50),
    ("p99", "p99", |step| step.corrected.p99),
    ("p999", "p99.9", |step| step.corrected.p999),
];

/// Draws the steps of a sweep, with the limit and the knee.
pub(super) fn by_rate(report: &Report) -> Markup {
    let Some((middle, run)) = report.middle_run().filter(|_| report.is_sweep()) else { return html! {} };
    let several = report.runs.len() > 1;
    let mut keys = CURVES.map(|(class, name, _)| (class, name)).to_vec();
    keys.extend([("limit", "limit of the p99"), ("knee", "knee")]);
    keys.extend(several.then_some(("other", "p99 and knee of the other runs")));
    html! {
        section {
            h2 { "Latency against rate" }
            p.about {
                @if several { (describe_middle(report, middle)) ". " }
                @if let Some(knee) = run.knee {
                    "The knee, the highest rate "
                    @if let Some(limit) = run.limit { "with a p99 of at most " (time(limit)) " and without an error" }
                    @else { "that kept every limit" }
                    @if let Some(why) = &run.at_least {
                        ", is at least " strong { (per_second(knee)) } ". The next higher rate could not be measured: " (why) ". "
                    }
                    @else { ", is " strong { (per_second(knee)) } ". " }
                }
                @else { "No knee was found" @if let Some(why) = &run.no_knee { ": " (why) } ". " }
                "Hollow dots are steps that failed."
            }
            (chart::legend(&keys))
            figure { (plot_rates(report, run)) figcaption { "requests due, a second" } }
            (table(run))
        }
    }
}

fn plot_rates(report: &Report, run: &ScenarioRun) -> Markup {
    let others: Vec<_> = report.runs.iter().filter(|other| !std::ptr::eq(*other, run)).collect();
    let all = || report.steps().map(|(_, step)| step);
    let x = Axis::linear(all().map(|step| step.rate).fold(0.0, f64::max) * 1.04, 8, tick_rate);
    let values = all().flat_map(|step| CURVES.map(|(.., of)| of(step))).chain(run.limit);
    let y = Axis::log(values, tick_time);
    let points = |run: &ScenarioRun, of: fn(&RateStep) -> f64| {
        sorted_steps(run).into_iter().map(|step| Some((step.rate, of(step)))).collect::<Vec<_>>()
    };
    chart::svg(390, "Latency against rate", |area| {
        let chart = Chart::new(area, x, y, chart::BOTTOM)?;
        for other in &others {
            chart.curve("other", SCALE, &points(other, |step| step.corrected.p99))?;
        }
        for (ink, _, of) in CURVES {
            chart.curve(ink, 2 * SCALE, &points(run, of))?;
        }
        let ((left, top), (right, bottom)) = chart.corners();
        let knee = |class: &str, knee: f64, title: &str| {
            chart::vertical(
                class,
                chart.place(knee, 0.0).0,
                (top, bottom),
                &format!("{title}: {}", per_second(knee)),
            )
        };
        Ok(html! {
            @if let Some(limit) = run.limit {
                @let (_, y) = chart.place(0.0, limit);
                line.limit x1=(left) x2=(right) y1=(y) y2=(y) { title { "limit of the p99: " (time(limit)) } }
                text.limit x=(left + 12) y=(y - 12) { "limit " (time(limit)) }
            }
            @for other in others.iter().filter_map(|other| other.knee) { (knee("elsewhere", other, "knee of another run")) }
            @if let Some(rate) = run.knee {
                (knee("knee", rate, "knee"))
                @let x = chart.place(rate, 0.0).0;
                @let anchor = if right - x < 200 { "end" } else { "middle" };
                @let bound = if run.at_least.is_some() { "knee at least " } else { "knee " };
                text.knee x=(x) y=(top - 14) text-anchor=(anchor) { (bound) (per_second(rate)) }
            }
            @for (class, name, of) in CURVES { @for step in sorted_steps(run) {
                @let failure = failure(run, step).map(|failure| format!("\n{failure}"));
                @let class = if failure.is_some() { format!("{class} hollow") } else { class.to_owned() };
                @let title = format!("{}: {name} {}{}", per_second(step.rate), time(of(step)), failure.unwrap_or_default());
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

/// Returns why a step of a sweep failed.
fn failure(run: &ScenarioRun, step: &RateStep) -> Option<String> {
    match (&step.invalid, step.failed()) {
        (Some(why), _) => Some(format!("invalid: {why}")),
        (None, 0) => {
            run.limit.filter(|limit| step.corrected.p99 > *limit).map(|_| "p99 over the limit".to_owned())
        }
        (None, failed) => Some(format!("{} failures", thousands(failed))),
    }
}

fn table(run: &ScenarioRun) -> Markup {
    let figures: Vec<_> =
        FIGURES.iter().filter(|figure| run.steps.iter().any(|step| (figure.of)(step).is_some())).collect();
    html! {
        details {
            summary { "The steps in figures" }
            div.wide { table {
                thead { tr { th { "due" } @for figure in &figures { th { (figure.name) } } th.words {} } }
                tbody { @for step in sorted_steps(run) {
                    @let is_knee = run.knee == Some(step.rate);
                    tr.chosen[is_knee] {
                        td { (per_second(step.rate)) }
                        @for figure in &figures {
                            td { (((figure.of)(step)).map_or_else(|| "–".to_owned(), |value| figure.unit.show(value))) }
                        }
                        td.words { @if is_knee && run.at_least.is_some() { "knee at least" } @else if is_knee { "knee" } @else { (failure(run, step).unwrap_or_default()) } }
                    }
                } }
            } }
        }
    }
}

/// Name, number of nines and value of a dot on the curve.
type Dot = (&'static str, Option<f64>, fn(&Latency) -> f64);

const DOTS: [Dot; 6] = [
    ("50 %", Some(LOG10_2), |latency| latency.p50),
    ("90 %", Some(1.0), |latency| latency.p90),
    ("99 %", Some(2.0), |latency| latency.p99),
    ("99.9 %", Some(3.0), |latency| latency.p999),
    ("99.99 %", Some(4.0), |latency| latency.p9999),
    ("max", None, |latency| latency.max),
];

/// Draws the distribution of one run in the way of HdrHistogram: a step to the right leaves a tenth of the
/// requests.
pub(super) fn by_percentile(report: &Report) -> Markup {
    let Some((middle, run)) = report.middle_run() else { return html! {} };
    let Some(step) = run.main_step() else { return html! {} };
    let runs = report.runs.iter().enumerate();
    let others = runs.filter(|(n, _)| *n != middle).filter_map(|(_, run)| run.main_step());
    let others: Vec<_> = others.map(|step| &step.corrected).collect();
    let mut keys = vec![
        ("corrected", "corrected: from the due time of a request"),
        ("uncorrected", "uncorrected: from the time at which it was sent"),
    ];
    keys.extend((!others.is_empty()).then_some(("other", "corrected, the other runs")));
    let chosen =
        if run.knee.is_some() { "the knee of the sweep" } else { "the first step of a sweep without a knee" };
    html! {
        section {
            h2 { "Latency by percentile" }
            p.about {
                @if report.is_sweep() { "At " (per_second(step.rate)) ", " (chosen) ". " }
                @if report.runs.len() > 1 { (describe_middle(report, middle)) ". " }
                "Where the curves differ, requests waited before they were sent: for a free connection, or because the "
                "harness was late."
            }
            (chart::legend(&keys))
            figure {
                (plot_percentiles(&step.corrected, &step.uncorrected, &others))
                figcaption { "share of the requests that took at most this time" }
            }
        }
    }
}

fn plot_percentiles(corrected: &Latency, uncorrected: &Latency, others: &[&Latency]) -> Markup {
    let all = || others.iter().copied().chain([corrected, uncorrected]);
    let depth = all().map(max_nines).fold(1.0, f64::max);
    let percent = |nines| format!("{} %", shortest(100.0 - 100.0 / 10_f64.powf(nines)));
    let x = Axis::linear(depth, depth as usize + 1, percent);
    let values = all().flat_map(|it| it.curve.iter().map(|point| point.1).chain([it.p50, it.max]));
    let y = Axis::log(values, tick_time);
    let points = |latency: &Latency| {
        let nines = |quantile: f64| -(1.0 - quantile).max(0.0).log10();
        let points = latency.curve.iter();
        points
            .map(|(quantile, value)| Some((nines(*quantile).min(max_nines(latency)), *value)))
            .collect::<Vec<_>>()
    };
    chart::svg(360, "Latency by percentile, corrected and uncorrected", |area| {
        let chart = Chart::new(area, x, y, chart::BOTTOM)?;
        for other in others {
            chart.curve("other", SCALE, &points(other))?;
        }
        chart.curve("uncorrected", 2 * SCALE, &points(uncorrected))?;
        chart.curve("corrected", 2 * SCALE, &points(corrected))?;
        let max_nines = max_nines(corrected);
        let dots = DOTS.map(|(name, nines, of)| (name, nines.unwrap_or(max_nines), of));
        let (_, (_, bottom)) = chart.corners();
        Ok(html! {
            text x=(chart.place(LOG10_2, 0.0).0) y=(bottom + 34) text-anchor="middle" { "50 %" }
            @for (name, nines, of) in dots.into_iter().filter(|(_, nines, _)| *nines <= max_nines) {
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

/// Returns the number of nines of the highest value's quantile. It depends on the number of values.
fn max_nines(latency: &Latency) -> f64 {
    (latency.count.max(10) as f64).log10()
}
