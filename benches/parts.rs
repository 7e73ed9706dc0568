//! Times of the parts around a selection: parsing of queries, regions of phone numbers, JSON of answers.
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::array::from_fn;
use std::hint::black_box;

use benches::kinds::{Kind, json, query};
use benches::{CONTEXT, Rounds, context, overlay, shapes};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard::api::data::query_string;
use switchboard::api::problem::{from_error, write_problem};
use switchboard_model::E164;
use switchboard_select::LANES;
use switchboard_select::{Query, Selection, select, select_interleaved, write_selection};

fn parse(c: &mut Criterion) {
    let snapshot = shapes::small();
    let urls = Kind::Hit.urls(&snapshot);
    let lines: Vec<String> = urls.iter().map(|url| json(url)).collect();
    let mut group = c.benchmark_group("parse");
    let mut rounds = Rounds::of(&urls);
    // In place, as a worker parses queries.
    group.bench_function("url", |b| {
        b.iter(|| {
            let mut query = Query::default();
            let read = query_string::read(black_box(rounds.next()), &mut query).is_ok();
            black_box(&query);
            read
        });
    });
    let mut rounds = Rounds::of(&lines);
    group.bench_function("json", |b| {
        b.iter(|| {
            let mut query = Query::default();
            let read = query.read_json(black_box(rounds.next()).as_bytes()).is_ok();
            black_box(&query);
            read
        });
    });
}

fn render(c: &mut Criterion) {
    let snapshot = shapes::small();
    let urls = Kind::Climbed.urls(&snapshot);
    let chosen = |url: &String| select(&snapshot, &query(url), CONTEXT).result.ok();
    let selections: Vec<Selection> = urls.iter().filter_map(chosen).collect();
    let mut group = c.benchmark_group("render");
    let mut out = Vec::with_capacity(4_096);
    let mut rounds = Rounds::of(&selections);
    group.bench_function("selection", |b| {
        b.iter(|| {
            out.clear();
            write_selection(&mut out, &snapshot, black_box(rounds.next()));
        });
    });
    let code = select(&snapshot, &query(&Kind::Error.fields(1, "", 0)), CONTEXT).result.err();
    let code = code.unwrap_or_else(|| unreachable!("the query has no account"));
    group.bench_function("problem", |b| {
        b.iter(|| {
            out.clear();
            write_problem(&mut out, black_box(from_error(code)), None, Some(1));
        });
    });
}

fn numbering(c: &mut Criterion) {
    let mut random = fastrand::Rng::with_seed(benches::SEED);
    let number = |_| match random.u8(..4) {
        0 => format!("+4474{:08}", random.u32(..100_000_000)),
        1 => format!("+1201{:07}", random.u32(..10_000_000)),
        2 => format!("+49151{:08}", random.u32(..100_000_000)),
        _ => format!("+7{:010}", random.u64(..10_000_000_000)),
    };
    let numbers: Vec<String> = (0..benches::QUERIES).map(number).collect();
    let mut group = c.benchmark_group("numbering");
    let mut rounds = Rounds::of(&numbers);
    group.bench_function("E.164", |b| b.iter(|| E164::parse(black_box(rounds.next())).is_ok()));
    let mut rounds = Rounds::of(&numbers);
    group.bench_function("E.164 and region", |b| {
        b.iter(|| E164::parse(black_box(rounds.next())).map(|number| number.region()).ok());
    });
}

/// Measures the lines of a batch without their transport, interleaved as in the daemon.
fn lines(c: &mut Criterion) {
    let snapshot = shapes::small();
    let overlay = overlay(&snapshot);
    let context = context(&overlay);
    let urls = Kind::Hit.urls(&snapshot);
    let by_country: Vec<String> = urls.iter().map(|url| json(url)).collect();
    let by_phone = urls.iter().enumerate().map(|(at, url)| {
        json(&url.replace("country=GB", &format!("phone=+4474{:08}", at * 97_003 % 100_000_000)))
    });
    let by_phone: Vec<String> = by_phone.collect();
    let mut group = c.benchmark_group("a batch's lines");
    group.throughput(Throughput::Elements(LANES as u64));
    let mut out = Vec::with_capacity(4_096);
    for (name, lines) in [("by country", &by_country), ("by phone", &by_phone)] {
        let mut rounds = Rounds::of(lines);
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let mut queries: [Query<'_>; LANES] = from_fn(|_| Query::default());
                let read = queries.each_mut().map(|query| query.read_json(rounds.next().as_bytes()).is_ok());
                let asked = from_fn(|at| {
                    let query = queries.get(at)?;
                    read.get(at)?.then_some((query, context))
                });
                for answer in select_interleaved(&snapshot, &asked).into_iter().flatten() {
                    if let Ok(selection) = answer.result {
                        write_selection(&mut out, &snapshot, &selection);
                    }
                }
                out.len()
            });
        });
    }
}

criterion_group!(benches, parse, render, numbering, lines);
criterion_main!(benches);
