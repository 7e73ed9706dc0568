//! Scenarios: what a run does, as TOML. The built-in ones are `loadtest/scenarios/*.toml`.

use crate::{
    error::{Error, Result},
    quantity::{HumanDuration, Rate},
    traffic::Mix,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{fs, num::NonZero, path::Path, time::Duration};
use toml::de::{DeTable, DeValue};

/// The name and the text of each built-in scenario.
pub const BUILTIN: [(&str, &str); 7] = [
    ("steady", include_str!("../scenarios/steady.toml")),
    ("ramp", include_str!("../scenarios/ramp.toml")),
    ("mixed", include_str!("../scenarios/mixed.toml")),
    ("batch", include_str!("../scenarios/batch.toml")),
    ("reload-storm", include_str!("../scenarios/reload-storm.toml")),
    ("standings-churn", include_str!("../scenarios/standings-churn.toml")),
    ("slow-clients", include_str!("../scenarios/slow-clients.toml")),
];

/// With the other clients, fewer than the daemon accepts from one address.
const MAX_SLOW_CLIENTS: u32 = 2_000;

/// A scenario. Every key but `about` is optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of the file, without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// The purpose, in a line.
    pub about: String,
    /// Requests a second, or a share of the highest rate, which is measured first.
    #[serde(default = "half")]
    pub rate: Rate,
    /// How long is recorded.
    #[serde(default = "seconds::<20>")]
    pub duration: HumanDuration,
    /// How long requests are sent at the same rate before.
    #[serde(default = "seconds::<10>")]
    pub warm_up: HumanDuration,
    /// The number of runs, each with a daemon that was just started.
    #[serde(default = "count::<3>")]
    pub repeat: NonZero<u32>,
    /// The number of connections. Each has one request in flight at a time.
    #[serde(default = "count::<32>")]
    pub connections: NonZero<u32>,
    /// A request without an answer so long after it was due has failed.
    #[serde(default = "seconds::<5>")]
    pub timeout: HumanDuration,
    /// The p99 of the harness's lateness, in microseconds, beyond which a run is invalid. `None`: a tenth of
    /// the uncorrected median, but at least 1,000 and at most 10,000.
    #[serde(default)]
    pub latest_us: Option<u64>,
    /// The duration of each of the ten runs that measure the highest rate, and that of a null server.
    #[serde(default = "millis::<800>")]
    pub ceiling: HumanDuration,
    /// The daemon's worker threads.
    #[serde(default = "count::<1>")]
    pub workers: NonZero<u32>,
    /// The size of the generated registry.
    #[serde(default)]
    pub registry: RegistrySize,
    /// The requests.
    #[serde(default)]
    pub mix: Mix,
    /// Replaces the snapshot again and again.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// Sets and lifts standings.
    #[serde(default)]
    pub standings: Option<StandingsChurn>,
    /// Adds clients that send and read a little at a time.
    #[serde(default)]
    pub slow_clients: Option<SlowClients>,
    /// Raises the rate step by step. `rate` and `duration` are then ignored.
    #[serde(default)]
    pub sweep: Option<Sweep>,
    /// The limits. Where one does not hold, the command ends with exit code 1.
    #[serde(default)]
    pub demand: Demand,
}

/// The counts of a generated registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySize {
    /// Accounts.
    pub accounts: usize,
    /// Organizational units.
    pub ous: usize,
    /// Pools.
    pub pools: usize,
}

impl RegistrySize {
    /// Generated in an instant.
    pub const SMALL: Self = Self { accounts: 5_000, ous: 500, pools: 200 };
    /// A large company's.
    pub const STANDARD: Self = Self { accounts: 100_000, ous: 10_000, pools: 2_000 };
    /// The largest that is tested.
    pub const LARGE: Self = Self { accounts: 1_000_000, ous: 100_000, pools: 20_000 };
}

impl Default for RegistrySize {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Publishes a new generation at an interval, in turn of two registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// The interval.
    pub every: HumanDuration,
}

/// Changes live standings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingsChurn {
    /// Changes a second. Every second change lifts the one before it.
    pub rate: f64,
    /// The number of accounts.
    #[serde(default = "count::<50>")]
    pub accounts: NonZero<u32>,
}

/// Adds slow clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClients {
    /// The number at a time. A client that is closed connects again at once.
    pub count: NonZero<u32>,
}

/// Raises the rate until a limit breaks, and then approaches the rate where it broke.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The rate of the first step.
    pub start: Rate,
    /// The factor from one step to the next.
    pub factor: f64,
    /// How long each step is recorded.
    pub step: HumanDuration,
    /// How long requests are sent before each step, at its rate.
    pub settle: HumanDuration,
    /// The limit of the corrected p99. An error breaks a step, too.
    pub p99: HumanDuration,
    /// How often the interval between the last good rate and the first bad one is halved.
    pub refine: u32,
}

/// The limits of a scenario. Latencies are corrected ones; the median of the runs counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// The most of the median.
    pub p50: Option<HumanDuration>,
    /// The most of the 99th percentile.
    pub p99: Option<HumanDuration>,
    /// The most of the 99.9th percentile.
    pub p999: Option<HumanDuration>,
    /// The most of the longest latency.
    pub max: Option<HumanDuration>,
    /// The most failed requests of every run, in per cent.
    pub errors_percent: f64,
    /// The least share of the null server's rate.
    pub null_ratio: Option<f64>,
    /// The least highest rate of a sweep.
    pub knee: Option<f64>,
    /// The least selections a second, for batches.
    pub selections: Option<f64>,
}

/// Returns a built-in scenario by its name, or the one of a file that ends in `.toml`.
///
/// # Errors
/// There is none of that name, or the file has a fault: the error names its line and what is expected.
pub fn load(name: &str) -> Result<Scenario> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "toml") {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return parse(&stem, &text).map_err(|reason| Error::Usage(format!("{name}: {reason}")));
    }
    match BUILTIN.iter().find(|(known, _)| *known == name) {
        Some((known, text)) => {
            parse(known, text).map_err(|reason| Error::Usage(format!("{known}: {reason}")))
        }
        None => {
            let names = BUILTIN.map(|(name, _)| name).join(", ");
            Err(Error::Usage(format!(
                "there is no scenario {name}: there are {names}, or name a file that ends in .toml"
            )))
        }
    }
}

fn parse(name: &str, text: &str) -> std::result::Result<Scenario, String> {
    let scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
    scenario.check().map_err(|reason| match line_of_key(text, &reason) {
        Some(line) => format!("line {line}: {reason}"),
        None => reason,
    })?;
    Ok(Scenario { name: name.to_owned(), ..scenario })
}

/// Returns the line of the key that a reason begins with; none where the key is not in the file.
fn line_of_key(text: &str, reason: &str) -> Option<usize> {
    let key = reason.split([' ', ':']).next()?.trim_matches(['[', ']']);
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
    /// Returns whether the rate is a share of the highest rate, which must then be measured first.
    pub fn needs_ceiling(&self) -> bool {
        let rate = self.sweep.map_or(self.rate, |sweep| sweep.start);
        matches!(rate, Rate::Share(_))
    }

    /// Returns every key that is set, as a file of this scenario has them.
    pub fn effective(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut keys)) => {
                remove_nulls(&mut keys);
                keys
            }
            // A struct always serializes to an object.
            _ => Map::new(),
        }
    }

    /// Checks what the types cannot express.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let rate = |name: &str, rate: Rate| match rate {
            Rate::PerSecond(rate) if !(rate > 0.0 && rate <= 10e6) => {
                Err(format!("{name} must be more than 0 and at most 10,000,000 a second"))
            }
            Rate::Share(share) if !(share > 0.0 && share <= 10.0) => {
                Err(format!("{name} must be more than 0 % and at most 1,000 % of the highest rate"))
            }
            _ => Ok(()),
        };
        rate("rate", self.rate)?;
        if let Some(sweep) = self.sweep {
            rate("sweep.start", sweep.start)?;
            if !(sweep.factor > 1.0 && sweep.factor <= 10.0) {
                return Err("sweep.factor must be more than 1 and at most 10".to_owned());
            }
        }
        if self.sweep.is_some() && self.reload.is_some() {
            return Err("[sweep] and [reload] cannot be together: the snapshots are numbered for a run of one rate; take \
                        one of them out"
                .to_owned());
        }
        self.mix.check().map_err(|error| error.to_string())?;
        if self.slow_clients.is_some_and(|it| it.count.get() > MAX_SLOW_CLIENTS) {
            return Err(format!("slow_clients.count must be {MAX_SLOW_CLIENTS} or less: each is a thread"));
        }
        if self.timeout.0 > Duration::from_secs(3_600) {
            return Err("timeout must be 60m or less: a client that waits longer has gone".to_owned());
        }
        if self.standings.is_some_and(|it| !(it.rate >= 0.01 && it.rate <= 10_000.0)) {
            return Err("standings.rate must be at least 0.01 and at most 10,000 a second".to_owned());
        }
        if self.reload.is_some_and(|it| it.every.0 < Duration::from_millis(100)) {
            return Err("reload.every must be 100ms or more".to_owned());
        }
        Ok(())
    }
}

/// TOML has no null: an absent key is left out.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_is_valid() {
        for (name, _) in BUILTIN {
            let scenario = load(name).unwrap();
            assert_eq!(scenario.name, name);
            assert!(!scenario.about.is_empty());
        }
        assert!(load("ramp").unwrap().sweep.is_some());
        assert!(load("reload-storm").unwrap().reload.is_some());
        assert!(load("standings-churn").unwrap().standings.is_some());
        assert!(load("slow-clients").unwrap().slow_clients.is_some());
        assert!(load("batch").unwrap().mix.batch.is_some());
    }

    #[test]
    fn every_scenario_file_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let mut known: Vec<_> = BUILTIN.iter().map(|(name, _)| format!("{name}.toml")).collect();
        known.sort();
        assert_eq!(files, known);
    }

    #[test]
    fn absent_keys_get_their_defaults_and_values_their_units() {
        let it = parse("it", "about = 'a'").unwrap();
        assert_eq!((it.rate, it.duration), (Rate::Share(0.5), HumanDuration(Duration::from_secs(20))));
        let text =
            "about = 'a'\nrate = 2000\nduration = '500ms'\n[demand]\np99 = '800us'\nerrors_percent = 0.1";
        let it = parse("it", text).unwrap();
        assert_eq!(
            (it.rate, it.duration),
            (Rate::PerSecond(2_000.0), HumanDuration(Duration::from_millis(500)))
        );
        assert_eq!(it.demand.p99, Some(HumanDuration(Duration::from_micros(800))));
        assert_eq!(Rate::Share(0.5).per_second(3_000.0), 1_500.0);
        assert_eq!(Rate::parse("62.5 %"), Ok(Rate::Share(0.625)));
    }

    #[test]
    fn a_fault_is_reported_with_its_line() {
        for (text, said) in [
            ("about = 'a'\nraet = 7", "unknown field `raet`"),
            ("about = 'a'\n[mix]\nbatches = 7", "unknown field `batches`"),
            ("about = 'a'\n[demand]\np98 = '1ms'", "unknown field `p98`"),
            ("about = 'a'\nrate = 'fast'", "write requests a second"),
            ("about = 'a'\nduration = '1h'", "write seconds"),
            ("about = 'a'\nrepeat = 0", "nonzero"),
            ("rate = 7", "missing field `about`"),
            ("about = 'a'\nrate = -1", "rate must be more than 0"),
            ("about = 'a'\ntimeout = '61m'", "timeout must be 60m or less"),
            ("about = 'a'\n[standings]\nrate = 1e-300", "standings.rate must be at least 0.01"),
            (
                "about = 'a'\n[sweep]\nstart = 1\nfactor = 2\nstep = '1s'\nsettle = '1s'\np99 = '1ms'\nrefine = 1\n\
                 [reload]\nevery = '1s'",
                "[sweep] and [reload] cannot be together",
            ),
            ("about = 'a'\n[reload]\nevery = '1ms'", "line 3: reload.every must be 100ms or more"),
            ("about = 'a'\n\n[mix]\nphone = 200", "line 4: mix.phone = 200: give a share"),
            ("about = 'a'\nmix = { batch = 1 }", "line 2: mix.batch: a batch has 2 to 10,000 lines"),
            ("about = 'a'\n[slow_clients]\ncount = 2001", "line 3: slow_clients.count must be 2000 or less"),
            (
                "about = 'a'\n[sweep]\nstart = 1\nfactor = 1\nstep = '1s'\nsettle = '1s'\np99 = '1ms'\nrefine = 1",
                "sweep.factor must be more than 1",
            ),
        ] {
            let why = parse("it", text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        assert!(parse("it", "about = 'a'\nraet = 7").unwrap_err().contains("line 2"));
        assert!(load("stead").unwrap_err().to_string().contains("there are steady, ramp"));
        assert!(load("none.toml").is_err());
    }

    #[test]
    fn the_effective_keys_give_the_same_scenario() {
        for (name, _) in BUILTIN {
            let scenario = load(name).unwrap();
            let effective = scenario.effective();
            let text = serde_json::to_string(&effective).unwrap();
            let again = serde_json::from_str::<Scenario>(&text).unwrap();
            assert_eq!(Scenario { name: name.to_owned(), ..again }, scenario, "{text}");
            assert!(!text.contains("null"), "{text}");
        }
        assert_eq!(load("steady").unwrap().effective()["rate"], "50 %");
    }
}
