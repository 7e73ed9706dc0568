//! The check of an answer to one query.
//!
//! The fast path compares bytes. An answer with other bytes is parsed and compared field by field, because it
//! may have the same fields. If it has not, the comparison gives the reason.

use super::{
    expected::{CandidateAccount, Expected, ExpectedProblem, ExpectedSelection, Match},
    outcome::Outcome,
    serving_state::{PublishedGenerations, Suspensions},
};
use crate::engine::WrongAnswer;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Instant};
use switchboard_model::SelectError;

/// Number of candidates that a reason names. It counts the others.
const MAX_NAMED: usize = 5;

type Fields = Map<String, Value>;

/// Type and title of each problem code. They must be the same in every answer.
pub(super) type ProblemTitles = BTreeMap<SelectError, [Value; 2]>;

pub(super) struct CheckContext<'a> {
    pub(super) published: &'a PublishedGenerations,
    pub(super) suspensions: &'a Suspensions,
    pub(super) titles: &'a mut ProblemTitles,
    pub(super) sent: Instant,
    pub(super) read: Instant,
}

impl CheckContext<'_> {
    /// Refuses an account that was suspended when the request was sent, and until the answer was read.
    fn check_in_use(&self, account: Option<&CandidateAccount>) -> Result<(), WrongAnswer> {
        let suspended = account.and_then(|account| {
            let at = usize::try_from(account.churned?).ok()?;
            Some((account, self.suspensions.suspended_for(at, self.sent, self.read)?))
        });
        let Some((account, since)) = suspended else { return Ok(()) };
        let since = since.as_secs_f64() * 1e3;
        Err(WrongAnswer::Content(format!(
            "account {} is suspended: the suspension was acknowledged {since:.3} ms before the request was sent, and did \
             not end before the answer",
            account.id()
        )))
    }
}

/// The answers that a query may have, for each registry that is served in turn and each state of the
/// standings.
pub(super) struct ExpectedAnswers {
    registries: Box<[Box<[Expected]>]>,
    /// The client's phone, which a problem must not repeat.
    phone: Option<Box<str>>,
}

impl ExpectedAnswers {
    pub(super) fn new(registries: Vec<Vec<Expected>>, phone: Option<&str>) -> Self {
        Self { registries: registries.into_iter().map(Into::into).collect(), phone: phone.map(Into::into) }
    }

    /// Returns the outcome and the generation of a right answer. `status` is `None` for a line of a batch.
    pub(super) fn check(
        &mut self,
        status: Option<u16>,
        body: &[u8],
        context: &mut CheckContext<'_>,
    ) -> Result<(Outcome, u64), WrongAnswer> {
        let Some((head, generation)) = split_generation(body) else {
            return Err(self.without_generation(status, body));
        };
        if !context.published.has(generation) {
            return Err(WrongAnswer::Content(format!("generation {generation} was never published")));
        }
        let registry = generation.checked_rem(self.registries.len() as u64).unwrap_or_default() as usize;
        let answers = self.registries.get_mut(registry).map(|answers| &mut **answers).unwrap_or_default();
        for expected in &mut *answers {
            let outcome = expected.outcome();
            if status.is_some_and(|status| status != outcome.status()) {
                continue;
            }
            match (expected.compare(head), expected) {
                (Match::Right, _) => return Ok((outcome, generation)),
                (Match::Churned(at), Expected::Selection(selection)) => {
                    context.check_in_use(selection.candidates.get(at))?;
                    return Ok((outcome, generation));
                }
                (Match::First, _) => {
                    return self.check_other_registries(registry).map(|()| (outcome, generation));
                }
                (Match::Moved(before, now), Expected::Selection(selection)) => {
                    let id = |at| selection.candidates.get(at).map_or("", |candidate| candidate.id());
                    let (before, now) = (id(before), id(now));
                    let reason = format!(
                        "the client has {now}, but had {before} in an earlier answer, which is still available"
                    );
                    return Err(WrongAnswer::Content(reason));
                }
                _ => {}
            }
        }
        let outcome =
            parse_and_check(answers, status, (body, head, generation), self.phone.as_deref(), context)?;
        Ok((outcome, generation))
    }

    /// Checks that a client keeps its account from one registry to the other, if the same rule of the same OU
    /// and pool could select either account in both registries.
    fn check_other_registries(&self, registry: usize) -> Result<(), WrongAnswer> {
        let pinned = |at: usize| {
            let answers = self.registries.get(at).into_iter().flatten();
            answers.filter_map(|answer| match answer {
                Expected::Selection(it) => Some((it, it.candidates.get(it.pinned?)?)),
                Expected::Problem(_) => None,
            })
        };
        for (here, now) in pinned(registry) {
            for (there, before) in (0..self.registries.len()).filter(|at| *at != registry).flat_map(pinned) {
                let could =
                    here.rest == there.rest && there.candidates.has(now) && here.candidates.has(before);
                if could && now.start != before.start {
                    let (before, now) = (before.id(), now.id());
                    return Err(WrongAnswer::Content(format!(
                        "the client has {now}, but had {before} in another generation, and both generations have both \
                         accounts"
                    )));
                }
            }
        }
        Ok(())
    }

    fn without_generation(&self, status: Option<u16>, body: &[u8]) -> WrongAnswer {
        let wanted = self.registries.iter().flatten().map(|expected| expected.outcome().status());
        match status {
            Some(status) if wanted.clone().all(|wanted| wanted != status) => {
                wrong_status(status, wanted.min().unwrap_or_default(), body)
            }
            _ => WrongAnswer::Content(format!("no generation at the end: {}", String::from_utf8_lossy(body))),
        }
    }
}

pub(super) fn wrong_status(status: u16, wanted: u16, body: &[u8]) -> WrongAnswer {
    WrongAnswer::Status(format!("{status}, not {wanted}: {}", String::from_utf8_lossy(body)))
}

/// Splits an answer into the bytes before the digits of the generation, and the generation.
fn split_generation(body: &[u8]) -> Option<(&[u8], u64)> {
    let open = body.strip_suffix(b"}")?;
    let digits = open.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (head, digits) = open.split_at_checked(open.len() - digits)?;
    if !head.ends_with(b"\"generation\":") || digits.first() == Some(&b'0') && digits.len() > 1 {
        return None;
    }
    Some((head, str::from_utf8(digits).ok()?.parse().ok()?))
}

/// Checks an answer whose bytes match no expected answer.
fn parse_and_check(
    answers: &mut [Expected],
    status: Option<u16>,
    (body, head, generation): (&[u8], &[u8], u64),
    phone: Option<&str>,
    context: &mut CheckContext<'_>,
) -> Result<Outcome, WrongAnswer> {
    let fields: Result<Fields, _> = serde_json::from_slice(body);
    let mut first_reason = None;
    for expected in answers {
        let wanted = expected.outcome().status();
        if let Some(status) = status.filter(|status| *status != wanted) {
            first_reason.get_or_insert_with(|| wrong_status(status, wanted, body));
            continue;
        }
        let checked = match (&fields, &mut *expected) {
            (Err(error), _) => Err(format!("not a JSON object: {error}: {}", String::from_utf8_lossy(body))),
            (Ok(fields), Expected::Selection(selection)) => check_selection(selection, fields, generation),
            (Ok(fields), Expected::Problem(problem)) => {
                let checked = check_problem(problem, fields, generation, phone, context.titles);
                checked.map(|()| {
                    problem.known = Some(head.into());
                    None
                })
            }
        };
        match checked {
            Ok(candidate) => {
                context.check_in_use(candidate)?;
                return Ok(expected.outcome());
            }
            Err(reason) => {
                first_reason.get_or_insert(WrongAnswer::Content(reason));
            }
        }
    }
    Err(first_reason.unwrap_or_else(|| WrongAnswer::Content("no answer is expected".to_owned())))
}

fn check_selection<'e>(
    selection: &'e ExpectedSelection,
    fields: &Fields,
    generation: u64,
) -> Result<Option<&'e CandidateAccount>, String> {
    let Some(id) = fields.get("account").and_then(Value::as_str) else {
        return Err(format!("no account, but {}, for the rule {}", shown(fields), selection.rule.as_str()));
    };
    let all = &selection.candidates.0;
    let Some(candidate) = all.iter().find(|candidate| candidate.id() == id) else {
        let mut named: Vec<&str> = all.iter().take(MAX_NAMED).map(|candidate| candidate.id()).collect();
        let more = format!("and {} more", all.len().saturating_sub(MAX_NAMED));
        if all.len() > MAX_NAMED {
            named.push(&more);
        }
        let rest = String::from_utf8_lossy(&selection.rest);
        return Err(format!("account {id} is not one of {}, …{rest}: {}", named.join(", "), shown(fields)));
    };
    let wanted = [&*candidate.start, &selection.rest, format!("{generation}}}").as_bytes()].concat();
    let wanted: Fields = serde_json::from_slice(&wanted).map_err(|error| error.to_string())?;
    compare(fields, &wanted).map(|()| Some(candidate))
}

fn check_problem(
    problem: &ExpectedProblem,
    fields: &Fields,
    generation: u64,
    phone: Option<&str>,
    titles: &mut ProblemTitles,
) -> Result<(), String> {
    let code = problem.code.as_str();
    // A text for people may be any, but not empty.
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Value::from(text.as_str()),
        _ => Value::from("a text for people"),
    };
    let wanted = [
        ("type", text("type")),
        ("title", text("title")),
        ("status", Value::from(Outcome::Refused(problem.code).status())),
        ("detail", text("detail")),
        ("code", Value::from(code)),
        ("generation", Value::from(generation)),
    ];
    compare(fields, &wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())?;
    let digits = phone.map(|phone| phone.trim_start_matches('+')).filter(|digits| digits.len() >= 5);
    if digits.is_some_and(|digits| shown(fields).contains(digits)) {
        return Err("the problem repeats the client's phone number".to_owned());
    }
    let named = ["type", "title"].map(|name| fields.get(name).cloned().unwrap_or_default());
    let before = titles.entry(problem.code).or_insert_with(|| named.clone());
    if *before != named {
        return Err(format!("{code} had {before:?} in an earlier answer: {}", shown(fields)));
    }
    Ok(())
}

/// Compares every field and the order of the fields.
fn compare(fields: &Fields, wanted: &Fields) -> Result<(), String> {
    let mut reasons: Vec<String> = wanted
        .iter()
        .filter_map(|(name, value)| match fields.get(name) {
            Some(other) if other == value => None,
            Some(other) => Some(format!("{name} is {other}, not {value}")),
            None => Some(format!("{name} is missing, not {value}")),
        })
        .collect();
    let more = fields.keys().filter(|name| !wanted.contains_key(*name));
    reasons.extend(more.map(|name| format!("{name} is unexpected")));
    if reasons.is_empty() && !fields.keys().eq(wanted.keys()) {
        reasons.push("its fields are in another order".to_owned());
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(format!("{}; {}", reasons.join("; "), shown(fields)))
}

fn shown(fields: &Fields) -> String {
    Value::from(fields.clone()).to_string()
}
