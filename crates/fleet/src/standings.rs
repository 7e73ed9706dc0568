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
//! * A write without an acknowledgement may take effect later. If its request was answered as not made, or if its
//!   standing was cleared here meanwhile, then the value is taken back when it arrives.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use switchboard_model::{Condition, UnixMillis};

/// The maximum length of a value in bytes.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The maximum number of ids in [`Value::earlier`].
pub const MAX_EARLIER: usize = 8;
/// The maximum length of a reason in bytes, as in the API.
const MAX_REASON_BYTES: usize = 1024;
/// The maximum length of the other texts of a value in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// The maximum number of doubtful writes of an account. All of them expect the same revision, so that only one can
/// take effect. It is one of the first, because a connection keeps the order.
const MAX_DOUBTS: usize = 16;

/// A random id, by which a replica recognizes a write.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriteId(pub CompactString);

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
    pub since: CompactString,
    /// The name of the principal, for people.
    pub by: Option<String>,
    /// The id of the value that the request saw in force, and replaced on purpose. `None` for a value that is put
    /// back after a loss of the broker's memory.
    pub replaces: Option<WriteId>,
    /// The ids of the values before, the latest first, at most [`MAX_EARLIER`]. A replica that finds its pending
    /// value here knows that the broker had it, and that another one followed.
    pub earlier: Vec<WriteId>,
}

/// A value with its revision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Known {
    /// 0 for a value of which it is not known whether the broker still has it.
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
    origin: Origin,
    /// Whether the broker may have the value.
    is_doubtful: bool,
}

/// Where a pending value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Origin {
    /// A request to this replica. The other replicas do not know the account's standing.
    Here,
    /// The broker, before it lost its memory. Other replicas may hold the same value. Also a request that replaced
    /// such a value.
    PutBack,
    /// This replica takes back the value with this id, which took effect late. Also a request that followed.
    TakesBack(WriteId),
}

/// A write that may take effect although it must not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Doubt {
    /// The id of the write.
    pub id: WriteId,
    /// The clearing that follows the write. `None` for a write whose request was answered as not made: what is in
    /// force when the value arrives stays in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Value>,
}

/// What a replica knows about the standing of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Account {
    known: Option<Known>,
    /// Boxed, because most accounts have none, and a replica may know a million accounts.
    pending: Option<Box<Pending>>,
    /// Writes that take effect only on the known revision, so that any later revision ends the doubt.
    doubts: Vec<Doubt>,
}

/// An [`Account`] in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedAccount {
    /// The last revision of the broker. 0 for a key without a value.
    pub revision: u64,
    /// The broker's last value that could be read.
    pub value: Option<Value>,
    /// The pending value with the revision that it is based on.
    pub pending: Option<(u64, Value)>,
    /// Whether the pending value is put back after a loss of the broker's memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub put_back: bool,
    /// The id of the value that the pending one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_back: Option<WriteId>,
    /// The writes that may take effect although they must not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
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

impl Restriction {
    const NONE: Restriction = Restriction(0, 0);
}

impl Standing {
    fn restriction(&self, now: UnixMillis) -> Restriction {
        match &self.until {
            Some((_, until)) if *until <= now => Restriction::NONE,
            Some((_, until)) => Restriction(self.condition as u8, until.0),
            None => Restriction(self.condition as u8, i64::MAX),
        }
    }
}

impl Value {
    fn restriction(&self, now: UnixMillis) -> Restriction {
        self.standing.as_ref().map_or(Restriction::NONE, |standing| standing.restriction(now))
    }

    fn restricts(&self, now: UnixMillis) -> bool {
        self.restriction(now) > Restriction::NONE
    }

    /// Returns the ids of the values before, the latest first.
    fn before(&self) -> impl Iterator<Item = &WriteId> {
        self.replaces.iter().chain(&self.earlier)
    }

    /// Returns whether the broker had the value with this id before.
    fn follows(&self, id: &WriteId) -> bool {
        self.before().any(|earlier| earlier == id)
    }

    /// Adds a value, and those before it, to the values before this one.
    fn follow(&mut self, value: &Value) {
        let ids: Vec<WriteId> = std::iter::once(&value.id).chain(value.before()).cloned().collect();
        let own = std::mem::take(&mut self.earlier);
        for id in ids.into_iter().chain(own) {
            if self.earlier.len() < MAX_EARLIER && id != self.id && !self.follows(&id) {
                self.earlier.push(id);
            }
        }
    }

    /// Returns the JSON of the bucket.
    pub fn to_json(&self) -> Vec<u8> {
        // Texts, lists of texts and null alone, so that the JSON cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        if json.len() <= MAX_VALUE_BYTES {
            return json;
        }
        // A reason of control characters takes six bytes for each.
        serde_json::to_vec(&Value { earlier: Vec::new(), ..self.clone() }).unwrap_or_default()
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
        let Value { id, standing, since, by, replaces, earlier } = value;
        let (condition, reason, until) = match standing {
            None => (None, None, None),
            Some(Standing { condition, reason, until }) => (
                Some(CompactString::const_new(condition.as_str())),
                Some(reason),
                until.map(|(text, _)| text),
            ),
        };
        ValueJson { id, standing: condition, reason, until, since, by, replaces, earlier }
    }
}

impl TryFrom<ValueJson> for Value {
    type Error = UnreadableValue;

    fn try_from(read: ValueJson) -> Result<Value, UnreadableValue> {
        let texts = [Some(&*read.id.0), Some(&*read.since), read.by.as_deref(), read.until.as_deref()];
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
        let ValueJson { id, since, by, replaces, mut earlier, .. } = read;
        earlier.retain(|id| id.0.len() <= MAX_TEXT_BYTES);
        earlier.truncate(MAX_EARLIER);
        Ok(Value { id, standing, since, by, replaces, earlier })
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
    standing: Option<CompactString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    since: CompactString,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<WriteId>,
    /// Versions that do not know this member ignore it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<WriteId>,
}

impl Account {
    /// Restores an account from the journal.
    pub fn restore(saved: SavedAccount) -> Account {
        let SavedAccount { revision, value, pending, put_back, takes_back, doubts } = saved;
        let origin = match takes_back {
            Some(id) => Origin::TakesBack(id),
            None if put_back => Origin::PutBack,
            None => Origin::Here,
        };
        Account {
            known: (revision > 0 || value.is_some()).then_some(Known { revision, value }),
            // The process may have ended while the value was sent.
            pending: pending
                .map(|(base, value)| Box::new(Pending { value, base, origin, is_doubtful: true })),
            doubts,
        }
    }

    /// Returns what the journal keeps.
    pub fn saved(&self) -> SavedAccount {
        let origin = self.pending.as_ref().map(|pending| &pending.origin);
        SavedAccount {
            revision: self.revision(),
            value: self.known().cloned(),
            pending: self.pending().map(|(base, value)| (base, value.clone())),
            put_back: origin == Some(&Origin::PutBack),
            takes_back: match origin {
                Some(Origin::TakesBack(id)) => Some(id.clone()),
                _ => None,
            },
            doubts: self.doubts.clone(),
        }
    }

    /// Returns the value that decides here: the more restrictive of the broker's and the pending one.
    pub fn in_force(&self, now: UnixMillis) -> Option<&Value> {
        let (known, pending) = (self.known(), self.pending.as_deref());
        match (known, pending) {
            (Some(known), Some(Pending { value, origin: Origin::TakesBack(id), .. })) if *id == known.id => {
                Some(value)
            }
            (Some(known), Some(Pending { value, .. })) if known.restriction(now) > value.restriction(now) => {
                Some(known)
            }
            (known, pending) => pending.map(|pending| &pending.value).or(known),
        }
    }

    /// Returns the standing that restricts the account here and now.
    pub fn standing(&self, now: UnixMillis) -> Option<&Standing> {
        let standing = self.in_force(now)?.standing.as_ref()?;
        (standing.restriction(now) > Restriction::NONE).then_some(standing)
    }

    /// Returns the pending value and its base, for `/status` and metrics.
    pub fn pending(&self) -> Option<(u64, &Value)> {
        self.pending.as_ref().map(|pending| (pending.base, &pending.value))
    }

    /// Returns whether the pending value is put back after a loss of the broker's memory.
    pub fn is_put_back(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.origin == Origin::PutBack)
    }

    /// Returns the broker's last value that could be read.
    pub fn known(&self) -> Option<&Value> {
        self.known.as_ref().and_then(|known| known.value.as_ref())
    }

    /// Returns the last revision of the broker. 0 for a key without a value.
    pub fn revision(&self) -> u64 {
        self.known.as_ref().map_or(0, |known| known.revision)
    }

    /// Returns whether the broker has the value with this id, or had it before the last value.
    pub fn took_effect(&self, id: &WriteId) -> bool {
        self.known().is_some_and(|known| known.id == *id || known.follows(id))
    }

    /// Begins a change that a user requests, and completes the value with the ids of the values before.
    pub fn change(&mut self, value: &mut Value, now: UnixMillis) -> Course {
        let in_force = self.in_force(now);
        value.replaces = in_force.map(|value| value.id.clone());
        let restricted = in_force.map_or(Restriction::NONE, |value| value.restriction(now));
        // The one in force comes last, because the latest are kept.
        let others = self.known().into_iter().chain(self.pending().map(|(_, pending)| pending));
        others.chain(in_force).for_each(|before| value.follow(before));
        let pending = self.pending.as_ref();
        if value.standing.is_some() && value.restriction(now) >= restricted {
            let base = pending.map_or_else(|| self.revision(), |pending| pending.base);
            let origin = pending.map_or(Origin::Here, |pending| pending.origin.clone());
            self.doubt_pending();
            // A pending value that is replaced keeps its base, because the values that came after it are still to
            // be merged.
            self.pending = Some(Box::new(Pending { value: value.clone(), base, origin, is_doubtful: false }));
            return Course::LocalFirst;
        }
        let known_restricts = self.known().is_some_and(|known| known.restricts(now));
        if value.standing.is_some() || restricted > Restriction::NONE && known_restricts {
            return Course::BrokerFirst;
        }
        match pending.map(|pending| &pending.origin) {
            Some(Origin::Here) => {
                self.doubt_pending();
                self.pending = None;
                for doubt in &mut self.doubts {
                    doubt.instead = Some(value.clone());
                }
                Course::LocalOnly
            }
            Some(_) if restricted > Restriction::NONE => Course::BrokerFirst,
            _ => Course::Nothing,
        }
    }

    /// Notes that the broker may have the pending value, which is replaced or cleared.
    fn doubt_pending(&mut self) {
        let doubtful = self.pending.as_ref().filter(|pending| pending.is_doubtful);
        if let Some(id) = doubtful.map(|pending| pending.value.id.clone()) {
            self.doubt(&id);
        }
    }

    /// Receives that a write may take effect although its request was answered as not made.
    pub fn doubt(&mut self, id: &WriteId) {
        if self.doubts.len() < MAX_DOUBTS && !self.doubts.iter().any(|doubt| doubt.id == *id) {
            self.doubts.push(Doubt { id: id.clone(), instead: None });
        }
    }

    /// Receives that a write is sent. Returns whether its value was doubtful before, for
    /// [`not_sent`](Self::not_sent).
    pub fn sent(&mut self, id: &WriteId) -> bool {
        let pending = self.pending.as_mut().filter(|pending| pending.value.id == *id);
        pending.is_some_and(|pending| std::mem::replace(&mut pending.is_doubtful, true))
    }

    /// Receives that the broker did not get a write.
    pub fn not_sent(&mut self, id: &WriteId, was_doubtful: bool) {
        if !was_doubtful {
            self.doubts.retain(|doubt| doubt.id != *id);
        }
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.value.id == *id) {
            pending.is_doubtful = was_doubtful;
        }
    }

    /// Completes the value of a request that is written on the known revision.
    pub fn complete(&self, value: &mut Value) {
        if let Some(known) = self.known() {
            value.follow(known);
        }
    }

    /// Returns the write that makes the broker know what is pending, or `None` if nothing is to be written. Drops a
    /// pending value that the broker has, that was replaced there on purpose, that lost, or that has ended. Call
    /// this when the watch is current.
    pub fn reconcile(&mut self, now: UnixMillis) -> (Option<Write>, Option<Overruled>) {
        let expected = self.revision();
        let Some(pending) = &mut self.pending else { return (None, None) };
        let value = &mut pending.value;
        let takes_back = match &pending.origin {
            Origin::TakesBack(id) => Some(id),
            _ => None,
        };
        if takes_back.is_none() && value.standing.is_some() && !value.restricts(now) {
            // A standing that has ended must not replace one that restricts.
            self.pending = None;
            return (None, None);
        }
        let known = self.known.as_ref().and_then(|known| known.value.as_ref());
        let Some(known) = known.filter(|_| expected != pending.base) else {
            return (Some(Write { value: value.clone(), expected }), None);
        };
        let is_replaced = match &pending.origin {
            Origin::Here => known.follows(&value.id),
            // Of all that is put back, the more restrictive wins, whatever it replaced before. A broker may also
            // have gone back to a value from before this one.
            Origin::PutBack => {
                known.replaces.is_some() && known.follows(&value.id) && !value.follows(&known.id)
            }
            // The value that is taken back may follow the present one.
            Origin::TakesBack(id) => {
                known.before().take_while(|before| *before != id).any(|it| *it == value.id)
            }
        };
        if known.id == value.id || is_replaced {
            self.pending = None;
            return (None, None);
        }
        // A request that saw the value before it was taken back is later, and a clearing is a request.
        let is_later = takes_back.is_some()
            && (!known.restricts(now) || known.replaces.as_ref() == takes_back)
            && takes_back != Some(&known.id);
        let has_seen_known = value.replaces.as_ref() == Some(&known.id);
        if !is_later && (has_seen_known || value.restriction(now) > known.restriction(now)) {
            value.follow(known);
            return (Some(Write { value: value.clone(), expected }), None);
        }
        let is_lost = !is_later || value.restriction(now) > known.restriction(now);
        let overruled = overruled(value, known).filter(|_| is_lost);
        self.pending = None;
        (None, overruled)
    }

    /// Receives the acknowledgement of a change that went to the broker first. The value that was pending when the
    /// change was requested ends. One that was made since then stays.
    pub fn changed_at_broker(&mut self, value: &Value, revision: u64, pending_then: Option<&WriteId>) {
        self.pending.take_if(|pending| Some(&pending.value.id) == pending_then);
        self.learn(revision, Some(value.clone()));
    }

    /// Notes the broker's value, unless a later one is known. Then the doubts end.
    fn learn(&mut self, revision: u64, value: Option<Value>) {
        if revision <= self.revision() {
            return;
        }
        let value = value.or_else(|| self.known.take().and_then(|known| known.value));
        self.known = Some(Known { revision, value });
        self.doubts.clear();
    }

    /// Receives an entry of the watch, or the acknowledgement of the write of a pending value. `None` for a value
    /// that cannot be read or was deleted, which clears nothing. Entries that are not newer are ignored. Returns
    /// the value that lost against this one, or that is taken back.
    pub fn arrived(&mut self, revision: u64, value: Option<Value>, now: UnixMillis) -> Option<Overruled> {
        if revision <= self.revision() {
            return None;
        }
        let Some(value) = value else {
            self.learn(revision, None);
            return None;
        };
        // Of use only to take the value back.
        let before = (!self.doubts.is_empty()).then(|| self.in_force(now).cloned()).flatten();
        let own = self.pending.take_if(|pending| pending.value.id == value.id);
        let replaced = own.as_ref().and_then(|own| {
            let known = self.known.as_ref().filter(|known| known.revision != own.base);
            let unseen = known.and_then(|known| known.value.as_ref());
            unseen.filter(|unseen| own.value.replaces.as_ref() != Some(&unseen.id)).cloned()
        });
        let doubt = self.doubts.iter().find(|doubt| doubt.id == value.id).cloned();
        let doubted = doubt.filter(|_| own.is_none()).map(|doubt| (doubt, value.clone()));
        self.learn(revision, Some(value));
        match doubted {
            Some((doubt, value)) => self.take_back(doubt, before, &value, now),
            None => replaced.and_then(|lost| overruled(&lost, self.known()?)),
        }
    }

    /// Makes what was in force pending again, because a value took effect that must not.
    fn take_back(
        &mut self,
        doubt: Doubt,
        before: Option<Value>,
        value: &Value,
        now: UnixMillis,
    ) -> Option<Overruled> {
        let restricting = before.clone().filter(|before| before.restricts(now));
        let mut kept = restricting.or(doubt.instead).or(before)?;
        let kept_restricts = kept.restricts(now);
        if !kept_restricts && !value.restricts(now) {
            return None;
        }
        let pending = self.pending.as_ref().map(|pending| &pending.value.id);
        if pending == Some(&kept.id) && !value.follows(&kept.id) {
            // It is merged as any pending value, because it is later.
            return None;
        }
        kept.replaces = Some(value.id.clone());
        kept.follow(value);
        let lost = kept_restricts.then(|| overruled(value, &kept)).flatten();
        let origin = Origin::TakesBack(value.id.clone());
        let base = self.revision();
        self.pending = Some(Box::new(Pending { value: kept, base, origin, is_doubtful: false }));
        lost
    }

    /// Receives that the broker has lost its memory: what restricts here becomes pending, to be put back. Later
    /// revisions count from the beginning. Returns what lost against the broker's last value.
    pub fn memory_lost(&mut self, now: UnixMillis) -> Option<Overruled> {
        let held = self.in_force(now).filter(|value| value.restricts(now)).cloned();
        // Other replicas hold this one, and put it back.
        let known_restricts = self.known().is_some_and(|known| known.restricts(now));
        let pending = self.pending.take();
        let mut doubts = std::mem::take(&mut self.doubts);
        let mut lost = None;
        if let Some(Pending { value, origin, .. }) = pending.as_deref() {
            if let Origin::TakesBack(id) = origin {
                // Other replicas may hold the value, and put it back.
                let instead = value.standing.is_none().then(|| value.clone());
                doubts.push(Doubt { id: id.clone(), instead });
            }
            let won = held.as_ref().filter(|held| held.id != value.id);
            lost = won.and_then(|held| overruled(value, held));
        }
        let put_back = match (held, pending.map(|pending| *pending)) {
            (Some(held), Some(own))
                if own.origin == Origin::Here && own.value.id == held.id && !known_restricts =>
            {
                Some(Pending { base: 0, ..own })
            }
            (Some(mut held), _) => {
                // What the value replaced counts no more: of all that is put back, the more restrictive wins.
                if let Some(replaced) = held.replaces.take() {
                    held.earlier.insert(0, replaced);
                    held.earlier.truncate(MAX_EARLIER);
                }
                Some(Pending { value: held, base: 0, origin: Origin::PutBack, is_doubtful: false })
            }
            (None, _) => None,
        };
        *self = Account { known: None, pending: put_back.map(Box::new), doubts };
        lost
    }

    /// Receives that the revision of the broker's value is not known, because the journal has no position. The value
    /// stays in force until the broker's entries are read.
    pub fn forget_revision(&mut self) {
        if let Some(known) = &mut self.known {
            known.revision = 0;
        }
        if let Some(pending) = &mut self.pending {
            pending.base = 0;
        }
    }

    /// Returns whether the broker's value has no revision: the whole bucket was read without it.
    pub fn is_missing_at_broker(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.revision == 0)
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
            r#"{"id":"a1","standing":null,"since":"s","replaces":"a0","earlier":["9","8"]}"#,
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
        account.arrived(5, Some(suspended("a")), now);
        account.arrived(6, None, now);
        assert!(account.standing(now).is_some());
        assert_eq!(account.revision(), 6);
        // An older entry is ignored.
        account.arrived(6, Some(cleared("b")), now);
        assert!(account.standing(now).is_some());
        // The next write expects the revision of the unreadable value.
        let mut clear = cleared("c");
        assert_eq!(account.change(&mut clear, now), Course::BrokerFirst);
        assert_eq!(clear.replaces, Some(WriteId("a".into())));
        account.changed_at_broker(&clear, 7, None);
        assert_eq!(account.standing(now), None);
    }

    #[test]
    fn state_survives_the_journal() {
        let now = UnixMillis(0);
        let mut account = Account::default();
        account.arrived(5, Some(cleared("a")), now);
        assert_eq!(account.change(&mut suspended("b"), now), Course::LocalFirst);
        // The process may have ended while the value was sent.
        account.sent(&WriteId("b".into()));
        account.doubt(&WriteId("c".into()));
        let json = serde_json::to_string(&account.saved()).unwrap();
        assert_eq!(Account::restore(serde_json::from_str(&json).unwrap()), account);
        let (write, _) = account.reconcile(now);
        assert_eq!(write.map(|write| write.expected), Some(5));
    }

    #[test]
    fn ended_standings_are_not_put_back() {
        let mut account = Account::default();
        let until =
            r#"{"id":"a","standing":"suspended","reason":"r","until":"1970-01-01T00:00:01Z","since":"s"}"#;
        account.arrived(1, Some(value(until).unwrap()), UnixMillis(0));
        let mut early = account.clone();
        early.memory_lost(UnixMillis(999));
        assert!(early.pending().is_some());
        account.memory_lost(UnixMillis(1000));
        assert_eq!(account, Account::default());
    }

    fn change(account: &mut Account, mut value: Value) -> (Value, Course) {
        let course = account.change(&mut value, UnixMillis(0));
        (value, course)
    }

    #[test]
    fn value_that_was_replaced_and_cleared_by_others_is_not_pending_any_more() {
        let now = UnixMillis(0);
        let (mut own, mut other) = (Account::default(), Account::default());
        // The broker has the value, and the acknowledgement is lost.
        let (first, course) = change(&mut own, suspended("1"));
        assert_eq!(course, Course::LocalFirst);
        other.arrived(1, Some(first), now);
        for (revision, id) in (2..).zip(["2", "3", "4"]) {
            let (next, _) = change(&mut other, suspended(id));
            other.arrived(revision, Some(next), now);
        }
        let (clearing, course) = change(&mut other, cleared("5"));
        assert_eq!(course, Course::BrokerFirst);
        let ids: Vec<&str> = clearing.before().map(|id| id.0.as_str()).collect();
        assert_eq!(ids, ["4", "3", "2", "1"]);
        own.arrived(5, Some(Value::from_json(&clearing.to_json()).unwrap()), now);
        assert_eq!(own.reconcile(now), (None, None));
        assert_eq!((own.standing(now), own.pending()), (None, None));
    }

    #[test]
    fn names_of_earlier_values_are_bounded() {
        let mut account = Account::default();
        for revision in 1..100 {
            let (value, _) = change(&mut account, suspended(&revision.to_string()));
            assert!(value.before().count() <= MAX_EARLIER + 1);
            account.arrived(revision, Some(value), UnixMillis(0));
        }
        let control = "\u{1}".repeat(MAX_REASON_BYTES);
        let standing = Standing { condition: Condition::Draining, reason: control, until: None };
        let long = WriteId("i".repeat(MAX_TEXT_BYTES).into());
        let value = Value { standing: Some(standing), earlier: vec![long; MAX_EARLIER], ..suspended("a") };
        assert!(value.to_json().len() <= MAX_VALUE_BYTES);
        assert!(Value::from_json(&value.to_json()).is_ok());
    }

    #[test]
    fn pending_value_that_has_ended_replaces_nothing() {
        let until =
            r#"{"id":"b","standing":"suspended","reason":"r","until":"1970-01-01T00:00:01Z","since":"s"}"#;
        let draining = |id: &str| {
            value(&format!(r#"{{"id":"{id}","standing":"draining","reason":"r","since":"s"}}"#)).unwrap()
        };
        let mut account = Account::default();
        account.arrived(1, Some(draining("a")), UnixMillis(0));
        let (_, course) = change(&mut account, value(until).unwrap());
        assert_eq!(course, Course::LocalFirst);
        let mut early = account.clone();
        assert!(early.reconcile(UnixMillis(999)).0.is_some());
        assert_eq!(account.standing(UnixMillis(1000)).map(|it| it.condition), Some(Condition::Draining));
        assert_eq!(account.reconcile(UnixMillis(1000)), (None, None));
        assert_eq!(account.pending(), None);
        assert_eq!(account.standing(UnixMillis(1000)).map(|it| it.condition), Some(Condition::Draining));
    }

    #[test]
    fn change_that_was_answered_as_not_made_is_taken_back() {
        let now = UnixMillis(0);
        let mut account = Account::default();
        account.arrived(1, Some(suspended("1")), now);
        let (clearing, course) = change(&mut account, cleared("2"));
        assert_eq!(course, Course::BrokerFirst);
        account.doubt(&clearing.id);
        let mut restored = Account::restore(account.saved());
        // A later value of another replica ends the doubt.
        let mut other = account.clone();
        assert_eq!(other.arrived(2, Some(cleared("3")), now), None);
        assert_eq!(other, Account { doubts: Vec::new(), ..other.clone() });
        for account in [&mut account, &mut restored] {
            let overruled = account.arrived(2, Some(clearing.clone()), now).unwrap();
            assert_eq!((overruled.lost.id.0.as_str(), overruled.won.id.0.as_str()), ("2", "1"));
            assert!(account.standing(now).is_some());
            let write = account.reconcile(now).0.unwrap();
            assert_eq!((write.expected, write.value.id.0.as_str()), (2, "1"));
        }
        // Another replica clears the account before: its request wins, and is reported.
        let (later, _) = change(&mut restored, cleared("4"));
        assert_eq!(later.replaces, Some(WriteId("1".into())));
        assert_eq!(account.arrived(3, Some(Value { replaces: None, ..cleared("4") }), now), None);
        let (write, overruled) = account.reconcile(now);
        assert_eq!((write, overruled.map(|it| it.lost.id.0)), (None, Some("1".into())));
        assert_eq!(account.standing(now), None);
    }

    #[test]
    fn standing_that_was_cleared_here_never_comes_back() {
        let now = UnixMillis(0);
        let mut account = Account::default();
        let (pending, _) = change(&mut account, suspended("1"));
        // A write that was not sent leaves no doubt.
        let was_doubtful = account.sent(&pending.id);
        let mut unsent = account.clone();
        assert_eq!(change(&mut unsent, cleared("2")).1, Course::LocalOnly);
        unsent.not_sent(&pending.id, was_doubtful);
        assert_eq!(unsent, Account::default());
        assert_eq!(change(&mut account, cleared("2")).1, Course::LocalOnly);
        assert_eq!(account.arrived(1, Some(pending), now), None);
        assert_eq!(account.standing(now), None);
        let write = account.reconcile(now).0.unwrap();
        assert_eq!((write.expected, write.value.standing, write.value.id.0.as_str()), (1, None, "2"));
    }

    #[test]
    fn clearing_a_standing_that_is_put_back_needs_the_broker() {
        let now = UnixMillis(0);
        let (mut one, mut two) = (Account::default(), Account::default());
        for account in [&mut one, &mut two] {
            account.arrived(7, Some(suspended("1")), now);
            account.memory_lost(now);
            assert!(account.is_put_back());
        }
        let mut restored = Account::restore(one.saved());
        for account in [&mut one, &mut restored] {
            let (clearing, course) = change(account, cleared("2"));
            assert_eq!((course, account.standing(now).is_some()), (Course::BrokerFirst, true));
            account.changed_at_broker(&clearing, 1, Some(&WriteId("1".into())));
            assert_eq!(account.standing(now), None);
            let mut two = two.clone();
            two.arrived(1, Some(clearing), now);
            assert_eq!(two.reconcile(now), (None, None));
            assert_eq!(two.standing(now), None);
        }
    }

    /// A pending value of this replica does not hide that the others put back the value before it.
    #[test]
    fn clearing_a_pending_standing_over_one_that_is_put_back_needs_the_broker() {
        let now = UnixMillis(0);
        let (mut one, mut two) = (Account::default(), Account::default());
        for account in [&mut one, &mut two] {
            account.arrived(7, Some(suspended("1")), now);
        }
        assert_eq!(change(&mut one, suspended("2")).1, Course::LocalFirst);
        for account in [&mut one, &mut two] {
            account.memory_lost(now);
        }
        let (clearing, course) = change(&mut one, cleared("3"));
        assert_eq!((course, one.standing(now).is_some()), (Course::BrokerFirst, true));
        one.changed_at_broker(&clearing, 1, Some(&WriteId("2".into())));
        two.arrived(1, Some(clearing), now);
        assert_eq!(two.reconcile(now), (None, None));
        assert_eq!((one.standing(now), two.standing(now)), (None, None));
    }
}
