//! What the daemon counts, as far as a load test looks at it.

use crate::http::{Connection, Failure, request};
use std::net::SocketAddr;

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Metrics(String);

/// Asks the admin listener.
pub(crate) fn metrics(admin: SocketAddr) -> Result<Metrics, Failure> {
    let answer = Connection::open(admin)?.ask(&request("GET", "/metrics", "text/plain", ""))?;
    match answer.status {
        200 => Ok(Metrics(answer.body)),
        other => Err(("metrics refused", format!("status {other}"))),
    }
}

impl Metrics {
    pub(crate) fn generation(&self) -> u64 {
        self.value("switchboard_snapshot_generation ")
    }

    /// Reloads of this outcome.
    pub(crate) fn reloads(&self, outcome: &str) -> u64 {
        self.value(&format!("switchboard_snapshot_reloads_total{{outcome=\"{outcome}\"}} "))
    }

    /// Entries of this kind in the snapshot.
    pub(crate) fn entries(&self, kind: &str) -> u64 {
        self.value(&format!("switchboard_snapshot_entries{{kind=\"{kind}\"}} "))
    }

    pub(crate) fn snapshot_bytes(&self) -> u64 {
        self.value("switchboard_snapshot_bytes ")
    }

    /// Version and commit.
    pub(crate) fn build(&self) -> Option<String> {
        let labels = self.0.lines().find_map(|line| line.strip_prefix("switchboard_build_info{"))?;
        let label = |name: &str| {
            let (_, value) = labels.split_once(&format!("{name}=\""))?;
            value.split('"').next()
        };
        Some(format!("{} ({})", label("version")?, label("commit")?))
    }

    /// Of the series, its labels included; 0 where there is none.
    fn value(&self, series: &str) -> u64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(series));
        // Large ones are written as 1.7e+07.
        value.and_then(|value| value.trim().parse::<f64>().ok()).map_or(0, |value| value as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_whole() {
        let text = "switchboard_snapshot_bytes 17000000\nswitchboard_snapshot_generation 7\n\
            switchboard_snapshot_entries{kind=\"ous\"} 12\n\
            switchboard_build_info{version=\"0.1.0\",commit=\"abc\"} 1\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!((metrics.generation(), metrics.snapshot_bytes()), (7, 17_000_000));
        assert_eq!(
            (metrics.entries("ous"), metrics.entries("pools"), metrics.reloads("published")),
            (12, 0, 0)
        );
        assert_eq!(metrics.build().as_deref(), Some("0.1.0 (abc)"));
    }
}
