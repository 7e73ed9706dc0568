//! Many queries, one a line; one answer a line, in the same order, all from one snapshot.

use std::sync::Arc;

use bytes::Bytes;

use super::desk::Desk;
use super::problems::{Problem, guarded, malformed, unanswered};
use super::{Response, answers};
use crate::live::Generation;
use crate::select::walk::Moment;
use crate::select::{Code, Query, select, write_selection};
use crate::telemetry::Selections;

/// Most lines of a batch.
const MOST_LINES: usize = 10_000;
/// Lines between two looks at the other connections: about half a millisecond of work.
const TURN: usize = 256;
/// Bytes to expect of an answer; most have 200 to 250.
const ANSWER: usize = 256;

/// Answers a batch.
pub(super) async fn answer(desk: &Desk, body: &[u8]) -> Result<Response, Problem> {
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
    let mut out = Vec::with_capacity(lines * ANSWER);
    let mut rest = body;
    while !rest.is_empty() {
        rest = guarded(|| {
            for _ in 0..TURN {
                if rest.is_empty() {
                    break;
                }
                let (line, after) = first_line(rest);
                rest = after;
                answer_line(desk, &generation, &selections, now, line, &mut out);
            }
            Ok(rest)
        })?;
        if !rest.is_empty() {
            tokio::task::yield_now().await;
        }
    }
    desk.telemetry.batch_lines(lines as u64);
    Ok(answers::respond(200, "application/x-ndjson", Bytes::from(out)))
}

/// A bad line, or a blank one, is a problem of its own.
fn answer_line(
    desk: &Desk,
    generation: &Generation,
    selections: &Selections,
    now: i64,
    line: &[u8],
    out: &mut Vec<u8>,
) {
    let Generation { snapshot, overlay } = generation;
    match Query::from_json(line) {
        Err(bad) => {
            desk.count_malformed(selections, snapshot, &bad);
            malformed(bad).generation(snapshot.generation()).write(out);
        }
        Ok(query) => {
            let answer = select(snapshot, &query, Moment { now, chance: desk.chance(), standings: overlay });
            desk.count(selections, &answer);
            match answer.result {
                Ok(selection) => write_selection(out, snapshot, &selection),
                Err(code) => unanswered(code, snapshot).write(out),
            }
        }
    }
    out.push(b'\n');
}

/// The first line, without its end, and what follows.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}
