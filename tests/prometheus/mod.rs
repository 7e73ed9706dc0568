//! What an operator sees: a real Prometheus scrapes a daemon that has given every kind of answer, and
//! evaluates `config/prometheus`; the queries of the dashboard in `config/grafana` return data.

mod dashboard;
mod documents;
mod exposition;
mod quantiles;
mod scrape;
mod server;
mod traffic;

/// The folder of the rules, relative to the package: the load test's tests compile `server` as well.
const RULES: &str = "config/prometheus";
