//! Scenarios: TOML files that describe a run. The built-in ones are `loadtest/scenarios/*.toml`.

use crate::{
    error::{Error, Result, WrongValue},
    quantity::{HumanDuration, Rate},
    traffic::Mix,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fs, num::NonZero, path::Path, time::Duration};
use toml::de::{DeTable, DeValue};

/// Name and text of each built-in scenario.
pub const BUILTIN: [(&str, &str); 10] = [
    ("steady", include_str!("../scenarios/steady.toml")),
    ("ramp", include_str!("../scenarios/ramp.toml")),
    ("mixed", include_str!("../scenarios/mixed.toml")),
    ("batch", include_str!("../scenarios/batch.toml")),
    ("reload-storm", include_str!("../scenarios/reload-storm.toml")),
    ("standings-churn", include_str!("../scenarios/standings-churn.toml")),
    ("slow-clients", include_str!("../scenarios/slow-clients.toml")),
    ("new-connections", include_str!("../scenarios/new-connections.toml")),
    ("resumed-connections", include_str!("../scenarios/resumed-connections.toml")),
    ("open-pages", include_str!("../scenarios/open-pages.toml")),
];

/// The scenario of `loadtest soak`, which `loadtest run` does not offer.
const SOAK: &str = include_str!("../scenarios/soak.toml");

/// Together with the other clients, the daemon accepts this number of connections from one address.
const MAX_SLOW_CLIENTS: u32 = 2_000;

/// The console is for some administrators at a time.
const MAX_OPEN_PAGES: u32 = 100;

/// A scenario. Every key but `about` is optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name of the file without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// Purpose of the scenario in one line.
    pub about: String,
    /// Rate of the requests. A share of the highest rate requires that rate to be measured first.
    #[serde(default = "half")]
    pub rate: Rate,
    /// Duration of the recording of each run.
    #[serde(default = "seconds::<20>")]
    pub duration: HumanDuration,
    /// Duration of the requests at the same rate before the recording.
    #[serde(default = "seconds::<10>")]
    pub warm_up: HumanDuration,
    /// Number of runs. Each starts a new daemon.
    #[serde(default = "count::<3>")]
    pub repeat: NonZero<u32>,
    /// Number of connections. Each has at most one request in flight.
    #[serde(default = "count::<32>")]
    pub connections: NonZero<u32>,
    /// Longest time between the due time of a request and its answer. Without an answer by then, the request
    /// has failed.
    #[serde(default = "seconds::<5>")]
    pub timeout: HumanDuration,
    /// Largest p99 of the harness's lateness in microseconds. A run with a larger one is invalid. `None`
    /// stands for a tenth of the uncorrected median, but at least 1,000 and at most 10,000.
    pub latest_us: Option<u64>,
    /// Duration of each of the ten runs that measure the highest rates of the daemon and of a null server.
    #[serde(default = "millis::<800>")]
    pub ceiling: HumanDuration,
    /// Number of the daemon's worker threads.
    #[serde(default = "count::<1>")]
    pub workers: NonZero<u32>,
    /// How clients reach the daemon that the load test starts.
    #[serde(default)]
    pub access: BTreeSet<Access>,
    /// Size of the generated registry.
    #[serde(default)]
    pub registry: RegistrySize,
    /// Shares of the drawn requests.
    #[serde(default)]
    pub mix: Mix,
    /// Replaces the snapshot at an interval.
    pub reload: Option<Reload>,
    /// Sets and clears standings of accounts.
    pub standings: Option<StandingsChurn>,
    /// Adds clients that send and read only a few bytes at a time.
    pub slow_clients: Option<SlowClients>,
    /// Adds clients that open a connection for each request.
    pub new_connections: Option<NewConnections>,
    /// Repeats the requests of open pages of the console.
    pub open_pages: Option<OpenPages>,
    /// Raises the rate step by step, and ignores `rate` and `duration`.
    pub sweep: Option<Sweep>,
    /// Limits of the figures. If a limit is not met, the command ends with exit code 1.
    #[serde(default)]
    pub demand: Demand,
}

/// A way in which clients reach a daemon. Without any, on a TCP port in plain text, and without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Over TLS, on both listeners, with a certificate of ECDSA P-256.
    Tls,
    /// On a Unix socket, to the data listener.
    Unix,
    /// With the token of a principal.
    Token,
}

/// The size of a generated registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySize {
    /// Number of accounts, at least four per pool.
    pub accounts: usize,
    /// Number of organizational units, at least one.
    pub ous: usize,
    /// Number of pools, at least one.
    pub pools: usize,
}

impl RegistrySize {
    /// The size `small`, which is generated in less than a second.
    pub const SMALL: Self = Self { accounts: 5_000, ous: 500, pools: 200 };
    /// The size `standard`, that of a large company.
    pub const STANDARD: Self = Self { accounts: 100_000, ous: 10_000, pools: 2_000 };
    /// The size `large`, the largest that is tested.
    pub const LARGE: Self = Self { accounts: 1_000_000, ous: 100_000, pools: 20_000 };
}

impl Default for RegistrySize {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Publishes new generations, alternately of two registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// Interval between two generations, at least 100 ms.
    pub every: HumanDuration,
}

/// Changes the standings of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingsChurn {
    /// Number of changes per second. Every second change clears the standing that the change before it set.
    pub rate: f64,
    /// Number of accounts whose standings change.
    #[serde(default = "count::<50>")]
    pub accounts: NonZero<u32>,
}

/// Adds clients that send and read only a few bytes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClients {
    /// Number of slow clients. A client whose connection is closed connects again at once.
    pub count: NonZero<u32>,
}

/// Adds clients that open a connection for each request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewConnections {
    /// Number of connections per second.
    pub rate: f64,
    /// Whether clients resume the TLS session of an earlier connection.
    #[serde(default)]
    pub resume: bool,
}

/// Repeats the requests of open pages of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenPages {
    /// Number of pages.
    pub count: NonZero<u32>,
}

/// Raises the rate until the p99 exceeds a limit, and then approaches the highest rate within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Rate of the first step.
    pub start: Rate,
    /// Factor from the rate of one step to that of the next.
    pub factor: f64,
    /// Duration of the recording of each step.
    pub step: HumanDuration,
    /// Duration of the requests at a step's rate before its recording.
    pub settle: HumanDuration,
    /// Limit of the corrected p99. A step with a larger p99 or an error has failed.
    pub p99: HumanDuration,
    /// Number of times that the interval between the highest good rate and the lowest bad rate is halved.
    pub refine: u32,
}

/// The limits of a scenario. They apply to the medians of the runs. Latencies are corrected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// Upper limit of the median latency.
    pub p50: Option<HumanDuration>,
    /// Upper limit of the 99th percentile.
    pub p99: Option<HumanDuration>,
    /// Upper limit of the 99.9th percentile.
    pub p999: Option<HumanDuration>,
    /// Upper limit of the longest latency.
    pub max: Option<HumanDuration>,
    /// Upper limit of the percentage of failed requests, in every run.
    pub errors_percent: f64,
    /// Lower limit of the ratio of the daemon's highest rate to that of the null server.
    pub null_ratio: Option<f64>,
    /// Lower limit of the highest good rate of a sweep.
    pub knee: Option<f64>,
    /// Lower limit of the selections per second in batches.
    pub selections: Option<f64>,
}

/// Returns a built-in scenario by its name, or reads the scenario of a file that ends in `.toml`.
///
/// # Errors
/// No scenario has this name, or the file is wrong. The error names the line and the expected value.
pub fn load(name: &str) -> Result<Scenario> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "toml") {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return Ok(Scenario { name: stem.into_owned(), ..parse(name, &text)? });
    }
    let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) else {
        let names = BUILTIN.map(|(name, _)| name).join(", ");
        return Err(Error::Usage(format!(
            "scenario {name} does not exist: choose one of {names}, or a file that ends in .toml"
        )));
    };
    parse(name, text)
}

/// Returns the scenario of `loadtest soak`, with the requests of the scenario `mixed`.
pub(crate) fn soak() -> Result<Scenario> {
    let soak = parse("soak", SOAK)?;
    let mix = Mix { distinct: soak.mix.distinct, ..load("mixed")?.mix };
    Ok(Scenario { mix, ..soak })
}

fn parse(name: &str, text: &str) -> Result<Scenario> {
    let scenario: Scenario =
        toml::from_str(text).map_err(|error| Error::Usage(format!("{name}: {error}")))?;
    scenario.check().map_err(|wrong| {
        let line = line_of_key(text, &wrong.key).map(|line| format!("line {line}: "));
        Error::Usage(format!("{name}: {}{wrong}", line.unwrap_or_default()))
    })?;
    Ok(Scenario { name: name.to_owned(), ..scenario })
}

/// Returns the line of a key, or of the table that has it. Returns `None` if the file has neither.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (mut table, mut at) = (root.get_ref(), 0);
    for part in key.split('.') {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        at = name.span().start;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    Some(text.get(..at)?.matches('\n').count() + 1)
}

impl Scenario {
    /// Returns whether the highest rate must be measured first, because the scenario's rate is a share of it.
    pub fn needs_ceiling(&self) -> bool {
        let rate = self.sweep.map_or(self.rate, |sweep| sweep.start);
        matches!(rate, Rate::Share(_))
    }

    /// Returns the keys and values of this scenario's file, including defaults.
    pub fn effective(&self) -> Map<String, Value> {
        // A struct serializes to an object.
        let Ok(Value::Object(mut keys)) = serde_json::to_value(self) else { return Map::new() };
        remove_nulls(&mut keys);
        keys
    }

    /// Checks the limits of the values that the types do not express.
    pub(crate) fn check(&self) -> std::result::Result<(), WrongValue> {
        const RATE: &str =
            "must be more than 0, and at most 10,000,000 per second or 1,000 % of the highest rate";
        let is_possible = |rate| match rate {
            Rate::PerSecond(rate) => rate > 0.0 && rate <= 10e6,
            Rate::Share(share) => share > 0.0 && share <= 10.0,
        };
        let unless = WrongValue::unless;
        unless(is_possible(self.rate), "rate", RATE)?;
        if let Some(sweep) = self.sweep {
            unless(is_possible(sweep.start), "sweep.start", RATE)?;
            let is_right = sweep.factor > 1.0 && sweep.factor <= 10.0;
            unless(is_right, "sweep.factor", "must be more than 1 and at most 10")?;
            let excludes = "excludes [reload], because the snapshots are numbered for a run of one rate: remove one of them";
            unless(self.reload.is_none(), "sweep", excludes)?;
        }
        let is_right = self.slow_clients.is_none_or(|it| it.count.get() <= MAX_SLOW_CLIENTS);
        unless(is_right, "slow_clients.count", "must be 2,000 or less, because each is a thread")?;
        let is_right = self.open_pages.is_none_or(|it| it.count.get() <= MAX_OPEN_PAGES);
        unless(is_right, "open_pages.count", "must be 100 or less, because each is a thread")?;
        let is_right = self.timeout.0 <= Duration::from_secs(3_600);
        unless(is_right, "timeout", "must be 60m or less, because no client waits longer")?;
        let is_right = self.standings.is_none_or(|it| (0.01..=10_000.0).contains(&it.rate));
        unless(is_right, "standings.rate", "must be at least 0.01 and at most 10,000 per second")?;
        let is_right = self.reload.is_none_or(|it| it.every.0 >= Duration::from_millis(100));
        unless(is_right, "reload.every", "must be 100ms or more")?;
        let is_right = self.new_connections.is_none_or(|it| (0.1..=2_000.0).contains(&it.rate));
        unless(is_right, "new_connections.rate", "must be at least 0.1 and at most 2,000 per second")?;
        let is_right = !(self.access.contains(&Access::Tls) && self.access.contains(&Access::Unix));
        unless(is_right, "access", "cannot have tls and unix, because Unix sockets are plain")?;
        self.mix.check()
    }
}

/// Removes nulls, because TOML has none.
fn remove_nulls(keys: &mut Map<String, Value>) {
    keys.retain(|_, value| !value.is_null());
    keys.values_mut().filter_map(Value::as_object_mut).for_each(remove_nulls);
}

fn half() -> Rate {
    Rate::Share(0.5)
}

fn seconds<const N: u64>() -> HumanDuration {
    HumanDuration(Duration::from_secs(N))
}

fn millis<const N: u64>() -> HumanDuration {
    HumanDuration(Duration::from_millis(N))
}

fn count<const N: u32>() -> NonZero<u32> {
    NonZero::new(N).unwrap_or(NonZero::<u32>::MIN)
}
