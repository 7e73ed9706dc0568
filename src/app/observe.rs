//! Structured logs on standard error, and the events of the reload thread and of the standings, which are
//! logged and counted. No data of a client is logged, because any field may contain a phone number, which is
//! personal data.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use anstream::{AutoStream, ColorChoice};
use jiff::Timestamp;
use switchboard_fleet::status::State;
use switchboard_model::UnixMillis;
use switchboard_registry::Findings;
use switchboard_release::Verified;
use tracing_subscriber::EnvFilter;

use crate::access::audit::{AuditEvent, AuditLogEvent, AuditRecord, ChainFault};
use crate::access::{AccessEvent, first_of};
use crate::api::access_log::{JsonLines, TARGET as ACCESS_TARGET};
use crate::config::{LogFormat, Settings, check_log_variable};
use crate::runtime::fleet::FleetEvent;
use crate::runtime::standings::{AccountKey, Standing, StandingsEvent};
use crate::runtime::state::StateEvent;
use crate::runtime::{HeldBackCompany, KeysEvent, ReloadEvent, Store, first_errors, one_line};
use crate::telemetry::{AccessFile, LogQueue, PublishedSnapshot, Telemetry};

/// Log levels if `RUST_LOG` is not set. notify logs routine work at `info`, and at `warn` each watched folder that
/// was removed. async_nats logs each attempt to connect, which the daemon reports itself.
const DEFAULT_LEVELS: &str = "info,notify=error,async_nats=off";

/// Starts logging to standard error, through a queue that no thread waits for.
///
/// # Errors
/// Returns the error of the system if it refuses the thread of the queue.
pub fn start_logs(settings: &Settings) -> io::Result<LogQueue> {
    let queue = LogQueue::to_stderr()?;
    let (variable, mistake) = match check_log_variable() {
        Ok(levels) => (levels, None),
        Err(mistake) => (None, Some(mistake)),
    };
    let chosen = settings.log_level.clone().or(variable);
    let levels = completed(&chosen.unwrap_or_else(|| DEFAULT_LEVELS.to_owned()));
    // The access log has a switch of its own. A directive in the levels comes later and has precedence.
    let access = if settings.access_log > 0.0 { format!("{ACCESS_TARGET}=info,") } else { String::new() };
    let filter = EnvFilter::try_new(format!("{access}{levels}"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_LEVELS)))
        .with_writer(queue.clone())
        .with_target(false);
    let has_colors = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    // A second start in the same process fails and keeps the first logger.
    let _ = match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).map_event_format(JsonLines).try_init(),
        LogFormat::Text => builder.with_ansi(has_colors).try_init(),
    };
    if let Some(mistake) = mistake.filter(|_| settings.log_level.is_none()) {
        tracing::warn!("{mistake}; the default {DEFAULT_LEVELS} applies");
    }
    Ok(queue)
}

/// Returns these levels without the routine work of notify and async_nats, unless they name these crates. A later
/// directive has precedence over an earlier one for the same module.
fn completed(levels: &str) -> String {
    let is_silent = levels.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("off"));
    let notify = if is_silent { "" } else { "notify=error," };
    // The one module logs passwords and the values of the buckets, at `trace`, the other malformed lines of PGPASSFILE.
    format!("{notify}async_nats=off,{levels},async_nats::connection=off,sqlx_postgres::options=off")
}

/// Creates an observer that counts and logs the events of the reload thread. `waits` is whether the daemon waits for
/// a first snapshot instead of stopping without one.
pub(super) fn reload_observer(
    telemetry: Arc<Telemetry>,
    store: Store,
    waits: bool,
) -> impl Fn(&ReloadEvent<'_>) {
    move |event| {
        count_reload(&telemetry, event);
        log_reload(event, consequence(store.current().is_some(), waits));
    }
}

fn count_reload(telemetry: &Telemetry, event: &ReloadEvent<'_>) {
    match event {
        ReloadEvent::Published { snapshot, built_at, .. }
        | ReloadEvent::Restored { snapshot, built_at, .. } => {
            let channels: Vec<&str> = snapshot.channels().map(|channel| channel.id()).collect();
            // The series of new channels must exist before their first query.
            telemetry.add_channels(&channels);
            let now = now();
            telemetry.set_published_snapshot(&PublishedSnapshot {
                generation: snapshot.generation(),
                built_at: *built_at,
                activated_at: now,
                bytes: snapshot.bytes().len(),
                counts: snapshot.counts(),
            });
            telemetry.set_content_hash(snapshot.digests().content.first_48_bits());
            let is_restored = matches!(event, ReloadEvent::Restored { .. });
            telemetry.set_from_state(is_restored);
            if is_restored {
                telemetry.set_release_expiry(None);
            }
            if !is_restored {
                telemetry.set_confirmed(now);
            }
        }
        ReloadEvent::Unchanged | ReloadEvent::Confirmed => {
            telemetry.set_from_state(false);
            telemetry.set_confirmed(now());
        }
        ReloadEvent::Verified { verified } => telemetry.set_release_expiry(verified.manifest.expires),
        ReloadEvent::Rejected { stage, .. } => telemetry.count_rejection(*stage),
        ReloadEvent::Unreadable { .. } | ReloadEvent::NotRestored { .. } | ReloadEvent::NoRelease { .. } => {}
        ReloadEvent::HeldBack { companies, .. } => telemetry.set_companies_held_back(companies.len()),
        ReloadEvent::Warned { .. } => {}
        ReloadEvent::Timed { timings } => {
            for (stage, duration) in timings.iter() {
                telemetry.record_load_stage(*stage, *duration);
            }
        }
        ReloadEvent::Alive { snapshots } => telemetry.set_snapshots_alive(*snapshots),
        ReloadEvent::Watching { down } => telemetry.set_watch_active(down.is_none()),
    }
    // Last, because tests and scripts wait for this counter.
    if let Some(outcome) = event.outcome() {
        telemetry.count_reload(outcome);
    }
}

/// Logs an event of the reload thread. `consequence` says what a rejected or unreadable source means for queries.
fn log_reload(event: &ReloadEvent<'_>, consequence: &str) {
    match event {
        ReloadEvent::Published { snapshot, findings, held_back, company_required, .. } => {
            let counts = snapshot.counts();
            tracing::info!(
                generation = snapshot.generation(),
                digest = snapshot.digest(),
                content = snapshot.content_digest(),
                companies = counts.companies,
                ous = counts.ous,
                pools = counts.pools,
                accounts = counts.accounts,
                warnings = findings.map(Findings::warnings),
                held_back,
                "snapshot published"
            );
            if *company_required {
                tracing::warn!(
                    companies = counts.companies,
                    "the snapshot has several companies instead of one; queries without `company` fail from now on"
                );
            }
        }
        ReloadEvent::Verified { verified: Verified { manifest, keys } } => {
            let (keys, generation) = (keys.join(", "), manifest.generation);
            let expires = manifest.expires.map(|time| time.to_string());
            if manifest.expires.is_some_and(|time| time <= Timestamp::now()) {
                tracing::warn!(
                    generation,
                    keys,
                    expires,
                    "signatures verified, but the release has expired; it is served all the same: publish a new one"
                );
            } else {
                tracing::info!(generation, keys, expires, "signatures verified");
            }
        }
        ReloadEvent::HeldBack { new, released, .. } => {
            for HeldBackCompany { company, stage, cause, .. } in *new {
                tracing::error!(
                    company,
                    stage = stage.as_str(),
                    cause,
                    "company held back; its version in service stays, if there is one"
                );
            }
            for company in *released {
                tracing::info!(company, "company no longer held back");
            }
        }
        ReloadEvent::Restored { snapshot, file, reason, .. } => {
            tracing::warn!(
                generation = snapshot.generation(),
                digest = snapshot.digest(),
                content = snapshot.content_digest(),
                file,
                reason,
                "serving the last snapshot from the state directory, because the source is not usable; the daemon \
                 goes on polling the source"
            );
        }
        ReloadEvent::NotRestored { problem, reason } => {
            tracing::warn!(problem, reason, "the state directory has no snapshot to serve either");
        }
        ReloadEvent::Warned { findings } => {
            let warnings = findings.warnings();
            if warnings > 0 {
                tracing::info!(
                    warnings,
                    "the registry of the snapshot has warnings; /status lists the first"
                );
            }
        }
        ReloadEvent::Unchanged => tracing::info!("source unchanged"),
        ReloadEvent::Rejected { stage, reason, findings } => {
            let (cause, findings) = causes(findings);
            tracing::error!(
                stage = stage.as_str(),
                reason,
                cause,
                findings,
                "snapshot rejected; {consequence}"
            );
        }
        ReloadEvent::Unreadable { reason } => {
            tracing::error!(reason, "source unreadable; {consequence}");
        }
        ReloadEvent::NoRelease { reason } => tracing::info!(reason, "waiting for a release"),
        ReloadEvent::Watching { down: None } => tracing::info!("watch active"),
        ReloadEvent::Watching { down: Some(reason) } => {
            tracing::warn!(
                reason,
                "watch unavailable; changes are found only by polling, at least once a second"
            )
        }
        ReloadEvent::Confirmed | ReloadEvent::Timed { .. } | ReloadEvent::Alive { .. } => {}
    }
}

/// Returns what a rejected or unreadable source means for queries.
fn consequence(is_serving: bool, waits: bool) -> &'static str {
    if is_serving {
        "the snapshot in service stays"
    } else if !waits {
        "there is no snapshot"
    } else {
        "there is no snapshot, so queries get 503 no_snapshot; the daemon waits until the source is valid"
    }
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}

/// Creates an observer that counts and logs the events of the principals.
pub(super) fn access_observer(telemetry: Arc<Telemetry>) -> impl Fn(&AccessEvent<'_>) + Clone {
    let warn = |warnings: &[String]| {
        for warning in warnings {
            tracing::warn!(warning, "principals file has a mistake");
        }
    };
    move |event| match event {
        AccessEvent::Opened { principals, warnings, expiries } => {
            tracing::info!(principals, "principals in force");
            warn(warnings);
            telemetry.set_principals_expiries(expiries.clone());
            telemetry.set_file_in_force(AccessFile::Principals, true);
        }
        AccessEvent::Replaced { principals, warnings, expiries } => {
            tracing::info!(principals, "principals replaced");
            warn(warnings);
            telemetry.set_principals_expiries(expiries.clone());
            telemetry.set_file_in_force(AccessFile::Principals, true);
            telemetry.count_principals_reload(true);
        }
        AccessEvent::Unchanged => {
            tracing::info!("principals file valid again; its content is in force");
            telemetry.set_file_in_force(AccessFile::Principals, true);
        }
        AccessEvent::Rejected { reason } => {
            tracing::error!(reason, "principals file rejected; the principals in force stay");
            telemetry.set_file_in_force(AccessFile::Principals, false);
            telemetry.count_principals_reload(false);
        }
        AccessEvent::UnknownCompanies { companies } => {
            let companies = first_of(companies);
            tracing::warn!(companies, "principals have companies that the snapshot in service lacks");
        }
    }
}

/// Creates an observer that counts and logs the events of the trusted keys.
pub(super) fn keys_observer(telemetry: Arc<Telemetry>) -> impl Fn(&KeysEvent<'_>) + Clone {
    move |event| {
        let in_force = !matches!(event, KeysEvent::Rejected { .. });
        telemetry.set_file_in_force(AccessFile::TrustedKeys, in_force);
        match event {
            KeysEvent::Opened { keys, threshold } => tracing::info!(keys, threshold, "trusted keys in force"),
            KeysEvent::Replaced { keys, threshold } => {
                tracing::info!(keys, threshold, "trusted keys replaced");
                telemetry.count_trusted_keys_reload(true);
            }
            KeysEvent::Unchanged => {
                tracing::info!("file of the trusted keys valid again; its content is in force");
            }
            KeysEvent::Rejected { reason } => {
                tracing::error!(reason, "file of the trusted keys rejected; the keys in force stay");
                telemetry.count_trusted_keys_reload(false);
            }
        }
    }
}

/// Creates an observer that counts and logs the events of the state directory.
pub(super) fn state_observer(telemetry: Arc<Telemetry>) -> impl Fn(&StateEvent<'_>) {
    move |event| match event {
        StateEvent::Locked => tracing::info!("state directory locked; this process writes it"),
        StateEvent::Releasing => {}
        StateEvent::Waiting => {
            tracing::info!(
                "another process writes the state directory; this process writes nothing there until that one drains"
            );
        }
        StateEvent::Unwritable { error } => {
            telemetry.set_state_writable(false);
            tracing::error!(
                error,
                "cannot write the state directory; snapshots are served all the same, but a restart may not have \
                 the last one: check the disk, the permissions and --state"
            );
        }
        StateEvent::Writable => {
            telemetry.set_state_writable(true);
            tracing::info!("state directory writable again");
        }
        StateEvent::Kept { generation } => {
            tracing::debug!(generation, "snapshot kept in the state directory")
        }
        StateEvent::BadFloor { error, floor } => {
            tracing::error!(
                error,
                floor,
                "cannot read the floor of the state directory; using the generation of current.swb instead"
            );
        }
    }
}

/// Returns the record of an event of the reload thread for the audit log, if the event has one.
pub(super) fn audit_record(event: &ReloadEvent<'_>) -> Option<AuditRecord> {
    let published = AuditEvent::SnapshotPublished;
    match event {
        ReloadEvent::Published { snapshot, .. } => Some(AuditRecord::of_snapshot(published, snapshot)),
        ReloadEvent::Restored { snapshot, reason, .. } => {
            let reason = format!("from the state directory: {reason}");
            Some(AuditRecord::of_snapshot(published, snapshot).with_reason(reason))
        }
        ReloadEvent::Rejected { stage, reason, .. } => {
            let reason = format!("{}: {reason}", stage.as_str());
            Some(AuditRecord::new(AuditEvent::SnapshotRejected).with_reason(reason))
        }
        _ => None,
    }
}

/// Creates an observer that counts and logs the events of the replica.
pub(super) fn fleet_observer(telemetry: Arc<Telemetry>) -> impl Fn(&FleetEvent<'_>) {
    move |event| match event {
        FleetEvent::Connected { servers, version } => {
            tracing::info!(servers, version, "broker of the fleet connected");
        }
        FleetEvent::Disconnected { servers, error } => {
            let help = error.map(network_help).unwrap_or_default();
            tracing::warn!(
                servers,
                error,
                "broker of the fleet not connected; what is in service stays, and the connection is retried{help}"
            );
        }
        FleetEvent::Unreadable { error } => {
            tracing::warn!(%error, "the release of the fleet cannot be read; what is in service stays");
        }
        FleetEvent::MemoryLost => {
            tracing::error!("the broker has lost its memory, or is another one; what is in service stays");
        }
        FleetEvent::Ignored { reason } => tracing::error!(reason, "a value of the fleet is ignored"),
        FleetEvent::Released { manifest } => {
            tracing::info!(
                generation = manifest.generation,
                publisher = manifest.publisher,
                comment = manifest.comment,
                expires = manifest.expires.map(|time| time.to_string()),
                "release of the fleet received"
            );
        }
        FleetEvent::Changed { state, generation, reason: None, .. } => {
            telemetry.set_fleet_reason(None);
            match state {
                State::Serving => tracing::info!(generation, "release of the fleet in service"),
                State::Fetching => tracing::info!(generation, "release of the fleet is fetched"),
                _ => tracing::info!(generation, "release of the fleet waits for the wave of this replica"),
            }
        }
        FleetEvent::Changed { state, generation, reason: Some(reason), text } => {
            telemetry.set_fleet_reason(Some(*reason));
            let reason = reason.as_str();
            match state {
                State::Waiting | State::Fetching => {
                    let help = text.map(web_server_help).unwrap_or_default();
                    tracing::warn!(
                        generation,
                        reason,
                        text,
                        "release of the fleet not fetched yet; what is in service stays, and the fetch is repeated{help}"
                    );
                }
                _ => tracing::error!(
                    generation,
                    reason,
                    text,
                    "release of the fleet not taken; what is in service stays"
                ),
            }
        }
        FleetEvent::Failed { reason } => telemetry.count_fleet_rejection(*reason),
        FleetEvent::Fetched(bytes) => telemetry.count_fleet_fetch_bytes(*bytes),
        FleetEvent::Restamped { generation } => {
            tracing::info!(generation, "release made from a kept snapshot, without a transfer");
        }
        FleetEvent::IdNotKept { error } => {
            tracing::warn!(
                error,
                "the suffix of the replica id cannot be kept; after a restart, this replica has another id"
            );
        }
    }
}

/// Returns the remedy if the system may forbid connections to the broker, as the systemd unit does.
fn network_help(error: &str) -> String {
    // The client of the broker often leaves out the error of the system.
    let is_of_client = ["IO error", "DNS error", "timed out"].iter().any(|text| error.ends_with(text));
    if !is_of_client && !is_forbidden(error) {
        return String::new();
    }
    remedy("the broker")
}

/// Returns the remedy if the system may forbid connections to the web server of the snapshots.
fn web_server_help(error: &str) -> String {
    if is_forbidden(error) { remedy("the web server of the snapshots") } else { String::new() }
}

/// Returns whether an error is ENETUNREACH, EAFNOSUPPORT or ETIMEDOUT, or a name that cannot be resolved, for example
/// for one of these reasons.
fn is_forbidden(error: &str) -> bool {
    let errors = ["(os error 101)", "(os error 97)", "(os error 110)", "failed to lookup address"];
    errors.iter().any(|text| error.contains(text))
}

fn remedy(server: &str) -> String {
    format!(
        ": check that {server} runs and that its name is right; where the system forbids the network, a systemd unit \
         needs the drop-in fleet.conf with PrivateNetwork=no and RestrictAddressFamilies=AF_INET AF_INET6, and \
         Kubernetes a rule for egress to {server}: see docs/deploying.md"
    )
}

/// Creates an observer that counts and logs the events of the audit log.
pub(super) fn audit_observer(telemetry: Arc<Telemetry>) -> impl Fn(&AuditLogEvent<'_>) {
    move |event| match event {
        AuditLogEvent::Opened(seq) => tracing::info!(seq, "audit log opened"),
        AuditLogEvent::Written(records) => telemetry.count_audit_records(*records),
        AuditLogEvent::Unwritable(error) => {
            telemetry.set_audit_writable(false);
            tracing::error!(
                error,
                "cannot write the audit log; standings cannot be changed until the disk or the file is repaired"
            );
        }
        AuditLogEvent::Writable(dropped) => {
            telemetry.set_audit_writable(true);
            tracing::info!(dropped, "audit log writable again");
        }
        AuditLogEvent::Lost(records) => {
            tracing::error!(
                records,
                "the daemon stops while its audit log cannot be written; these records are lost"
            );
        }
        AuditLogEvent::Fault(ChainFault::Torn(bytes)) => {
            tracing::warn!(bytes, "removed an incomplete last record from the audit log");
        }
        AuditLogEvent::Fault(ChainFault::Changed(change)) => {
            tracing::error!(
                change,
                "another program changed the audit log; exclude the file from log rotation and from other writers"
            );
        }
        AuditLogEvent::Fault(ChainFault::SetAside { path }) => {
            let kept = path.display();
            tracing::error!(
                kept = kept.to_string(),
                "the audit log did not end with its last record; the file was kept under another name, and the chain \
                 goes on in a new file: verify both with switchboard audit verify"
            );
        }
        AuditLogEvent::Fault(ChainFault::NotRemoved(error)) => {
            tracing::warn!(error, "cannot remove an old file of the audit log; see audit_keep");
        }
    }
}

/// Logs an event of the standings. Reasons are not logged, because they are free text and may contain
/// personal data.
pub(super) fn observe_standings(event: &StandingsEvent<'_>) {
    match event {
        StandingsEvent::Set { key, standing } => {
            let until = standing.until.as_ref().map(|until| &*until.text);
            tracing::info!(
                company = &*key.company,
                account = &*key.account,
                standing = standing.condition.as_str(),
                until,
                principal = standing.by.as_deref(),
                "standing set"
            );
        }
        StandingsEvent::Removed { key, expired: ended, author } => {
            tracing::info!(
                company = &*key.company,
                account = &*key.account,
                ended,
                principal = author.and_then(|author| author.principal.as_deref()),
                "standing removed"
            );
        }
        StandingsEvent::Opened { standings, torn, damaged, damaged_copy } => {
            tracing::info!(standings, "journal of standings opened");
            if *torn > 0 {
                let bytes = torn;
                tracing::warn!(bytes, "removed an incomplete last record from the journal of standings");
            }
            if let Some(kept) = damaged_copy {
                let (lines, kept) = (format!("{damaged:?}"), kept.display());
                tracing::error!(
                    lines,
                    kept = kept.to_string(),
                    "journal of standings was damaged: the listed lines were ignored; compare the kept copy, and set \
                     missing standings again"
                );
            }
        }
        StandingsEvent::Overruled { key, lost, won } => {
            let AccountKey { company, account } = key;
            let standing = |it: &Option<&Standing>| it.map_or("cleared", |it| it.condition.as_str());
            let (lost, won) = (standing(lost), standing(won));
            tracing::warn!(
                %company,
                %account,
                lost,
                won,
                "a standing was overruled by a more restrictive one of another replica"
            );
        }
        StandingsEvent::Following => {
            tracing::info!(
                "another process writes the journal of standings; this process follows it and rejects changes until \
                 it takes over"
            );
        }
        StandingsEvent::Rewritten { change, copy } => {
            let copy = copy.map(|copy| copy.display().to_string());
            tracing::error!(
                change,
                copy,
                "another program changed the journal of standings, which was rewritten from memory; exclude the file \
                 from log rotation and from other writers"
            );
        }
        StandingsEvent::Failed { error } => {
            tracing::error!(
                error = error.to_string(),
                "cannot read or write the journal of standings; standings cannot be changed until the disk or the \
                 file is repaired"
            );
        }
    }
}

/// Returns the first error of a registry with its remedy, and the places and codes of at most nine others.
/// They contain files, lines and ids, but no data of a client.
fn causes(findings: &Findings) -> (Option<String>, Option<String>) {
    let errors = first_errors(findings);
    let (first, others) =
        errors.split_first().map_or((None, [].as_slice()), |(first, others)| (Some(first), others));
    let cause = first.map(|finding| one_line(finding));
    let others = others.iter().map(|finding| format!("{}: {}", finding.place, finding.code.as_str()));
    let others = others.collect::<Vec<_>>().join(", ");
    (cause, (!others.is_empty()).then_some(others))
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::prelude::*;

    use super::{DEFAULT_LEVELS, completed, network_help, web_server_help};

    /// Returns whether levels let an event of a module through.
    fn is_logged(levels: &str, module: &'static str, level: &str) -> bool {
        let filter = EnvFilter::try_new(completed(levels)).unwrap();
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || match (module, level) {
            ("switchboard", "info") => tracing::enabled!(target: "switchboard::app", tracing::Level::INFO),
            ("switchboard", _) => tracing::enabled!(target: "switchboard::app", tracing::Level::DEBUG),
            ("notify", "error") => tracing::enabled!(target: "notify::inotify", tracing::Level::ERROR),
            ("notify", _) => tracing::enabled!(target: "notify::inotify", tracing::Level::WARN),
            ("async_nats", "error") => tracing::enabled!(target: "async_nats", tracing::Level::ERROR),
            ("async_nats", _) => tracing::enabled!(target: "async_nats", tracing::Level::DEBUG),
            _ => tracing::enabled!(target: "async_nats::connection", tracing::Level::TRACE),
        })
    }

    #[test]
    fn levels_hide_routine_work_and_never_show_passwords() {
        let logged = |levels: &str| {
            [
                ("switchboard", "info"),
                ("switchboard", "debug"),
                ("notify", "error"),
                ("notify", "warn"),
                ("async_nats", "error"),
                ("async_nats", "debug"),
                ("connection", "trace"),
            ]
            .map(|(module, level)| u8::from(is_logged(levels, module, level)))
        };
        for (levels, expected) in [
            (DEFAULT_LEVELS, [1, 0, 1, 0, 0, 0, 0]),
            ("debug", [1, 1, 1, 0, 0, 0, 0]),
            ("error", [0, 0, 1, 0, 0, 0, 0]),
            ("off", [0; 7]),
            ("info,hyper=trace", [1, 0, 1, 0, 0, 0, 0]),
            ("info,notify=debug", [1, 0, 1, 1, 0, 0, 0]),
            ("info,async_nats=debug", [1, 0, 1, 0, 1, 1, 0]),
            ("trace,async_nats=trace", [1, 1, 1, 0, 1, 1, 0]),
            ("off,async_nats::connection=trace", [0; 7]),
        ] {
            assert_eq!(logged(levels), expected, "{levels}");
        }
    }

    #[test]
    fn errors_of_a_network_that_the_system_forbids_name_the_remedy() {
        for (code, is_forbidden) in [(101, true), (97, true), (110, true), (111, false), (1, false)] {
            // The clients add words around the error of the system.
            let error = format!("IO error: {}", io::Error::from_raw_os_error(code));
            for (help, server) in
                [(network_help(&error), "the broker"), (web_server_help(&error), "the web server")]
            {
                let remedies = ["fleet.conf", "PrivateNetwork=no", &format!("egress to {server}")];
                assert_eq!(
                    remedies.iter().all(|remedy| help.contains(remedy)),
                    is_forbidden,
                    "{error}: {help}"
                );
                assert_eq!(help.is_empty(), !is_forbidden, "{error}: {help}");
            }
        }
        assert!(!web_server_help("failed to lookup address information: Temporary failure").is_empty());
        // The texts of the client of the broker without those of the system.
        for error in ["nats: IO error", "nats: DNS error", "nats: timed out"] {
            assert!(network_help(error).contains("PrivateNetwork=no"), "{error}");
        }
        assert_eq!(network_help("nats: authorization violation"), "");
        assert_eq!(web_server_help("no source gave the snapshot: blobs.example:443 answered 404"), "");
    }
}
