//! A standing: an account's condition as set by an administrator while the daemon runs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use switchboard_model::{Condition, UnixMillis};

/// Maximum length of a reason.
pub const MAX_REASON_BYTES: usize = 1024;

/// The ids of an account, which outlive the snapshot that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// The company's id.
    pub company: Box<str>,
    /// The account's id.
    pub account: Box<str>,
}

/// An account's live condition and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The condition: draining or suspended.
    pub condition: Condition,
    /// Why, in words for people.
    pub reason: Box<str>,
    /// When the standing ends by itself, if it does.
    pub until: Option<Until>,
}

/// The end of a standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// The time as it was written, in RFC 3339.
    pub text: Box<str>,
    /// The time.
    pub at: UnixMillis,
}

/// Numbers of standings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandingCounts {
    /// Accounts that keep the clients they have.
    pub draining: usize,
    /// Accounts that are never selected.
    pub suspended: usize,
    /// Standings of accounts that the snapshot in service does not have. They apply when the account comes back.
    pub waiting: usize,
}

/// Why a standing cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StandingError {
    /// No snapshot is in service.
    #[error("no snapshot is in service")]
    NoSnapshot,
    /// The snapshot of this generation has no such company.
    #[error("generation {0} has no such company")]
    UnknownCompany(u64),
    /// The company has no such account in the snapshot of this generation.
    #[error("the company has no such account in generation {0}")]
    UnknownAccount(u64),
    /// The standing's end has passed.
    #[error("the standing has ended")]
    Ended,
    /// Another process holds the journal.
    #[error("another process holds the journal")]
    Following,
    /// The journal cannot be written; the system's error.
    #[error("{0}")]
    Journal(String),
}

/// Something that happened to the standings.
#[derive(Debug)]
pub enum StandingsEvent<'a> {
    /// A standing was set.
    Set {
        /// The account.
        key: &'a AccountKey,
        /// The new standing.
        standing: &'a Standing,
    },
    /// A standing was removed.
    Removed {
        /// The account.
        key: &'a AccountKey,
        /// Whether the standing ended by itself.
        expired: bool,
    },
    /// The journal was opened for writing.
    Opened {
        /// Number of standings in the journal.
        standings: usize,
        /// Number of bytes after the last whole record, which were cut off.
        torn: usize,
        /// Line numbers of the damaged records.
        damaged: &'a [usize],
        /// Where a damaged journal was copied to.
        damaged_copy: Option<&'a Path>,
    },
    /// Another process holds the journal. Its changes are followed, and none are made here.
    Following,
    /// The journal cannot be read or written.
    Failed {
        /// Why.
        error: &'a io::Error,
    },
}

/// Receives every event, on the thread that it happens on.
pub type StandingsObserver = Arc<dyn Fn(&StandingsEvent<'_>) + Send + Sync>;

/// Why JSON is no standing: the field that is wrong and what was expected. No content of the JSON is
/// repeated, because it may hold personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStanding {
    /// Not a JSON object, an unknown field, or a field twice.
    #[error("the body: expected a JSON object with standing, reason and perhaps until, each of them once")]
    Body,
    /// The condition.
    #[error("standing: expected draining or suspended; to make an account active again, DELETE its standing")]
    Condition,
    /// The reason.
    #[error("reason: expected a text of at most 1024 bytes that says why")]
    Reason,
    /// The end.
    #[error("until: expected an RFC 3339 date, or date-time with its offset, such as 2026-03-01T08:00:00Z")]
    Until,
}

/// A standing's fields in JSON.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StandingFields {
    standing: Option<Value>,
    reason: Option<Value>,
    until: Option<Value>,
}

impl Standing {
    /// Reads a standing from JSON: `{"standing":"draining"|"suspended","reason":"…","until":"RFC 3339"}`.
    /// `until` is optional.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn from_json(body: &[u8]) -> Result<Standing, InvalidStanding> {
        let fields = serde_json::from_slice(body).map_err(|_| InvalidStanding::Body)?;
        Standing::from_fields(fields)
    }

    pub(super) fn from_fields(fields: StandingFields) -> Result<Standing, InvalidStanding> {
        let StandingFields { standing, reason, until } = fields;
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let condition = text(&standing).and_then(|text| Condition::parse(&text));
        let condition = condition.filter(|it| *it != Condition::Active).ok_or(InvalidStanding::Condition)?;
        let reason = text(&reason).filter(|it| !it.trim().is_empty() && it.len() <= MAX_REASON_BYTES);
        let reason = reason.ok_or(InvalidStanding::Reason)?;
        let until = match until {
            None => None,
            some => Some(text(&some).and_then(Until::parse).ok_or(InvalidStanding::Until)?),
        };
        Ok(Standing { condition, reason: reason.into(), until })
    }

    /// Returns the JSON fields that the standing was read from.
    pub fn fields(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("standing".into(), self.condition.as_str().into());
        object.insert("reason".into(), (*self.reason).into());
        if let Some(until) = &self.until {
            object.insert("until".into(), (*until.text).into());
        }
        object
    }

    /// Returns whether the standing has ended by `now`.
    pub fn has_ended(&self, now: UnixMillis) -> bool {
        self.until.as_ref().is_some_and(|until| until.at <= now)
    }
}

impl Until {
    fn parse(text: String) -> Option<Until> {
        let at = UnixMillis::from_rfc3339(&text)?;
        Some(Until { text: text.into(), at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_is_written_as_it_was_read() {
        for text in [
            r#"{"standing":"draining","reason":"number under review"}"#,
            r#"{"standing":"suspended","reason":"Überlast \"7\"","until":"2026-12-01T00:00:00+01:00"}"#,
        ] {
            let standing = Standing::from_json(text.as_bytes()).unwrap();
            assert_eq!(Value::from(standing.fields()).to_string(), text);
        }
        // Many serializers write a missing field as null.
        let null = Standing::from_json(br#"{"standing":"draining","reason":"x","until":null}"#);
        assert_eq!(null.unwrap().until, None);
        let ends =
            Standing::from_json(br#"{"standing":"draining","reason":"x","until":"1970-01-01T00:00:01Z"}"#);
        assert!(
            ends.as_ref().unwrap().has_ended(UnixMillis(1_000)) && !ends.unwrap().has_ended(UnixMillis(999))
        );
    }

    #[test]
    fn error_names_the_field_and_does_not_repeat_its_value() {
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
            let message = Standing::from_json(body.as_bytes()).unwrap_err().to_string();
            assert!(message.starts_with(field) && !message.contains("447400"), "{body}: {message}");
        }
        let long = format!(r#"{{"standing":"draining","reason":"{}"}}"#, "x".repeat(MAX_REASON_BYTES + 1));
        assert!(Standing::from_json(long.as_bytes()).is_err());
    }
}
