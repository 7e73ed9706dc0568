//! What the reload thread and the keeper of the standings see, as logs and metrics.

use std::sync::Arc;
use std::time::SystemTime;

use crate::runtime::Event;
use crate::runtime::source::unix_ms;
use crate::runtime::standings::keeper;
use crate::telemetry::{PublishedSnapshot, ReloadOutcome, Telemetry};
use switchboard_registry::{Findings, Severity};

/// Most errors of one rejected registry that are logged one by one.
const MOST_LOGGED: usize = 50;

/// An observer that logs and counts.
pub(super) fn observer(telemetry: Arc<Telemetry>) -> impl Fn(&Event<'_>) + Send {
    move |event| match event {
        Event::Published { snapshot, built_at_ms, findings } => {
            let contents = snapshot.contents();
            let channels: Vec<&str> = contents
                .channels
                .iter()
                .map(|channel| std::str::from_utf8(snapshot.text(&channel.id)).unwrap_or_default())
                .collect();
            // Every series of the new channels is there before the first query counts.
            telemetry.add_channels(&channels);
            let now = now();
            let published = PublishedSnapshot {
                generation: snapshot.generation(),
                built_at: *built_at_ms as f64 / 1000.0,
                activated_at: now,
                bytes: snapshot.bytes().len(),
                companies: contents.companies.len(),
                ous: contents.ous.len(),
                pools: contents.pools.len(),
                accounts: contents.accounts.len(),
                chains: contents.levels.len(),
            };
            telemetry.snapshot_published(&published);
            telemetry.snapshot_confirmed(now);
            telemetry.reload(ReloadOutcome::Published);
            tracing::info!(
                generation = snapshot.generation(),
                digest = snapshot.digest(),
                companies = published.companies,
                ous = published.ous,
                pools = published.pools,
                accounts = published.accounts,
                warnings = findings.warnings(),
                "published"
            );
        }
        Event::Unchanged => {
            telemetry.snapshot_confirmed(now());
            telemetry.reload(ReloadOutcome::Unchanged);
            tracing::info!("reload: the files say what they said before");
        }
        Event::Confirmed => telemetry.snapshot_confirmed(now()),
        Event::Rejected { stage, reason, findings } => {
            telemetry.reload(ReloadOutcome::Rejected);
            telemetry.rejection(*stage);
            tracing::error!(stage = stage.text(), reason, "rejected: whatever was in service stays");
            log_errors(findings);
        }
        Event::Unreadable { reason } => {
            telemetry.reload(ReloadOutcome::Unreadable);
            tracing::error!(reason, "unreadable: whatever was in service stays");
        }
        Event::Timed { timings } => {
            for (stage, duration) in timings.iter() {
                telemetry.load_stage(*stage, *duration);
            }
        }
        Event::Alive { snapshots } => telemetry.snapshots_alive(*snapshots),
        Event::Watching { unwatched } => {
            telemetry.watch_active(unwatched.is_none());
            match unwatched {
                None => tracing::info!("events tell of changed files"),
                Some(reason) => tracing::warn!(
                    reason,
                    "no events of changed files: looking for them every poll_interval instead"
                ),
            }
        }
    }
}

/// Unix seconds.
fn now() -> f64 {
    unix_ms(SystemTime::now()) as f64 / 1000.0
}

/// Logs what happens to the standings. A reason is a person's text, and may hold anything: it is not
/// logged.
pub(super) fn standings(event: &keeper::Event<'_>) {
    use keeper::Event;
    match event {
        Event::Set { key, standing } => {
            let until = standing.until.as_ref().map(|until| &*until.text);
            tracing::info!(
                company = &*key.company,
                account = &*key.account,
                standing = standing.condition.as_str(),
                until,
                "standing set"
            );
        }
        Event::Lifted { key, ended } => {
            tracing::info!(company = &*key.company, account = &*key.account, ended, "standing lifted");
        }
        Event::Read { contents, kept } => {
            tracing::info!(standings = contents.standings.len(), "journal of standings read");
            if contents.torn > 0 {
                let bytes = contents.torn;
                tracing::warn!(bytes, "the journal's last record was torn, and so never answered: cut off");
            }
            if let Some(kept) = kept {
                let (lines, kept) = (format!("{:?}", contents.damaged), kept.display());
                tracing::error!(%lines, %kept, "the journal is damaged: standings may be missing; the file is kept");
            }
        }
        Event::Following => {
            tracing::info!("another process holds the journal of standings: followed until it lets go");
        }
        Event::Failed { error } => {
            tracing::error!(%error, "the journal of standings cannot be used: no standing can be changed");
        }
    }
}

/// Findings name files, lines and ids, never a phone number. Warnings are for `switchboard check`.
fn log_errors(findings: &Findings) {
    let errors = || findings.0.iter().filter(|finding| finding.code.severity() == Severity::Error);
    for finding in errors().take(MOST_LOGGED) {
        let (file, line, code) = (&*finding.place.file, finding.place.line, finding.code.text());
        let (message, help) = (finding.message.as_str(), finding.help.as_str());
        tracing::error!(file, line, code, help, "{message}");
    }
    let more = errors().count().saturating_sub(MOST_LOGGED);
    if more > 0 {
        tracing::error!(more, "further findings: `switchboard check` shows them all");
    }
}
