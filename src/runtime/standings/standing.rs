//! A standing: what an administrator says of an account while the daemon runs.

use serde_json::{Map, Value};

use switchboard_model::Condition;
use switchboard_model::rfc3339;

/// Most bytes of a reason.
pub const LONGEST_REASON: usize = 1024;

/// Whose standing it is, by ids: they outlive the snapshot that an account is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The company's id.
    pub company: Box<str>,
    /// The account's id.
    pub account: Box<str>,
}

/// An account's live condition, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Draining or suspended.
    pub condition: Condition,
    /// For people.
    pub reason: Box<str>,
    /// When it ends by itself.
    pub until: Option<Until>,
}

/// When a standing ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// As it was written: RFC 3339.
    pub text: Box<str>,
    /// Unix milliseconds.
    pub at: i64,
}

/// How many standings there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Accounts that keep the clients they have.
    pub draining: usize,
    /// Accounts that are never selected.
    pub suspended: usize,
    /// Standings of accounts that the snapshot in service does not have: kept for when they come back.
    pub waiting: usize,
}

/// Why a standing is not told or not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no snapshot yet that could know the account.
    NoSnapshot,
    /// The snapshot of this generation has no such company.
    UnknownCompany(u64),
    /// The company has no such account in the snapshot of this generation.
    UnknownAccount(u64),
    /// It would have ended before it began.
    Ended,
    /// Another process holds the journal.
    Following,
    /// The journal cannot be written, and why.
    Journal(String),
}

/// A standing's fields as JSON has them: any other, or one twice, is an error.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    standing: Option<Value>,
    reason: Option<Value>,
    until: Option<Value>,
}

impl Standing {
    /// Reads one from JSON: `{"standing":"draining"|"suspended","reason":"…","until":"RFC 3339"}`, of
    /// which `until` may be left out.
    ///
    /// # Errors
    /// Which field is wrong and what was expected; nothing of the body is repeated.
    pub fn from_json(body: &[u8]) -> Result<Standing, &'static str> {
        let fields = serde_json::from_slice(body).map_err(
            |_| "the body: expected a JSON object with standing, reason and perhaps until, each of them once",
        )?;
        Standing::from_fields(fields)
    }

    pub(super) fn from_fields(fields: Fields) -> Result<Standing, &'static str> {
        let Fields { standing, reason, until } = fields;
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let condition = text(&standing).and_then(|text| Condition::parse(&text));
        let condition = condition.filter(|condition| *condition != Condition::Active).ok_or(
            "standing: expected draining or suspended; to make an account active again, DELETE its standing",
        )?;
        let reason = text(&reason).filter(|it| !it.trim().is_empty() && it.len() <= LONGEST_REASON);
        let reason = reason.ok_or("reason: expected a text of at most 1024 bytes that says why")?;
        let until = match until {
            None => None,
            some => Some(text(&some).and_then(Until::parse).ok_or(
                "until: expected an RFC 3339 date, or date-time with its offset, such as 2026-03-01T08:00:00Z",
            )?),
        };
        Ok(Standing { condition, reason: reason.into(), until })
    }

    /// As JSON: the fields that it was read from.
    pub fn fields(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("standing".into(), self.condition.as_str().into());
        object.insert("reason".into(), (*self.reason).into());
        if let Some(until) = &self.until {
            object.insert("until".into(), (*until.text).into());
        }
        object
    }

    /// Whether it has ended by `now` (Unix milliseconds).
    pub fn has_ended(&self, now: i64) -> bool {
        self.until.as_ref().is_some_and(|until| until.at <= now)
    }
}

impl Until {
    fn parse(text: String) -> Option<Until> {
        let at = rfc3339::milliseconds(&text)?;
        Some(Until { text: text.into(), at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            r#"{"standing":"draining","reason":"number under review"}"#,
            r#"{"standing":"suspended","reason":"Überlast \"7\"","until":"2026-12-01T00:00:00+01:00"}"#,
        ] {
            let standing = Standing::from_json(text.as_bytes()).unwrap();
            assert_eq!(Value::from(standing.fields()).to_string(), text);
        }
        // As many serializers write what there is none of.
        let null = Standing::from_json(br#"{"standing":"draining","reason":"x","until":null}"#);
        assert_eq!(null.unwrap().until, None);
        let ends =
            Standing::from_json(br#"{"standing":"draining","reason":"x","until":"1970-01-01T00:00:01Z"}"#);
        assert!(ends.as_ref().unwrap().has_ended(1_000) && !ends.unwrap().has_ended(999));
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        for (body, field) in [
            ("", "the body"),
            ("[]", "the body"),
            ("{\"standing\":", "the body"),
            (r#"{}"#, "standing"),
            (r#"{"standing":"active","reason":"x"}"#, "standing"),
            (r#"{"standing":"447400123456","reason":"x"}"#, "standing"),
            (r#"{"standing":7,"reason":"x"}"#, "standing"),
            (r#"{"standing":"draining"}"#, "reason"),
            (r#"{"standing":"draining","reason":" "}"#, "reason"),
            (r#"{"standing":"draining","reason":null}"#, "reason"),
            (r#"{"standing":"draining","reason":"x","until":"447400123456"}"#, "until"),
            (r#"{"standing":"draining","reason":"x","until":1}"#, "until"),
            (r#"{"standing":"draining","reason":"x","447400123456":1}"#, "the body"),
            (r#"{"standing":"draining","reason":"x","reason":"y"}"#, "the body"),
        ] {
            let message = Standing::from_json(body.as_bytes()).unwrap_err();
            assert!(message.starts_with(field) && !message.contains("447400"), "{body}: {message}");
        }
        let long = format!(r#"{{"standing":"draining","reason":"{}"}}"#, "x".repeat(LONGEST_REASON + 1));
        assert!(Standing::from_json(long.as_bytes()).is_err());
    }
}
