//! Drawn requests, and the check of their answers by Switchboard's selection in this process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod batches;
mod churn;
mod expectations;
mod generations;
mod proportions;
mod shares;
mod stand_in;
mod suspensions;
mod tampered;

use generator::{RegistryArguments, generate_registry};
use loadtest::{
    engine::{Media, OutcomeCounts, Received, Source, WrongAnswer},
    traffic::{Mix, PublishedGenerations, Traffic, TrafficConfig},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tempfile::TempDir;

/// Unix seconds of 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;
const SEED: u64 = 7;

/// The demo: two companies, one of them a bank that uses every rule.
fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/demo")
}

/// Returns a generated registry. It is generated only once.
fn drawn() -> PathBuf {
    static DRAWN: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("registry");
        let (accounts, ous, pools) = (5_000, 600, 200);
        let arguments = RegistryArguments { accounts, ous, pools, companies: 1, seed: SEED, output };
        generate_registry(&arguments).unwrap();
        folder
    });
    DRAWN.path().join("registry")
}

/// Returns the mix of the scenario `mixed`: every outcome and every optional part.
fn mixed(distinct: usize) -> Mix {
    #[derive(serde::Deserialize)]
    struct Scenario {
        mix: Mix,
    }
    let mixed: Scenario = toml::from_str(include_str!("../../scenarios/mixed.toml")).unwrap();
    Mix { distinct, ..mixed.mix }
}

/// Draws from one registry. Answers must be of generation 1.
fn traffic(mix: &Mix, registry: &Path) -> Traffic {
    let config = TrafficConfig { registries: &[registry], churned: &[], seed: SEED, now: NOW };
    Traffic::draw(mix, &config, PublishedGenerations::new(1)).unwrap()
}

/// Returns an answer that has just arrived on a new connection.
fn received<'a>(traffic: &Traffic, status: u16, body: &'a [u8]) -> Received<'a> {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    let media = match status {
        200 if traffic.selections() > 1 => Media::Lines,
        200 => Media::Json,
        _ => Media::Problem,
    };
    let now = Instant::now();
    let connection = (0, CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    Received { status, media, body, connection, sent: now, read: now }
}

fn check(
    traffic: &mut Traffic,
    request: usize,
    status: u16,
    body: &[u8],
    outcomes: &mut OutcomeCounts,
) -> Result<(), WrongAnswer> {
    let answer = received(traffic, status, body);
    traffic.check(request, &answer, outcomes)
}
