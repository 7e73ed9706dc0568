//! Latency by percentile, as HdrHistogram plots it: each step to the right leaves a tenth of the requests.

use super::{
    chart::{self, Axis, Chart, Ink, SCALE},
    describe_middle, time,
};
use crate::report::{
    model::{Latency, Report, Run},
    units,
};
use maud::{Markup, html};
use std::f64::consts::LOG10_2;

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

pub(super) fn section(report: &Report) -> Markup {
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
                (plot(&step.corrected, &step.uncorrected, &others))
                figcaption { "share of the requests that took at most so long" }
            }
        }
    }
}

fn standing_for(run: &Run) -> &'static str {
    match run.knee {
        Some(_) => "the knee of the sweep",
        None => "the first step of a sweep without a knee",
    }
}

fn plot(corrected: &Latency, uncorrected: &Latency, others: &[&Latency]) -> Markup {
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
