//! What is compared.

use crate::report::{
    model::Step,
    units::{megabytes, rate, time},
};
use serde::Serialize;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Low,
    High,
}

/// What a value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A time, of which less is faster.
    Microseconds,
    /// A second.
    PerSecond,
    /// Of the requests.
    Percent,
    /// Daemon to null server.
    Ratio,
    /// Memory.
    Bytes,
    /// Of the processor, a request.
    ProcessorMicroseconds,
}

impl Unit {
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Unit::Microseconds | Unit::ProcessorMicroseconds => time(value),
            Unit::PerSecond => format!("{}/s", rate(value)),
            Unit::Percent if value == 0.0 => "none".to_owned(),
            Unit::Percent => format!("{value:.4} %"),
            Unit::Ratio => format!("{value:.3}"),
            Unit::Bytes => megabytes(value as u64),
        }
    }

    /// Whether another rate alone makes it another value.
    pub(super) fn depends_on_the_rate(self) -> bool {
        match self {
            Unit::Microseconds | Unit::PerSecond | Unit::ProcessorMicroseconds => true,
            Unit::Percent | Unit::Ratio | Unit::Bytes => false,
        }
    }

    /// In a word.
    pub(super) fn word(self, more: bool) -> &'static str {
        match (self, more) {
            (Unit::Microseconds, true) => "slower",
            (Unit::Microseconds, false) => "faster",
            (_, true) => "more",
            (Unit::Percent, false) => "fewer",
            (_, false) => "less",
        }
    }
}

/// A figure of a step.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) better: Better,
    pub(super) of: fn(&Step) -> Option<f64>,
}

/// Of every step.
pub(super) const FIGURES: [Figure; 11] = [
    high("answered", Unit::PerSecond, |step| Some(step.achieved)),
    high("selections", Unit::PerSecond, |step| step.selections),
    low("p50", Unit::Microseconds, |step| Some(step.corrected.p50)),
    low("p90", Unit::Microseconds, |step| Some(step.corrected.p90)),
    low("p99", Unit::Microseconds, |step| Some(step.corrected.p99)),
    low("p99.9", Unit::Microseconds, |step| Some(step.corrected.p999)),
    low("max", Unit::Microseconds, |step| Some(step.corrected.max)),
    low("p99 uncorrected", Unit::Microseconds, |step| Some(step.uncorrected.p99)),
    low("errors", Unit::Percent, |step| {
        let failed: u64 = step.failed();
        Some(100.0 * failed as f64 / step.due.max(1) as f64)
    }),
    low("processor a request", Unit::ProcessorMicroseconds, |step| {
        step.process.as_ref().map(|it| it.cpu_seconds * 1e6 / step.due.max(1) as f64)
    }),
    low("memory", Unit::Bytes, |step| step.process.as_ref().map(|it| it.rss as f64)),
];

const fn high(name: &'static str, unit: Unit, of: fn(&Step) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::High, of }
}

const fn low(name: &'static str, unit: Unit, of: fn(&Step) -> Option<f64>) -> Figure {
    Figure { name, unit, better: Better::Low, of }
}
