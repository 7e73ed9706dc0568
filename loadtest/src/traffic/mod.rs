//! Requests that are drawn from a registry and a seed, and the comparison of their answers with the oracle's.
//!
//! `mix`, `query_generator`, `registries` (the oracle's predictions), `draw` and `request` draw. `expected`,
//! `check` and `serving_state` compare.

mod check;
mod draw;
mod expected;
mod mix;
mod outcome;
mod query_generator;
mod registries;
mod request;
mod serving_state;

pub(crate) use self::request::{add_header, encode, get, post, post_batch};
pub use self::{
    draw::Share,
    mix::Mix,
    outcome::Outcome,
    registries::churnable,
    serving_state::{PublishedGenerations, Suspensions},
};

use self::{
    check::{CheckContext, ExpectedAnswers, ProblemTitles, wrong_status},
    draw::{DrawnRequest, Interleaved, RequestOrder},
};
use crate::engine::{Media, OutcomeCounts, Received, Source, WrongAnswer};
use std::{mem, path::Path};

/// The input from which requests are drawn.
#[derive(Debug, Clone, Copy)]
pub struct TrafficConfig<'a> {
    /// Folders of the registries that are served in turn. Generation `n` is that at `n` modulo their number.
    pub registries: &'a [&'a Path],
    /// Accounts (company, id) whose standings change during the run, from [`churnable`].
    pub churned: &'a [(String, String)],
    /// Seed of the random numbers. The same seed draws the same requests.
    pub seed: u64,
    /// Current time in Unix seconds. No query is drawn whose answer changes between an hour before and a day
    /// after, because an account becomes available.
    pub now: i64,
}

/// Requests, the order in which they are sent, and their expected answers.
pub struct Traffic {
    expected: Vec<ExpectedAnswers>,
    requests: Vec<DrawnRequest>,
    order: RequestOrder,
    /// Number of selections of each request.
    selections: u64,
    interleaved: Option<Interleaved>,
    pub(crate) published: PublishedGenerations,
    suspensions: Suspensions,
    titles: ProblemTitles,
    /// For each connection, the number of its replacements and the generation of its last answer.
    last_generations: Vec<(u64, u64)>,
    /// One of the queries as a URL and as JSON. Its answer is a selection if the mix has any.
    pub(crate) sample: [String; 2],
    notes: Vec<String>,
}

impl Traffic {
    /// Returns the number of distinct requests.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns the reasons why the drawn requests differ from the mix, for the report.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the suspensions of the churned accounts. The caller must update them when standings change.
    pub fn suspensions(&self) -> &Suspensions {
        &self.suspensions
    }
}

impl Source for Traffic {
    fn next(&mut self) -> usize {
        let batch = self.interleaved.as_mut().and_then(|batches| batches.next(self.requests.len()));
        batch.unwrap_or_else(|| self.order.next())
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.requests.get(request).map_or(&[], |request| &request.bytes)
    }

    fn add_header(&mut self, header: &str) {
        self.requests.iter_mut().for_each(|request| add_header(&mut request.bytes, header));
    }

    fn selections(&self) -> u64 {
        self.selections
    }

    fn check(
        &mut self,
        request: usize,
        answer: &Received<'_>,
        outcomes: &mut OutcomeCounts,
    ) -> Result<(), WrongAnswer> {
        let &Received { status, media, body, connection, sent, read } = answer;
        let Traffic { expected, requests, published, suspensions, titles, last_generations, .. } = self;
        let unknown = || WrongAnswer::Content("the request is unknown".to_owned());
        let DrawnRequest { queries, is_batch, .. } = requests.get(request).ok_or_else(unknown)?;
        let mut context = CheckContext { published, suspensions, titles, sent, read };
        let mut check = |query: u32, status: Option<u16>, body: &[u8]| {
            expected.get_mut(query as usize).ok_or_else(unknown)?.check(status, body, &mut context)
        };
        if let ([query], false) = (&**queries, is_batch) {
            let (outcome, generation) = check(*query, Some(status), body)?;
            check_media(media, status)?;
            check_forward(last_generations, connection, generation)?;
            *outcomes.entry(outcome.as_str()).or_default() += 1;
            return Ok(());
        }
        if status != 200 {
            return Err(wrong_status(status, 200, body));
        }
        require_media(media, Media::Lines)?;
        let (mut rest, mut of_batch) = (body, None);
        for (n, query) in (1..).zip(&**queries) {
            let at_line = |reason: &str| WrongAnswer::Content(format!("line {n}: {reason}"));
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return Err(WrongAnswer::Content(format!("{} lines, not {}", n - 1, queries.len())));
            };
            let (line, after) = rest.split_at_checked(end).unwrap_or_default();
            rest = after.get(1..).unwrap_or_default();
            let (outcome, generation) = check(*query, None, line).map_err(|wrong| at_line(wrong.reason()))?;
            match of_batch.replace(generation) {
                None => check_forward(last_generations, connection, generation)?,
                Some(before) if before == generation => {}
                Some(before) => {
                    let reason = format!("of generation {generation}, and the line before of {before}");
                    return Err(at_line(&reason));
                }
            }
            *outcomes.entry(outcome.as_str()).or_default() += 1;
        }
        if !rest.is_empty() {
            return Err(WrongAnswer::Content(format!("more than {} lines", queries.len())));
        }
        Ok(())
    }
}

/// Checks the media type of an answer to one query.
pub(crate) fn check_media(media: Media, status: u16) -> Result<(), WrongAnswer> {
    require_media(media, if status == 200 { Media::Json } else { Media::Problem })
}

fn require_media(media: Media, expected: Media) -> Result<(), WrongAnswer> {
    if media == expected {
        return Ok(());
    }
    let (media, expected) = (media.as_str(), expected.as_str());
    Err(WrongAnswer::Content(format!("its content-type is {media}, not {expected}")))
}

/// Checks that the generation of a connection's answers does not decrease. Each connection has the number of
/// its replacements and its last generation in `last_generations`.
pub fn check_forward(
    last_generations: &mut Vec<(u64, u64)>,
    (connection, replaced): (usize, u64),
    generation: u64,
) -> Result<(), WrongAnswer> {
    if last_generations.len() <= connection {
        last_generations.resize(connection + 1, (replaced, generation));
    }
    let Some(last) = last_generations.get_mut(connection) else { return Ok(()) };
    let before = mem::replace(last, (replaced, generation));
    if before.0 == replaced && before.1 > generation {
        let reason = format!("of generation {generation}, on a connection that had answers of {}", before.1);
        return Err(WrongAnswer::Content(reason));
    }
    Ok(())
}
