//! The metrics as a struct of handles, with one method for each thing that happens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusHandle, PrometheusRecorder};
use metrics_process::Collector;

use super::names::{self, KINDS, RELOAD_OUTCOMES, STANDING};
use super::recorder::{build, counter, gauge, histogram};
use super::selections::{self, Outcomes};
use super::{Timings, Worker, timings};

/// The label values that other floors decide.
#[derive(Debug, Clone)]
pub struct Labels {
    /// What a query can end with: rules, then problem codes. Counted by index.
    pub outcomes: Vec<&'static str>,
    /// The data listener's routes. Counted by index.
    pub routes: Vec<&'static str>,
    /// The statuses that the data listener answers with.
    pub statuses: Vec<u16>,
    /// The stages that a snapshot can be rejected at.
    pub stages: Vec<&'static str>,
    /// The stages that loading a snapshot is timed by.
    pub load_stages: Vec<&'static str>,
}

/// What becomes of a connection. The first three tell how it began, the others how it ended where that
/// was not in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Taken.
    Accepted,
    /// Refused: there are too many.
    Rejected,
    /// The system would not hand it over, for lack of file descriptors or memory.
    AcceptError,
    /// Nothing came, or went, for too long.
    TimedOut,
    /// It broke, or its bytes were not HTTP.
    Error,
    /// It was still open when the time to drain was over.
    Cut,
}

impl Arrival {
    const TEXTS: [&'static str; 6] = ["accepted", "rejected", "accept_error", "timed_out", "error", "cut"];
}

/// Every metric.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    exporter: PrometheusHandle,
    process: Collector,
    labels: Labels,
    statuses: Arc<[u16]>,
    /// One for each worker there has been: what a worker counted stays when it ends.
    workers: Mutex<Vec<Arc<Worker>>>,
    /// The channels there have been.
    channels: Mutex<BTreeSet<String>>,
    batch_lines: Counter,
    connections: Gauge,
    connections_limit: Gauge,
    arrivals: [Counter; Arrival::TEXTS.len()],
    panics: Counter,
    generation: Gauge,
    built: Gauge,
    activated: Gauge,
    confirmed: Gauge,
    bytes: Gauge,
    entries: [Gauge; KINDS.len()],
    reloads: [Counter; RELOAD_OUTCOMES.len()],
    rejections: Vec<Counter>,
    load: Vec<Histogram>,
    alive: Gauge,
    watch: Gauge,
    standings: [Gauge; STANDING.len()],
    standings_writable: Gauge,
}

impl Telemetry {
    /// All series, at zero.
    pub fn new(version: &str, commit: &str, labels: Labels) -> Arc<Telemetry> {
        let recorder = build();
        let process = Collector::default();
        metrics::with_local_recorder(&recorder, || process.describe());
        gauge(&recorder, &names::BUILD, &[("version", version), ("commit", commit)]).set(1.0);
        let telemetry = Telemetry {
            exporter: recorder.handle(),
            process,
            statuses: labels.statuses.as_slice().into(),
            workers: Mutex::default(),
            channels: Mutex::new([String::new()].into()),
            batch_lines: counter(&recorder, &names::BATCH_LINES, &[]),
            connections: gauge(&recorder, &names::CONNECTIONS, &[]),
            connections_limit: gauge(&recorder, &names::CONNECTIONS_LIMIT, &[]),
            arrivals: Arrival::TEXTS
                .map(|outcome| counter(&recorder, &names::ARRIVALS, &[("outcome", outcome)])),
            panics: counter(&recorder, &names::PANICS, &[]),
            generation: gauge(&recorder, &names::GENERATION, &[]),
            built: gauge(&recorder, &names::BUILT, &[]),
            activated: gauge(&recorder, &names::ACTIVATED, &[]),
            confirmed: gauge(&recorder, &names::CONFIRMED, &[]),
            bytes: gauge(&recorder, &names::BYTES, &[]),
            entries: KINDS.map(|kind| gauge(&recorder, &names::ENTRIES, &[("kind", kind)])),
            reloads: RELOAD_OUTCOMES
                .map(|outcome| counter(&recorder, &names::RELOADS, &[("outcome", outcome)])),
            rejections: (labels.stages.iter())
                .map(|stage| counter(&recorder, &names::REJECTIONS, &[("stage", stage)]))
                .collect(),
            load: (labels.load_stages.iter())
                .map(|stage| histogram(&recorder, &names::LOAD_DURATION, &[("stage", stage)]))
                .collect(),
            alive: gauge(&recorder, &names::ALIVE, &[]),
            watch: gauge(&recorder, &names::WATCH, &[]),
            standings: STANDING
                .map(|standing| gauge(&recorder, &names::STANDINGS, &[("standing", standing)])),
            standings_writable: gauge(&recorder, &names::STANDINGS_WRITABLE, &[]),
            labels,
            recorder,
        };
        Arc::new(telemetry)
    }

    /// A snapshot has these channels: their series are there from now on.
    pub fn channels(&self, ids: &[&str]) {
        held(&self.channels).extend(ids.iter().map(|id| (*id).to_owned()));
    }

    /// A worker's own counters.
    pub fn worker(&self) -> Arc<Worker> {
        let timings = Timings::new(self.labels.routes.len(), &self.statuses);
        let worker = Arc::new(Worker { timings, outcomes: Outcomes::new(self.labels.outcomes.len()) });
        held(&self.workers).push(Arc::clone(&worker));
        worker
    }

    /// So many lines of a batch were answered.
    pub fn batch_lines(&self, lines: u64) {
        self.batch_lines.increment(lines);
    }

    /// Something happened to a connection of the data listener.
    pub fn connection(&self, arrival: Arrival) {
        if let Some(counter) = self.arrivals.get(arrival as usize) {
            counter.increment(1);
        }
    }

    /// Something panicked, and was caught.
    pub fn panicked(&self) {
        self.panics.increment(1);
    }

    /// The data listener takes so many connections at most.
    pub fn connections_limit(&self, most: usize) {
        self.connections_limit.set(most as f64);
    }

    /// A connection of the data listener is open now.
    pub fn connection_opened(&self) {
        self.connections.increment(1.0);
    }

    /// A connection of the data listener is open no more.
    pub fn connection_closed(&self) {
        self.connections.decrement(1.0);
    }

    /// A snapshot went into service. Times are Unix seconds; `entries` are companies, OUs, pools,
    /// accounts and chains.
    pub fn snapshot_published(
        &self,
        generation: u64,
        built: Option<f64>,
        activated: f64,
        bytes: usize,
        entries: [usize; 5],
    ) {
        self.generation.set(generation as f64);
        self.built.set(built.unwrap_or(0.0));
        self.activated.set(activated);
        self.bytes.set(bytes as f64);
        for (gauge, count) in self.entries.iter().zip(entries) {
            gauge.set(count as f64);
        }
    }

    /// The source was seen, at this Unix time, to hold what is in service.
    pub fn snapshot_confirmed(&self, at: f64) {
        self.confirmed.set(at);
    }

    /// A reload ended: `published`, `unchanged`, `rejected` or `unreadable`.
    pub fn reload(&self, outcome: &'static str) {
        if let Some(counter) = at(&self.reloads, &RELOAD_OUTCOMES, outcome) {
            counter.increment(1);
        }
    }

    /// A snapshot or a registry was rejected at this stage.
    pub fn rejection(&self, stage: &'static str) {
        if let Some(counter) = at(&self.rejections, &self.labels.stages, stage) {
            counter.increment(1);
        }
    }

    /// A stage of loading took so long.
    pub fn load_seconds(&self, stage: &'static str, seconds: f64) {
        if let Some(histogram) = at(&self.load, &self.labels.load_stages, stage) {
            histogram.record(seconds);
        }
    }

    /// So many snapshots are in memory.
    pub fn snapshots_alive(&self, count: usize) {
        self.alive.set(count as f64);
    }

    /// Whether events tell of changes of the source, or it is only looked at.
    pub fn watch_active(&self, active: bool) {
        self.watch.set(f64::from(u8::from(active)));
    }

    /// So many accounts are draining, and so many suspended, by live standings.
    pub fn standings(&self, draining: usize, suspended: usize) {
        for (gauge, count) in self.standings.iter().zip([draining, suspended]) {
            gauge.set(count as f64);
        }
    }

    /// Whether standings can be changed.
    pub fn standings_writable(&self, writable: bool) {
        self.standings_writable.set(f64::from(u8::from(writable)));
    }

    /// Sorts what came in since the last time into buckets. Every second or so: it is kept until then.
    pub fn upkeep(&self) {
        self.exporter.run_upkeep();
    }

    /// Everything, in the Prometheus text format.
    pub fn render(&self) -> String {
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        let mut text = self.exporter.render();
        let workers = held(&self.workers).clone();
        let outcomes = workers.iter().map(|worker| &worker.outcomes);
        selections::render(&mut text, outcomes, &held(&self.channels), &self.labels.outcomes);
        let all = workers.iter().map(|worker| &worker.timings);
        timings::render(&mut text, all, &self.labels.routes, &self.statuses);
        text
    }
}

/// What is kept under these locks is whole after each change.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle of a label value; a value outside the closed set has none.
fn at<'h, H>(handles: &'h [H], values: &[&str], value: &str) -> Option<&'h H> {
    let found = values.iter().position(|known| *known == value);
    debug_assert!(found.is_some(), "{value} is no label");
    found.and_then(|at| handles.get(at))
}
