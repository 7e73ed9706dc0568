//! The client of the daemon's admin listener, which reads metrics and changes standings.

use crate::traffic::encode;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use switchboard_client::Endpoint;

/// Exceeds the daemon's own limits.
pub(super) const TIMEOUT: Duration = Duration::from_secs(40);

/// A result whose error is the reason in the report.
type Result<T> = std::result::Result<T, String>;

/// A client of an admin listener. Each request has its own connection.
#[derive(Debug, Clone)]
pub struct AdminClient {
    endpoint: Endpoint,
}

impl AdminClient {
    /// Creates a client of this admin listener.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// Returns the URL of the listener.
    pub(super) fn url(&self) -> &str {
        self.endpoint.url()
    }

    pub(super) fn send(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        self.endpoint.exchange(method, path, body, TIMEOUT).map_err(|error| error.to_string())
    }

    fn get(&self, path: &str) -> Result<String> {
        match self.send("GET", path, "")? {
            (200, body) => Ok(body),
            (status, _) => Err(format!("status {status}")),
        }
    }

    pub(crate) fn metrics(&self) -> Result<Metrics> {
        self.get("/metrics").map(Metrics)
    }

    /// Returns the ids of the accounts of a company that have a standing.
    pub(super) fn accounts_with_standing(&self, company: &str) -> Result<BTreeSet<String>> {
        let body = self.get(&standings_of(company))?;
        let body: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let listed = body.get("standings").and_then(Value::as_array).ok_or("no list of standings")?;
        let accounts = listed.iter().filter_map(|entry| entry.get("account")?.as_str());
        Ok(accounts.map(str::to_owned).collect())
    }

    /// Sends a standing in JSON, and returns the status of the answer.
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<u16> {
        self.send("PUT", path, &body.to_string()).map(|(status, _)| status)
    }

    pub(super) fn delete(&self, path: &str) -> Result<u16> {
        self.send("DELETE", path, "").map(|(status, _)| status)
    }
}

/// Returns the path of an account's standing.
pub fn standing_of(company: &str, account: &str) -> String {
    format!("/v1/standings/{}/{}", encode(company), encode(account))
}

pub(super) fn standings_of(company: &str) -> String {
    format!("/v1/standings?company={}", encode(company))
}

/// The metrics of the daemon in the text format of Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics(pub String);

impl Metrics {
    /// Returns the generation that the daemon serves.
    pub fn generation(&self) -> u64 {
        self.value("switchboard_snapshot_generation ")
    }

    /// Returns the number of reloads with an outcome: `published` or `rejected`.
    pub fn reloads(&self, outcome: &str) -> u64 {
        self.value(&format!("switchboard_snapshot_reloads_total{{outcome=\"{outcome}\"}} "))
    }

    /// Returns the number of entries of a kind: `ous`, `pools` and others.
    pub fn entries(&self, kind: &str) -> u64 {
        self.value(&format!("switchboard_snapshot_entries{{kind=\"{kind}\"}} "))
    }

    /// Returns the length of the served snapshot in bytes.
    pub fn snapshot_bytes(&self) -> u64 {
        self.value("switchboard_snapshot_bytes ")
    }

    /// Returns the version of the daemon and its commit in parentheses.
    pub fn build(&self) -> Option<String> {
        let labels = self.0.lines().find_map(|line| line.strip_prefix("switchboard_build_info{"))?;
        let label = |name: &str| {
            let (_, value) = labels.split_once(&format!("{name}=\""))?;
            value.split('"').next()
        };
        Some(format!("{} ({})", label("version")?, label("commit")?))
    }

    /// Returns the value of a series, whose name has its labels. Returns 0 if the daemon has no such series.
    fn value(&self, series: &str) -> u64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(series));
        // Not as an integer, because large values have the form 1.7e+07.
        value.and_then(|value| value.trim().parse::<f64>().ok()).map_or(0, |value| value as u64)
    }
}
