//! What must come of a run.

use super::Span;
use serde::{Deserialize, Serialize};

/// Limits; those that are absent hold nothing. Latencies are the corrected ones, and of each figure the median
/// over the repeated runs counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// The median at the most.
    pub p50: Option<Span>,
    /// 99 % at the most.
    pub p99: Option<Span>,
    /// 99.9 % at the most.
    pub p999: Option<Span>,
    /// The highest at the most.
    pub max: Option<Span>,
    /// The share of the requests that may fail, in per cent, of every run. 0, where nothing is said.
    pub errors_percent: f64,
    /// What the daemon must reach of a null server, at the least.
    pub null_ratio: Option<f64>,
    /// Of a sweep: the rate up to which every limit must hold, at the least.
    pub knee: Option<f64>,
    /// Where a request is a batch: selections a second, at the least.
    pub selections: Option<f64>,
}

impl Default for Demand {
    fn default() -> Demand {
        Demand {
            p50: None,
            p99: None,
            p999: None,
            max: None,
            errors_percent: 0.0,
            null_ratio: None,
            knee: None,
            selections: None,
        }
    }
}
