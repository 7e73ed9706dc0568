//! The status of a replica in its bucket, the task that writes it, and the status of the whole fleet.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchboard_model::UnixMillis;
use switchboard_release::{Envelope, Manifest};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff::jittered;
use crate::bus::{Bucket, Bus, BusError, Entry, decode_token, encode_token};
use crate::history::rollout_of;
use crate::release::{CURRENT_KEY, Current, ROLLOUT_KEY, Reason, Rollout};

/// The maximum time between two writes. A third of the time after which the broker drops the entry.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(20);
/// The minimum time between two writes, for a replica that changes quickly.
const MIN_INTERVAL: Duration = Duration::from_millis(200);
/// The minimum time before a write that has only another revision of the standings. A thousand replicas would
/// otherwise write a million times for a thousand standings. The write is put off by up to the same time, because
/// all replicas would otherwise write at the moment at which they receive a standing.
const REVISION_INTERVAL: Duration = Duration::from_secs(2);
/// The pause after another revision of the standings, in which no change is looked at. Each of many standings would
/// otherwise wake the task.
const REVISION_PAUSE: Duration = Duration::from_millis(50);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// The maximum length of a status in bytes. Longer ones are not read.
const MAX_STATUS_BYTES: usize = 4096;

/// The state of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The replica waits for its wave, or for a source.
    Waiting,
    /// The replica fetches the snapshot.
    Fetching,
    /// The release is in service.
    Serving,
    /// The release was rejected, and another one is in service, or none.
    Rejected,
    /// The release has no variant for the program.
    Behind,
}

/// The status of a replica, with its fields in the order of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// The id of the replica.
    pub id: String,
    /// The version of the program.
    pub version: String,
    /// The digest of the record types that the program reads, in hexadecimal.
    pub schema: String,
    /// The generation in service.
    pub generation: Option<u64>,
    /// The digest of the snapshot in service.
    pub digest: Option<String>,
    /// The state.
    pub state: State,
    /// The reason of the state.
    pub reason: Option<Reason>,
    /// The time since which the replica has this state, in RFC 3339.
    pub since: String,
    /// The revision to which the standings were read.
    pub standings_revision: u64,
    /// The clock of the replica when the status was written, in RFC 3339.
    pub clock: String,
    /// The start of the process, in RFC 3339.
    pub started: String,
    /// Whether the release in service was verified with trusted keys.
    pub signed: bool,
}

/// What the task that reports learns from the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportHealth {
    /// The error of the last write, if it failed.
    pub error: Option<String>,
    /// The time by which this machine's clock is ahead of the broker's, in milliseconds.
    pub clock_offset_millis: Option<i64>,
}

/// The status of a fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetStatus {
    /// `release`, `rollout` and `replicas`, as `fleet status --format json` prints them.
    pub json: Value,
    /// Whether there is a release, at least one replica, and every replica serves the release.
    pub all_serve: bool,
    /// The fault of a release that cannot be read, which is missing in the JSON then, or of the newest rollout.
    pub fault: Option<String>,
}

/// How a status differs from the one that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Only another revision of the standings.
    Revision,
    /// Anything else.
    Other,
}

impl ReplicaStatus {
    /// Returns how another status differs. It is called for each standing that arrives, so that nothing is cloned.
    fn change_to(&self, other: &ReplicaStatus) -> Option<Change> {
        let ReplicaStatus {
            id,
            version,
            schema,
            generation,
            digest,
            state,
            reason,
            since,
            standings_revision,
            // The clock is that of the write.
            clock: _,
            started,
            signed,
        } = self;
        let is_same = (id, version, schema) == (&other.id, &other.version, &other.schema)
            && (generation, digest) == (&other.generation, &other.digest)
            && (state, reason, since) == (&other.state, &other.reason, &other.since)
            && (started, signed) == (&other.started, &other.signed);
        match is_same {
            false => Some(Change::Other),
            true => (*standings_revision != other.standings_revision).then_some(Change::Revision),
        }
    }
}

/// Writes the status of a replica at every change, after every reconnection, and every 20 s at the latest. Runs
/// until the sender of the status is dropped.
pub async fn report(
    bus: Bus,
    mut status: watch::Receiver<ReplicaStatus>,
    health: watch::Sender<ReportHealth>,
) {
    let mut link = bus.link();
    let mut failures = 0;
    // The clocks are compared at the first write of each interval.
    let mut compared: Option<Instant> = None;
    loop {
        let connected = link.borrow_and_update().connected;
        let current = status.borrow_and_update().clone();
        let written = Instant::now();
        let mut next = written + jittered(REPORT_INTERVAL, REPORT_INTERVAL, 0);
        if connected {
            let compares = compared.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL / 2);
            match write(&bus, &current, compares).await {
                Ok(offset) => {
                    failures = 0;
                    compared = if compares { Some(written) } else { compared };
                    health.send_modify(|health| {
                        health.error = None;
                        health.clock_offset_millis = offset.or(health.clock_offset_millis);
                    });
                }
                Err(error) => {
                    failures += 1;
                    next = written + jittered(FIRST_RETRY, LAST_RETRY, failures);
                    if failures == 1 {
                        tracing::warn!(%error, "the status of this replica cannot be written to the broker");
                    }
                    health.send_modify(|health| health.error = Some(error.to_string()));
                }
            }
        }
        let mut has_revision = false;
        loop {
            tokio::select! {
                changed = status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let change = current.change_to(&status.borrow_and_update());
                    match change {
                        Some(Change::Other) => next = next.min(written + MIN_INTERVAL),
                        Some(Change::Revision) if !has_revision => {
                            has_revision = true;
                            let spread = REVISION_INTERVAL.mul_f64(fastrand::f64());
                            next = next.min((written + REVISION_INTERVAL).max(Instant::now() + spread));
                        }
                        Some(Change::Revision) => sleep(REVISION_PAUSE).await,
                        None => {}
                    }
                }
                // The sender lives as long as the bus.
                _ = link.changed() => break,
                () = sleep_until(next) => break,
            }
        }
    }
}

/// Writes the status. Returns the offset of this machine's clock, from the time that the broker gave the entry, if it
/// is asked for and known.
async fn write(bus: &Bus, status: &ReplicaStatus, compares: bool) -> Result<Option<i64>, BusError> {
    let sent = now();
    let status = ReplicaStatus { clock: rfc3339(sent), ..status.clone() };
    let key = encode_token(&status.id);
    // Texts and numbers alone, so that the JSON cannot fail.
    let json = serde_json::to_vec(&status).unwrap_or_default();
    let revision = bus.put(Bucket::Status, &key, json).await?;
    if !compares {
        return Ok(None);
    }
    let acknowledged = now();
    let middle = sent.0 + (acknowledged.0 - sent.0) / 2;
    // The status is written, whatever the answer is.
    let entry = bus.get(Bucket::Status, &key).await.ok().flatten();
    let entry = entry.filter(|entry| entry.revision == revision);
    Ok(entry.map(|entry| middle - entry.time_millis))
}

/// Reads the status of the fleet.
///
/// # Errors
/// Returns an error if the broker does not answer.
pub async fn fleet_status(bus: &Bus) -> Result<FleetStatus, BusError> {
    bus.memory(Bucket::Release).await?;
    let current = bus.get(Bucket::Release, CURRENT_KEY).await?.and_then(|entry| entry.value);
    let rollout = bus.get(Bucket::Release, ROLLOUT_KEY).await?;
    let entries = bus.list(Bucket::Status).await?;
    let release = match current.as_deref().map(release_of).transpose() {
        Ok(Some(release)) => release,
        // The replicas are shown all the same.
        read => return Ok(FleetStatus { fault: read.err(), ..summarize(None, None, &entries) }),
    };
    let counting = rollout_of(bus, rollout.as_ref(), release.0.generation).await?;
    let value = rollout.as_ref().and_then(|entry| entry.value.as_deref());
    let fault = value.and_then(|value| Rollout::parse(value).err());
    let fault = fault.map(|fault| format!("{fault}. Until then, the rollout before it counts"));
    Ok(FleetStatus { fault, ..summarize(Some(&release), counting, &entries) })
}

/// Reads the value `current`. Verifies no signature.
fn release_of(value: &[u8]) -> Result<(Manifest, Vec<String>), String> {
    let current = Current::parse(value).map_err(|error| error.to_string())?;
    let envelope = Envelope::from_json(current.manifest.get().as_bytes());
    let read = envelope
        .and_then(|envelope| Ok((envelope.unverified()?, envelope.key_ids().map(str::to_owned).collect())));
    read.map_err(|error| {
        format!("the manifest of the release cannot be used: {error}: publish the release again")
    })
}

/// Combines the release, with the ids of the keys that its signatures name, the rollout that counts for it, and the
/// status of each replica.
pub fn summarize(
    release: Option<&(Manifest, Vec<String>)>,
    rollout: Option<Rollout>,
    entries: &[Entry],
) -> FleetStatus {
    let manifest = release.map(|(manifest, _)| manifest);
    let serves = |replica: &Value| {
        manifest.is_some_and(|manifest| {
            replica.get("state").and_then(Value::as_str) == Some("serving")
                && replica.get("generation").and_then(Value::as_u64) == Some(manifest.generation)
                && replica.get("digest").and_then(Value::as_str).is_some_and(|digest| manifest.names(digest))
        })
    };
    let mut replicas: Vec<(String, Value)> = entries.iter().filter_map(replica_of).collect();
    replicas.sort_by(|(a, _), (b, _)| a.cmp(b));
    let all_serve = !replicas.is_empty() && replicas.iter().all(|(_, replica)| serves(replica));
    let replicas: Vec<Value> = replicas.into_iter().map(|(_, replica)| replica).collect();
    let release = release.map(|(manifest, keys)| {
        let mut release = json!(manifest);
        if let Some(members) = release.as_object_mut() {
            members.insert("signed_by".to_owned(), json!(keys));
        }
        release
    });
    let json = json!({"release": release, "rollout": rollout, "replicas": replicas});
    FleetStatus { json, all_serve, fault: None }
}

/// Returns the id and the status of an entry. One that cannot be read is a replica all the same, because a program
/// of another version may have written the entry.
fn replica_of(entry: &Entry) -> Option<(String, Value)> {
    let value = entry.value.as_ref()?;
    let id = decode_token(&entry.key).map_or_else(|| entry.key.clone(), Into::into);
    let read =
        (value.len() <= MAX_STATUS_BYTES).then(|| serde_json::from_slice::<Value>(value).ok()).flatten();
    let read = read.filter(|read| read.get("id").and_then(Value::as_str) == Some(&id));
    let status = read.unwrap_or_else(|| json!({"id": id, "state": "unreadable"}));
    Some((id, status))
}

fn now() -> UnixMillis {
    UnixMillis::from(std::time::SystemTime::now())
}

/// Returns a time in RFC 3339, in UTC with milliseconds.
pub fn rfc3339(time: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| time.0.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: &str, generation: u64) -> ReplicaStatus {
        ReplicaStatus {
            id: id.to_owned(),
            version: "0.2.0".to_owned(),
            schema: "s".to_owned(),
            generation: Some(generation),
            digest: Some("b".repeat(64)),
            state: State::Serving,
            reason: None,
            since: rfc3339(UnixMillis(0)),
            standings_revision: 3,
            clock: rfc3339(UnixMillis(1_500)),
            started: rfc3339(UnixMillis(0)),
            signed: true,
        }
    }

    fn entry(key: &str, value: &impl Serialize) -> Entry {
        let value = serde_json::to_vec(value).unwrap();
        Entry { key: key.to_owned(), value: Some(value.into()), revision: 1, time_millis: 0 }
    }

    fn release() -> (Manifest, Vec<String>) {
        let mut manifest = Manifest::new(7, "2026-11-28T12:00:00Z".parse().unwrap());
        manifest.variants.push(switchboard_release::Variant {
            schema: "s".to_owned(),
            size: 9,
            digest: "b".repeat(64),
            content: "c".repeat(64),
        });
        (manifest, vec!["key-1".to_owned(), "key-2".to_owned()])
    }

    #[test]
    fn fields_are_those_of_the_bucket() {
        let json = serde_json::to_string(&status("r", 7)).unwrap();
        let expected = format!(
            "{{\"id\":\"r\",\"version\":\"0.2.0\",\"schema\":\"s\",\"generation\":7,\"digest\":\"{}\",\
             \"state\":\"serving\",\"reason\":null,\"since\":\"1970-01-01T00:00:00.000Z\",\
             \"standings_revision\":3,\"clock\":\"1970-01-01T00:00:01.500Z\",\
             \"started\":\"1970-01-01T00:00:00.000Z\",\"signed\":true}}",
            "b".repeat(64)
        );
        assert_eq!(json, expected);
        let rejected =
            ReplicaStatus { state: State::Rejected, reason: Some(Reason::GenerationOld), ..status("r", 7) };
        let json = serde_json::to_value(&rejected).unwrap();
        assert_eq!((&json["state"], &json["reason"]), (&json!("rejected"), &json!("generation_old")));
    }

    #[test]
    fn only_the_revision_of_the_standings_may_be_written_later() {
        let before = status("r", 7);
        for (after, change) in [
            (before.clone(), None),
            (ReplicaStatus { clock: String::new(), ..before.clone() }, None),
            (ReplicaStatus { standings_revision: 4, ..before.clone() }, Some(Change::Revision)),
            (
                ReplicaStatus { state: State::Fetching, standings_revision: 4, ..before.clone() },
                Some(Change::Other),
            ),
            (ReplicaStatus { signed: false, ..before.clone() }, Some(Change::Other)),
            (ReplicaStatus { digest: None, ..before.clone() }, Some(Change::Other)),
        ] {
            assert_eq!(before.change_to(&after), change, "{after:?}");
        }
    }

    #[test]
    fn all_serve_only_if_each_replica_does() {
        let release = release();
        let of = |entries: &[Entry]| summarize(Some(&release), None, entries).all_serve;
        let (a, b) = (entry("a", &status("a", 7)), entry("b", &status("b", 7)));
        assert!(of(&[a.clone(), b.clone()]));
        // Without a release, or without a replica, there is nothing to agree with.
        assert!(!of(&[]));
        assert!(!summarize(None, None, std::slice::from_ref(&a)).all_serve);
        for other in [
            entry("b", &status("b", 6)),
            entry("b", &ReplicaStatus { state: State::Rejected, ..status("b", 7) }),
            entry("b", &ReplicaStatus { digest: Some("d".repeat(64)), ..status("b", 7) }),
            entry("b", &ReplicaStatus { digest: None, ..status("b", 7) }),
            // The status of one replica under the key of another.
            entry("b", &status("a", 7)),
            entry("b", &"not a status"),
            entry("b", &format!("{:5000}", "")),
        ] {
            assert!(!of(&[a.clone(), other.clone()]), "{other:?}");
        }
        // A status that was deleted is no replica.
        assert!(of(&[a, Entry { value: None, ..b }]));
    }

    #[test]
    fn replicas_are_in_the_order_of_their_ids() {
        let rollout = Some(Rollout { generation: 7, percent: 10 });
        let entries =
            [entry("b=2E1", &status("b.1", 7)), entry("a", &status("a", 6)), entry("c", &json!({"id": 1}))];
        let status = summarize(Some(&release()), rollout, &entries);
        let ids: Vec<_> =
            status.json["replicas"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
        assert_eq!(ids, ["a", "b.1", "c"]);
        assert_eq!(status.json["replicas"][2], json!({"id": "c", "state": "unreadable"}));
        assert_eq!(status.json["rollout"], json!({"generation": 7, "percent": 10}));
        assert_eq!(status.json["release"]["generation"], 7);
        assert_eq!(status.json["release"]["signed_by"], json!(["key-1", "key-2"]));
        let members: Vec<_> = status.json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["release", "rollout", "replicas"]);
    }
}
