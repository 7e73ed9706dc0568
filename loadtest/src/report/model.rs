//! What a run comes to, as it is written to JSON: everything that the terminal's table, the HTML page and
//! `compare` show is taken from here. The schema is documented in `docs/loadtest.md`.
//!
//! Times are microseconds, rates are requests a second, unless a name says otherwise.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The number of this shape: raised when a field changes its meaning.
pub const SCHEMA: u32 = 1;

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
    pub runs: Vec<Run>,
    /// What the scenario demands, and whether it holds.
    pub verdicts: Vec<Verdict>,
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
    /// Whether the daemon told of it: a `--target` without `--admin` does not, and its counts are 0.
    pub(crate) fn told(&self) -> bool {
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
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Steps of constant rate: one, but for a sweep.
    pub steps: Vec<Step>,
    /// The highest rate at which every limit held; only of a sweep.
    pub knee: Option<f64>,
    /// Why there is none; only of a sweep.
    pub no_knee: Option<String>,
    /// What the corrected p99 of each step must keep to; only of a sweep.
    pub limit: Option<f64>,
}

/// A while at a constant rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
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
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// What is demanded, in words: "p99 under 1 ms".
    pub demand: String,
    /// What was measured: the median over the runs.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Report {
    /// Whether the rate grew from step to step.
    pub fn is_sweep(&self) -> bool {
        self.runs.iter().any(|run| run.knee.is_some() || run.limit.is_some() || run.steps.len() > 1)
    }
}

impl Step {
    /// Errors of all kinds.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|failures| failures.count).sum()
    }
}
