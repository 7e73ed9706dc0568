//! Counts the cases that a run covers. A run that misses a case proves too little and fails.

use std::collections::BTreeMap;

use switchboard_model::{Rule, SelectError};
use switchboard_select::{Availability, CurrentIgnored};

/// Returns every case that a run must cover: its kind and its name.
fn required_cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    let others: [(&str, &[&str]); 5] = [
        ("climbed", &["0", "1", "2", "3+"]),
        ("outcome", &["chosen"]),
        ("explained", &["selection", "problem", "no chain"]),
        ("client", &["guessed", "conflict", "no country"]),
        ("equals", &["1", "2+"]),
    ];
    Rule::ALL
        .map(|rule| ("rule", rule.as_str()))
        .into_iter()
        .chain(SelectError::ALL.map(|error| ("problem", error.as_str())))
        .chain(CurrentIgnored::ALL.map(|ignored| ("current_ignored", ignored.as_str())))
        .chain(Availability::ALL.map(|availability| ("outcome", availability.as_str())))
        .chain(others.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, *name))))
}

/// Number of times that each case occurred.
#[derive(Debug, Default)]
pub struct Coverage(BTreeMap<(&'static str, String), u64>);

impl Coverage {
    /// Counts an occurrence of a case.
    pub fn count(&mut self, what: &'static str, which: impl Into<String>) {
        *self.0.entry((what, which.into())).or_default() += 1;
    }

    /// Returns the cases that never occurred.
    pub fn missing(&self) -> Vec<String> {
        required_cases()
            .filter(|(what, which)| !self.0.contains_key(&(*what, (*which).to_owned())))
            .map(|(what, which)| format!("{what} {which}"))
            .collect()
    }

    /// Returns a line for each case, with its count.
    pub fn table(&self) -> String {
        self.0.iter().map(|((what, which), times)| format!("{times:>9}  {what} {which}\n")).collect()
    }
}
