//! Instructions of the parts of an answer, counted by callgrind. The counts do not depend on the load of the
//! machine.
#![allow(missing_docs, reason = "gungraun's macros write public items")]

use std::hint::black_box;

use benches::kinds::{Kind, json, query};
use benches::{CONTEXT, context, overlay, shapes};
use gungraun::prelude::*;
use switchboard::api::data::query_string;
use switchboard::api::problem::{from_error, write_problem};
use switchboard_model::E164;
use switchboard_select::{Answer, Overlay, Query, Selection, select, write_selection};
use switchboard_snapshot::Snapshot;

/// A snapshot, and queries of one kind as URL fields.
type SnapshotAndUrls = (Snapshot, Vec<String>);

/// A snapshot with its overlay, and parsed queries.
type ParsedQueries = ((Snapshot, Overlay), Vec<Query<'static>>);

/// Number of queries that one benchmark runs. One more branch per query adds 100 to the count. A single cache
/// miss is not visible.
const EACH: usize = 100;

fn drawn(kind: Kind) -> SnapshotAndUrls {
    let snapshot = shapes::small();
    let mut urls = kind.urls(&snapshot);
    urls.truncate(EACH);
    (snapshot, urls)
}

fn parsed(kind: Kind) -> ParsedQueries {
    let (snapshot, urls) = drawn(kind);
    let overlay = overlay(&snapshot);
    ((snapshot, overlay), urls.into_iter().map(|url| query(url.leak())).collect())
}

fn crowd() -> ParsedQueries {
    let url = |client| format!("channel=whatsapp&ou=crowd&country=GB&client=c-{client}");
    let snapshot = shapes::crowd(10_000);
    let overlay = overlay(&snapshot);
    ((snapshot, overlay), (0..EACH).map(|client| query(url(client).leak())).collect())
}

#[library_benchmark]
#[bench::hit(parsed(Kind::Hit))]
#[bench::mapped(parsed(Kind::Mapped))]
#[bench::default(parsed(Kind::Default))]
#[bench::climbed(parsed(Kind::Climbed))]
#[bench::error(parsed(Kind::Error))]
#[bench::current(parsed(Kind::Current))]
#[bench::dedicated(parsed(Kind::Dedicated))]
#[bench::crowd(crowd())]
fn selects((snapshot, queries): ParsedQueries) -> ParsedQueries {
    // The overlay of a snapshot in service, with which most account records are not read.
    let context = context(&snapshot.1);
    for query in &queries {
        black_box(select(black_box(&snapshot.0), query, context));
    }
    (snapshot, queries)
}

fn lines() -> Vec<String> {
    drawn(Kind::Hit).1.iter().map(|url| json(url)).collect()
}

#[library_benchmark]
#[bench::hit(drawn(Kind::Hit))]
fn parses_url((snapshot, urls): SnapshotAndUrls) -> SnapshotAndUrls {
    for url in &urls {
        let mut query = Query::default();
        black_box(query_string::read(black_box(url), &mut query).is_ok());
        black_box(&query);
    }
    (snapshot, urls)
}

#[library_benchmark]
#[bench::hit(lines())]
fn parses_json(lines: Vec<String>) -> Vec<String> {
    for line in &lines {
        let mut query = Query::default();
        black_box(query.read_json(black_box(line.as_bytes())).is_ok());
        black_box(&query);
    }
    lines
}

fn numbers() -> Vec<String> {
    (0..EACH).map(|at| format!("+4474{:08}", at * 97_003)).collect()
}

#[library_benchmark]
#[bench::mobile(numbers())]
fn places_numbers(numbers: Vec<String>) -> Vec<String> {
    for number in &numbers {
        black_box(E164::parse(black_box(number)).map(|number| number.region()).ok());
    }
    numbers
}

fn selections() -> (Snapshot, Vec<Selection>) {
    let ((snapshot, _), queries) = parsed(Kind::Climbed);
    let answers: Vec<Answer> = queries.iter().map(|query| select(&snapshot, query, CONTEXT)).collect();
    (snapshot, answers.into_iter().filter_map(|answer| answer.result.ok()).collect())
}

#[library_benchmark]
#[bench::climbed(selections())]
fn renders_selections((snapshot, selections): (Snapshot, Vec<Selection>)) -> (Snapshot, Vec<u8>) {
    let mut out = Vec::with_capacity(64 * 1_024);
    for selection in &selections {
        write_selection(&mut out, &snapshot, black_box(selection));
    }
    (snapshot, out)
}

#[library_benchmark]
fn renders_problems() -> Vec<u8> {
    let mut out = Vec::with_capacity(64 * 1_024);
    for _ in 0..EACH {
        write_problem(
            &mut out,
            from_error(black_box(switchboard_model::SelectError::NoAccount)),
            None,
            Some(1),
        );
    }
    out
}

library_benchmark_group!(name = selecting, benchmarks = selects);
library_benchmark_group!(name = parsing, benchmarks = [parses_url, parses_json, places_numbers]);
library_benchmark_group!(name = rendering, benchmarks = [renders_selections, renders_problems]);
main!(library_benchmark_groups = [selecting, parsing, rendering]);
