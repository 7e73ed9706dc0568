//! All metrics in one struct, with a method for each event.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_process::Collector;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use switchboard_fleet::release::Reason;
use switchboard_model::{UnixMillis, UnixSeconds};
use switchboard_pipeline::build::LoadStage;
use switchboard_server::{Expiry, HandshakeOutcome};
use switchboard_snapshot::RejectionStage;
use switchboard_snapshot::view::RecordCounts;

use super::log_queue::dropped_lines;
use super::names::{self, LOAD_BOUNDS, Metric};
use super::names::{
    AccessFile, ConnectionEvent, LOAD_STAGES, REJECTION_STAGES, RecordKind, ReloadOutcome, TlsListener,
};
use super::worker_metrics::{self, AuthCounters, WorkerMetrics};

const METADATA: Metadata<'static> = Metadata::new("switchboard", Level::INFO, None);

/// All metrics of the daemon. Creating it registers every series at zero.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    exporter: PrometheusHandle,
    process: Collector,
    /// One for each worker that was ever started, because the counts of a worker outlive it.
    workers: Mutex<Vec<Arc<WorkerMetrics>>>,
    /// Ids of all channels that were ever in service.
    channels: Mutex<BTreeSet<String>>,
    batch_lines: Counter,
    connections: Gauge,
    connections_limit: Gauge,
    connection_events: [Counter; ConnectionEvent::ALL.len()],
    panics: Counter,
    generation: Gauge,
    content_hash: Gauge,
    from_state: Gauge,
    state_writable: Gauge,
    /// Records of the audit log, and whether it can be written. Unset without a state directory.
    audit: OnceLock<(Counter, Gauge)>,
    built: Gauge,
    activated: Gauge,
    confirmed: Gauge,
    bytes: Gauge,
    records: [Gauge; RecordKind::ALL.len()],
    reloads: [Counter; ReloadOutcome::ALL.len()],
    rejections: [Counter; REJECTION_STAGES.len()],
    load_durations: [Histogram; LOAD_STAGES.len()],
    snapshots_alive: Gauge,
    companies_held_back: Gauge,
    watch_active: Gauge,
    standings_draining: Gauge,
    standings_suspended: Gauge,
    standings_writable: Gauge,
    log_lines_dropped: Counter,
    tls_handshakes: OnceLock<Vec<(TlsListener, [Counter; HandshakeOutcome::ALL.len()])>>,
    tls_reloads: OnceLock<[Counter; 2]>,
    access: AccessMetrics,
    trusted_keys: OnceLock<TrustedKeysMetrics>,
    fleet: OnceLock<FleetMetrics>,
}

/// The metrics of the fleet. Their series exist only if the daemon is a replica.
struct FleetMetrics {
    connected: Gauge,
    stale: Gauge,
    generation: Gauge,
    rollout: Gauge,
    expiry: Gauge,
    rejected: [Counter; names::FLEET_REASONS.len()],
    not_taken: [Gauge; names::FLEET_REASONS.len()],
    clock_offset: Gauge,
    fetch_bytes: Counter,
    pending: Gauge,
    overruled: Counter,
}

/// The gauges of a replica of a fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FleetMeasurements {
    /// Whether the broker is connected.
    pub connected: bool,
    /// Time since the last message or heartbeat of the broker.
    pub stale: Duration,
    /// Generation of the release. 0 before the first.
    pub release_generation: u64,
    /// Percentage of the replicas that take the release now.
    pub rollout_percent: u8,
    /// Time from which the release counts as stale.
    pub release_expires: Option<Timestamp>,
    /// Time by which this machine's clock is ahead of the broker's, in milliseconds.
    pub clock_offset_millis: i64,
}

/// The metrics of the trusted keys. Their series exist only if there are trusted keys.
struct TrustedKeysMetrics {
    replaced: Counter,
    rejected: Counter,
    release_expiry: Gauge,
}

/// The metrics of the principals. Their series exist only if there are principals.
#[derive(Default)]
struct AccessMetrics {
    is_configured: AtomicBool,
    /// The decisions of the admin listener.
    admin: Arc<AuthCounters>,
    replaced: AtomicU64,
    rejected: AtomicU64,
    /// The ends of credentials, in ascending order.
    expiries: Mutex<Vec<UnixSeconds>>,
}

/// The measurements of a snapshot that goes into service.
#[derive(Debug, Clone, Copy)]
pub struct PublishedSnapshot {
    /// The generation of the snapshot.
    pub generation: u64,
    /// Time at which the snapshot was built.
    pub built_at: UnixMillis,
    /// Time at which the snapshot went into service.
    pub activated_at: UnixMillis,
    /// Size of the snapshot in bytes.
    pub bytes: usize,
    /// Number of records of each kind.
    pub counts: RecordCounts,
}

impl PublishedSnapshot {
    fn records(&self, kind: RecordKind) -> usize {
        match kind {
            RecordKind::Companies => self.counts.companies,
            RecordKind::Ous => self.counts.ous,
            RecordKind::Pools => self.counts.pools,
            RecordKind::Accounts => self.counts.accounts,
            // The label value `chains` counts the levels of all chains. It is kept for dashboards.
            RecordKind::Chains => self.counts.levels,
        }
    }
}

impl Telemetry {
    /// Registers every series at zero. `version` and `commit` become labels of `switchboard_build_info`.
    pub fn new(version: &str, commit: &str) -> Arc<Telemetry> {
        let recorder = recorder();
        let process = Collector::default();
        metrics::with_local_recorder(&recorder, || process.describe());
        let series = Series(&recorder);
        series.gauge(&names::BUILD, &[("version", version), ("commit", commit)]).set(1.0);
        let telemetry = Telemetry {
            exporter: recorder.handle(),
            process,
            workers: Mutex::default(),
            channels: Mutex::new([String::new()].into()),
            batch_lines: series.counter(&names::BATCH_LINES, &[]),
            connections: series.gauge(&names::CONNECTIONS, &[]),
            connections_limit: series.gauge(&names::CONNECTIONS_LIMIT, &[]),
            connection_events: ConnectionEvent::ALL
                .map(|event| series.counter(&names::CONNECTION_EVENTS, &[("outcome", event.as_str())])),
            panics: series.counter(&names::PANICS, &[]),
            generation: series.gauge(&names::GENERATION, &[]),
            content_hash: series.gauge(&names::CONTENT_HASH, &[]),
            from_state: series.gauge(&names::FROM_STATE, &[]),
            state_writable: series.gauge(&names::STATE_WRITABLE, &[]),
            audit: OnceLock::new(),
            built: series.gauge(&names::BUILT, &[]),
            activated: series.gauge(&names::ACTIVATED, &[]),
            confirmed: series.gauge(&names::CONFIRMED, &[]),
            bytes: series.gauge(&names::BYTES, &[]),
            records: RecordKind::ALL.map(|kind| series.gauge(&names::ENTRIES, &[("kind", kind.as_str())])),
            reloads: ReloadOutcome::ALL
                .map(|outcome| series.counter(&names::RELOADS, &[("outcome", outcome.as_str())])),
            rejections: REJECTION_STAGES
                .map(|stage| series.counter(&names::REJECTIONS, &[("stage", stage.as_str())])),
            load_durations: LOAD_STAGES
                .map(|stage| series.histogram(&names::LOAD_DURATION, &[("stage", stage.as_str())])),
            snapshots_alive: series.gauge(&names::ALIVE, &[]),
            companies_held_back: series.gauge(&names::HELD_BACK, &[]),
            watch_active: series.gauge(&names::WATCH, &[]),
            standings_draining: series.gauge(&names::STANDINGS, &[("standing", "draining")]),
            standings_suspended: series.gauge(&names::STANDINGS, &[("standing", "suspended")]),
            standings_writable: series.gauge(&names::STANDINGS_WRITABLE, &[]),
            log_lines_dropped: series.counter(&names::LOG_LINES_DROPPED, &[]),
            tls_handshakes: OnceLock::new(),
            tls_reloads: OnceLock::new(),
            access: AccessMetrics::default(),
            trusted_keys: OnceLock::new(),
            fleet: OnceLock::new(),
            recorder,
        };
        // Without a state directory, no write fails.
        telemetry.set_state_writable(true);
        Arc::new(telemetry)
    }

    /// Registers the series of these channels, so that they exist before the first query.
    pub fn add_channels(&self, ids: &[&str]) {
        self.channels.lock().extend(ids.iter().map(|id| (*id).to_owned()));
    }

    /// Creates the counters of one more worker.
    pub fn add_worker(&self) -> Arc<WorkerMetrics> {
        let worker = Arc::<WorkerMetrics>::default();
        self.workers.lock().push(Arc::clone(&worker));
        worker
    }

    /// Adds the series of the principals. Returns the counters of the admin listener.
    pub fn add_access(&self) -> Arc<AuthCounters> {
        self.access.is_configured.store(true, Relaxed);
        Arc::clone(&self.access.admin)
    }

    /// Counts a change of the principals file: replaced, or rejected.
    pub fn count_principals_reload(&self, is_replaced: bool) {
        let counter = if is_replaced { &self.access.replaced } else { &self.access.rejected };
        counter.fetch_add(1, Relaxed);
    }

    /// Sets the times at which credentials of the principals in force end.
    pub fn set_principals_expiries(&self, mut expiries: Vec<UnixSeconds>) {
        expiries.sort_unstable();
        *self.access.expiries.lock() = expiries;
    }

    /// Sets whether the newest content of a file of access control is in force.
    pub fn set_file_in_force(&self, file: AccessFile, in_force: bool) {
        let series = Series(&self.recorder);
        series.gauge(&names::FILE_IN_FORCE, &[("file", file.as_str())]).set(f64::from(u8::from(in_force)));
    }

    /// Adds to the answered lines of batches.
    pub fn count_batch_lines(&self, lines: u64) {
        self.batch_lines.increment(lines);
    }

    /// Counts an event of a connection to the data listener.
    pub fn count_connection_event(&self, event: ConnectionEvent) {
        increment(&self.connection_events, event as usize);
    }

    /// Counts a panic that was caught.
    pub fn count_panic(&self) {
        self.panics.increment(1);
    }

    /// Sets the maximum number of connections to the data listener.
    pub fn set_connections_limit(&self, limit: usize) {
        self.connections_limit.set(limit as f64);
    }

    /// Adds an open connection to the data listener.
    pub fn add_open_connection(&self) {
        self.connections.increment(1.0);
    }

    /// Removes an open connection that [`add_open_connection`](Self::add_open_connection) added.
    pub fn remove_open_connection(&self) {
        self.connections.decrement(1.0);
    }

    /// Sets the gauges of the snapshot in service.
    pub fn set_published_snapshot(&self, snapshot: &PublishedSnapshot) {
        self.generation.set(snapshot.generation as f64);
        self.built.set(seconds(snapshot.built_at));
        self.activated.set(seconds(snapshot.activated_at));
        self.bytes.set(snapshot.bytes as f64);
        for (gauge, kind) in self.records.iter().zip(RecordKind::ALL) {
            gauge.set(snapshot.records(kind) as f64);
        }
    }

    /// Sets the hash of the content of the snapshot in service, a number of 48 bits.
    pub fn set_content_hash(&self, hash: u64) {
        self.content_hash.set(hash as f64);
    }

    /// Sets whether the snapshot in service is from the state directory.
    pub fn set_from_state(&self, from_state: bool) {
        self.from_state.set(f64::from(u8::from(from_state)));
    }

    /// Sets whether the last write to the state directory succeeded.
    pub fn set_state_writable(&self, writable: bool) {
        self.state_writable.set(f64::from(u8::from(writable)));
    }

    /// Registers the series of the audit log.
    pub fn add_audit(&self) {
        let series = Series(&self.recorder);
        let (records, writable) =
            (series.counter(&names::AUDIT_RECORDS, &[]), series.gauge(&names::AUDIT_WRITABLE, &[]));
        writable.set(1.0);
        let _ = self.audit.set((records, writable));
    }

    /// Counts records that were written to the audit log.
    pub fn count_audit_records(&self, count: usize) {
        if let Some((records, _)) = self.audit.get() {
            records.increment(count as u64);
        }
    }

    /// Sets whether the last write to the audit log succeeded.
    pub fn set_audit_writable(&self, writable: bool) {
        if let Some((_, gauge)) = self.audit.get() {
            gauge.set(f64::from(u8::from(writable)));
        }
    }

    /// Sets the time at which the source was last confirmed to match the snapshot in service.
    pub fn set_confirmed(&self, at: UnixMillis) {
        self.confirmed.set(seconds(at));
    }

    /// Counts an attempt to load a snapshot.
    pub fn count_reload(&self, outcome: ReloadOutcome) {
        increment(&self.reloads, outcome as usize);
    }

    /// Counts a rejected snapshot or registry.
    pub fn count_rejection(&self, stage: RejectionStage) {
        increment(&self.rejections, stage as usize);
    }

    /// Records the duration of one stage of loading a snapshot.
    pub fn record_load_stage(&self, stage: LoadStage, took: Duration) {
        if let Some(histogram) = self.load_durations.get(stage as usize) {
            histogram.record(took.as_secs_f64());
        }
    }

    /// Sets the number of snapshots in memory.
    pub fn set_snapshots_alive(&self, count: usize) {
        self.snapshots_alive.set(count as f64);
    }

    /// Sets the number of companies that are held back.
    pub fn set_companies_held_back(&self, count: usize) {
        self.companies_held_back.set(count as f64);
    }

    /// Sets whether file-system events report changes of the source.
    pub fn set_watch_active(&self, active: bool) {
        self.watch_active.set(f64::from(u8::from(active)));
    }

    /// Sets the number of accounts that standings make draining and suspended.
    pub fn set_standings(&self, draining: usize, suspended: usize) {
        self.standings_draining.set(draining as f64);
        self.standings_suspended.set(suspended as f64);
    }

    /// Sets whether standings can be changed.
    pub fn set_standings_writable(&self, writable: bool) {
        self.standings_writable.set(f64::from(u8::from(writable)));
    }

    /// Registers the series of TLS, for the data listener and, with `admin`, for the admin listener.
    pub fn add_tls(&self, admin: bool) {
        let series = Series(&self.recorder);
        let counters = |listener: TlsListener| {
            let counters = HandshakeOutcome::ALL.map(|outcome| {
                let labels = [("listener", listener.as_str()), ("outcome", outcome.as_str())];
                series.counter(&names::TLS_HANDSHAKES, &labels)
            });
            (listener, counters)
        };
        let listeners =
            TlsListener::ALL.into_iter().filter(|listener| *listener == TlsListener::Data || admin);
        self.tls_handshakes.get_or_init(|| listeners.map(counters).collect());
        self.tls_reloads.get_or_init(|| {
            ["replaced", "rejected"]
                .map(|outcome| series.counter(&names::TLS_RELOADS, &[("outcome", outcome)]))
        });
        self.set_file_in_force(AccessFile::Tls, true);
    }

    /// Counts a change of the files of TLS: replaced, or rejected.
    pub fn count_tls_reload(&self, is_replaced: bool) {
        if let Some([replaced, rejected]) = self.tls_reloads.get() {
            if is_replaced { replaced } else { rejected }.increment(1);
        }
    }

    /// Counts a TLS handshake that ended.
    pub fn count_tls_handshake(&self, listener: TlsListener, outcome: HandshakeOutcome) {
        let counted = self.tls_handshakes.get().into_iter().flatten().find(|(of, _)| *of == listener);
        if let Some((_, counters)) = counted {
            increment(counters, outcome as usize);
        }
    }

    /// Sets the times at which the certificates in force expire.
    pub fn set_certificate_expiry(&self, expiry: Expiry) {
        let series = Series(&self.recorder);
        let set = |certificate, at: UnixSeconds| {
            series.gauge(&names::TLS_EXPIRY, &[("certificate", certificate)]).set(at.0 as f64);
        };
        set("server", expiry.server.until);
        if let Some(client_ca) = expiry.client_ca {
            set("client_ca", client_ca);
        }
    }

    /// Registers the series of the trusted keys.
    pub fn add_trusted_keys(&self) {
        let series = Series(&self.recorder);
        let reloads = |outcome| series.counter(&names::TRUSTED_KEYS_RELOADS, &[("outcome", outcome)]);
        self.trusted_keys.get_or_init(|| TrustedKeysMetrics {
            replaced: reloads("replaced"),
            rejected: reloads("rejected"),
            release_expiry: series.gauge(&names::RELEASE_EXPIRY, &[]),
        });
    }

    /// Counts a change of the file of the trusted keys: replaced, or rejected.
    pub fn count_trusted_keys_reload(&self, is_replaced: bool) {
        if let Some(keys) = self.trusted_keys.get() {
            let counter = if is_replaced { &keys.replaced } else { &keys.rejected };
            counter.increment(1);
        }
    }

    /// Sets the time from which the release in service counts as stale. `None` is no such time.
    pub fn set_release_expiry(&self, at: Option<Timestamp>) {
        if let Some(keys) = self.trusted_keys.get() {
            keys.release_expiry.set(at.map_or(0.0, |at| at.as_second() as f64));
        }
    }

    /// Registers the series of the fleet.
    pub fn add_fleet(&self) {
        let series = Series(&self.recorder);
        self.fleet.get_or_init(|| FleetMetrics {
            connected: series.gauge(&names::FLEET_CONNECTED, &[]),
            stale: series.gauge(&names::FLEET_STALE, &[]),
            generation: series.gauge(&names::FLEET_GENERATION, &[]),
            rollout: series.gauge(&names::FLEET_ROLLOUT, &[]),
            expiry: series.gauge(&names::FLEET_EXPIRY, &[]),
            rejected: names::FLEET_REASONS
                .map(|reason| series.counter(&names::FLEET_REJECTED, &[("reason", reason.as_str())])),
            not_taken: names::FLEET_REASONS
                .map(|reason| series.gauge(&names::FLEET_NOT_TAKEN, &[("reason", reason.as_str())])),
            clock_offset: series.gauge(&names::FLEET_CLOCK_OFFSET, &[]),
            fetch_bytes: series.counter(&names::FLEET_FETCH_BYTES, &[]),
            pending: series.gauge(&names::FLEET_PENDING, &[]),
            overruled: series.counter(&names::FLEET_OVERRULED, &[]),
        });
    }

    /// Sets the gauges of the fleet.
    pub fn set_fleet(&self, now: &FleetMeasurements) {
        let Some(fleet) = self.fleet.get() else { return };
        fleet.connected.set(f64::from(u8::from(now.connected)));
        fleet.stale.set(now.stale.as_secs_f64());
        fleet.generation.set(now.release_generation as f64);
        fleet.rollout.set(f64::from(now.rollout_percent));
        fleet.expiry.set(now.release_expires.map_or(0.0, |at| at.as_second() as f64));
        fleet.clock_offset.set(now.clock_offset_millis as f64 / 1000.0);
    }

    /// Sets the number of standings that the broker does not have yet, and of those that were overruled.
    pub fn set_shared_standings(&self, pending: usize, overruled: u64) {
        let Some(fleet) = self.fleet.get() else { return };
        fleet.pending.set(pending as f64);
        fleet.overruled.absolute(overruled);
    }

    /// Sets the reason for which this replica does not take the newest release of the fleet, or `None`.
    pub fn set_fleet_reason(&self, reason: Option<Reason>) {
        let Some(fleet) = self.fleet.get() else { return };
        for (known, gauge) in names::FLEET_REASONS.iter().zip(&fleet.not_taken) {
            gauge.set(f64::from(u8::from(Some(*known) == reason)));
        }
    }

    /// Counts a release of the fleet that this replica did not take.
    pub fn count_fleet_rejection(&self, reason: Reason) {
        let at = names::FLEET_REASONS.iter().position(|known| *known == reason);
        if let (Some(fleet), Some(at)) = (self.fleet.get(), at) {
            increment(&fleet.rejected, at);
        }
    }

    /// Adds to the bytes of snapshots that were transferred.
    pub fn count_fleet_fetch_bytes(&self, bytes: u64) {
        if let Some(fleet) = self.fleet.get() {
            fleet.fetch_bytes.increment(bytes);
        }
    }

    /// Sorts new histogram samples into buckets. Call it about once a second, because the exporter keeps
    /// every sample until then.
    pub fn upkeep(&self) {
        self.exporter.run_upkeep();
    }

    /// Returns every series in the Prometheus text format.
    pub fn render(&self) -> String {
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        self.log_lines_dropped.absolute(dropped_lines());
        let mut text = with_exact_cpu_time(self.exporter.render());
        let workers = self.workers.lock().clone();
        worker_metrics::render(&mut text, &workers, &self.channels.lock());
        if self.access.is_configured.load(Relaxed) {
            worker_metrics::render_auth(&mut text, &workers, &self.access.admin);
            worker_metrics::write_head(&mut text, &names::PRINCIPALS_RELOADS, "counter");
            for (outcome, counter) in
                [("replaced", &self.access.replaced), ("rejected", &self.access.rejected)]
            {
                let (name, total) = (names::PRINCIPALS_RELOADS.name, counter.load(Relaxed));
                let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {total}");
            }
            let now = UnixMillis::from(SystemTime::now()).to_seconds();
            let next = self.access.expiries.lock().iter().find(|at| **at > now).map_or(0, |at| at.0);
            worker_metrics::write_head(&mut text, &names::PRINCIPALS_EXPIRY, "gauge");
            let _ = writeln!(text, "{} {next}", names::PRINCIPALS_EXPIRY.name);
        }
        text
    }
}

/// Replaces the CPU time in a text of the Prometheus format by the kernel's, with six decimals.
/// The exporter's counters are integers, so metrics-process has only whole seconds.
fn with_exact_cpu_time(text: String) -> String {
    const SAMPLE: &str = "\nprocess_cpu_seconds_total ";
    let Some((before, rest)) = text.split_once(SAMPLE) else { return text };
    let after = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    format!("{before}{SAMPLE}{seconds:.6}{after}")
}

fn seconds(at: UnixMillis) -> f64 {
    at.0 as f64 / 1000.0
}

fn increment(counters: &[Counter], index: usize) {
    if let Some(counter) = counters.get(index) {
        counter.increment(1);
    }
}

/// Builds a recorder that is not installed globally.
#[allow(clippy::expect_used, reason = "the builder only rejects empty bounds, and these are constant")]
fn recorder() -> PrometheusRecorder {
    // Without bounds the exporter would render summaries.
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(names::LOAD_DURATION.name.to_owned()), &LOAD_BOUNDS)
        .expect("cannot fail: the bounds are not empty")
        .build_recorder()
}

/// Registers series in a recorder.
struct Series<'r>(&'r PrometheusRecorder);

impl Series<'_> {
    fn counter(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Counter {
        self.0.describe_counter(metric.name.into(), None, SharedString::const_str(metric.help));
        self.0.register_counter(&key(metric, labels), &METADATA)
    }

    fn gauge(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Gauge {
        self.0.describe_gauge(metric.name.into(), None, SharedString::const_str(metric.help));
        self.0.register_gauge(&key(metric, labels), &METADATA)
    }

    fn histogram(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Histogram {
        self.0.describe_histogram(metric.name.into(), None, SharedString::const_str(metric.help));
        self.0.register_histogram(&key(metric, labels), &METADATA)
    }
}

fn key(metric: &Metric, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|&(name, value)| Label::new(name, value.to_owned())).collect();
    Key::from_parts(metric.name, labels)
}
