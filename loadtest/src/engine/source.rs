//! The interface between the sender and the source of requests, which also checks the answers.

use std::{collections::BTreeMap, time::Instant};
use switchboard_client::Media;

/// An answer of the server, with its times.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// HTTP status of the answer.
    pub status: u16,
    /// Media type of the body.
    pub media: Media,
    /// Body of the answer without its head.
    pub body: &'a [u8],
    /// Number of the connection from 0, and the number of connections that had this number before.
    pub connection: (usize, u64),
    /// Time just before the request was sent.
    pub sent: Instant,
    /// Time at which the answer had been read to its end.
    pub read: Instant,
}

switchboard_model::text_enum! {
    /// Why a request has no right answer.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum FailureKind {
        /// The answer did not arrive within the time-out.
        Timeout => "timeout",
        /// The connection could not be opened.
        Connect => "connect",
        /// The connection closed before the whole answer arrived.
        Closed => "closed",
        /// The answer is not valid HTTP/1.1, or has no `Content-Length`.
        Malformed => "malformed",
        /// The status differs from the expected one.
        UnexpectedStatus => "unexpected_status",
        /// The content differs from the expected one.
        WrongAnswer => "wrong_answer",
    }
}

/// A wrong answer and the reason for this verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrongAnswer {
    /// The status differs from the expected one.
    Status(String),
    /// The status is right, and the content is wrong.
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

    /// Returns the reason in words.
    pub fn reason(&self) -> &str {
        match self {
            WrongAnswer::Status(reason) | WrongAnswer::Content(reason) => reason,
        }
    }
}

/// Numbers of right answers, or of right lines of batches, by rule or problem code.
pub type OutcomeCounts = BTreeMap<&'static str, u64>;

/// Distinct requests with numbers, and the order in which they are sent.
pub trait Source {
    /// Returns the number of the next request.
    fn next(&mut self) -> usize;

    /// Returns the bytes of a request with head and body.
    fn bytes(&self, request: usize) -> &[u8];

    /// Adds a header, with the end of its line, to every request.
    fn add_header(&mut self, header: &str);

    /// Returns the number of selections of each request: 1, or the number of lines of a batch.
    fn selections(&self) -> u64 {
        1
    }

    /// Checks an answer and adds its outcomes.
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

/// A source with the same requests that accepts every answer. For the null server.
pub struct Unchecked<'a, S: ?Sized>(pub &'a mut S);

impl<S: Source + ?Sized> Source for Unchecked<'_, S> {
    fn next(&mut self) -> usize {
        self.0.next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.0.bytes(request)
    }

    fn add_header(&mut self, header: &str) {
        self.0.add_header(header);
    }

    fn check(&mut self, _: usize, _: &Received<'_>, _: &mut OutcomeCounts) -> Result<(), WrongAnswer> {
        Ok(())
    }
}
