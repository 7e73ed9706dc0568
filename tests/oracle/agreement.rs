//! Compares the answers of a snapshot with those of the oracle.

use std::collections::BTreeMap;

use oracle::{Client, Explained, Oracle, Query, Selected, Step, Verdict};
use serde_json::{Map, Value, json};
use switchboard_model::Region;

use super::coverage::Coverage;
use super::subject::Subject;

/// Maximum number of candidates that explain lists in one step.
const LISTED: usize = 50;

/// A snapshot in service, and an oracle over the registry that it was compiled from.
pub struct Trial<'a> {
    pub oracle: &'a Oracle<'a>,
    pub subject: &'a Subject,
    pub generation: u64,
}

type Agreed<T = ()> = Result<T, String>;

/// Returns an error with a text unless the condition holds.
macro_rules! agree {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

impl Trial<'_> {
    /// Compares every field of the answer of select with the verdict. Returns the selected account, if there
    /// is one.
    pub fn select(&self, query: &Query, now: i64, coverage: &mut Coverage) -> Agreed<Option<String>> {
        let (status, body) = self.subject.select(&query.text(), now);
        match self.oracle.answer(query, now) {
            Verdict::Refused(code) => {
                coverage.count("problem", code);
                self.problem(code, query, status, &body)?;
                Ok(None)
            }
            Verdict::Selected(selected) => {
                count(&selected, coverage);
                agree!(status == 200, "status {status}, not 200: {body}");
                Ok(Some(self.selection(&selected, query, &body)?))
            }
        }
    }

    /// Compares the answer of explain with the verdict and the steps. `picked` is the account that select
    /// picked.
    pub fn explain(&self, query: &Query, now: i64, picked: Option<&str>, coverage: &mut Coverage) -> Agreed {
        let (status, body) = self.subject.explain(&query.text(), now);
        let (client, verdict, own, steps) = match self.oracle.steps(query, now) {
            Explained::Refused(code) => {
                coverage.count("explained", "no chain");
                return self.problem(code, query, status, &body);
            }
            Explained::Walked(client, verdict, own, steps) => (client, verdict, own, steps),
        };
        agree!(status == 200, "explain has status {status}, not 200: {body}");
        agree!(body["generation"] == self.generation, "explain is of another generation: {body}");
        self::client(&client, &body["client"], coverage)?;
        let chosen = match &verdict {
            Verdict::Refused(code) => {
                coverage.count("explained", "problem");
                agree!(body.get("selection").is_none(), "explain selects, and must not: {body}");
                self.problem(code, query, status_of(code), &body["problem"])?;
                None
            }
            Verdict::Selected(selected) => {
                coverage.count("explained", "selection");
                agree!(body.get("problem").is_none(), "explain has a problem, and must not: {body}");
                let account = self.selection(selected, query, &body["selection"])?;
                agree!(
                    !query.keyed() || picked == Some(&*account),
                    "explain selects {account}, select {picked:?}"
                );
                selected.step.map(|step| (step, account))
            }
        };
        let selected = body["selection"]["account"].as_str();
        match (&query.user, own) {
            (None, _) => {
                agree!(body.get("user").is_none(), "explain has a user that was not asked for: {body}")
            }
            (Some(_), None) => {
                coverage.count("user", "none");
                agree!(body["user"]["outcome"] == "none", "the user has no account: {body}");
                agree!(body["user"].get("account").is_none(), "the user has no account: {body}");
            }
            (Some(_), Some((own, outcome))) => {
                let outcome = if selected == Some(&*own.id) { "chosen" } else { outcome };
                coverage.count("user", outcome);
                outcome_of(&body["user"], outcome)?;
                agree!(body["user"]["account"] == *own.id, "the user has {}: {body}", own.id);
            }
        }
        let shown = body["steps"].as_array().ok_or_else(|| format!("explain has no steps: {body}"))?;
        agree!(shown.len() == steps.len(), "explain has {} steps, not {}: {body}", shown.len(), steps.len());
        for (at, ((step, outcomes), shown)) in steps.iter().zip(shown).enumerate() {
            let chosen = chosen.as_ref().filter(|(step, _)| *step == at).map(|(_, account)| account.as_str());
            self::step(step, outcomes, chosen, shown, coverage)
                .map_err(|why| format!("step {at}: {why}: {shown}"))?;
        }
        Ok(())
    }

    /// Checks that an answer has every expected field and no other. Returns the account.
    fn selection(&self, selected: &Selected<'_>, query: &Query, body: &Value) -> Agreed<String> {
        let id = body["account"].as_str().ok_or_else(|| format!("no account: {body}"))?;
        let account = selected.candidates.iter().find(|account| *account.id == *id);
        let account = account.ok_or_else(|| {
            let ids: Vec<&str> = selected.candidates.iter().map(|account| &*account.id).collect();
            format!("{id} is none of {ids:?}: {body}")
        })?;
        let found = selected.found.as_ref();
        let wanted = [
            ("account", Some(json!(id))),
            ("address", Some(json!(account.address))),
            ("channel", Some(json!(query.channel))),
            ("role", account.role.filter(|_| found.is_some()).map(|role| json!(role.as_str()))),
            ("country", account.country.map(text)),
            ("rule", Some(json!(selected.rule))),
            ("ou", found.map(|found| json!(found.ou))),
            ("pool", found.map(|found| json!(found.pool))),
            ("climbed", found.map(|found| json!(found.climbed))),
            ("client_country", selected.client_country.map(text)),
            ("current_ignored", selected.current_ignored.map(|reason| json!(reason))),
            ("generation", Some(json!(self.generation))),
        ];
        let wanted: Map<String, Value> =
            wanted.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        agree!(body.as_object() == Some(&wanted), "{body}\nmust be\n{}", Value::from(wanted));
        Ok(id.to_owned())
    }

    fn problem(&self, code: &str, query: &Query, status: u16, body: &Value) -> Agreed {
        agree!(body["code"] == code, "{status} {body}\nmust be the problem {code}");
        agree!(status == status_of(code) && body["status"] == status, "{code} has status {status}: {body}");
        for member in ["type", "title", "detail"] {
            agree!(body[member].is_string(), "a problem without {member}: {body}");
        }
        let generation = body.get("generation");
        agree!(
            generation.map_or(code == "bad_request", |one| *one == self.generation),
            "a problem of another generation: {body}"
        );
        let digits = query.phone.as_deref().map(|phone| phone.trim_start_matches('+')).unwrap_or_default();
        agree!(
            digits.len() < 5 || !body.to_string().contains(digits),
            "a problem that contains the phone: {body}"
        );
        Ok(())
    }
}

fn status_of(code: &str) -> u16 {
    match code {
        "bad_request" | "client_required" | "invalid_phone" | "invalid_country" => 400,
        "unknown_company" | "unknown_channel" | "unknown_ou" => 404,
        _ => 422,
    }
}

fn text(region: Region) -> Value {
    Value::from(region.alpha2())
}

/// Compares the statements of explain about the client with those of the oracle. An absent flag means false.
fn client(client: &Client, shown: &Value, coverage: &mut Coverage) -> Agreed {
    let flag = |what: &str| shown.get(what).and_then(Value::as_bool).unwrap_or(false);
    let country = shown.get("country").filter(|country| !country.is_null());
    agree!(
        country == client.country.map(text).as_ref(),
        "the client's country is {:?}: {shown}",
        client.country
    );
    agree!(shown["source"] == client.source, "the country's source is the {}: {shown}", client.source);
    for (what, known) in [("guessed", client.guessed), ("conflict", client.conflict)] {
        agree!(known.is_none_or(|known| flag(what) == known), "{what} is {known:?}: {shown}");
        if known == Some(true) {
            coverage.count("client", what);
        }
    }
    if client.country.is_none() {
        coverage.count("client", "no country");
    }
    Ok(())
}

/// Compares a step of explain with that of the oracle.
fn step(
    step: &Step<'_>,
    outcomes: &[&'static str],
    chosen: Option<&str>,
    shown: &Value,
    coverage: &mut Coverage,
) -> Agreed {
    let same = shown["rule"] == step.rule
        && shown["ou"] == step.ou
        && shown["pool"] == step.pool
        && shown["country"] == text(step.country)
        && shown["climbed"] == step.climbed;
    let (rule, ou, pool, climbed) = (step.rule, step.ou, step.pool, step.climbed);
    agree!(same, "must be {rule} of {pool} at {ou}, {climbed} up, {:?}", step.country);

    let mut wanted: BTreeMap<&str, &str> =
        step.accounts.iter().zip(outcomes).map(|(account, outcome)| (&*account.id, *outcome)).collect();
    if let Some(chosen) = chosen {
        wanted.insert(chosen, "chosen");
    }
    let listed = shown["candidates"].as_array().ok_or("no candidates")?;
    let more = shown.get("more").and_then(Value::as_u64).unwrap_or(0);
    agree!(listed.len() == wanted.len().min(LISTED), "{} candidates of {}", listed.len(), wanted.len());
    agree!(more as usize == wanted.len().saturating_sub(LISTED), "{more} more of {}", wanted.len());
    for candidate in listed {
        let account = candidate["account"].as_str().ok_or("a candidate without account")?;
        // Removed, so that a second entry of the account fails.
        let outcome = wanted.remove(account).ok_or_else(|| format!("{account} is none of its candidates"))?;
        outcome_of(candidate, outcome)?;
        coverage.count("outcome", outcome);
    }
    Ok(())
}

/// Checks the outcome of an account, and that `by` is there where someone restricts the account.
fn outcome_of(shown: &Value, outcome: &str) -> Agreed {
    let by = shown.get("by").and_then(Value::as_str);
    let is_restricted = matches!(outcome, "draining" | "suspended");
    agree!(shown["outcome"] == outcome, "must be {outcome}: {shown}");
    agree!(by.is_some() == is_restricted, "`by` belongs to draining and suspended accounts: {shown}");
    agree!(by.is_none_or(|by| ["registry", "standing"].contains(&by)), "by whom? {shown}");
    Ok(())
}

fn count(selected: &Selected<'_>, coverage: &mut Coverage) {
    coverage.count("rule", selected.rule);
    coverage.count("equals", if selected.candidates.len() == 1 { "1" } else { "2+" });
    if let Some(reason) = selected.current_ignored {
        coverage.count("current_ignored", reason);
    }
    if let Some(found) = &selected.found {
        coverage
            .count("climbed", if found.climbed < 3 { found.climbed.to_string() } else { "3+".to_owned() });
    }
}
