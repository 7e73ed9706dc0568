//! The outcomes of a query: rules and error codes, with the status of their answers.

use oracle::Verdict;
use serde::{Deserialize, Serialize};
use switchboard_model::{Rule, SelectError};

/// A rule or an error code, by its name in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Outcome {
    /// An account is selected by this rule.
    Selected(Rule),
    /// No account is selected for this reason.
    Refused(SelectError),
}

impl Outcome {
    fn all() -> impl Iterator<Item = Outcome> {
        let selected = Rule::ALL.into_iter().map(Outcome::Selected);
        selected.chain(SelectError::ALL.into_iter().map(Outcome::Refused))
    }

    fn from_name(name: &str) -> Option<Outcome> {
        Outcome::all().find(|outcome| outcome.as_str() == name)
    }

    /// Returns the outcome that the oracle predicts. Returns `None` if its rule or code is unknown.
    pub(super) fn from_verdict(verdict: &Verdict<'_>) -> Option<Outcome> {
        match verdict {
            Verdict::Selected(selected) => Outcome::from_name(selected.rule),
            Verdict::Refused(code) => Outcome::from_name(code),
        }
    }

    /// Returns the name in answers, scenarios and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Selected(rule) => rule.as_str(),
            Outcome::Refused(error) => error.as_str(),
        }
    }

    /// Returns the HTTP status that the answer must have. This list is not the API's own, because the load
    /// test checks the API.
    pub(super) const fn status(self) -> u16 {
        use SelectError::*;
        match self {
            Outcome::Selected(_) => 200,
            Outcome::Refused(BadRequest | ClientRequired | InvalidPhone | InvalidCountry) => 400,
            Outcome::Refused(UnknownCompany | UnknownChannel | UnknownOu) => 404,
            Outcome::Refused(NoPool | NoAccount | NoAccountAvailable | DedicatedUnavailable) => 422,
        }
    }

    /// Returns whether a step of the fallback chain selects the account. Only then may a query exclude
    /// accounts, ask for another role, or have its current account ignored.
    pub(super) fn is_from_chain(self) -> bool {
        matches!(self, Outcome::Selected(rule) if Rule::STEPS.contains(&rule))
    }
}

impl From<Outcome> for &'static str {
    fn from(outcome: Outcome) -> &'static str {
        outcome.as_str()
    }
}

impl TryFrom<String> for Outcome {
    type Error = String;

    fn try_from(name: String) -> Result<Outcome, String> {
        Outcome::from_name(&name).ok_or_else(|| {
            let names: Vec<&str> = Outcome::all().map(Outcome::as_str).collect();
            format!("unknown outcome `{name}`, expected one of {}", names.join(", "))
        })
    }
}
