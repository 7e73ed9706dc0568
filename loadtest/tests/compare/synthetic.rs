//! Synthetic reports of any number of runs. Each figure has independent noise.

use generator::SeededRng;
use loadtest::{
    compare::{ChangeVerdict, FigureChange, ReportComparison},
    report::{files, model::Report},
};
use std::path::Path;

/// Random factors. Their logarithms are normal with the standard deviation `width`.
pub(crate) struct Noise {
    rng: SeededRng,
    width: f64,
}

impl Noise {
    pub(crate) fn new(seed: u64, width: f64) -> Self {
        Self { rng: SeededRng::new(seed, 0), width }
    }

    /// Returns a number above 0, which has a logarithm, to 1.
    fn uniform(&mut self) -> f64 {
        1.0 - self.rng.fraction()
    }

    pub(crate) fn times(&mut self, value: f64) -> f64 {
        let normal = (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos();
        value * (self.width * normal).exp()
    }
}

pub(crate) fn fixture(name: &str) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports");
    files::read(&folder.join(name).with_extension("json")).expect(name)
}

/// Returns a report of the steady scenario whose runs, and the runs of its ceiling, differ only by noise.
pub(crate) fn steady(runs: usize, noise: &mut Noise) -> Report {
    let mut report = fixture("steady");
    let mut run = report.runs.swap_remove(0);
    let step = &mut run.steps[0];
    (step.timeline, step.corrected.curve, step.uncorrected.curve) = Default::default();
    report.runs = vec![run; runs];
    for run in &mut report.runs {
        let step = &mut run.steps[0];
        let latencies = [&mut step.corrected, &mut step.uncorrected];
        let figures = latencies
            .into_iter()
            .flat_map(|it| [&mut it.p50, &mut it.p90, &mut it.p99, &mut it.p999, &mut it.max]);
        let process = step.process.as_mut().expect("ours");
        for figure in figures.chain([&mut step.achieved, &mut process.cpu_seconds]) {
            *figure = noise.times(*figure);
        }
        process.rss = noise.times(process.rss as f64) as u64;
    }
    let ceiling = report.ceiling.as_mut().expect("measured");
    (ceiling.null, ceiling.daemon) = (0..runs).map(|_| (noise.times(80e3), noise.times(50e3))).unzip();
    report
}

pub(crate) fn named<'a>(comparison: &'a ReportComparison, figure: &str) -> &'a FigureChange {
    comparison.changes.iter().find(|change| change.figure == figure).expect(figure)
}

pub(crate) fn names(comparison: &ReportComparison, verdict: ChangeVerdict) -> Vec<String> {
    comparison.with_verdict(verdict).map(FigureChange::name).collect()
}
