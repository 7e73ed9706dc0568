//! What is handed out at the end: the table, the JSON, the page.

pub(crate) mod files;
pub(crate) mod middle;
pub mod model;
pub mod page;
pub mod read;
#[cfg(test)]
mod schema;
pub mod summary;
pub mod units;

use self::model::Report;

/// The kind of the error that a daemon has ended on its own.
pub(crate) const DAEMON_ENDED: &str = "daemon_ended";

/// Why the command ends with exit code 1; empty where all is well.
pub(crate) fn failures(report: &Report) -> Vec<String> {
    let unkept = report.verdicts.iter().filter(|verdict| !verdict.holds);
    let unkept = unkept.map(|it| format!("{}: {}, but it is {}", report.scenario, it.demand, it.measured));
    let steps = report.runs.iter().enumerate().flat_map(|(n, run)| {
        // A sweep goes on until a step fails: the one at its knee must mean something.
        let counts = move |rate: f64| run.limit.is_none() || run.knee == Some(rate);
        run.steps.iter().filter(move |step| counts(step.rate)).map(move |step| (n, step))
    });
    let invalid = steps.filter_map(|(n, step)| {
        let why = step.invalid.as_ref()?;
        Some(format!("{}: run {} is invalid: {why}", report.scenario, n + 1))
    });
    let runs = || report.runs.iter().enumerate();
    let no_knee = runs().filter_map(|(n, run)| {
        Some(format!("{}: run {} found no highest rate: {}", report.scenario, n + 1, run.no_knee.as_ref()?))
    });
    let ended = runs().filter_map(|(n, run)| {
        let ended = run.steps.iter().find_map(|step| step.errors.get(DAEMON_ENDED))?;
        Some(format!("{}: the daemon ended in run {}: {}", report.scenario, n + 1, ended.first))
    });
    unkept.chain(invalid).chain(no_knee).chain(ended).collect()
}
