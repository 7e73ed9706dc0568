//! The report of a scenario: its model, its files, the terminal's table and the HTML page.

pub mod files;
pub mod model;
pub mod page;
pub mod summary;
pub mod units;

use self::model::Report;

/// The kind of the error that counts a daemon which ended by itself.
pub(crate) const DAEMON_ENDED: &str = "daemon_ended";

/// Returns the reasons for which the command ends with exit code 1.
pub(crate) fn failures(report: &Report) -> Vec<String> {
    let scenario = &report.scenario;
    let mut found = Vec::new();
    for verdict in report.verdicts.iter().filter(|verdict| !verdict.holds) {
        found.push(format!("{scenario}: {}, but it is {}", verdict.demand, verdict.measured));
    }
    let runs = || report.runs.iter().zip(1..);
    for (run, n) in runs() {
        // A sweep goes on until a step fails. Only the step at its knee must be valid.
        let counted = run.steps.iter().filter(|step| run.limit.is_none() || run.knee == Some(step.rate));
        let invalid = counted.filter_map(|step| step.invalid.as_ref());
        found.extend(invalid.map(|why| format!("{scenario}: run {n} is invalid: {why}")));
    }
    for (run, n) in runs() {
        found.extend(
            run.no_knee.iter().map(|why| format!("{scenario}: run {n} found no highest rate: {why}")),
        );
    }
    for (run, n) in runs() {
        let ended = run.steps.iter().find_map(|step| step.errors.get(DAEMON_ENDED));
        found.extend(ended.map(|ended| format!("{scenario}: the daemon ended in run {n}: {}", ended.first)));
    }
    found
}
