//! Where requests come from, and who judges their answers.

use crate::traffic::{Outcomes, Traffic, Wrong};
use std::time::Instant;

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Its status.
    pub status: u16,
    /// What it says that its body is.
    pub media: Media,
    /// Its body.
    pub body: &'a [u8],
    /// The place of its connection, from 0, and how many were opened there before it.
    pub place: (usize, u64),
    /// When its request was sent, at the earliest.
    pub sent: Instant,
    /// When it was read to its end.
    pub read: Instant,
}

/// A media type that answers have.
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
    /// Of a Content-Type, its parameters aside.
    pub(crate) fn of(value: &[u8]) -> Media {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let all = [Media::Json, Media::Problem, Media::Lines];
        let named = all.into_iter().find(|media| essence.eq_ignore_ascii_case(media.text().as_bytes()));
        named.unwrap_or(Media::Other)
    }

    /// As a header has it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Problem => "application/problem+json",
            Media::Lines => "application/x-ndjson",
            Media::Other => "another",
        }
    }
}

/// Distinct requests, numbered, and the order they are asked in.
pub trait Source {
    /// The number of the request to send now.
    fn next(&mut self) -> usize;

    /// Its bytes, head and body.
    fn bytes(&self, request: usize) -> &[u8];

    /// Selections in each: 1, or the lines of a batch.
    fn selections(&self) -> u64 {
        1
    }

    /// Judges an answer, and counts what came of it.
    ///
    /// # Errors
    /// Why it is not what had to be answered.
    fn check(&mut self, request: usize, answer: &Received<'_>, outcomes: &mut Outcomes) -> Result<(), Wrong>;
}

impl Source for Traffic {
    fn next(&mut self) -> usize {
        self.next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.bytes(request)
    }

    fn selections(&self) -> u64 {
        self.lines().into()
    }

    fn check(&mut self, request: usize, answer: &Received<'_>, outcomes: &mut Outcomes) -> Result<(), Wrong> {
        self.check(request, answer, outcomes)
    }
}

/// The same requests to a server that answers none of them: any answer will do.
pub struct Unjudged<'a, S>(pub &'a mut S);

impl<S: Source> Source for Unjudged<'_, S> {
    fn next(&mut self) -> usize {
        self.0.next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.0.bytes(request)
    }

    fn check(&mut self, _: usize, _: &Received<'_>, _: &mut Outcomes) -> Result<(), Wrong> {
        Ok(())
    }
}
