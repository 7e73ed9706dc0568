//! The report of a scenario, as it is written to JSON. The terminal's table, the HTML page and `compare` show nothing
//! else. `docs/loadtest.md` documents the fields; the comments of the types are also the schema's descriptions.
//!
//! Times are microseconds and rates are requests a second, unless a name says otherwise.

use crate::statistics::{median, range};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The number of this shape: raised when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// The kind of the error that counts a daemon which ended by itself.
pub(crate) const DAEMON_ENDED: &str = "daemon_ended";

/// The least share of the time, in per cent, in which the harness must be idle. A harness that is never idle
/// reads answers later than they came.
pub(crate) const MIN_IDLE_PERCENT: f64 = 5.0;

/// A run of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The number of this shape: raised when a field changes its meaning.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// What ran, and on what.
    pub setup: Setup,
    /// What the harness itself can do.
    pub ceiling: Option<Ceiling>,
    /// The whole scenario again and again: `compare` takes the noise from these.
    pub runs: Vec<ScenarioRun>,
    /// What the scenario demands, and whether it holds.
    pub verdicts: Vec<DemandVerdict>,
}

/// What a reader needs to run the same again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The command line of the harness.
    pub command: String,
    /// The daemon's version and commit, as its metrics have them; `None` where it does not tell.
    pub daemon: Option<String>,
    /// The commit of the harness, where it was built in a checkout.
    pub commit: Option<String>,
    /// How the harness was built: `release` or `debug`.
    pub profile: String,
    /// XXH3 of the harness's executable: it tells builds of one commit apart.
    pub harness_digest: Option<String>,
    /// Of the daemon's; `None` where it ran already.
    pub daemon_digest: Option<String>,
    /// The scenario as it ran, with what the command line said: the keys of its file.
    pub effective: Map<String, Value>,
    /// What the registry did not let be asked as the scenario says, and why there is no ceiling where one failed.
    pub notes: Vec<String>,
    /// The daemon's command line; `None` where it ran already.
    pub daemon_command: Option<String>,
    /// Processor, cores, memory, kernel.
    pub machine: Machine,
    /// Which core does what; `None` where nothing is pinned.
    pub pinning: Option<Pinning>,
    /// The registry that is served.
    pub registry: RegistryFacts,
    /// What all chance is drawn from.
    pub seed: u64,
    /// Connections of the harness.
    pub connections: u32,
    /// A request without an answer for so long is a time-out.
    pub timeout_us: u64,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// As /proc/cpuinfo has it.
    pub processor: String,
    /// Cores that may be used.
    pub cores: u32,
    /// Bytes.
    pub memory: u64,
    /// Its release.
    pub kernel: String,
}

/// Cores by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pinning {
    /// The daemon's, and the null server's.
    pub daemon: Vec<u32>,
    /// The harness's.
    pub harness: Vec<u32>,
}

/// A registry in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RegistryFacts {
    /// Where it is from: the arguments it was generated with, or its folder.
    pub source: String,
    /// Counts.
    pub companies: u64,
    /// Organizational units.
    pub ous: u64,
    /// Pools.
    pub pools: u64,
    /// Accounts.
    pub accounts: u64,
    /// Bytes of the snapshot; `None` where it is not ours.
    pub snapshot_bytes: Option<u64>,
}

impl RegistryFacts {
    /// Returns whether the counts are known: a `--target` without `--admin` reports none, and they are 0.
    pub(crate) fn is_known(&self) -> bool {
        self.accounts > 0
    }
}

/// The same requests, as fast as they are answered, by the daemon and by a null server: bare hyper, which answers
/// each with a constant of the same size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Answers a second by the null server, run by run, interleaved with the daemon's.
    pub null: Vec<f64>,
    /// By the daemon.
    pub daemon: Vec<f64>,
    /// The share of the time that the harness itself was idle, run by run: beside the null server.
    pub null_idle: Vec<f64>,
    /// Beside the daemon.
    pub daemon_idle: Vec<f64>,
    /// Median of the ratios daemon to null of neighbouring runs.
    pub ratio: f64,
}

/// One run of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename = "Run")]
pub struct ScenarioRun {
    /// Steps of constant rate: one, but for a sweep.
    pub steps: Vec<RateStep>,
    /// The highest rate at which every limit held; only of a sweep.
    pub knee: Option<f64>,
    /// Why there is none; only of a sweep.
    pub no_knee: Option<String>,
    /// What the corrected p99 of each step must keep to; only of a sweep.
    pub limit: Option<f64>,
}

/// A while at a constant rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename = "Step")]
pub struct RateStep {
    /// Requests a second that should have been sent.
    pub rate: f64,
    /// How long it was measured, warm-up left out.
    pub seconds: f64,
    /// Requests that were due in that time.
    pub due: u64,
    /// Answers a second that came.
    pub achieved: f64,
    /// From when a request should have been sent. Errors and time-outs are in it.
    pub corrected: Latency,
    /// From when it was sent.
    pub uncorrected: Latency,
    /// How much later than it should the harness itself got round to sending, whatever the server did.
    pub lateness: Latency,
    /// The share of the time in which the harness had nothing to do. One without any measures itself.
    pub idle_percent: f64,
    /// Why these figures mean nothing: the harness was too late, or had no time left. `None` where they do.
    pub invalid: Option<String>,
    /// What to bear in mind where they do.
    pub warnings: Vec<String>,
    /// By kind: `timeout`, `connect`, `closed`, `malformed`, `unexpected_status`, `wrong_answer`, …
    pub errors: BTreeMap<String, Failures>,
    /// Answers by rule or problem code.
    pub outcomes: BTreeMap<String, u64>,
    /// Selections a second, where a request is a batch.
    pub selections: Option<f64>,
    /// How it went, second by second or finer.
    pub timeline: Vec<Interval>,
    /// What was done to the daemon meanwhile.
    pub events: Vec<Event>,
    /// The daemon's, where it is ours.
    pub process: Option<Process>,
    /// How long a core was not to be had.
    pub waited: Waited,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// The first, in words.
    pub first: String,
}

/// A distribution, from an HDR histogram of three significant digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Recorded values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Quantiles.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// 99.99 %.
    pub p9999: f64,
    /// Highest.
    pub max: f64,
    /// The curve: (quantile from 0 to 1, value), ever closer to 1 by halves, for the plot by percentile.
    pub curve: Vec<(f64, f64)>,
}

/// A slice of the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Seconds from the start of the step to the slice's end.
    pub at: f64,
    /// Requests a second that were due in it.
    pub due: f64,
    /// Answers a second that came in it.
    pub answered: f64,
    /// Corrected latencies of the requests that were answered in it.
    pub p50: f64,
    /// 99 %.
    pub p99: f64,
    /// Highest.
    pub max: f64,
    /// Errors in it.
    pub errors: u64,
}

/// Something that was done to the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Seconds from the start of the step.
    pub at: f64,
    /// `reload`, `standing`, `slow_clients`.
    pub kind: String,
    /// In words.
    pub text: String,
}

/// What the daemon took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Seconds of processor time, user and system.
    pub cpu_seconds: f64,
    /// Resident memory at the end, bytes.
    pub rss: u64,
    /// The most it was, bytes.
    pub rss_peak: u64,
}

/// The share of the time in which a thread could have run, and something else had its core: as the kernel counts it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Waited {
    /// The daemon's thread that waited longest; `None` where it is not ours, or the kernel does not tell.
    pub daemon_percent: Option<f64>,
    /// The thread that sends.
    pub harness_percent: Option<f64>,
}

/// One demand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename = "Verdict")]
pub struct DemandVerdict {
    /// What is demanded, in words: "p99 under 1 ms".
    pub demand: String,
    /// What was measured: the median over the runs.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Report {
    /// Returns whether the rate grew from step to step.
    pub fn is_sweep(&self) -> bool {
        self.runs.iter().any(|run| run.knee.is_some() || run.limit.is_some() || run.steps.len() > 1)
    }

    /// Returns the valid runs with their indices, or all of them where none is valid.
    pub(crate) fn counted_runs(&self) -> Vec<(usize, &ScenarioRun)> {
        let any_valid = self.runs.iter().any(ScenarioRun::is_valid);
        self.runs.iter().enumerate().filter(|(_, run)| run.is_valid() || !any_valid).collect()
    }

    /// Returns the index of the run that stands for all: the middle one by its knee, or else by its p99.
    pub(crate) fn middle_run(&self) -> Option<usize> {
        let p99 = |run: &ScenarioRun| run.main_step().map(|step| step.corrected.p99);
        let key = |run: &ScenarioRun| run.knee.or_else(|| p99(run)).unwrap_or_default();
        let mut order: Vec<_> = self.counted_runs().into_iter().map(|(n, run)| (key(run), n)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.get(order.len().checked_sub(1)? / 2).map(|(_, n)| *n)
    }
}

impl ScenarioRun {
    /// Returns the step that stands for the run: the one at the knee, or the first.
    pub(crate) fn main_step(&self) -> Option<&RateStep> {
        let Some(knee) = self.knee else { return self.steps.first() };
        self.steps.iter().min_by(|a, b| (a.rate - knee).abs().total_cmp(&(b.rate - knee).abs()))
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.main_step().is_some_and(|step| step.invalid.is_none())
    }
}

impl RateStep {
    /// Returns how many errors of all kinds there were.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|failures| failures.count).sum()
    }

    /// Returns the daemon's processor time for each request, in microseconds.
    pub(crate) fn cpu_per_request(&self) -> Option<f64> {
        self.process.as_ref().map(|it| it.cpu_seconds * 1e6 / self.due.max(1) as f64)
    }
}

impl Ceiling {
    /// Returns the lowest and the highest ratio of a pair of runs: they show how far to trust the median.
    pub(crate) fn ratio_range(&self) -> (f64, f64) {
        range(self.daemon.iter().zip(&self.null).map(|(daemon, null)| daemon / null))
    }

    /// Returns how many per cent of the time the harness was idle beside the null server, where that is so little
    /// that the harness was the limit.
    pub(crate) fn harness_limit(&self) -> Option<f64> {
        median(&self.null_idle).filter(|idle| *idle < MIN_IDLE_PERCENT)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::files::read;
    use std::{fs, path::PathBuf};

    const REMEDY: &str = "SWITCHBOARD_REGENERATE=1 cargo test -p loadtest --lib report::model";

    fn below(folder: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)
    }

    fn schema() -> Value {
        schemars::schema_for!(Report).to_value()
    }

    #[test]
    fn checked_in_schema_is_that_of_the_types() {
        let path = below("../docs/schema/loadtest-report.schema.json");
        let made = format!("{:#}\n", schema());
        if std::env::var_os("SWITCHBOARD_REGENERATE").is_some_and(|value| value == "1") {
            fs::write(&path, &made).unwrap();
            return;
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            made == found,
            "{}: differs from the types. Write it again with\n    {REMEDY}",
            path.display()
        );
    }

    #[test]
    fn reports_match_the_schema_and_changed_ones_do_not() {
        let schema = jsonschema::validator_for(&schema()).unwrap();
        for entry in fs::read_dir(below("tests/fixtures/reports")).unwrap() {
            let path = entry.unwrap().path();
            let mut report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let wrong: Vec<_> = schema.iter_errors(&report).map(|it| it.to_string()).collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
            report["runs"][0]["steps"][0]["corrected"]["p99"] = "fast".into();
            assert!(!schema.is_valid(&report), "{}", path.display());
        }
    }

    #[test]
    fn middle_run_is_a_valid_one_where_there_is_one() {
        let mut report = read(&below("tests/fixtures/reports/steady.json")).unwrap();
        for (run, p99) in report.runs.iter_mut().zip([300.0, 100.0, 200.0]) {
            run.steps[0].corrected.p99 = p99;
        }
        assert_eq!(report.middle_run(), Some(2));
        report.runs[2].steps[0].invalid = Some("late".to_owned());
        assert_eq!(report.middle_run(), Some(1));
        report.runs.iter_mut().for_each(|run| run.steps[0].invalid = Some("late".to_owned()));
        assert_eq!(report.middle_run(), Some(2));
        report.runs.clear();
        assert_eq!(report.middle_run(), None);
    }
}
