//! Times of `select()`. The first group runs every kind of query on 1,000 accounts. The second picks from one
//! group of up to 10,000 accounts. The third runs random queries on up to a million accounts.
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;

use benches::kinds::{Kind, query};
use benches::{QUERIES, Rounds, SEED, context, large, overlay, shapes};
use criterion::{Criterion, criterion_group, criterion_main};
use switchboard_select::{Query, select};
use switchboard_snapshot::Snapshot;

/// Measures one selection among these queries.
fn selections(c: &mut Criterion, group: &str, name: &str, snapshot: &Snapshot, urls: &[String]) {
    let queries: Vec<Query<'_>> = urls.iter().map(|url| query(url)).collect();
    let overlay = overlay(snapshot);
    let context = context(&overlay);
    let mut rounds = Rounds::of(&queries);
    c.benchmark_group(group).bench_function(name, |b| {
        b.iter(|| select(black_box(snapshot), rounds.next(), context));
    });
}

fn kinds(c: &mut Criterion) {
    let snapshot = shapes::small();
    for kind in Kind::ALL {
        selections(c, "select, 1,000 accounts", kind.as_str(), &snapshot, &kind.urls(&snapshot));
    }
}

fn crowd(c: &mut Criterion) {
    for size in [100, 1_000, 10_000] {
        let snapshot = shapes::crowd(size);
        let mut random = fastrand::Rng::with_seed(SEED);
        let url = |_| format!("channel=whatsapp&ou=crowd&country=GB&client=c-{}", random.u64(..));
        let urls: Vec<String> = (0..QUERIES).map(url).collect();
        selections(c, "select, one group", &size.to_string(), &snapshot, &urls);
    }
}

/// Measures how the time grows with the registry. There are more queries than any cache holds.
fn large(c: &mut Criterion) {
    for accounts in [1_000, 10_000, 100_000, 1_000_000] {
        let snapshot = large::snapshot(accounts);
        let urls = large::urls(&snapshot, 200_000, SEED);
        selections(c, "select, at random", &accounts.to_string(), &snapshot, &urls);
    }
}

criterion_group!(benches, kinds, crowd, large);
criterion_main!(benches);
