//! What a run is to do, as TOML: the built-in scenarios are `loadtest/scenarios/*.toml`, whose keys these are.

mod builtin;
mod demand;
mod quantity;

pub use self::{
    builtin::{BUILTIN, load},
    demand::Demand,
    quantity::{Rate, Span},
};
use crate::traffic::Mix;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{num::NonZero, time::Duration};

/// A scenario. Every key but `about` may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of its file, without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// What it is for, in a line.
    pub about: String,
    /// Requests a second, or a share of the highest rate, which is measured first.
    #[serde(default = "half")]
    pub rate: Rate,
    /// How long is recorded.
    #[serde(default = "seconds::<20>")]
    pub duration: Span,
    /// How long it goes on at the same rate before.
    #[serde(default = "seconds::<10>")]
    pub warm_up: Span,
    /// How often the whole is run, each time with a daemon that was just started.
    #[serde(default = "count::<3>")]
    pub repeat: NonZero<u32>,
    /// Connections; each has one request in flight at a time.
    #[serde(default = "count::<32>")]
    pub connections: NonZero<u32>,
    /// A request without an answer so long after it was due is a time-out.
    #[serde(default = "seconds::<5>")]
    pub timeout: Span,
    /// The harness's own lateness, at its p99, in microseconds, beyond which a run is invalid. Absent: a tenth of the
    /// uncorrected median, but 1,000 at the least and 10,000 at the most.
    #[serde(default)]
    pub latest_us: Option<u64>,
    /// How long each of the ten runs is that find out the highest rate, and that of a null server.
    #[serde(default = "millis::<800>")]
    pub ceiling: Span,
    /// Threads of the daemon that answer.
    #[serde(default = "count::<1>")]
    pub workers: NonZero<u32>,
    /// How large a registry is generated.
    #[serde(default)]
    pub registry: Size,
    /// What is asked.
    #[serde(default)]
    pub mix: Mix,
    /// The snapshot is replaced again and again.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// Standings are set and lifted again.
    #[serde(default)]
    pub standings: Option<Standings>,
    /// Clients that send and read a little at a time.
    #[serde(default)]
    pub slow_clients: Option<SlowClients>,
    /// Step by step to the highest rate; `rate` and `duration` say nothing then.
    #[serde(default)]
    pub sweep: Option<Sweep>,
    /// What must come of it: a demand that does not hold ends the command with exit code 1.
    #[serde(default)]
    pub demand: Demand,
}

/// Counts of a generated registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Accounts.
    pub accounts: usize,
    /// Organizational units.
    pub ous: usize,
    /// Pools.
    pub pools: usize,
}

impl Size {
    /// Ready in no time.
    pub const SMALL: Size = Size { accounts: 5_000, ous: 500, pools: 200 };
    /// A large company's.
    pub const STANDARD: Size = Size { accounts: 100_000, ous: 10_000, pools: 2_000 };
    /// The largest there are tests for.
    pub const LARGE: Size = Size { accounts: 1_000_000, ous: 100_000, pools: 20_000 };
}

impl Default for Size {
    fn default() -> Size {
        Size::STANDARD
    }
}

/// A new generation every so often, in turn of two registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// From one to the next.
    pub every: Span,
}

/// Live standings that change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standings {
    /// Changes a second; every second one lifts what the one before it set.
    pub rate: f64,
    /// Of so many accounts.
    #[serde(default = "count::<50>")]
    pub accounts: NonZero<u32>,
}

/// Slow clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClients {
    /// At a time; who is closed comes back at once.
    pub count: NonZero<u32>,
}

/// With the honest ones, fewer than the daemon takes of one address.
const MOST_SLOW_CLIENTS: u32 = 2_000;

/// Steps of growing rate until a limit breaks, and then closer and closer to where it did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The first step's rate.
    pub start: Rate,
    /// From one step to the next.
    pub factor: f64,
    /// How long each is recorded, and how long it goes on before.
    pub step: Span,
    /// Before each step, at its rate.
    pub settle: Span,
    /// The corrected p99 that a step must keep to; any error breaks it, too.
    pub p99: Span,
    /// How often the way between the last rate that held and the first that did not is halved.
    pub refine: u32,
}

impl Scenario {
    /// Whether it cannot be run before it is known what there is to reach.
    pub fn needs_ceiling(&self) -> bool {
        let rate = self.sweep.map_or(self.rate, |sweep| sweep.start);
        matches!(rate, Rate::Share(_))
    }

    /// Every key that is set, as a file of it would have them: what a repetition needs.
    pub fn effective(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut keys)) => {
                drop_absent(&mut keys);
                keys
            }
            // Of strings, numbers and tables alone: always an object.
            _ => Map::new(),
        }
    }

    /// What serde cannot hold it to.
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
        if self.slow_clients.is_some_and(|it| it.count.get() > MOST_SLOW_CLIENTS) {
            return Err(format!("slow_clients.count must be {MOST_SLOW_CLIENTS} or less: each is a thread"));
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

/// TOML has no null: what is absent is not there.
fn drop_absent(keys: &mut Map<String, Value>) {
    keys.retain(|_, value| !value.is_null());
    keys.values_mut().filter_map(Value::as_object_mut).for_each(drop_absent);
}

fn half() -> Rate {
    Rate::Share(0.5)
}

fn seconds<const N: u64>() -> Span {
    Span(Duration::from_secs(N))
}

fn millis<const N: u64>() -> Span {
    Span(Duration::from_millis(N))
}

/// Of a number that is not 0.
fn count<const N: u32>() -> NonZero<u32> {
    NonZero::new(N).unwrap_or(NonZero::<u32>::MIN)
}

#[cfg(test)]
mod tests;
