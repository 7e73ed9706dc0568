//! Logs and counts what happens on the reload thread and to the standings.

use std::sync::Arc;
use std::time::SystemTime;

use crate::runtime::ReloadEvent;
use crate::runtime::standings::StandingsEvent;
use crate::telemetry::{PublishedSnapshot, Telemetry};
use switchboard_model::UnixMillis;
use switchboard_registry::{Findings, Severity};

/// Errors of one rejected registry that are logged at most.
const MAX_LOGGED_ERRORS: usize = 50;

/// Creates an observer of the reload thread.
pub(super) fn reload_observer(telemetry: Arc<Telemetry>) -> impl Fn(&ReloadEvent<'_>) {
    move |event| {
        count_reload(&telemetry, event);
        log_reload(event);
    }
}

fn count_reload(telemetry: &Telemetry, event: &ReloadEvent<'_>) {
    match event {
        ReloadEvent::Published { snapshot, built_at, .. } => {
            let channels: Vec<&str> = snapshot.channels().map(|channel| channel.id()).collect();
            // Every series of the new channels is there before the first query counts.
            telemetry.add_channels(&channels);
            let now = now();
            telemetry.snapshot_published(&PublishedSnapshot {
                generation: snapshot.generation(),
                built_at: *built_at,
                activated_at: now,
                bytes: snapshot.bytes().len(),
                counts: snapshot.counts(),
            });
            telemetry.snapshot_confirmed(now);
        }
        ReloadEvent::Unchanged | ReloadEvent::Confirmed => telemetry.snapshot_confirmed(now()),
        ReloadEvent::Rejected { stage, .. } => telemetry.rejection(*stage),
        ReloadEvent::Unreadable { .. } => {}
        ReloadEvent::Timed { timings } => {
            for (stage, duration) in timings.iter() {
                telemetry.load_stage(*stage, *duration);
            }
        }
        ReloadEvent::Alive { snapshots } => telemetry.snapshots_alive(*snapshots),
        ReloadEvent::Watching { down } => telemetry.watch_active(down.is_none()),
    }
    // Last, because the counter is what others wait for.
    if let Some(outcome) = event.outcome() {
        telemetry.reload(outcome);
    }
}

fn log_reload(event: &ReloadEvent<'_>) {
    match event {
        ReloadEvent::Published { snapshot, findings, .. } => {
            let counts = snapshot.counts();
            tracing::info!(
                generation = snapshot.generation(),
                digest = snapshot.digest(),
                companies = counts.companies,
                ous = counts.ous,
                pools = counts.pools,
                accounts = counts.accounts,
                warnings = findings.warnings(),
                "published"
            );
        }
        ReloadEvent::Unchanged => tracing::info!("reload: the files say what they said before"),
        ReloadEvent::Rejected { stage, reason, findings } => {
            tracing::error!(stage = stage.as_str(), reason, "rejected: whatever was in service stays");
            log_errors(findings);
        }
        ReloadEvent::Unreadable { reason } => {
            tracing::error!(reason, "unreadable: whatever was in service stays");
        }
        ReloadEvent::Watching { down: None } => tracing::info!("events tell of changed files"),
        ReloadEvent::Watching { down: Some(reason) } => {
            tracing::warn!(reason, "no events of changed files: looking for them every poll_interval instead")
        }
        ReloadEvent::Confirmed | ReloadEvent::Timed { .. } | ReloadEvent::Alive { .. } => {}
    }
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}

/// Logs an event of the standings. Reasons are not logged, because they are free text and may hold personal
/// data.
pub(super) fn observe_standings(event: &StandingsEvent<'_>) {
    match event {
        StandingsEvent::Set { key, standing } => {
            let until = standing.until.as_ref().map(|until| &*until.text);
            tracing::info!(
                company = &*key.company,
                account = &*key.account,
                standing = standing.condition.as_str(),
                until,
                "standing set"
            );
        }
        StandingsEvent::Removed { key, expired: ended } => {
            tracing::info!(company = &*key.company, account = &*key.account, ended, "standing lifted");
        }
        StandingsEvent::Opened { standings, torn, damaged, damaged_copy } => {
            tracing::info!(standings, "journal of standings read");
            if *torn > 0 {
                let bytes = torn;
                tracing::warn!(bytes, "the journal's last record was torn, and so never answered: cut off");
            }
            if let Some(kept) = damaged_copy {
                let (lines, kept) = (format!("{damaged:?}"), kept.display());
                tracing::error!(%lines, %kept, "the journal is damaged: standings may be missing; the file is kept");
            }
        }
        StandingsEvent::Following => {
            tracing::info!("another process holds the journal of standings: followed until it lets go");
        }
        StandingsEvent::Failed { error } => {
            tracing::error!(%error, "the journal of standings cannot be used: no standing can be changed");
        }
    }
}

/// Logs a registry's errors. They name files, lines and ids, never a phone number.
fn log_errors(findings: &Findings) {
    let errors = || findings.iter().filter(|finding| finding.code.severity() == Severity::Error);
    for finding in errors().take(MAX_LOGGED_ERRORS) {
        let (file, line, code) = (&*finding.place.file, finding.place.line, finding.code.as_str());
        let (message, help) = (finding.message.as_str(), finding.help.as_str());
        tracing::error!(file, line, code, help, "{message}");
    }
    let more = errors().count().saturating_sub(MAX_LOGGED_ERRORS);
    if more > 0 {
        tracing::error!(more, "further findings: `switchboard check` shows them all");
    }
}
