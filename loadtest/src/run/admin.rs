//! The client of the daemon's admin listener, which reads metrics and changes standings.

use crate::traffic::encode;
use serde_json::Value;
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use ureq::{
    Agent, Body,
    http::{Response, header::CONTENT_TYPE},
};

/// Exceeds the daemon's own limits.
pub(super) const TIMEOUT: Duration = Duration::from_secs(40);

/// A result whose error is the reason in the report.
type Result<T> = std::result::Result<T, String>;

/// A client of an admin listener.
#[derive(Debug, Clone)]
pub struct AdminClient {
    agent: Agent,
    pub(super) address: SocketAddr,
}

impl AdminClient {
    /// Creates a client of the admin listener at this address.
    pub fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .build();
        Self { agent: config.into(), address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn get(&self, path: &str) -> Result<String> {
        let response = self.agent.get(self.url(path)).call();
        match read(response)? {
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
        let request = self.agent.put(self.url(path)).header(CONTENT_TYPE, "application/json");
        read(request.send(body.to_string())).map(|(status, _)| status)
    }

    pub(super) fn delete(&self, path: &str) -> Result<u16> {
        read(self.agent.delete(self.url(path)).call()).map(|(status, _)| status)
    }
}

/// Reads the whole answer, because only then its connection can be used again.
fn read(response: std::result::Result<Response<Body>, ureq::Error>) -> Result<(u16, String)> {
    let mut response = response.map_err(|error| error.to_string())?;
    let body = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    Ok((response.status().as_u16(), body))
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
