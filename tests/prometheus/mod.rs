//! Monitoring with a real Prometheus: it scrapes a daemon that has given every kind of answer, and evaluates
//! the rules of `config/prometheus` and the queries of the dashboard in `config/grafana`.

mod dashboard;
mod documents;
mod exposition;
mod quantiles;
mod scrape;
mod server;
mod traffic;

/// The folder of the rules, relative to the crate. The tests of the load test compile `server` as well.
const RULES: &str = "config/prometheus";
