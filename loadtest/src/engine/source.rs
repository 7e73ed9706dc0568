//! The source of requests, which also checks their answers.

use std::{collections::BTreeMap, time::Instant};

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub media: Media,
    /// The body.
    pub body: &'a [u8],
    /// The number of the connection, from 0, and how many connections had this number before it.
    pub connection: (usize, u64),
    /// The earliest time at which the request was sent.
    pub sent: Instant,
    /// When the answer was read to its end.
    pub read: Instant,
}

/// A media type of answers and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// application/json.
    Json,
    /// application/problem+json.
    Problem,
    /// application/x-ndjson.
    Lines,
    /// Another, or none.
    Other,
}

impl Media {
    /// Reads a `Content-Type` and ignores its parameters.
    pub(crate) fn from_header(value: &[u8]) -> Media {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let known = [Media::Json, Media::Problem, Media::Lines];
        let named = known.into_iter().find(|media| essence.eq_ignore_ascii_case(media.as_str().as_bytes()));
        named.unwrap_or(Media::Other)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Problem => "application/problem+json",
            Media::Lines => "application/x-ndjson",
            Media::Other => "another",
        }
    }
}

/// Why a request had no right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// No answer within the time-out.
    Timeout,
    /// The connection could not be opened.
    Connect,
    /// The connection closed before the answer was whole.
    Closed,
    /// The answer is no HTTP/1.1 that can be read.
    Malformed,
    /// The status is not the expected one.
    UnexpectedStatus,
    /// The answer says something wrong.
    WrongAnswer,
}

impl FailureKind {
    /// Every kind.
    pub(crate) const ALL: [FailureKind; 6] = [
        FailureKind::Timeout,
        FailureKind::Connect,
        FailureKind::Closed,
        FailureKind::Malformed,
        FailureKind::UnexpectedStatus,
        FailureKind::WrongAnswer,
    ];

    /// Returns the key of the report's `errors`.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureKind::Timeout => "timeout",
            FailureKind::Connect => "connect",
            FailureKind::Closed => "closed",
            FailureKind::Malformed => "malformed",
            FailureKind::UnexpectedStatus => "unexpected_status",
            FailureKind::WrongAnswer => "wrong_answer",
        }
    }
}

/// A wrong answer, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrongAnswer {
    /// The status is not the expected one.
    Status(String),
    /// The status is right and the content is wrong.
    Content(String),
}

impl WrongAnswer {
    /// Returns the kind of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            WrongAnswer::Status(_) => FailureKind::UnexpectedStatus,
            WrongAnswer::Content(_) => FailureKind::WrongAnswer,
        }
    }

    /// Returns the reason, for people.
    pub fn reason(&self) -> &str {
        match self {
            WrongAnswer::Status(reason) | WrongAnswer::Content(reason) => reason,
        }
    }
}

/// The number of right answers, or lines of batches, by rule or problem code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutcomeCounts(BTreeMap<&'static str, u64>);

impl OutcomeCounts {
    /// Adds one.
    pub fn count(&mut self, outcome: &'static str) {
        *self.0.entry(outcome).or_default() += 1;
    }

    /// Returns the outcomes that occurred.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(outcome, count)| (*outcome, *count))
    }
}

/// Distinct requests, by number, and the order in which they are sent.
pub trait Source {
    /// Returns the number of the next request.
    fn next(&mut self) -> usize;

    /// Returns the bytes of a request, head and body.
    fn bytes(&self, request: usize) -> &[u8];

    /// Returns the selections in each request: 1, or the lines of a batch.
    fn selections(&self) -> u64 {
        1
    }

    /// Checks an answer and counts its outcomes.
    ///
    /// # Errors
    /// The answer is wrong.
    fn check(
        &mut self,
        request: usize,
        answer: &Received<'_>,
        outcomes: &mut OutcomeCounts,
    ) -> Result<(), WrongAnswer>;
}

/// The same requests for a server that cannot answer them. Accepts every answer.
pub struct Unchecked<'a, S: ?Sized>(pub &'a mut S);

impl<S: Source + ?Sized> Source for Unchecked<'_, S> {
    fn next(&mut self) -> usize {
        self.0.next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.0.bytes(request)
    }

    fn check(&mut self, _: usize, _: &Received<'_>, _: &mut OutcomeCounts) -> Result<(), WrongAnswer> {
        Ok(())
    }
}
