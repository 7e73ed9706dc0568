//! The report of a scenario, as JSON stores it. The terminal's table, the HTML page and `loadtest compare`
//! read nothing else. The doc comments of the types are the descriptions in the JSON Schema and in
//! `docs/loadtest.md`.
//!
//! Times are microseconds and rates are requests a second, unless a comment gives another unit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Version of the report's format. It increases when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// Kind of the error that counts a daemon which ended during the run.
pub(crate) const DAEMON_ENDED: &str = "daemon_ended";

/// Lowest valid idle time of the harness, in per cent. A harness that is idle for less reads answers late.
pub(crate) const MIN_IDLE_PERCENT: f64 = 5.0;

/// Report of one scenario with all its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this format. It increases when a field changes its meaning.
    pub schema: u32,
    /// Name of the scenario, as `loadtest run` takes it.
    pub scenario: String,
    /// Time at which the scenario started, RFC 3339 in UTC.
    pub started: String,
    /// Programs, machine, registry and options of the load test.
    pub setup: Setup,
    /// Highest rates of the daemon and of a null server; `null` if not measured.
    pub ceiling: Option<Ceiling>,
    /// Repeated runs of the whole scenario. `loadtest compare` takes the noise from them.
    pub runs: Vec<ScenarioRun>,
    /// Demands of the scenario with their verdicts.
    pub verdicts: Vec<DemandVerdict>,
}

/// Everything that is needed to run the load test again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Command line of the harness, which is the `loadtest` process.
    pub command: String,
    /// Version and commit of the daemon, from its metrics; `null` if unknown.
    pub daemon: Option<String>,
    /// Commit of the harness; `null` if it was built outside a checkout.
    pub commit: Option<String>,
    /// Build profile of the harness: `release` or `debug`.
    pub profile: String,
    /// XXH3 of the harness's executable. It differs between two builds of one commit.
    pub harness_digest: Option<String>,
    /// XXH3 of the daemon's executable; `null` with `--target`.
    pub daemon_digest: Option<String>,
    /// The scenario that ran: the keys of its file, overridden by the command line.
    pub effective: Map<String, Value>,
    /// Deviations from the scenario that the registry forced, and the reason for a missing ceiling.
    pub notes: Vec<String>,
    /// Command line of the daemon; `null` with `--target`.
    pub daemon_command: Option<String>,
    /// Machine on which the harness ran.
    pub machine: Machine,
    /// Cores of the daemon and of the harness; `null` if no core was assigned.
    pub pinning: Option<Pinning>,
    /// Registry that the daemon served.
    pub registry: RegistryFacts,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of connections of the harness.
    pub connections: u32,
    /// Time after which a request without an answer fails, in microseconds.
    pub timeout_us: u64,
}

/// Hardware and kernel of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Model name of the processor, from /proc/cpuinfo.
    pub processor: String,
    /// Number of cores that the harness may use.
    pub cores: u32,
    /// Size of the memory in bytes.
    pub memory: u64,
    /// Name and release of the kernel.
    pub kernel: String,
}

/// Assignment of cores, by core number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pinning {
    /// Cores of the daemon and of the null server; empty with `--target`.
    pub daemon: Vec<u32>,
    /// Cores of the harness's sender.
    pub harness: Vec<u32>,
}

/// Origin and size of a registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryFacts {
    /// Command that generated the registry, or its folder.
    pub source: String,
    /// Number of companies. All four numbers are 0 if the daemon's metrics were not available.
    pub companies: u64,
    /// Number of organizational units (OUs) in the registry.
    pub ous: u64,
    /// Number of pools in the registry.
    pub pools: u64,
    /// Number of accounts in the registry.
    pub accounts: u64,
    /// Size of the snapshot in bytes; `null` if the daemon's metrics were not available.
    pub snapshot_bytes: Option<u64>,
}

/// Highest rates of the daemon and of `loadtest null`, which get the same requests in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Answers a second of the null server, by run.
    pub null: Vec<f64>,
    /// Answers a second of the daemon, by run.
    pub daemon: Vec<f64>,
    /// Idle time of the harness during the runs of the null server, in per cent.
    pub null_idle: Vec<f64>,
    /// Idle time of the harness during the runs of the daemon, in per cent.
    pub daemon_idle: Vec<f64>,
    /// Median of the daemon's rate divided by the null server's, over the pairs of runs.
    pub ratio: f64,
}

/// One run of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Run")]
pub struct ScenarioRun {
    /// Steps of constant rate: one step, or several in a sweep.
    pub steps: Vec<RateStep>,
    /// Highest rate of a sweep that kept the limit; else `null`.
    pub knee: Option<f64>,
    /// Reason why a sweep found no knee; else `null`.
    pub no_knee: Option<String>,
    /// Reason why the true knee may be higher: the next higher rate could not be measured; else `null`.
    #[serde(default)]
    pub at_least: Option<String>,
    /// Limit of a sweep for the corrected p99 of each step; else `null`.
    pub limit: Option<f64>,
}

/// Measurements at one constant rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Step")]
pub struct RateStep {
    /// Rate at which requests were due.
    pub rate: f64,
    /// Recorded time in seconds, without the warm-up.
    pub seconds: f64,
    /// Number of requests that were due in the recorded time.
    pub due: u64,
    /// Answers a second in the recorded time.
    pub achieved: f64,
    /// Latencies from the time at which a request was due. Failed requests are included.
    pub corrected: Latency,
    /// Latencies from the time at which a request was sent. Requests that were never sent are missing.
    pub uncorrected: Latency,
    /// Delays between the due time of a request and the moment at which the sender starts to handle it.
    pub lateness: Latency,
    /// Idle time of the harness in per cent. A harness without idle time measures itself.
    pub idle_percent: f64,
    /// Reason why the figures are invalid; `null` if they are valid.
    pub invalid: Option<String>,
    /// Influences that do not make the figures invalid.
    pub warnings: Vec<String>,
    /// Failures by kind. In the distributions: `timeout`, `connect`, `closed`, `malformed`,
    /// `unexpected_status`, `wrong_answer`. Of reloads, standings, other clients and the daemon, not in the
    /// distributions: `reload_not_written`, `reload_not_seen`, `metrics`, `daemon_ended`, `standing_refused`,
    /// `standing_not_lifted`, `slow_client`, `new_connection`, `open_page`, `pin`.
    pub errors: BTreeMap<String, Failures>,
    /// Number of right answers, or of right lines of batches, by rule or problem code.
    pub outcomes: BTreeMap<String, u64>,
    /// Selections a second if each request is a batch; else `null`.
    pub selections: Option<f64>,
    /// Measurements of consecutive intervals, each a second long or shorter.
    pub timeline: Vec<Interval>,
    /// Reloads, standings, slow clients and new connections during the step.
    pub events: Vec<Event>,
    /// Processor time and memory of the daemon; `null` with `--target`.
    pub process: Option<Process>,
    /// Time that threads waited for a core.
    pub waited: Waited,
}

/// Failures of one kind in a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// Number of failures of this kind.
    pub count: u64,
    /// Description of the first failure.
    pub first: String,
}

/// Distribution of times, from an HDR histogram with three significant digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Number of values in the distribution.
    pub count: u64,
    /// Mean of all recorded values.
    pub mean: f64,
    /// Median of all recorded values.
    pub p50: f64,
    /// Time that 90 % of the values do not exceed.
    pub p90: f64,
    /// Time that 99 % of the values do not exceed.
    pub p99: f64,
    /// Time that 99.9 % of the values do not exceed.
    pub p999: f64,
    /// Time that 99.99 % of the values do not exceed.
    pub p9999: f64,
    /// Highest of all recorded values.
    pub max: f64,
    /// Pairs of a quantile, from 0 to 1, and its value. The quantiles approach 1 by halves.
    pub curve: Vec<(f64, f64)>,
}

/// Measurements of a short part of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// End of the interval, in seconds from the start of the step.
    pub at: f64,
    /// Requests a second that were due in the interval.
    pub due: f64,
    /// Answers a second in the interval.
    pub answered: f64,
    /// Median of the corrected latencies of the requests that ended in the interval.
    pub p50: f64,
    /// Corrected latency that 99 % of these requests did not exceed.
    pub p99: f64,
    /// Highest corrected latency of these requests.
    pub max: f64,
    /// Number of failures in the interval.
    pub errors: u64,
}

/// Something that the harness did to the daemon during a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Time of the event, in seconds from the start of the step.
    pub at: f64,
    /// Kind of the event: `reload`, `standing`, `slow_clients`, `new_connections` or `open_pages`.
    pub kind: String,
    /// Description of the event for people.
    pub text: String,
}

/// Resources that the daemon used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Processor time during the recorded time, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory at the end of the step, in bytes.
    pub rss: u64,
    /// Highest resident memory of the process, in bytes.
    pub rss_peak: u64,
}

/// Share of the recorded time in which a thread waited for a core, as counted by the kernel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waited {
    /// Percentage for the daemon's thread that waited longest; `null` with `--target` or if the kernel does
    /// not count it.
    pub daemon_percent: Option<f64>,
    /// Percentage for the thread that sends; `null` if the kernel does not count it.
    pub harness_percent: Option<f64>,
}

/// A demand of the scenario with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Verdict")]
pub struct DemandVerdict {
    /// Text of the demand, such as "p99 at most 1.00 ms".
    pub demand: String,
    /// Measured value with its unit, or "not measured".
    pub measured: String,
    /// Whether the measured value meets the demand.
    pub holds: bool,
}

impl Report {
    /// Returns whether the rate grew from step to step.
    pub fn is_sweep(&self) -> bool {
        self.runs.iter().any(|run| run.knee.is_some() || run.limit.is_some() || run.steps.len() > 1)
    }

    /// Returns every step of every run, with the index of its run.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (usize, &RateStep)> {
        self.runs.iter().enumerate().flat_map(|(n, run)| run.steps.iter().map(move |step| (n, step)))
    }

    /// Returns the valid runs with their indices, or all runs if none is valid.
    pub(crate) fn counted_runs(&self) -> Vec<(usize, &ScenarioRun)> {
        let any_valid = self.runs.iter().any(ScenarioRun::is_valid);
        self.runs.iter().enumerate().filter(|(_, run)| run.is_valid() || !any_valid).collect()
    }

    /// Returns the run that the charts show, with its index: the middle run by its knee, or else by its p99.
    pub(crate) fn middle_run(&self) -> Option<(usize, &ScenarioRun)> {
        let p99 = |run: &ScenarioRun| run.main_step().map(|step| step.corrected.p99);
        let key = |run: &ScenarioRun| run.knee.or_else(|| p99(run)).unwrap_or_default();
        let mut runs = self.counted_runs();
        runs.sort_by(|a, b| key(a.1).total_cmp(&key(b.1)));
        runs.get(runs.len().checked_sub(1)? / 2).copied()
    }

    /// Returns the reasons for which the command ends with exit code 1.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.verdicts.iter().filter(|verdict| !verdict.holds);
        let mut found: Vec<_> =
            failed.map(|verdict| format!("{}, but it is {}", verdict.demand, verdict.measured)).collect();
        for (run, n) in self.runs.iter().zip(1..) {
            // A sweep goes on until a step fails. Only the step at its knee must be valid.
            let counted = run.steps.iter().filter(|step| run.limit.is_none() || run.knee == Some(step.rate));
            let invalid = counted.filter_map(|step| step.invalid.as_ref());
            found.extend(invalid.map(|why| format!("run {n} is invalid: {why}")));
            found.extend(run.no_knee.iter().map(|why| format!("run {n} found no knee: {why}")));
            let ended = run.steps.iter().find_map(|step| step.errors.get(DAEMON_ENDED));
            found.extend(ended.map(|ended| format!("the daemon ended in run {n}: {}", ended.first)));
        }
        found.into_iter().map(|reason| format!("{}: {reason}", self.scenario)).collect()
    }
}

impl ScenarioRun {
    /// Returns the step that represents the run: the step at the knee, or the first.
    pub(crate) fn main_step(&self) -> Option<&RateStep> {
        let Some(knee) = self.knee else { return self.steps.first() };
        self.steps.iter().min_by(|a, b| (a.rate - knee).abs().total_cmp(&(b.rate - knee).abs()))
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.main_step().is_some_and(|step| step.invalid.is_none())
    }
}

impl RateStep {
    /// Returns the number of failures of all kinds.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|failures| failures.count).sum()
    }
}
