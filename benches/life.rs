//! Times of a snapshot's life: compile, open, and publish while readers answer.
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::kinds::{Kind, query};
use benches::{CONTEXT, NOW, Rounds, large, opened, pages, shapes};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use switchboard::runtime::Store;
use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_select::{Query, SelectContext, select};
use switchboard_snapshot::{NoProgress, Snapshot};

/// Builds a snapshot from files in memory.
fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for accounts in [1_000, 10_000, 100_000] {
        let files = large::files(accounts);
        group.bench_function(accounts.to_string(), |b| {
            // The result is dropped after the measured time.
            b.iter_with_large_drop(|| {
                build_snapshot(black_box(&files), 1, UnixSeconds(NOW), BuildMode::Strict, &NoProgress)
            });
        });
    }
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    group.sample_size(10);
    for accounts in [1_000, 10_000, 100_000, 1_000_000] {
        let snapshot = large::snapshot(accounts);
        group.bench_function(accounts.to_string(), |b| {
            // Freeing a large snapshot takes milliseconds, so it happens after the measured time.
            b.iter_batched(|| pages(&snapshot), Snapshot::open, BatchSize::PerIteration);
        });
    }
}

/// Measures a reader's selection without a writer and while another thread publishes snapshots, and measures
/// publishing while two readers answer.
fn swap(c: &mut Criterion) {
    let snapshot = shapes::small();
    let urls = Kind::Hit.urls(&snapshot);
    let queries: Vec<Query<'_>> = urls.iter().map(|url| query(url)).collect();
    let store = Store::default();
    store.swap(opened(&snapshot));
    let worker = || {
        let mut reader = store.reader();
        let mut rounds = Rounds::of(&queries);
        move || {
            let generation = reader.pin().unwrap_or_else(|| unreachable!("a snapshot is published"));
            let context = SelectContext { standings: &generation.overlay, ..CONTEXT };
            select(&generation.snapshot, rounds.next(), context)
        }
    };
    let mut pinned = worker();
    let mut group = c.benchmark_group("swap");
    group.bench_function("no writer", |b| b.iter(&mut pinned));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                store.swap(opened(&snapshot));
            }
        });
        group.bench_function("one writer", |b| b.iter(&mut pinned));
        over.store(true, Ordering::Relaxed);
    });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for mut pinned in [worker(), worker()] {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    black_box(pinned());
                }
            });
        }
        group.bench_function("publish, two readers", |b| {
            b.iter_batched(|| opened(&snapshot), |next| store.swap(next), BatchSize::PerIteration);
        });
        over.store(true, Ordering::Relaxed);
    });
}

criterion_group!(benches, compile, open, swap);
criterion_main!(benches);
