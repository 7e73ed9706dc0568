//! The content of `/status` as JSON.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};
use switchboard_model::UnixMillis;
use switchboard_pipeline::SnapshotSource;

use super::tls::TlsStatus;
use crate::access::Access;
use crate::access::audit::{AuditLog, AuditStatus};
use crate::api::admin::{LastFailure, StatusSource};
use crate::runtime::standings::{JournalState, OverruledRecord, Standing, StandingCounts};
use crate::runtime::state::StateStatus;
use crate::runtime::{Fleet, HeldBackCompany, KeysInForce, LastReload, Standings, StateDir};

/// The sources of the content of `/status`.
pub(super) struct Status {
    pub(super) started: Instant,
    pub(super) source: SnapshotSource,
    pub(super) standings: Standings,
    pub(super) state: Option<StateDir>,
    pub(super) tls: Option<Arc<TlsStatus>>,
    pub(super) access: Option<Access>,
    pub(super) audit: Option<AuditLog>,
    pub(super) trusted_keys: Option<KeysInForce>,
    pub(super) fleet: Option<Fleet>,
    pub(super) last_reload: Arc<Mutex<LastReload>>,
}

impl StatusSource for Status {
    fn status(&self) -> Value {
        let last = self.last_reload.lock().clone();
        let snapshot = self.standings.store().current().map(|generation| {
            let snapshot = &generation.snapshot;
            let counts = snapshot.counts();
            json!({
                "generation": snapshot.generation(),
                "digest": snapshot.digest(),
                "content": snapshot.content_digest(),
                "from_state": last.from_state,
                "built_at": time(last.built_at),
                "activated_at": time(last.activated_at),
                "bytes": snapshot.bytes().len(),
                "counts": {
                    "companies": counts.companies,
                    "ous": counts.ous,
                    "pools": counts.pools,
                    "accounts": counts.accounts,
                    "chains": counts.levels,
                },
                "warnings": last.warnings.as_ref().map(|it| json!({"count": it.count, "first": it.first})),
            })
        });
        let reload = last.outcome.map(|outcome| {
            json!({
                "at": time(last.at),
                "outcome": outcome.as_str(),
                "error": last.error,
                "findings": last.findings,
            })
        });
        let state = self.state.as_ref().map(|state| {
            let StateStatus { has_lock, error } = state.status();
            json!({"path": state.path(), "writable": error.is_none(), "lock": has_lock, "error": error})
        });
        let audit = self.audit.as_ref().map(|audit| {
            let AuditStatus { newest, error } = audit.status();
            let (seq, hash) = newest.map(|newest| (newest.seq, newest.hash)).unzip();
            json!({"path": audit.path(), "writable": error.is_none(), "seq": seq, "hash": hash, "error": error})
        });
        let mut status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "source": self.source.describe(),
            "watch": last.watch_mode.as_str(),
            "state": state,
            "snapshot": snapshot,
            "held_back": held_back(&last.held_back),
            "last_reload": reload,
            "standings": self.standings(),
        });
        if let Some(members) = status.as_object_mut() {
            if state.is_none() {
                members.shift_remove("state");
            }
            if let Some(audit) = audit {
                members.insert("audit".to_owned(), audit);
            }
            if let Some(access) = &self.access {
                let generation = self.standings.store().current();
                let now = UnixMillis::from(SystemTime::now()).to_seconds();
                let principals = access.status(generation.as_ref().map(|it| &it.snapshot), now);
                members.insert("principals".to_owned(), principals);
            }
        }
        if let (Some(keys), Some(members)) = (&self.trusted_keys, status.as_object_mut()) {
            members.insert("trusted_keys".to_owned(), keys.status());
        }
        if let (Some(fleet), Some(members)) = (&self.fleet, status.as_object_mut()) {
            let mut fleet = fleet.status();
            if let (Some(fleet), Some(shared)) = (fleet.as_object_mut(), self.standings.shared()) {
                fleet.insert("standings_revision".to_owned(), shared.revision.into());
                fleet.insert("standings_pending".to_owned(), shared.pending.into());
                fleet.insert("overruled".to_owned(), overruled(&shared.overruled));
            }
            members.insert("fleet".to_owned(), fleet);
        }
        if let (Some(tls), Some(members)) = (&self.tls, status.as_object_mut()) {
            members.insert("tls".to_owned(), tls.to_json());
        }
        status
    }

    fn last_failure(&self) -> LastFailure {
        let last = self.last_reload.lock();
        LastFailure { error: last.error.clone(), findings: last.findings.clone() }
    }
}

impl Status {
    /// Returns the part about standings: their numbers, and where they are kept.
    fn standings(&self) -> Value {
        let StandingCounts { draining, suspended, waiting } = self.standings.store().counts();
        let (path, state) = self.standings.journal_state();
        let (kept, error) = match state {
            JournalState::InMemory => {
                ("in memory, until the process ends; --standings FILE keeps them in a journal", None)
            }
            JournalState::Writing => ("in the journal", None),
            JournalState::Following => {
                ("in the journal, which another process writes and this one follows", None)
            }
            JournalState::Failed(error) => {
                ("in the journal, which cannot be written; standings cannot be changed", Some(error))
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

/// Returns the companies that are held back, each with its cause.
fn held_back(companies: &[HeldBackCompany]) -> Value {
    let part = |held: &HeldBackCompany| {
        json!({
            "company": held.company,
            "since": time(held.since),
            "reason": held.stage.as_str(),
            "cause": held.cause,
            "findings": held.findings,
        })
    };
    companies.iter().map(part).collect()
}

/// Returns the standings that lost against more restrictive ones, the latest last.
fn overruled(overruled: &[OverruledRecord]) -> Value {
    let standing = |standing: &Option<Standing>| standing.as_ref().map(Standing::fields);
    let part = |OverruledRecord { key, lost, won, at }: &OverruledRecord| {
        json!({
            "company": key.company,
            "account": key.account,
            "lost": standing(lost),
            "won": standing(won),
            "at": time(*at),
        })
    };
    overruled.iter().map(part).collect()
}

/// Formats a time in RFC 3339. Returns `None` for a time out of range.
fn time(at: UnixMillis) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.0).ok().map(|at| at.to_string())
}
