//! The supervised watch of a bucket, while the broker fails.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_fleet::bus::{Bucket, Bus, BusError, Unreachable};
use switchboard_fleet::watch::{Position, Watch, WatchEvent};
use tokio::time::timeout;

use fleet_testbed::broker::{Broker, programs};

const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the next event. Fails if none comes.
async fn next(watch: &mut Watch) -> WatchEvent {
    timeout(PATIENCE, watch.next()).await.expect("the watch hangs").expect("the watch ended")
}

/// A watch, and the place to which it was read.
struct Reader {
    watch: Watch,
    position: Option<Position>,
}

impl Reader {
    fn start(bus: &Bus, position: Option<Position>) -> Reader {
        Reader { watch: Watch::start(bus, Bucket::Standings, position), position: None }
    }

    /// Reads until the bucket is read to a revision or further. Returns the values that came, in order, the number of
    /// losses of memory, and the position.
    async fn read_to(&mut self, revision: u64) -> (Vec<(u64, String)>, usize, Position) {
        let (mut values, mut losses) = (Vec::new(), 0);
        loop {
            match next(&mut self.watch).await {
                WatchEvent::Entry(entry) => {
                    let value = String::from_utf8(entry.value.unwrap_or_default().to_vec()).unwrap();
                    values.push((entry.revision, value));
                    if let Some(position) = &mut self.position {
                        position.revision = entry.revision;
                    }
                }
                WatchEvent::MemoryLost(_) => {
                    losses += 1;
                    self.position = None;
                }
                WatchEvent::Current(position) => self.position = Some(position),
                WatchEvent::Reached(_) | WatchEvent::Lost(_) => self.position = None,
            }
            // An entry counts as soon as everything before the connection was read.
            if let Some(position) = self.position.clone().filter(|it| it.revision >= revision) {
                let growing = values.windows(2).all(|pair| pair[0].0 < pair[1].0);
                assert!(growing, "{values:?}");
                return (values, losses, position);
            }
        }
    }
}

/// Writes values of accounts `0` to `accounts - 1` in turn. Returns the last revision.
async fn write(bus: &Bus, accounts: usize, values: std::ops::Range<usize>) -> u64 {
    let mut revision = 0;
    for value in values {
        let key = format!("acme.{}", value % accounts);
        revision = bus.put(Bucket::Standings, &key, value.to_string().into()).await.unwrap();
    }
    revision
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn watch_lists_and_then_follows() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let mut empty = Reader::start(&bus, None);
        let (values, ..) = empty.read_to(0).await;
        assert!(values.is_empty());
        let last = write(&bus, 10, 0..100).await;
        let (values, _, position) = empty.read_to(last).await;
        assert_eq!((values.len(), position.revision), (100, 100));
        // A later watch finds the last value of each key.
        let mut later = Reader::start(&bus, None);
        let (values, ..) = later.read_to(last).await;
        let texts: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
        assert_eq!(texts, (90..100).map(|value| value.to_string()).collect::<Vec<_>>());
        // One from a position finds what is new, or nothing.
        let mut resumed = Reader::start(&bus, Some(position.clone()));
        assert!(resumed.read_to(last).await.0.is_empty());
        let last = write(&bus, 10, 100..103).await;
        for watch in [&mut empty, &mut later, &mut resumed] {
            let (values, losses, _) = watch.read_to(last).await;
            assert_eq!((values.len(), losses), (3, 0));
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn more_than_a_thousand_replicas_read_a_bucket() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        // The maximum of a stream that does not say another, from nats-server 2.15.
        let mut readers: Vec<Reader> = (0..1_001).map(|_| Reader::start(&bus, None)).collect();
        for reader in &mut readers {
            reader.read_to(0).await;
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn watch_loses_and_repeats_nothing_over_kills_of_the_broker() {
    for program in programs() {
        let mut broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let (writer, mut watch) = (broker.bus().await.unwrap(), Reader::start(&bus, None));
        let mut expected = BTreeMap::new();
        let mut link = writer.link();
        for round in 0..3 {
            let values = round * 50..(round + 1) * 50;
            let last = write(&writer, 1000, values.clone()).await;
            expected.extend(values.map(|value| (value as u64 + 1, value.to_string())));
            // Killed with entries on their way.
            broker.kill();
            link.wait_for(|link| !link.connected).await.unwrap();
            broker.restart().unwrap();
            link.wait_for(|link| link.connected).await.unwrap();
            let (values, losses, _) = watch.read_to(last).await;
            assert_eq!(losses, 0);
            for (revision, value) in values {
                assert_eq!(expected.remove(&revision), Some(value), "revision {revision}");
            }
            assert!(expected.is_empty(), "{expected:?}");
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn watch_reports_a_broker_that_lost_its_memory() {
    for program in programs() {
        let mut broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let mut watch = Reader::start(&bus, None);
        let last = write(&bus, 1000, 0..20).await;
        let (_, _, before) = watch.read_to(last).await;
        broker.kill();
        broker.lose_memory().unwrap();
        broker.restart().unwrap();
        // Without buckets, the watch reports that they are missing, and no value.
        loop {
            match next(&mut watch.watch).await {
                WatchEvent::Lost(BusError::NoBucket(_)) => break,
                WatchEvent::Lost(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let publisher = broker.initialized().await.unwrap();
        // Fewer entries than before, so that a watch from the old revision would see none.
        let last = write(&publisher, 1000, 100..105).await;
        let (values, losses, after) = watch.read_to(last).await;
        assert_eq!((values.len(), losses), (5, 1), "{values:?}");
        assert_ne!(before.memory, after.memory);
        // A start with the old position finds the same.
        let mut restarted = Reader::start(&publisher, Some(before));
        let (values, losses, _) = restarted.read_to(last).await;
        assert_eq!((values.len(), losses), (5, 1));
        // An earlier last sequence in the same life, as from a copy of an old store.
        let ahead = Position { revision: last + 1, ..after };
        let mut restarted = Reader::start(&publisher, Some(ahead));
        let (values, losses, _) = restarted.read_to(last).await;
        assert_eq!((values.len(), losses), (5, 1));
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn watch_finds_a_bucket_that_was_replaced_without_a_reconnection() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let mut watch = Reader::start(&bus, None);
        let last = write(&bus, 1000, 0..20).await;
        watch.read_to(last).await;
        let client = async_nats::connect(broker.settings().urls).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        jetstream.delete_stream(bus.stream_name(Bucket::Standings)).await.unwrap();
        bus.init(1).await.unwrap();
        let last = write(&bus, 1000, 100..105).await;
        let (values, losses, _) = watch.read_to(last).await;
        assert_eq!((values.len(), losses), (5, 1), "{values:?}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn watch_waits_for_a_broker_that_starts_later() {
    for program in programs() {
        let mut broker = Broker::prepared(&program).unwrap();
        let bus = Bus::connect(&broker.settings(), Unreachable::Wait).await.unwrap();
        let mut watch = Reader { watch: Watch::start(&bus, Bucket::Release, None), position: None };
        broker.restart().unwrap();
        let publisher = broker.initialized().await.unwrap();
        let last = publisher.put(Bucket::Release, "rollout", "{}".into()).await.unwrap();
        let (values, losses, _) = watch.read_to(last).await;
        // The epoch and the value.
        assert_eq!((values.len(), losses), (2, 0));
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn watch_survives_a_half_open_connection() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let mut watch = Reader::start(&bus, None);
        let last = write(&bus, 1000, 0..5).await;
        watch.read_to(last).await;
        broker.freeze().unwrap();
        let mut link = bus.link();
        timeout(PATIENCE, link.wait_for(|link| !link.connected)).await.unwrap().unwrap();
        broker.thaw().unwrap();
        timeout(PATIENCE, link.wait_for(|link| link.connected)).await.unwrap().unwrap();
        let last = write(&bus, 1000, 5..10).await;
        let (values, losses, _) = watch.read_to(last).await;
        assert_eq!((values.len(), losses), (5, 0));
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn slow_reader_gets_every_entry() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let mut watch = Reader::start(&bus, None);
        watch.read_to(0).await;
        // More than the queues of the client and of the watch, while nothing is read.
        let writes = (0..12_000).map(|value| {
            let (bus, key) = (bus.clone(), format!("acme.{value}"));
            async move { bus.put(Bucket::Standings, &key, value.to_string().into()).await.unwrap() }
        });
        let chunks = futures_util::StreamExt::buffer_unordered(futures_util::stream::iter(writes), 256);
        let last = futures_util::StreamExt::fold(chunks, 0, async |last: u64, next| last.max(next)).await;
        let (values, losses, _) = watch.read_to(last).await;
        assert_eq!((values.len(), losses), (12_000, 0));
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn slow_reader_loses_nothing_at_a_reconnection() {
    for program in programs() {
        let mut broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let mut watch = Reader::start(&bus, None);
        watch.read_to(0).await;
        // The queue of the watch is full, and its next entry waits, when the connection ends.
        let last = write(&bus, 10_000, 0..2_000).await;
        let mut link = bus.link();
        broker.kill();
        link.wait_for(|link| !link.connected).await.unwrap();
        broker.restart().unwrap();
        link.wait_for(|link| link.connections >= 2).await.unwrap();
        let (values, losses, _) = watch.read_to(last).await;
        assert_eq!((values.len(), losses), (2_000, 0));
    }
}
