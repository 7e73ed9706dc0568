//! The values that the bucket of the release keeps, and the rollout that counts among them.

use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::bus::{Bucket, Bus, BusError, CALL_TIMEOUT, Entry};
use crate::release::{ROLLOUT_KEY, Rollout, Rollouts};

/// Reads every value of the bucket of the release, the oldest first.
pub(crate) async fn values(bus: &Bus) -> Result<Vec<Entry>, BusError> {
    const CALL: &str = "read the history of the release";
    let stream = bus.stream(Bucket::Release).await?;
    let (mut messages, mut pending) = bus.consume(&stream, Bucket::Release, DeliverPolicy::All).await?;
    let mut values = Vec::new();
    while pending > 0 {
        let late = |_| BusError::TimedOut { call: CALL, limit: CALL_TIMEOUT, refusal: None };
        let next = timeout(CALL_TIMEOUT, messages.next()).await.map_err(late)?;
        let message = next.ok_or(BusError::Disconnected)?;
        let message = message.map_err(|error| BusError::Refused { call: CALL, reason: error.to_string() })?;
        let (entry, left) = bus.read_entry(Bucket::Release, &message).ok_or(BusError::Disconnected)?;
        pending = left;
        values.push(entry);
    }
    Ok(values)
}

/// Returns the rollout that counts for a generation, as replicas decide it. `newest` is the value of the key.
pub(crate) async fn rollout_of(
    bus: &Bus,
    newest: Option<&Entry>,
    generation: u64,
) -> Result<Option<Rollout>, BusError> {
    let Some(value) = newest.and_then(|entry| entry.value.as_ref()) else { return Ok(None) };
    if let Ok(rollout) = Rollout::parse(value)
        && rollout.generation <= generation
    {
        return Ok(Some(rollout).filter(|rollout| rollout.generation == generation));
    }
    // The newest value does not count, so that an earlier one may.
    let mut rollouts = Rollouts::default();
    for entry in values(bus).await?.iter().filter(|entry| entry.key == ROLLOUT_KEY) {
        // A value that cannot be read does not count.
        let _ = rollouts.receive(entry.value.as_deref());
    }
    Ok(rollouts.of(generation))
}
