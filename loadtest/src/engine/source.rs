//! Where requests come from, and who judges their answers.

use crate::traffic::{Outcomes, Traffic, Wrong};

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
    fn check(
        &mut self,
        request: usize,
        status: u16,
        body: &[u8],
        outcomes: &mut Outcomes,
    ) -> Result<(), Wrong>;
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

    fn check(
        &mut self,
        request: usize,
        status: u16,
        body: &[u8],
        outcomes: &mut Outcomes,
    ) -> Result<(), Wrong> {
        self.check(request, status, body, outcomes)
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

    fn check(&mut self, _: usize, _: u16, _: &[u8], _: &mut Outcomes) -> Result<(), Wrong> {
        Ok(())
    }
}
