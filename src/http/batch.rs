//! Many queries, one a line; one answer a line, in the same order, all from one snapshot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;

use super::answers::LARGE;
use super::budget::For;
use super::desk::Desk;
use super::panics::{self, Place, caught};
use super::problems::Problem;
use super::selecting::select_from;
use super::{Response, answers};
use crate::select::walk::Moment;
use crate::select::{Code, Query};

/// Most lines of a batch.
const MOST_LINES: usize = 10_000;
/// Time between two looks at the other connections. By time, since a line can take a microsecond or, where
/// the OU has 20,000 above it, 150.
const TURN: Duration = Duration::from_millis(1);
/// Lines between two looks at the clock, which takes as long as a thirtieth of a line.
const LOOK: usize = 4;
/// Bytes to expect of an answer; most have 200 to 250.
const ANSWER: usize = 256;

/// Answers a batch.
pub(super) async fn answer(desk: &Desk, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    let ends = memchr::memchr_iter(b'\n', body).count();
    let lines = ends + usize::from(!body.is_empty() && !body.ends_with(b"\n"));
    if lines > MOST_LINES {
        let detail = format!("a batch has at most {MOST_LINES} lines; send it as several");
        return Err(Problem::new(Code::BodyTooLarge).detail(detail));
    }
    // Held across turns, so cloned: a guard would hold the worker's own view still.
    let generation = desk.reader.borrow_mut().pin().map(Arc::clone);
    let generation = generation.ok_or_else(|| Problem::new(Code::NoSnapshot))?;
    let selections = desk.selections(&generation.snapshot);
    let now = desk.moment(&generation).now;
    let mut share = desk.shared.budget.share(For::Many);
    if lines * ANSWER > LARGE && !share.grow(lines * ANSWER) {
        return Err(Problem::crowded());
    }
    let mut out = Vec::with_capacity(lines * ANSWER);
    let mut rest = body;
    let (mut turn, mut answered) = (Instant::now(), 0_usize);
    while !rest.is_empty() {
        let (line, after) = first_line(rest);
        rest = after;
        let before = out.len();
        let whole = caught(|| {
            panics::asked(headers, Place::Line);
            // A bad line, or a blank one, is a problem of its own.
            let moment = Moment { now, chance: desk.chance(), standings: &generation.overlay };
            select_from(desk, &generation, &selections, moment, Query::from_json(line), &mut out);
        });
        if whole.is_none() {
            desk.telemetry.panicked();
            out.truncate(before);
            Problem::new(Code::Internal).generation(generation.snapshot.generation()).write(&mut out);
        }
        out.push(b'\n');
        answered += 1;
        if answered.is_multiple_of(LOOK) && turn.elapsed() >= TURN {
            tokio::task::yield_now().await;
            turn = Instant::now();
        }
    }
    desk.telemetry.batch_lines(lines as u64);
    let mut response = answers::respond(200, "application/x-ndjson", Bytes::from(out));
    share.go_with(&mut response);
    Ok(response)
}

/// The first line, without its end, and what follows.
pub fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}
