//! `/status`: what an SRE asks first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::live::{LastReload, Source, Store};

/// What `/status` is made of.
pub(super) struct Status {
    /// When the process started.
    pub(super) started: Instant,
    /// Where snapshots come from.
    pub(super) source: Source,
    /// The snapshot in service.
    pub(super) store: Store,
    /// The last reload.
    pub(super) last: Arc<Mutex<LastReload>>,
}

impl Status {
    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let snapshot = self.store.current().map(|snapshot| {
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
        })
    }
}

/// RFC 3339 of Unix milliseconds.
fn time(ms: u64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms.try_into().ok()?).ok().map(|at| at.to_string())
}
