//! A snapshot's life: compiled, opened, put into service while readers answer.
#![allow(missing_docs, reason = "criterion's macros write public items")]
#![allow(clippy::panic, reason = "a bench that cannot be set up has nothing to say")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::kinds::{Kind, query};
use benches::{MOMENT, NOW, Rounds, large, shapes};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rkyv::util::AlignedVec;
use switchboard::live::{Store, publish};
use switchboard::select::{Moment, Query, select};
use switchboard::snapshot::Snapshot;

/// From files in memory to a snapshot that may be served.
fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    for accounts in [1_000, 10_000, 100_000] {
        let files = large::files(accounts);
        group.bench_function(accounts.to_string(), |b| {
            b.iter(|| publish(black_box(&files), 1, NOW, &|_, _, _| {}).is_ok());
        });
    }
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    group.sample_size(10);
    for accounts in [1_000, 10_000, 100_000, 1_000_000] {
        let snapshot = large::snapshot(accounts);
        group.bench_function(accounts.to_string(), |b| {
            b.iter_batched(
                || copy(&snapshot),
                |bytes| Snapshot::open(bytes).is_ok(),
                BatchSize::PerIteration,
            );
        });
    }
}

fn copy(snapshot: &Snapshot) -> AlignedVec {
    let mut bytes = AlignedVec::with_capacity(snapshot.bytes().len());
    bytes.extend_from_slice(snapshot.bytes());
    bytes
}

/// A reader's selection while another thread publishes as fast as it can, against nobody publishing.
fn swap(c: &mut Criterion) {
    let snapshot = shapes::small();
    let urls = Kind::Hit.urls(&snapshot);
    let queries: Vec<Query<'_>> = urls.iter().map(|url| query(url)).collect();
    let store = Store::default();
    store.publish(opened(&snapshot));
    let mut reader = store.reader();
    let mut rounds = Rounds::of(&queries);
    let mut pinned = move || {
        let generation = reader.pin().unwrap_or_else(|| unreachable!("one is published"));
        let moment = Moment { standings: &generation.overlay, ..MOMENT };
        select(&generation.snapshot, rounds.next(), moment)
    };
    let mut group = c.benchmark_group("swap");
    group.bench_function("nobody publishes", |b| b.iter(&mut pinned));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                store.publish(opened(&snapshot));
            }
        });
        group.bench_function("another thread publishes", |b| b.iter(&mut pinned));
        over.store(true, Ordering::Relaxed);
    });
}

fn opened(snapshot: &Snapshot) -> Snapshot {
    Snapshot::open(copy(snapshot)).unwrap_or_else(|rejection| panic!("{rejection}"))
}

criterion_group!(benches, compile, open, swap);
criterion_main!(benches);
