//! What a request may be answered, ready to be compared byte by byte.

use super::{
    candidates::{Candidates, Sets},
    kind::Kind,
};
use oracle::{Selected, Verdict};
use std::sync::Arc;

/// One thing that a request may be answered.
#[derive(PartialEq)]
pub(super) enum Answer {
    /// An account.
    Selection(Selection),
    /// None.
    Problem(Problem),
}

/// A selection, but for which of the equals it is, and for the generation's digits.
#[derive(PartialEq)]
pub(super) struct Selection {
    pub(super) rule: Kind,
    pub(super) candidates: Arc<Candidates>,
    /// What follows the account's own fields: from the rule to `"generation":`.
    pub(super) rest: Box<[u8]>,
    /// The query names a client or a phone: it must get the same account whenever it asks.
    pub(super) keyed: bool,
    /// That account, once it was answered, among the candidates.
    pub(super) pinned: Option<u32>,
}

/// A problem.
#[derive(PartialEq)]
pub(super) struct Problem {
    pub(super) code: Kind,
    /// Up to `"generation":`, once such an answer was read and found right: its texts for people are the
    /// daemon's own.
    pub(super) known: Option<Box<[u8]>>,
}

/// What the bytes say, looked at from one answer that may be.
pub(super) enum Seen {
    Right,
    /// The right one, where this account, among the candidates, is in use: its standing changes.
    Churned(u32),
    /// The right one, and the first from which the client's account is known.
    First,
    /// The right one for this request, but it had another before: both, among the candidates.
    Moved(u32, u32),
    /// To be read before anything can be said.
    Other,
}

impl Answer {
    /// What the oracle came to; none where it speaks of a rule that there is not.
    pub(super) fn of<'a>(verdict: &Verdict<'a>, keyed: bool, sets: &mut Sets<'a>) -> Option<Answer> {
        let kind = Kind::of(verdict)?;
        Some(match verdict {
            Verdict::Refused(_) => Answer::Problem(Problem { code: kind, known: None }),
            Verdict::Selected(selected) => Answer::Selection(Selection {
                rule: kind,
                candidates: sets.of(&selected.company.id, &selected.candidates, selected.found.is_some()),
                rest: rest(selected).into_bytes().into(),
                keyed,
                pinned: None,
            }),
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Answer::Selection(selection) => selection.rule,
            Answer::Problem(problem) => problem.code,
        }
    }

    /// Looks at an answer's bytes up to the generation's digits.
    pub(super) fn see(&mut self, head: &[u8]) -> Seen {
        match self {
            Answer::Selection(selection) => selection.see(head),
            Answer::Problem(problem) if problem.known.as_deref() == Some(head) => Seen::Right,
            Answer::Problem(_) => Seen::Other,
        }
    }
}

impl Selection {
    fn see(&mut self, head: &[u8]) -> Seen {
        let Some(account) = head.strip_suffix(&*self.rest) else { return Seen::Other };
        if let Some(candidate) = self.pinned.and_then(|at| self.candidates.get(at))
            && candidate.start() == account
        {
            return Seen::Right;
        }
        let found = self.candidates.find(account);
        let Some((at, candidate)) = found.and_then(|at| Some((at, self.candidates.get(at)?))) else {
            return Seen::Other;
        };
        if candidate.start() != account {
            return Seen::Other;
        }
        self.hold(at, candidate.churned.is_some())
    }

    /// The account that is answered, held to the one before. One whose standing changes comes and goes with it.
    pub(super) fn hold(&mut self, at: u32, churned: bool) -> Seen {
        if churned {
            return Seen::Churned(at);
        }
        if !self.keyed {
            return Seen::Right;
        }
        match self.pinned {
            Some(before) if before != at => Seen::Moved(before, at),
            Some(_) => Seen::Right,
            None => {
                self.pinned = Some(at);
                Seen::First
            }
        }
    }
}

/// From the rule to `"generation":`.
fn rest(selected: &Selected<'_>) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut rest = format!(",\"rule\":\"{}\"", selected.rule);
    if let Some(found) = &selected.found {
        let (ou, pool, climbed) = (text(found.ou), text(found.pool), found.climbed);
        rest += &format!(",\"ou\":{ou},\"pool\":{pool},\"climbed\":{climbed}");
    }
    if let Some(country) = selected.client_country {
        rest += &format!(",\"client_country\":\"{country}\"");
    }
    if let Some(ignored) = selected.current_ignored {
        rest += &format!(",\"current_ignored\":\"{ignored}\"");
    }
    rest + ",\"generation\":"
}
