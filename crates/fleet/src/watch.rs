//! A supervised watch of a bucket: each entry in the order of the broker's revisions, from the last one seen.
//!
//! The watch of the client library resumes late after a reconnection, and misses entries without an error when
//! the broker has lost its memory. This watch makes a new consumer at every connection, compares the life of the
//! bucket with the one it knows, and compares its position with the broker's at intervals.

use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::backoff::jittered;
use crate::bus::{Bucket, Bus, BusError, Entry, Memory};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// A reader that waits this long is compared with the broker.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Entries that wait for their reader. The broker's flow control holds the others.
const QUEUE: usize = 1024;
/// The maximum time of the connection's first messages, after which the watch looks at the broker.
const FIRST_MESSAGE: Duration = Duration::from_secs(5);

/// The place to which a bucket has been read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The life of the bucket.
    #[serde(flatten)]
    pub memory: Memory,
    /// The last revision that was read.
    pub revision: u64,
}

/// What a watch reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// The bucket is reached, for the first time or again. Entries follow that are not yet known.
    Reached(Memory),
    /// The bucket is reached, and has another life than the position of the watch: the broker lost its memory,
    /// or another broker answers. Its entries follow from the first one. What is missing among them was not
    /// deleted by anyone.
    MemoryLost(Memory),
    /// A value, or the deletion of one. Revisions grow until the next [`WatchEvent::MemoryLost`].
    Entry(Entry),
    /// Every entry up to this position was reported, and the broker is alive. Comes once after the bucket was
    /// reached, and at intervals while nothing else comes. The entries between them are reported as they arrive.
    Current(Position),
    /// The bucket cannot be read at the moment. The watch goes on by itself.
    Lost(BusError),
}

/// A watch of a bucket. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
    task: JoinHandle<()>,
}

/// The end of a session with the broker.
enum End {
    /// The reader is gone.
    Reader,
    /// There is a new connection.
    Reconnected,
    /// The bucket cannot be read.
    Failed(BusError),
}

struct Supervisor {
    bus: Bus,
    bucket: Bucket,
    position: Option<Position>,
    events: mpsc::Sender<WatchEvent>,
}

impl Watch {
    /// Begins to watch a bucket behind a position, or from its first entry. Needs a runtime of tokio.
    pub fn start(bus: &Bus, bucket: Bucket, position: Option<Position>) -> Watch {
        let (sender, events) = mpsc::channel(QUEUE);
        let supervisor = Supervisor { bus: bus.clone(), bucket, position, events: sender };
        Watch { events, task: tokio::spawn(supervisor.run()) }
    }

    /// Waits for the next event. May be cancelled without a loss. Returns `None` only if the runtime ends.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        self.events.recv().await
    }

    /// Returns the next event if one is there.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        self.events.try_recv().ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Supervisor {
    async fn run(mut self) {
        let mut attempt = 0;
        let mut link = self.bus.link();
        let reader = self.events.clone();
        loop {
            let connected = tokio::select! {
                connected = link.wait_for(|link| link.connected) => connected.map(|link| link.connections),
                () = reader.closed() => return,
            };
            // The connection outlives the watch, so its channel has a sender.
            let Ok(connection) = connected else { return };
            let reached = Instant::now();
            let end = tokio::select! {
                end = self.session() => end,
                _ = link.wait_for(|link| link.connections != connection) => End::Reconnected,
                () = reader.closed() => return,
            };
            match end {
                End::Reader => return,
                End::Reconnected => attempt = 0,
                End::Failed(error) => {
                    if reached.elapsed() > LAST_RETRY {
                        attempt = 0;
                    }
                    if self.events.send(WatchEvent::Lost(error)).await.is_err() {
                        return;
                    }
                    attempt += 1;
                    // A reconnection ends the wait.
                    let reconnected = link.wait_for(|link| link.connections != connection);
                    let _ = timeout(jittered(FIRST_RETRY, LAST_RETRY, attempt), reconnected).await;
                }
            }
        }
    }

    async fn session(&mut self) -> End {
        match self.read().await {
            Ok(end) | Err(end) => end,
        }
    }

    /// Reads the bucket until the connection or the broker fails.
    async fn read(&mut self) -> Result<End, End> {
        let (memory, last) = self.bus.memory(self.bucket).await?;
        let known = self.position.as_ref().filter(|known| known.memory == memory && known.revision <= last);
        let resumed = known.map_or(0, |known| known.revision);
        let was_lost = self.position.is_some() && known.is_none();
        let reached = if was_lost { WatchEvent::MemoryLost } else { WatchEvent::Reached };
        self.report(reached(memory.clone())).await?;
        self.position = Some(Position { memory, revision: resumed });

        let stream = self.bus.stream(self.bucket).await?;
        let from = DeliverPolicy::ByStartSequence { start_sequence: resumed + 1 };
        let (mut messages, pending) = self.bus.consume(&stream, self.bucket, from).await?;
        let mut is_behind = pending > 0;
        if !is_behind {
            // What came before the consumer was made and does not wait has been read, deleted or replaced.
            self.advance(last);
            self.report_current().await?;
        }
        let mut check = interval_at(Instant::now() + FIRST_MESSAGE, CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut read_at_check = resumed;
        loop {
            tokio::select! {
                message = messages.next() => {
                    let message = match message {
                        Some(Ok(message)) => message,
                        Some(Err(error)) => return Ok(End::Failed(failed(&error))),
                        None => return Ok(End::Failed(BusError::Disconnected)),
                    };
                    let Some((entry, left)) = self.bus.read_entry(self.bucket, &message) else { continue };
                    // The position moves with the report alone, because the wait for the reader may be cancelled.
                    let reader = self.events.clone();
                    let place = reader.reserve().await.map_err(|_| End::Reader)?;
                    // The library repeats messages when it makes its consumer again.
                    if self.advance(entry.revision) {
                        place.send(WatchEvent::Entry(entry));
                        if is_behind && left == 0 {
                            is_behind = false;
                            self.report_current().await?;
                        }
                    }
                }
                _ = check.tick() => {
                    let (memory, last) = self.bus.memory(self.bucket).await?;
                    let Some(position) = &self.position else { return Ok(End::Reconnected) };
                    if position.memory != memory || last < position.revision {
                        // The next session finds the same, and reports the loss.
                        return Ok(End::Reconnected);
                    }
                    if position.revision >= last {
                        self.report_current().await?;
                    } else if position.revision == read_at_check {
                        // Nothing came since the last check although there is more.
                        return Ok(End::Failed(failed(&"the watch of the bucket stopped")));
                    }
                    read_at_check = self.position.as_ref().map_or(0, |position| position.revision);
                }
            }
        }
    }

    /// Moves the position forward. Returns whether the revision is new.
    fn advance(&mut self, revision: u64) -> bool {
        match &mut self.position {
            Some(position) if position.revision < revision => {
                position.revision = revision;
                true
            }
            _ => false,
        }
    }

    async fn report_current(&self) -> Result<(), End> {
        match &self.position {
            Some(position) => self.report(WatchEvent::Current(position.clone())).await,
            None => Ok(()),
        }
    }

    async fn report(&self, event: WatchEvent) -> Result<(), End> {
        self.events.send(event).await.map_err(|_| End::Reader)
    }
}

fn failed(error: &dyn std::fmt::Display) -> BusError {
    BusError::Refused { call: "watch a bucket", reason: error.to_string() }
}

impl From<BusError> for End {
    fn from(error: BusError) -> End {
        End::Failed(error)
    }
}
