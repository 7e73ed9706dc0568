//! The merge of standings that several replicas change: a pure model without I/O and without a clock.
//!
//! An [`Account`] is what one replica knows about the standing of one account. Changes of users, answers of the
//! broker and entries of the watch go in. What is in force here, and what has to be written, comes out.
//!
//! The rules:
//!
//! * The order of values is the broker's revision, never a clock.
//! * A change that restricts at least as much as the standing in force is in force here at once, and pending
//!   until the broker has it. Any other change goes to the broker first.
//! * Of a pending standing and a value that the broker got meanwhile, the more restrictive wins.
//! * A standing that was cleared is a value. A value that cannot be read, and a deleted key, clear nothing.
//! * A broker that lost its memory clears nothing. What is in force becomes pending, and is put back.

use std::fmt;

use serde::{Deserialize, Serialize};
use switchboard_model::{Condition, UnixMillis};

/// The maximum length of a value in bytes.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The maximum length of a reason in bytes, as in the API.
const MAX_REASON_BYTES: usize = 1024;
/// The maximum length of the other texts of a value in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// A random id, by which a replica recognizes a write.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriteId(pub String);

/// A standing that restricts an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The condition: draining or suspended.
    pub condition: Condition,
    /// The reason, for people.
    pub reason: String,
    /// The end, in RFC 3339 as it was received and as a number. `None` if the standing does not end.
    pub until: Option<(String, UnixMillis)>,
}

/// A value of the bucket of the standings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "ValueJson", try_from = "ValueJson")]
pub struct Value {
    /// The id of the write.
    pub id: WriteId,
    /// The standing. `None` if it was cleared.
    pub standing: Option<Standing>,
    /// The time of the request in RFC 3339, for people.
    pub since: String,
    /// The name of the principal, for people.
    pub by: Option<String>,
    /// The id of the value that this one follows. A pending write that finds its own id here was replaced on
    /// purpose, by a request that saw it.
    pub replaces: Option<WriteId>,
}

/// A value with its revision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Known {
    revision: u64,
    /// `None` for a key whose values could never be read.
    value: Option<Value>,
}

/// A value that the broker has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pending {
    value: Value,
    /// The revision that was known when the change was made. 0 for a key without a value.
    base: u64,
}

/// What a replica knows about the standing of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Account {
    known: Option<Known>,
    pending: Option<Pending>,
}

/// How a change proceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The change is in force here and pending. Write it to the broker: acknowledged in time, it reached the
    /// fleet, otherwise this replica.
    LocalFirst,
    /// The change takes away a restriction: write it to the broker, and apply it when it is acknowledged.
    BrokerFirst,
    /// The change took away a standing that only this replica has. The broker has nothing to change.
    LocalOnly,
    /// There is no standing to clear.
    Nothing,
}

/// A write that the broker should get: a compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Write {
    /// The value.
    pub value: Value,
    /// The expected revision. 0 for a key without a value.
    pub expected: u64,
}

/// A standing or a clearing that lost against a more restrictive one, for `/status` and the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Overruled {
    /// The value that is not in force.
    pub lost: Value,
    /// The value that is in force.
    pub won: Value,
}

/// The order of restrictions: not restricted, then draining, then suspended, each by its end. No end is the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Restriction(u8, i64);

impl Standing {
    fn restriction(&self, now: UnixMillis) -> Restriction {
        match &self.until {
            Some((_, until)) if *until <= now => Restriction(0, 0),
            Some((_, until)) => Restriction(self.condition as u8, until.0),
            None => Restriction(self.condition as u8, i64::MAX),
        }
    }
}

impl Value {
    fn restriction(&self, now: UnixMillis) -> Restriction {
        self.standing.as_ref().map_or(Restriction(0, 0), |standing| standing.restriction(now))
    }

    /// Returns the JSON of the bucket.
    pub fn to_json(&self) -> Vec<u8> {
        // Texts and null alone, so that the JSON cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the JSON of the bucket. Ignores members with other names, which a later version may write.
    ///
    /// # Errors
    /// Returns the fault, without any content of the value.
    pub fn from_json(json: &[u8]) -> Result<Value, UnreadableValue> {
        if json.len() > MAX_VALUE_BYTES {
            return Err(UnreadableValue("longer than 8 KiB"));
        }
        let read: ValueJson =
            serde_json::from_slice(json).map_err(|_| UnreadableValue("not the JSON of a standing"))?;
        read.try_into()
    }
}

impl From<Value> for ValueJson {
    fn from(value: Value) -> ValueJson {
        let Value { id, standing, since, by, replaces } = value;
        let (condition, reason, until) = match standing {
            None => (None, None, None),
            Some(Standing { condition, reason, until }) => {
                (Some(condition.as_str().to_owned()), Some(reason), until.map(|(text, _)| text))
            }
        };
        ValueJson { id, standing: condition, reason, until, since, by, replaces }
    }
}

impl TryFrom<ValueJson> for Value {
    type Error = UnreadableValue;

    fn try_from(read: ValueJson) -> Result<Value, UnreadableValue> {
        let texts = [Some(&read.id.0), Some(&read.since), read.by.as_ref(), read.until.as_ref()];
        let ids_are_long = texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT_BYTES);
        if read.id.0.is_empty() || ids_are_long {
            return Err(UnreadableValue("a text is empty or too long"));
        }
        let standing = match read.standing {
            None => None,
            Some(condition) => {
                let condition = Condition::parse(&condition).filter(|known| *known != Condition::Active);
                let condition = condition.ok_or(UnreadableValue("an unknown standing"))?;
                let reason = read.reason.filter(|reason| reason.len() <= MAX_REASON_BYTES);
                let reason = reason.ok_or(UnreadableValue("no reason, or one that is too long"))?;
                let until = match read.until {
                    None => None,
                    Some(text) => {
                        let at = UnixMillis::from_rfc3339(&text);
                        Some((text, at.ok_or(UnreadableValue("until is not a time in RFC 3339"))?))
                    }
                };
                Some(Standing { condition, reason, until })
            }
        };
        Ok(Value { id: read.id, standing, since: read.since, by: read.by, replaces: read.replaces })
    }
}

/// The fault of a value that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value of a standing cannot be read: {0}")]
pub struct UnreadableValue(&'static str);

#[derive(Serialize, Deserialize)]
struct ValueJson {
    id: WriteId,
    /// `null` for a standing that was cleared. A value without this member is none.
    #[serde(deserialize_with = "Option::deserialize")]
    standing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<WriteId>,
}

impl Account {
    /// Restores an account from the journal: the last revision of the broker, its last value that could be read, and
    /// the pending value with the revision that it is based on.
    pub fn restore(revision: u64, value: Option<Value>, pending: Option<(u64, Value)>) -> Account {
        Account {
            known: (revision > 0).then_some(Known { revision, value }),
            pending: pending.map(|(base, value)| Pending { value, base }),
        }
    }

    /// Returns the value that decides here: the more restrictive of the broker's and the pending one.
    pub fn in_force(&self, now: UnixMillis) -> Option<&Value> {
        let known = self.known.as_ref().and_then(|known| known.value.as_ref());
        let pending = self.pending.as_ref().map(|pending| &pending.value);
        match (known, pending) {
            (Some(known), Some(pending)) if known.restriction(now) > pending.restriction(now) => Some(known),
            (known, pending) => pending.or(known),
        }
    }

    /// Returns the standing that restricts the account here and now.
    pub fn standing(&self, now: UnixMillis) -> Option<&Standing> {
        let standing = self.in_force(now)?.standing.as_ref()?;
        (standing.restriction(now) > Restriction(0, 0)).then_some(standing)
    }

    /// Returns the pending value and its base, for the journal, `/status` and metrics.
    pub fn pending(&self) -> Option<(u64, &Value)> {
        self.pending.as_ref().map(|pending| (pending.base, &pending.value))
    }

    /// Returns the broker's last value that could be read.
    pub fn known(&self) -> Option<&Value> {
        self.known.as_ref().and_then(|known| known.value.as_ref())
    }

    /// Returns the last revision of the broker. 0 for a key without a value.
    pub fn revision(&self) -> u64 {
        self.known.as_ref().map_or(0, |known| known.revision)
    }

    /// Begins a change that a user requests, and completes the value with the id that it replaces.
    pub fn change(&mut self, value: &mut Value, now: UnixMillis) -> Course {
        let in_force = self.in_force(now);
        value.replaces = in_force.map(|value| value.id.clone());
        let restricted = in_force.map_or(Restriction(0, 0), |value| value.restriction(now));
        if value.standing.is_some() && value.restriction(now) >= restricted {
            self.pending = Some(Pending { value: value.clone(), base: self.base() });
            return Course::LocalFirst;
        }
        let known = self.known.as_ref().and_then(|known| known.value.as_ref());
        let broker_restricts = known.is_some_and(|known| known.restriction(now) > Restriction(0, 0));
        if value.standing.is_some() || broker_restricts {
            return Course::BrokerFirst;
        }
        match self.pending.take() {
            Some(_) => Course::LocalOnly,
            None => Course::Nothing,
        }
    }

    /// Returns the revision that a new pending value is based on. A pending value that is replaced keeps its base,
    /// because the values that came after it are still to be merged.
    fn base(&self) -> u64 {
        self.pending.as_ref().map_or_else(|| self.revision(), |pending| pending.base)
    }

    /// Returns the write that makes the broker know what is pending, or `None` if nothing is to be written. Drops a
    /// pending value that the broker has, that was replaced there on purpose, or that lost. Call this when the
    /// watch is current.
    pub fn reconcile(&mut self, now: UnixMillis) -> (Option<Write>, Option<Overruled>) {
        let Some(pending) = &self.pending else { return (None, None) };
        let expected = self.revision();
        let write = Write { value: pending.value.clone(), expected };
        let known = self.known.as_ref().and_then(|known| known.value.as_ref());
        let Some(known) = known.filter(|_| expected != pending.base) else { return (Some(write), None) };
        if known.id == pending.value.id || known.replaces.as_ref() == Some(&pending.value.id) {
            self.pending = None;
            return (None, None);
        }
        let has_seen_known = pending.value.replaces.as_ref() == Some(&known.id);
        if has_seen_known || pending.value.restriction(now) > known.restriction(now) {
            return (Some(write), None);
        }
        let overruled = overruled(&pending.value, known);
        self.pending = None;
        (None, overruled)
    }

    /// Receives the acknowledgement of a write of a pending value. Returns the value of the broker that the write
    /// overruled. A pending value that was made meanwhile stays.
    pub fn acknowledged(&mut self, value: &Value, revision: u64) -> Option<Overruled> {
        let mut lost = None;
        if let Some(pending) = self.pending.take_if(|pending| pending.value.id == value.id) {
            let known = self.known.as_ref().filter(|known| known.revision != pending.base);
            let known = known.and_then(|known| known.value.as_ref());
            let unseen = known.filter(|known| value.replaces.as_ref() != Some(&known.id));
            lost = unseen.and_then(|known| overruled(known, value));
        }
        self.learn(value, revision);
        lost
    }

    /// Receives the acknowledgement of a change that went to the broker first. The value that was pending when the
    /// change was requested ends. One that was made since then stays.
    pub fn changed_at_broker(&mut self, value: &Value, revision: u64, pending_then: Option<&WriteId>) {
        self.pending.take_if(|pending| Some(&pending.value.id) == pending_then);
        self.learn(value, revision);
    }

    fn learn(&mut self, value: &Value, revision: u64) {
        if revision > self.revision() {
            self.known = Some(Known { revision, value: Some(value.clone()) });
        }
    }

    /// Receives an entry of the watch. `None` for a value that cannot be read or was deleted, which clears
    /// nothing. Entries that are not newer are ignored. Returns whether the entry was new.
    pub fn arrived(&mut self, revision: u64, value: Option<Value>) -> bool {
        if revision <= self.revision() {
            return false;
        }
        if let (Some(value), Some(pending)) = (&value, &self.pending)
            && value.id == pending.value.id
        {
            self.pending = None;
        }
        let value = value.or_else(|| self.known.take().and_then(|known| known.value));
        self.known = Some(Known { revision, value });
        true
    }

    /// Receives that the broker has lost its memory: what restricts here becomes pending, to be put back. Later
    /// revisions count from the beginning. Returns what lost against the broker's last value.
    pub fn memory_lost(&mut self, now: UnixMillis) -> Option<Overruled> {
        let held = self.in_force(now).filter(|value| value.restriction(now) > Restriction(0, 0)).cloned();
        let lost = match (&self.pending, &held) {
            (Some(pending), Some(held)) if pending.value.id != held.id => overruled(&pending.value, held),
            _ => None,
        };
        // What the value replaced counts no more: of all that is put back, the more restrictive wins.
        let put_back = held.map(|held| Pending { value: Value { replaces: None, ..held }, base: 0 });
        *self = Account { known: None, pending: put_back };
        lost
    }
}

/// Returns the report, unless the values have the same effect.
fn overruled(lost: &Value, won: &Value) -> Option<Overruled> {
    (lost.standing != won.standing).then(|| Overruled { lost: lost.clone(), won: won.clone() })
}

impl fmt::Display for WriteId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Value, UnreadableValue> {
        Value::from_json(text.as_bytes())
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        for text in [
            r#"{"id":"a1","standing":null,"since":"2026-11-28T12:00:00Z","replaces":"a0"}"#,
            r#"{"id":"a1","standing":"suspended","reason":"a \"test\"","since":"2026-11-28T12:00:00Z","by":"ops"}"#,
            r#"{"id":"a1","standing":"draining","reason":"r","until":"2026-12-01T00:00:00.5+01:00","since":"s"}"#,
        ] {
            assert_eq!(String::from_utf8(value(text).unwrap().to_json()).unwrap(), text);
        }
        assert!(value(r#"{"id":"a","standing":null,"since":"s","added":[1]}"#).is_ok());
    }

    #[test]
    fn other_values_are_rejected() {
        let long =
            format!(r#"{{"id":"a","standing":"suspended","reason":"{}","since":"s"}}"#, "r".repeat(1025));
        for text in [
            "",
            "null",
            "{}",
            // A cleared standing has the member. A value without it must not clear.
            r#"{"id":"a","since":"s"}"#,
            r#"{"id":"","standing":null,"since":"s"}"#,
            r#"{"id":"a","standing":null}"#,
            r#"{"id":"a","standing":"active","reason":"r","since":"s"}"#,
            r#"{"id":"a","standing":"Suspended","reason":"r","since":"s"}"#,
            r#"{"id":"a","standing":"suspended","since":"s"}"#,
            r#"{"id":"a","standing":"suspended","reason":"r","until":"tomorrow","since":"s"}"#,
            r#"{"id":1,"standing":null,"since":"s"}"#,
            &long,
        ] {
            assert!(value(text).is_err(), "{text}");
        }
        let whole = r#"{"id":"a","standing":"suspended","reason":"r","since":"s"}"#;
        assert!(value(whole).is_ok());
        for end in 0..whole.len() {
            assert!(value(&whole[..end]).is_err(), "{end}");
        }
        assert!(value(&format!("{whole}{}", " ".repeat(MAX_VALUE_BYTES))).is_err());
    }

    #[test]
    fn order_is_condition_then_end() {
        let now = UnixMillis(1_000);
        let standing = |condition, until: Option<i64>| Standing {
            condition,
            reason: String::new(),
            until: until.map(|until| (String::new(), UnixMillis(until))),
        };
        let ascending = [
            (Condition::Draining, Some(1_001)),
            (Condition::Draining, Some(2_000)),
            (Condition::Draining, None),
            (Condition::Suspended, Some(1_001)),
            (Condition::Suspended, Some(9_000)),
            (Condition::Suspended, None),
        ];
        let order = ascending.map(|(condition, until)| standing(condition, until).restriction(now));
        assert!(order.is_sorted_by(|a, b| a < b) && order[0] > Restriction(0, 0), "{order:?}");
        // One that has ended restricts nothing.
        assert_eq!(standing(Condition::Suspended, Some(1_000)).restriction(now), Restriction(0, 0));
    }

    fn suspended(id: &str) -> Value {
        value(&format!(r#"{{"id":"{id}","standing":"suspended","reason":"r","since":"s"}}"#)).unwrap()
    }

    fn cleared(id: &str) -> Value {
        value(&format!(r#"{{"id":"{id}","standing":null,"since":"s"}}"#)).unwrap()
    }

    #[test]
    fn unreadable_and_deleted_values_clear_nothing() {
        let now = UnixMillis(0);
        let mut account = Account::default();
        assert!(account.arrived(5, Some(suspended("a"))));
        assert!(account.arrived(6, None));
        assert!(account.standing(now).is_some());
        assert_eq!(account.revision(), 6);
        // An older entry is ignored.
        assert!(!account.arrived(6, Some(cleared("b"))));
        assert!(account.standing(now).is_some());
        // The next write expects the revision of the unreadable value.
        let mut clear = cleared("c");
        assert_eq!(account.change(&mut clear, now), Course::BrokerFirst);
        assert_eq!(clear.replaces, Some(WriteId("a".to_owned())));
        account.changed_at_broker(&clear, 7, None);
        assert_eq!(account.standing(now), None);
    }

    #[test]
    fn state_survives_the_journal() {
        let now = UnixMillis(0);
        let mut account = Account::default();
        account.arrived(5, Some(cleared("a")));
        assert_eq!(account.change(&mut suspended("b"), now), Course::LocalFirst);
        let restored = Account::restore(
            account.revision(),
            account.known().cloned(),
            account.pending().map(|(base, value)| (base, value.clone())),
        );
        assert_eq!(restored, account);
        let (write, _) = account.reconcile(now);
        assert_eq!(write.map(|write| write.expected), Some(5));
    }

    #[test]
    fn ended_standings_are_not_put_back() {
        let mut account = Account::default();
        let until =
            r#"{"id":"a","standing":"suspended","reason":"r","until":"1970-01-01T00:00:01Z","since":"s"}"#;
        account.arrived(1, Some(value(until).unwrap()));
        let mut early = account.clone();
        early.memory_lost(UnixMillis(999));
        assert!(early.pending().is_some());
        account.memory_lost(UnixMillis(1000));
        assert_eq!(account, Account::default());
    }
}
