//! Counts the cases that a run covers. A run that misses a case proves too little and fails.

use std::collections::BTreeMap;

/// Every case that a run must cover.
const WANTED: &[(&str, &[&str])] = &[
    ("rule", &["current", "dedicated", "country", "calling_code", "geography", "default_region"]),
    (
        "problem",
        &[
            "bad_request",
            "client_required",
            "invalid_phone",
            "invalid_country",
            "unknown_company",
            "unknown_channel",
            "unknown_ou",
            "no_pool",
            "no_account",
            "no_account_available",
            "dedicated_unavailable",
        ],
    ),
    (
        "current_ignored",
        &["unknown", "other_channel", "other_role", "suspended", "excluded", "resting", "not_in_chain"],
    ),
    ("climbed", &["0", "1", "2", "3+"]),
    ("outcome", &["chosen", "available", "draining", "suspended", "excluded", "resting"]),
    ("explained", &["selection", "problem", "no chain"]),
    ("client", &["guessed", "conflict", "no country"]),
    ("equals", &["1", "2+"]),
];

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
        let all = WANTED.iter().flat_map(|(what, which)| which.iter().map(move |which| (*what, *which)));
        all.filter(|(what, which)| !self.0.contains_key(&(*what, (*which).to_owned())))
            .map(|(what, which)| format!("{what} {which}"))
            .collect()
    }

    /// Returns a line for each case, with its count.
    pub fn table(&self) -> String {
        self.0.iter().map(|((what, which), times)| format!("{times:>9}  {what} {which}\n")).collect()
    }
}
