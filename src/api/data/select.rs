//! Selects the accounts for one query, for all ways in which a query arrives, and for the queries of a batch. A
//! batch has one query a line and gets one answer a line, in the same order, all from one snapshot.

use std::array::from_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use switchboard_model::{SelectError, UnixSeconds};
use switchboard_select::{
    Answer, BadQuery, LANES, Query, SelectContext, select, select_interleaved, write_selection,
};
use switchboard_server::failpoint::failpoint;
use switchboard_server::response::{BODY_TOO_LARGE, INTERNAL, MAX_UNRESERVED_BYTES, PROBLEM_CONTENT_TYPE};
use switchboard_server::{Problem, RequestClass, Response, catch_panic, respond};
use switchboard_snapshot::Snapshot;

use super::context::WorkerContext;
use crate::access::{Caller, CompanyScope};
use crate::api::JSON;
use crate::api::problem::{GENERATION, NO_SNAPSHOT, from_error, write_problem};
use crate::runtime::Generation;
use crate::telemetry::{ChannelCounters, SelectionOutcome};

/// Maximum number of lines in a batch.
const MAX_LINES: usize = 10_000;
/// Time after which a batch yields to other connections. The limit is a time instead of a number of lines,
/// because a line takes one microsecond, or 150 for an OU with 20,000 levels above it.
const TURN: Duration = Duration::from_millis(1);
/// Expected size of an answer in bytes. Most have 200 to 250.
const ANSWER_BYTES: usize = 256;

/// The HTTP status and the media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseMeta {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
}

impl ResponseMeta {
    pub(super) const JSON: ResponseMeta = ResponseMeta { status: 200, content_type: JSON };

    pub(super) fn problem(status: u16) -> ResponseMeta {
        ResponseMeta { status, content_type: PROBLEM_CONTENT_TYPE }
    }
}

/// Selects from the snapshot in service, appends the selection or the problem, and counts it. Returns `None`
/// without counting if the query is well formed and there is no snapshot.
pub(super) fn select_current<'q, 'p: 'q>(
    context: &WorkerContext,
    scope: CompanyScope<'p>,
    query: Result<&mut Query<'q>, BadQuery>,
    out: &mut Vec<u8>,
) -> Option<ResponseMeta> {
    context.with_current(|generation| {
        let Some(generation) = generation else {
            context.clock.read();
            return Some(write_malformed(context, &query.err()?, out));
        };
        let snapshot = &generation.snapshot;
        let channels = context.channel_counters(snapshot);
        // Also for malformed queries, because the header `date` uses the time that is read here.
        let select_context = context.select_context(generation);
        let answer = query.map(|query| match restrict(snapshot, scope, query) {
            Ok(()) => select(snapshot, query, select_context),
            Err(answer) => answer,
        });
        Some(write_answer(context, snapshot, &channels, answer, out))
    })
}

/// Restricts a query to the companies of its caller.
///
/// # Errors
/// Returns the answer to a query that names another company: that of an unknown company.
fn restrict<'q, 'p: 'q>(
    snapshot: &Snapshot,
    scope: CompanyScope<'p>,
    query: &mut Query<'q>,
) -> Result<(), Answer> {
    let only_company = || snapshot.only_company().map(|only| snapshot.company(only).id());
    scope.restrict(query, only_company).map_err(|error| {
        let channel = snapshot.find_channel(&query.channel);
        Answer { channel, result: Err(error) }
    })
}

/// Appends the problem of a malformed query, and counts it, while there is no snapshot.
fn write_malformed(context: &WorkerContext, bad: &BadQuery, out: &mut Vec<u8>) -> ResponseMeta {
    context.count_early(SelectionOutcome::Failed(SelectError::BadRequest));
    let kind = from_error(SelectError::BadRequest);
    write_problem(out, kind, Some(&bad.message), None);
    ResponseMeta::problem(kind.status)
}

/// Appends the selection or the problem, and counts it.
pub(super) fn write_answer(
    context: &WorkerContext,
    snapshot: &Snapshot,
    channels: &ChannelCounters,
    answer: Result<Answer, BadQuery>,
    out: &mut Vec<u8>,
) -> ResponseMeta {
    let generation = Some(snapshot.generation());
    let kind = match answer {
        Err(bad) => {
            context.count_malformed(channels, snapshot, &bad);
            let kind = from_error(SelectError::BadRequest);
            write_problem(out, kind, Some(&bad.message), generation);
            kind
        }
        Ok(answer) => {
            context.count(channels, &answer);
            match answer.result {
                Ok(selection) => {
                    write_selection(out, snapshot, &selection);
                    return ResponseMeta::JSON;
                }
                Err(error) => {
                    let kind = from_error(error);
                    write_problem(out, kind, None, generation);
                    kind
                }
            }
        }
    };
    ResponseMeta::problem(kind.status)
}

/// Answers the lines of a batch. Yields to other connections from time to time. All lines have the same caller.
pub(super) async fn answer_batch(
    context: &WorkerContext,
    caller: Option<&Caller>,
    body: &[u8],
) -> Result<Response, Problem> {
    let ends = memchr::memchr_iter(b'\n', body).count();
    let lines = ends + usize::from(!body.is_empty() && !body.ends_with(b"\n"));
    if lines > MAX_LINES {
        let detail = format!("The batch has more than {MAX_LINES} lines. Divide it into several batches.");
        return Err(Problem::new(&BODY_TOO_LARGE).with_detail(detail));
    }
    // Cloned because it is held across `.await`: a borrow would keep this worker on the old generation.
    let Some(generation) = context.with_generation(Arc::clone) else {
        return answer_malformed(context, body);
    };
    let channels = context.channel_counters(&generation.snapshot);
    let now = context.select_context(&generation).now;
    let mut reservation = context.shared.budget.reservation(RequestClass::Bulk);
    let expected = lines * ANSWER_BYTES;
    if expected > MAX_UNRESERVED_BYTES && !reservation.grow(expected) {
        return Err(Problem::out_of_memory_budget());
    }
    let scope = Caller::scope_of(caller);
    let batch = Batch { context, scope, generation: &generation, channels: &channels, now };
    let mut out = Vec::with_capacity(expected);
    let mut rest = body;
    let mut first = 1;
    let mut turn = Instant::now();
    while !rest.is_empty() {
        let mut lines = [&[][..]; LANES];
        let mut count = 0;
        while let Some(line) = lines.get_mut(count).filter(|_| !rest.is_empty()) {
            (*line, rest) = first_line(rest);
            count += 1;
        }
        let lines = lines.get(..count).unwrap_or_default();
        let before = out.len();
        if catch_panic(|| batch.answer_together(lines, first, &mut out)).is_none() {
            // Each line is answered again separately, to isolate the line that panics.
            out.truncate(before);
            for (number, line) in (first..).zip(lines) {
                batch.answer_alone(line, number, &mut out);
            }
        }
        first += count;
        if turn.elapsed() >= TURN {
            tokio::task::yield_now().await;
            turn = Instant::now();
        }
    }
    context.telemetry.count_batch_lines(lines as u64);
    let mut response = respond(200, "application/x-ndjson", Bytes::from(out));
    reservation.attach_to(&mut response);
    Ok(response)
}

/// Answers a batch while there is no snapshot.
///
/// # Errors
/// Returns `no_snapshot` for the whole batch if one of its lines is well formed.
fn answer_malformed(context: &WorkerContext, body: &[u8]) -> Result<Response, Problem> {
    let mut faults = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let line;
        (line, rest) = first_line(rest);
        let read = Query::default().read_json(line);
        let bad = read.err().ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
        faults.push(in_batch(bad, faults.len() + 1));
    }
    let mut reservation = context.shared.budget.reservation(RequestClass::Bulk);
    let expected = faults.len() * ANSWER_BYTES;
    if expected > MAX_UNRESERVED_BYTES && !reservation.grow(expected) {
        return Err(Problem::out_of_memory_budget());
    }
    let mut out = Vec::with_capacity(expected);
    for bad in &faults {
        write_malformed(context, bad, &mut out);
        out.push(b'\n');
    }
    context.telemetry.count_batch_lines(faults.len() as u64);
    let mut response = respond(200, "application/x-ndjson", Bytes::from(out));
    reservation.attach_to(&mut response);
    Ok(response)
}

/// The state that the lines of one batch are answered from.
struct Batch<'b> {
    context: &'b WorkerContext,
    scope: CompanyScope<'b>,
    generation: &'b Generation,
    channels: &'b ChannelCounters,
    now: UnixSeconds,
}

impl Batch<'_> {
    /// Answers up to [`LANES`] lines together. A malformed or empty line gets a problem with its number,
    /// which counts from 1. `first` is the number of the first line.
    fn answer_together(&self, lines: &[&[u8]], first: usize, out: &mut Vec<u8>) {
        failpoint("line");
        let snapshot = &self.generation.snapshot;
        let mut queries: [Query<'_>; LANES] = from_fn(|_| Query::default());
        // The answers of lines that are not selected: malformed ones, and those of other companies.
        let mut refused = [const { None }; LANES];
        for ((number, (query, refused)), line) in
            (first..).zip(queries.iter_mut().zip(&mut refused)).zip(lines)
        {
            *refused = match query.read_json(line) {
                Ok(()) => restrict(snapshot, self.scope, query).err().map(Ok),
                Err(bad) => Some(Err(in_batch(bad, number))),
            };
        }
        let mut well_formed = [const { None }; LANES];
        let read = queries.iter().zip(&refused).take(lines.len());
        for (slot, (query, refused)) in well_formed.iter_mut().zip(read) {
            if refused.is_none() {
                *slot = Some((query, self.select_context()));
            }
        }
        let answers = select_interleaved(snapshot, &well_formed);
        for (answer, refused) in answers.into_iter().zip(refused) {
            // Without either, there is no further line.
            let Some(answer) = answer.map(Ok).or(refused) else { break };
            write_answer(self.context, snapshot, self.channels, answer, out);
            out.push(b'\n');
        }
    }

    /// Answers one line, with the problem `internal` if it panics.
    fn answer_alone(&self, line: &[u8], number: usize, out: &mut Vec<u8>) {
        let before = out.len();
        let snapshot = &self.generation.snapshot;
        let answered = catch_panic(|| {
            failpoint("line");
            let mut query = Query::default();
            let read = query.read_json(line);
            let answer = read.map(|()| match restrict(snapshot, self.scope, &mut query) {
                Ok(()) => select(snapshot, &query, self.select_context()),
                Err(answer) => answer,
            });
            let answer = answer.map_err(|bad| in_batch(bad, number));
            write_answer(self.context, snapshot, self.channels, answer, out);
        });
        if answered.is_none() {
            self.context.telemetry.count_panic();
            out.truncate(before);
            Problem::new(&INTERNAL).with_number(GENERATION, snapshot.generation()).write(out);
        }
        out.push(b'\n');
    }

    fn select_context(&self) -> SelectContext<'_> {
        SelectContext { now: self.now, random: self.context.random(), standings: &self.generation.overlay }
    }
}

/// Returns the fault of a line with the number of the line in the batch.
fn in_batch(bad: BadQuery, number: usize) -> BadQuery {
    BadQuery { message: bad.in_line(number).into(), ..bad }
}

/// Returns the first line without its line feed, and the rest of the text.
pub fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}
