//! The `[mix]` table of a scenario: the shares of the requests.

use super::outcome::Outcome;
use crate::error::WrongValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use switchboard_model::Rule;

/// The requests and their shares. By default, all are selections by the client's country.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Number of prepared requests. Each is from another client.
    pub distinct: usize,
    /// Number of lines of a batch. `None` sends single selections.
    pub batch: Option<u32>,
    /// Exponent of the Zipf distribution of the clients of each outcome. At 1, the second busiest client
    /// sends half as many requests as the busiest. `None` sends equally many for every client.
    pub zipf: Option<f64>,
    /// Weight of each outcome among the requests.
    pub outcomes: BTreeMap<Outcome, f64>,
    /// Percentage with the client's phone instead of a country.
    pub phone: f64,
    /// Percentage with a client id.
    pub client: f64,
    /// Percentage that are sent as JSON by POST. The others are URLs.
    pub post: f64,
    /// Percentage with the user who invites, including users with an account of their own.
    pub user: f64,
    /// Percentage with a `current` account that the selection ignores. This share and the next three apply to
    /// requests whose account a pool has.
    pub current_ignored: f64,
    /// Percentage that exclude one or two accounts. The outcome `no_account_available` excludes more.
    pub exclude: f64,
    /// Percentage with `role = primary`.
    pub primary: f64,
    /// Percentage with `fallback = none`.
    pub strict: f64,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            distinct: 20_000,
            batch: None,
            zipf: None,
            outcomes: BTreeMap::from([(Outcome::Selected(Rule::Country), 1.0)]),
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
    /// Returns the name and the percentage of each optional part of a request.
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

    /// Checks that every value is in its range.
    pub(crate) fn check(&self) -> Result<(), WrongValue> {
        for (name, share) in self.shares() {
            if !(0.0..=100.0).contains(&share) {
                let expected = format!("must be a percentage from 0 to 100, not {share}");
                return Err(WrongValue { key: format!("mix.{name}"), expected });
            }
        }
        let unless = WrongValue::unless;
        let is_right = (1..=10_000_000).contains(&self.distinct);
        unless(is_right, "mix.distinct", "must be a number from 1 to 10,000,000")?;
        let is_right = self.batch.is_none_or(|lines| (2..=10_000).contains(&lines));
        let expected = "must be a number from 2 to 10,000: remove the key for single selections";
        unless(is_right, "mix.batch", expected)?;
        let is_right = self.zipf.is_none_or(|exponent| (0.01..=10.0).contains(&exponent));
        let expected = "must be an exponent from 0.01 to 10: remove the key for equally busy clients";
        unless(is_right, "mix.zipf", expected)?;
        let weights = || self.outcomes.values();
        let is_right =
            weights().all(|weight| weight.is_finite() && *weight >= 0.0) && weights().sum::<f64>() > 0.0;
        unless(is_right, "mix.outcomes", "must be weights of 0 or more, at least one of them more than 0")
    }
}
