//! Where requests come from, and who judges their answers.

use std::collections::BTreeMap;

/// Distinct requests, numbered, and the order they are asked in.
pub trait Source {
    /// The number of the request to send next.
    fn next(&mut self) -> usize;

    /// Its bytes, head and body.
    fn bytes(&self, request: usize) -> &[u8];

    /// Selections in it: 1, or the lines of a batch.
    fn selections(&self, request: usize) -> u64 {
        let _ = request;
        1
    }

    /// Judges an answer, and counts what came of it under its rule or code.
    ///
    /// # Errors
    /// In words, why it is not what had to be answered.
    fn check(
        &mut self,
        request: usize,
        status: u16,
        body: &[u8],
        outcomes: &mut BTreeMap<&'static str, u64>,
    ) -> Result<(), Wrong>;
}

/// Why an answer is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Another status than had to come.
    Status(String),
    /// The right status, and something else in the body than had to be there.
    Answer(String),
}
