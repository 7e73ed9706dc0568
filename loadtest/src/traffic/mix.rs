//! Which requests are drawn, and how often: the `[mix]` table of a scenario.

use super::outcome::Outcome;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The requests and their shares. The default: selections by the client's country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// The number of prepared requests, each of a client of its own.
    pub distinct: usize,
    /// The lines of a batch. `None`: single selections.
    pub batch: Option<u32>,
    /// The exponent of the Zipf distribution of clients, for each outcome: at 1, the second busiest client
    /// asks half as often as the busiest. `None`: all ask equally often.
    pub zipf: Option<f64>,
    /// The weight of each outcome.
    pub outcomes: BTreeMap<Outcome, f64>,
    /// Per cent with the client's phone instead of a country.
    pub phone: f64,
    /// Per cent with a client id.
    pub client: f64,
    /// Per cent that are sent as JSON, by POST. The others are URLs.
    pub post: f64,
    /// Per cent with the user who invites, including users with an account of their own.
    pub user: f64,
    /// Per cent with a `current` that cannot be kept. This and the next three apply to requests that a pool
    /// answers.
    pub current_ignored: f64,
    /// Per cent that exclude accounts: one or two, except where the outcome excludes all.
    pub exclude: f64,
    /// Per cent with `role = primary`.
    pub primary: f64,
    /// Per cent with `fallback = none`.
    pub strict: f64,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            distinct: 20_000,
            batch: None,
            zipf: None,
            outcomes: BTreeMap::from([(Outcome::Country, 1.0)]),
            phone: 50.0,
            client: 80.0,
            post: 0.0,
            user: 0.0,
            current_ignored: 0.0,
            exclude: 0.0,
            primary: 0.0,
            strict: 0.0,
        }
    }
}

impl Mix {
    /// Returns the name and the per cent of each optional part of a request, in the order of
    /// `Parts::to_array`.
    pub(super) fn shares(&self) -> [(&'static str, f64); 8] {
        [
            ("phone", self.phone),
            ("client", self.client),
            ("user", self.user),
            ("current_ignored", self.current_ignored),
            ("exclude", self.exclude),
            ("primary", self.primary),
            ("strict", self.strict),
            ("post", self.post),
        ]
    }

    /// Checks that every value is in bounds.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, share) in self.shares() {
            if !(0.0..=100.0).contains(&share) {
                return Err(Error::Usage(format!("mix.{name} = {share}: give a share of 0 to 100 per cent")));
            }
        }
        let wrong = if !(1..=10_000_000).contains(&self.distinct) {
            "mix.distinct: give 1 to 10,000,000 requests"
        } else if self.batch.is_some_and(|lines| !(2..=10_000).contains(&lines)) {
            "mix.batch: a batch has 2 to 10,000 lines; leave it out for single selections"
        } else if self.zipf.is_some_and(|exponent| !(0.01..=10.0).contains(&exponent)) {
            "mix.zipf: give an exponent of 0.01 to 10; leave it out where all clients ask equally often"
        } else if !self.outcomes.values().all(|weight| weight.is_finite() && *weight >= 0.0)
            || self.outcomes.values().sum::<f64>() <= 0.0
        {
            "mix.outcomes: give weights of 0 or more, and one of them more than 0"
        } else {
            return Ok(());
        };
        Err(Error::Usage(wrong.to_owned()))
    }
}
