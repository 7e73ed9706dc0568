//! Many queries, one a line; one answer a line, in the same order, all from one snapshot.

use std::array::from_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;

use super::answers::LARGE;
use super::budget::For;
use super::desk::Desk;
use super::panics::{self, Place, caught};
use super::problems::Problem;
use super::selecting::{self, select_from};
use super::{Response, answers};
use crate::runtime::Generation;
use crate::telemetry::ChannelCounters;
use switchboard_select::together::TOGETHER;
use switchboard_select::walk::Moment;
use switchboard_select::{Code, Query, select_together};

/// Most lines of a batch.
const MOST_LINES: usize = 10_000;
/// Time between two looks at the other connections. By time, since a line can take a microsecond or, where
/// the OU has 20,000 above it, 150: eight of those are 1.2 ms.
const TURN: Duration = Duration::from_millis(1);
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
    let mut turn = Instant::now();
    while !rest.is_empty() {
        let lines: [Option<&[u8]>; TOGETHER] = from_fn(|_| {
            let (line, after) = (!rest.is_empty()).then(|| first_line(rest))?;
            rest = after;
            Some(line)
        });
        let before = out.len();
        let answering = Answering { desk, headers, generation: &generation, selections: &selections, now };
        if caught(|| answering.together(lines, &mut out)).is_none() {
            // One of them panicked: which one, and what the others come to, is told when each is asked alone.
            out.truncate(before);
            for line in lines.into_iter().flatten() {
                answering.alone(line, &mut out);
            }
        }
        if turn.elapsed() >= TURN {
            tokio::task::yield_now().await;
            turn = Instant::now();
        }
    }
    desk.telemetry.batch_lines(lines as u64);
    let mut response = answers::respond(200, "application/x-ndjson", Bytes::from(out));
    share.go_with(&mut response);
    Ok(response)
}

/// What the lines of a batch are answered from.
struct Answering<'b> {
    desk: &'b Desk,
    headers: &'b HeaderMap,
    generation: &'b Generation,
    selections: &'b ChannelCounters,
    now: i64,
}

impl Answering<'_> {
    /// Answers lines side by side. A bad line, or a blank one, is a problem of its own.
    fn together(&self, lines: [Option<&[u8]>; TOGETHER], out: &mut Vec<u8>) {
        panics::asked(self.headers, Place::Line);
        let snapshot = &self.generation.snapshot;
        let mut queries: [Query<'_>; TOGETHER] = from_fn(|_| Query::default());
        let mut places = queries.iter_mut();
        let read = lines.map(|line| Some(places.next()?.read_json(line?)));
        let asked = from_fn(|at| {
            read.get(at)?.as_ref()?.as_ref().ok()?;
            Some((queries.get(at)?, self.moment()))
        });
        let answers = select_together(snapshot, &asked);
        for (answer, read) in answers.into_iter().zip(read) {
            let asked = match (answer, read) {
                (Some(answer), _) => Ok(answer),
                (None, Some(Err(bad))) => Err(bad),
                (None, _) => break,
            };
            selecting::write(self.desk, snapshot, self.selections, asked, out);
            out.push(b'\n');
        }
    }

    /// Answers a line by itself, with a 500 of its own where it panics.
    fn alone(&self, line: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        let whole = caught(|| {
            panics::asked(self.headers, Place::Line);
            let mut query = Query::default();
            let read = query.read_json(line).map(|()| &query);
            select_from(self.desk, self.generation, self.selections, self.moment(), read, out);
        });
        if whole.is_none() {
            self.desk.telemetry.panicked();
            out.truncate(before);
            Problem::new(Code::Internal).generation(self.generation.snapshot.generation()).write(out);
        }
        out.push(b'\n');
    }

    fn moment(&self) -> Moment<'_> {
        Moment { now: self.now, chance: self.desk.chance(), standings: &self.generation.overlay }
    }
}

/// The first line, without its end, and what follows.
pub fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}
