//! What an operator sees: a real Prometheus scrapes a daemon that has served every kind of answer, and evaluates
//! `config/prometheus`; the dashboard of `config/grafana` asks it.

mod dashboard;
mod documents;
mod exposition;
mod quantiles;
mod scrape;
mod server;
mod traffic;

/// Where the rules are, from the crate that is tested: the load test's tests have the same server.
const RULES: &str = "config/prometheus";
