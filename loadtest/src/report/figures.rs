//! The figures of a step and the setup of a report, each as one table. The page, the terminal's table and
//! `loadtest compare` take their rows from these tables.

use super::{
    model::{Ceiling, MIN_IDLE_PERCENT, RateStep, Report},
    units::{bytes, number, per_second, percent, thousands, time},
};
use crate::statistics::{median, range};
use serde::Serialize;

/// Unit in which a figure is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A latency of requests, in microseconds.
    Microseconds,
    /// A rate of answers or selections, a second.
    PerSecond,
    /// A share of the requests, in per cent.
    Percent,
    /// The daemon's rate, divided by the null server's.
    Ratio,
    /// A size of memory, in bytes.
    Bytes,
    /// The processor time of each request, in microseconds.
    ProcessorMicroseconds,
    /// A plain number of requests.
    Requests,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Microseconds | Unit::ProcessorMicroseconds => time(value),
            Unit::PerSecond => per_second(value),
            Unit::Percent => percent(value / 100.0),
            Unit::Ratio => format!("{value:.3}"),
            Unit::Bytes => bytes(value as u64),
            Unit::Requests => thousands(value as u64),
        }
    }

    pub(crate) fn depends_on_the_rate(self) -> bool {
        matches!(self, Unit::Microseconds | Unit::PerSecond | Unit::ProcessorMicroseconds)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Low,
    High,
}

pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// Which values are better; `None` if `compare` leaves the figure out.
    pub(crate) better: Option<Better>,
    pub(crate) of: fn(&RateStep) -> Option<f64>,
}

impl Figure {
    const fn new(
        name: &'static str,
        unit: Unit,
        better: Option<Better>,
        of: fn(&RateStep) -> Option<f64>,
    ) -> Self {
        Self { name, unit, better, of }
    }
}

const LOW: Option<Better> = Some(Better::Low);
const HIGH: Option<Better> = Some(Better::High);

/// Figures of a whole report, which no single step has.
pub(crate) const KNEE: Figure = Figure::new("knee", Unit::PerSecond, HIGH, |_| None);
pub(crate) const NULL_RATIO: Figure = Figure::new("of a null server", Unit::Ratio, HIGH, |_| None);

pub(crate) const FIGURES: [Figure; 16] = [
    Figure::new("answered", Unit::PerSecond, HIGH, |step| Some(step.achieved)),
    Figure::new("selections", Unit::PerSecond, HIGH, |step| step.selections),
    Figure::new("p50", Unit::Microseconds, LOW, |step| Some(step.corrected.p50)),
    Figure::new("p90", Unit::Microseconds, LOW, |step| Some(step.corrected.p90)),
    Figure::new("p99", Unit::Microseconds, LOW, |step| Some(step.corrected.p99)),
    Figure::new("p99.9", Unit::Microseconds, LOW, |step| Some(step.corrected.p999)),
    Figure::new("p99.99", Unit::Microseconds, None, |step| Some(step.corrected.p9999)),
    Figure::new("max", Unit::Microseconds, LOW, |step| Some(step.corrected.max)),
    Figure::new("p99 uncorrected", Unit::Microseconds, LOW, |step| Some(step.uncorrected.p99)),
    Figure::new("errors", Unit::Percent, LOW, |step| {
        Some(100.0 * step.failed() as f64 / step.due.max(1) as f64)
    }),
    Figure::new("failures", Unit::Requests, None, |step| Some(step.failed() as f64)),
    Figure::new("p99 of the lateness", Unit::Microseconds, None, |step| Some(step.lateness.p99)),
    Figure::new("max of the lateness", Unit::Microseconds, None, |step| Some(step.lateness.max)),
    Figure::new("processor a request", Unit::ProcessorMicroseconds, LOW, |step| {
        step.process.as_ref().map(|process| process.cpu_seconds * 1e6 / step.due.max(1) as f64)
    }),
    Figure::new("memory", Unit::Bytes, LOW, |step| step.process.as_ref().map(|process| process.rss as f64)),
    Figure::new("peak memory", Unit::Bytes, None, |step| {
        step.process.as_ref().map(|process| process.rss_peak as f64)
    }),
];

/// What a difference in a row of the setup means for a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetupRole {
    /// The row is shown and not compared.
    Shown,
    /// The conditions of the measurement differ.
    Condition,
    /// The compared programs differ, as is expected.
    Subject,
}

/// Name, value and role of a row.
pub(crate) type SetupRow = (&'static str, String, SetupRole);

/// Returns the rows of the setup. Their number and order is the same for all reports, except for the notes at
/// the end.
pub(crate) fn setup_rows(report: &Report) -> Vec<SetupRow> {
    use SetupRole::{Condition, Shown, Subject};
    let setup = &report.setup;
    let (machine, registry) = (&setup.machine, &setup.registry);
    let or = |text: &Option<String>, absent: &str| text.clone().unwrap_or_else(|| absent.to_owned());
    let cores = |cores: &[u32]| cores.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let pinning = match &setup.pinning {
        Some(pinning) if pinning.daemon.is_empty() => {
            format!("harness on core {}, daemon not moved", cores(&pinning.harness))
        }
        Some(it) => format!("daemon on core {}, harness on core {}", cores(&it.daemon), cores(&it.harness)),
        None => "none: the kernel assigns the cores".to_owned(),
    };
    let size = match registry.accounts {
        0 => "size unknown: name the admin listener with --admin".to_owned(),
        accounts => format!(
            "{} {}, {} OUs, {} pools, {} accounts",
            thousands(registry.companies),
            if registry.companies == 1 { "company" } else { "companies" },
            thousands(registry.ous),
            thousands(registry.pools),
            thousands(accounts)
        ),
    };
    let step = report.runs.first().and_then(|run| run.steps.first());
    let rows = [
        ("command", setup.command.clone(), Shown),
        ("daemon", or(&setup.daemon, "unknown version"), Subject),
        ("daemon's command", or(&setup.daemon_command, "already running"), Condition),
        ("daemon's binary", or(&setup.daemon_digest, "unknown"), Subject),
        ("harness", or(&setup.commit, "built outside a checkout"), Subject),
        ("harness's build", setup.profile.clone(), Condition),
        ("harness's binary", or(&setup.harness_digest, "unknown"), Subject),
        ("processor", format!("{}, {} cores", machine.processor, machine.cores), Condition),
        ("memory", bytes(machine.memory), Shown),
        ("kernel", machine.kernel.clone(), Condition),
        ("pinning", pinning, Condition),
        ("registry", format!("{} ({size})", registry.source), Condition),
        ("snapshot", registry.snapshot_bytes.map_or_else(|| "unknown size".to_owned(), bytes), Shown),
        ("seed", setup.seed.to_string(), Condition),
        ("connections", setup.connections.to_string(), Condition),
        ("time-out", time(setup.timeout_us as f64), Condition),
        ("step's length", step.map_or("no run".to_owned(), |step| time(step.seconds * 1e6)), Condition),
    ];
    rows.into_iter().chain(setup.notes.iter().map(|note| ("note", note.clone(), Shown))).collect()
}

/// Describes the median rates of the daemon and of the null server, and their ratio.
pub(crate) fn describe_ceiling(ceiling: &Ceiling) -> String {
    let middle = |rates: &[f64]| median(rates).map_or_else(|| "–".to_owned(), per_second);
    let (low, high) = range(ceiling.daemon.iter().zip(&ceiling.null).map(|(daemon, null)| daemon / null));
    let idle = median(&ceiling.null_idle).unwrap_or(100.0);
    let is_harness_limit = idle < MIN_IDLE_PERCENT;
    format!(
        "{} by the daemon, {} by a null server: {} {} ({low:.2} to {high:.2}, by pair of runs); the harness was idle for \
         {idle:.1} % of the time beside the null server{}",
        middle(&ceiling.daemon),
        middle(&ceiling.null),
        if is_harness_limit { "at most" } else { "a ratio of" },
        number(ceiling.ratio),
        if is_harness_limit { ", so that rate is the harness's limit" } else { "" }
    )
}
