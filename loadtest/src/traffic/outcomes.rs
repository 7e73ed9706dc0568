//! Answers by what they came to.

use std::collections::BTreeMap;

/// How many answers, or lines of batches, came to each rule or problem code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes(BTreeMap<&'static str, u64>);

impl Outcomes {
    /// One more.
    pub fn count(&mut self, outcome: &'static str) {
        *self.0.entry(outcome).or_default() += 1;
    }

    /// Those that occurred.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(outcome, count)| (*outcome, *count))
    }
}
