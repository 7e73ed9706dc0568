//! A standing: the condition of an account that an administrator sets while the daemon runs, and the events
//! of standings.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use switchboard_model::{Condition, UnixMillis};

/// Maximum length of a reason in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// The ids of an account. They identify the account in all snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// The id of the company.
    pub company: Box<str>,
    /// The id of the account.
    pub account: Box<str>,
}

/// A live condition of an account with its reason and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Condition of the account: draining or suspended.
    pub condition: Condition,
    /// Reason for people. Not blank, at most [`MAX_REASON_BYTES`].
    pub reason: Box<str>,
    /// Time at which the standing expires. `None` if it does not expire.
    pub until: Option<Until>,
    /// Time at which the standing was set. `None` if it is unknown, as for records of earlier versions.
    pub since: Option<UnixMillis>,
    /// Name of the principal that set the standing. `None` if it is unknown, and without principals.
    pub by: Option<Box<str>>,
}

/// The time at which a standing expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// The time in RFC 3339, as it was received.
    pub text: Box<str>,
    /// The same time as a number.
    pub at: UnixMillis,
}

/// The numbers of standings by effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandingCounts {
    /// Number of draining accounts, which keep the clients they have.
    pub draining: usize,
    /// Number of suspended accounts, which are never selected.
    pub suspended: usize,
    /// Number of standings of accounts that are not in the snapshot in service. They apply when the account
    /// returns.
    pub waiting: usize,
}

/// The reason why a standing cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StandingError {
    /// No snapshot is in service, so no account is known.
    #[error("no snapshot is in service")]
    NoSnapshot,
    /// The snapshot of this generation has no such company.
    #[error("generation {0} has no such company")]
    UnknownCompany(u64),
    /// The company has no such account in the snapshot of this generation.
    #[error("the company has no such account in generation {0}")]
    UnknownAccount(u64),
    /// The end of the standing has passed.
    #[error("the standing has ended")]
    Ended,
    /// Another process holds the journal and makes all changes.
    #[error("another process holds the journal")]
    Following,
    /// The journal cannot be written. The text is the error of the system.
    #[error("{0}")]
    Journal(String),
    /// The change takes away a restriction, and the broker did not acknowledge it. The text is the reason.
    #[error("{0}")]
    NoBroker(String),
    /// The change log cannot be written. The text is its path and the error of the system.
    #[error("{0}")]
    ChangeLog(String),
}

/// How far a change has come when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The daemon belongs to no fleet.
    Daemon,
    /// Every replica of the fleet has the change, or gets it from the broker.
    Fleet,
    /// This replica has the change. The broker gets it later.
    Replica,
}

/// The author of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The name of the principal that made the request, if there are principals.
    pub principal: Option<Box<str>>,
    /// The address of the client.
    pub peer: Option<Box<str>>,
}

/// An event of the standings.
#[derive(Debug)]
pub enum StandingsEvent<'a> {
    /// A standing was set or replaced.
    Set {
        /// The account of the standing.
        key: &'a AccountKey,
        /// Standing that is now in force.
        standing: &'a Standing,
    },
    /// A standing was removed by a request, or expired.
    Removed {
        /// The account of the standing.
        key: &'a AccountKey,
        /// Whether the standing expired by itself.
        expired: bool,
        /// The author of the request that removed the standing.
        author: Option<&'a Author>,
    },
    /// The journal was opened for writing.
    Opened {
        /// Number of standings in the journal.
        standings: usize,
        /// Number of bytes after the last whole record, which were cut off.
        torn: usize,
        /// Line numbers of the damaged records.
        damaged: &'a [usize],
        /// Path of the copy of a damaged journal.
        damaged_copy: Option<&'a Path>,
    },
    /// A standing lost against a more restrictive one of another replica.
    Overruled {
        /// The account of both.
        key: &'a AccountKey,
        /// The standing that is not in force. `None` if it was cleared.
        lost: Option<&'a Standing>,
        /// The standing that is in force.
        won: Option<&'a Standing>,
    },
    /// Another process holds the journal. This process follows its changes and makes none.
    Following,
    /// The journal was rewritten from memory, because another program had changed it.
    Rewritten {
        /// The change that was found.
        change: &'a str,
        /// Path of the copy of the changed file, unless that file was missing or empty.
        copy: Option<&'a Path>,
    },
    /// The journal cannot be read or written.
    Failed {
        /// The error that the system returned.
        error: &'a io::Error,
    },
}

/// Receives every event on the thread that causes it.
pub type StandingsObserver = Arc<dyn Fn(&StandingsEvent<'_>) + Send + Sync>;

/// The reason why JSON is not a standing: the invalid field and the expected value. The text repeats no
/// content of the JSON, because the JSON may contain personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStanding {
    /// The body is not a JSON object.
    #[error("Send a JSON object with the fields `standing` and `reason`, and optionally `until`.")]
    Body,
    /// The object has a field that is none of a standing.
    #[error(
        "Send only the fields `standing`, `reason` and `until`. The daemon sets `since` and `by` itself."
    )]
    UnknownField,
    /// The object has this field twice.
    #[error("Send the field `{0}` only once.")]
    Repeated(&'static str),
    /// The field `standing` is missing or invalid.
    #[error(
        "Send `draining` or `suspended` as `standing`. To make the account active again, DELETE its standing."
    )]
    Condition,
    /// The field `reason` is missing, blank or too long.
    #[error("Send a text of 1 to {MAX_REASON_BYTES} bytes that is not blank as `reason`.")]
    Reason,
    /// The field `until` is not a time.
    #[error(
        "Send an RFC 3339 date, or a date-time with its offset, such as 2026-03-01T08:00:00Z, as `until`."
    )]
    Until,
}

/// The JSON fields of a standing, unchecked.
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
    /// Returns the first invalid field.
    pub fn from_json(body: &[u8]) -> Result<Standing, InvalidStanding> {
        // Otherwise serde reads a list as the fields in their order.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(InvalidStanding::Body);
        }
        let fields = serde_json::from_slice(body).map_err(|error| invalid_fields(&error))?;
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
        Ok(Standing { condition, reason: reason.into(), until, since: None, by: None })
    }

    /// Returns the standing as JSON fields, without `since` and `by`. The inverse of [`from_json`](Self::from_json).
    pub fn fields(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("standing".into(), self.condition.as_str().into());
        object.insert("reason".into(), (*self.reason).into());
        if let Some(until) = &self.until {
            object.insert("until".into(), (*until.text).into());
        }
        object
    }

    /// Returns whether the standing has expired by `now`.
    pub fn has_ended(&self, now: UnixMillis) -> bool {
        self.until.as_ref().is_some_and(|until| until.at <= now)
    }
}

/// Returns the reason why serde rejected the fields of a standing. Only its text says which field it was.
fn invalid_fields(error: &serde_json::Error) -> InvalidStanding {
    let text = error.to_string();
    let is_repeated = |field: &&str| text.starts_with(&format!("duplicate field `{field}`"));
    match ["standing", "reason", "until"].into_iter().find(is_repeated) {
        Some(field) => InvalidStanding::Repeated(field),
        None if text.starts_with("unknown field") => InvalidStanding::UnknownField,
        None => InvalidStanding::Body,
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
        // Many serializers write null for a missing field.
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
            ("", "a JSON object"),
            ("[]", "a JSON object"),
            ("{\"standing\":", "a JSON object"),
            (r#"{}"#, "as `standing`"),
            (r#"{"standing":"active","reason":"x"}"#, "as `standing`"),
            (r#"{"standing":"447400123456","reason":"x"}"#, "as `standing`"),
            (r#"{"standing":7,"reason":"x"}"#, "as `standing`"),
            (r#"{"standing":"draining"}"#, "as `reason`"),
            (r#"{"standing":"draining","reason":" "}"#, "as `reason`"),
            (r#"{"standing":"draining","reason":null}"#, "as `reason`"),
            (r#"{"standing":"draining","reason":"x","until":"447400123456"}"#, "as `until`"),
            (r#"{"standing":"draining","reason":"x","until":1}"#, "as `until`"),
            (r#"{"standing":"draining","reason":"x","447400123456":1}"#, "only the fields `standing`"),
            (r#"{"standing":"draining","reason":"x","since":"2026-01-01"}"#, "sets `since` and `by` itself"),
            (r#"{"standing":"draining","reason":"x","by":"ops"}"#, "sets `since` and `by` itself"),
            (r#"{"standing":"draining","reason":"x","reason":"y"}"#, "the field `reason` only once"),
            (
                r#"{"standing":"draining","standing":"draining","reason":"x"}"#,
                "the field `standing` only once",
            ),
            (r#"["draining","x",null]"#, "a JSON object"),
            (r#"{"standing":"draining","reason":"x"} {}"#, "a JSON object"),
        ] {
            let message = Standing::from_json(body.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(field) && !message.contains("447400"), "{body}: {message}");
        }
        let long = format!(r#"{{"standing":"draining","reason":"{}"}}"#, "x".repeat(MAX_REASON_BYTES + 1));
        assert!(Standing::from_json(long.as_bytes()).is_err());
    }
}
