//! `/status`: what an SRE asks first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::runtime::standings::Counts;
use crate::runtime::standings::keeper::Keeping;
use crate::runtime::{LastReload, Source, Standings};

/// What `/status` is made of.
pub(super) struct Status {
    /// When the process started.
    pub(super) started: Instant,
    /// Where snapshots come from.
    pub(super) source: Source,
    /// The live standings, and the snapshot in service.
    pub(super) standings: Standings,
    /// The last reload.
    pub(super) last: Arc<Mutex<LastReload>>,
}

impl Status {
    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let snapshot = self.standings.store().current().map(|generation| {
            let snapshot = &generation.snapshot;
            let contents = snapshot.contents();
            json!({
                "generation": snapshot.generation(),
                "digest": snapshot.digest(),
                "built_at": time(last.built_at_ms),
                "activated_at": time(last.activated_at_ms),
                "bytes": snapshot.bytes().len(),
                "counts": {
                    "companies": contents.companies.len(),
                    "ous": contents.ous.len(),
                    "pools": contents.pools.len(),
                    "accounts": contents.accounts.len(),
                    "chains": contents.levels.len(),
                },
            })
        });
        let reload = (last.at_ms > 0).then(|| {
            json!({"at": time(last.at_ms), "outcome": last.outcome, "error": last.error, "findings": last.findings})
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "source": self.source.describe(),
            "watch": last.noticed.text(),
            "snapshot": snapshot,
            "last_reload": reload,
            "standings": self.standings(),
        })
    }

    /// How many there are, and whether they outlive the process.
    fn standings(&self) -> Value {
        let Counts { draining, suspended, waiting } = self.standings.store().counts();
        let (path, keeping) = self.standings.keeping();
        let (kept, error) = match keeping {
            Keeping::Memory => ("in memory: they last as long as the process; see --standings", None),
            Keeping::Journal => ("in the journal", None),
            Keeping::Following => ("in the journal, by another process, which this one follows", None),
            Keeping::Failed(error) => {
                ("the journal cannot be written: no standing can be changed", Some(error))
            }
        };
        json!({
            "draining": draining,
            "suspended": suspended,
            "waiting": waiting,
            "durable": path.is_some(),
            "journal": path,
            "kept": kept,
            "error": error,
        })
    }
}

/// RFC 3339 of Unix milliseconds.
fn time(ms: u64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms.try_into().ok()?).ok().map(|at| at.to_string())
}
