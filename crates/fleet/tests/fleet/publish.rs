//! The publisher at a real broker: order of the writes, two publishers, waves, and what is removed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use switchboard_fleet::bus::{Bucket, Bus, BusError, BusSettings, Unreachable};
use switchboard_fleet::publish::{
    Announced, OtherRelease, PublishError, Publisher, Replicas, Seen, Store, WaveEvent,
};
use switchboard_fleet::release::{Encoding, Reason, Rollout, Source, wave_position};
use switchboard_fleet::status::{ReplicaStatus, State, fleet_status};
use switchboard_release::{Envelope, Manifest, Variant};
use tempfile::TempDir;
use tokio::time::timeout;

use fleet_testbed::broker::{Broker, programs};

const PATIENCE: Duration = Duration::from_secs(20);
/// A share that 20 replicas have, and its next wave.
const WAVES: [u8; 2] = [30, 100];

/// Returns bytes that can be compressed, and differ for each generation.
fn snapshot(generation: u64) -> Bytes {
    (0..100_000u64).flat_map(|number| (number / 9 + generation).to_le_bytes()).collect::<Vec<u8>>().into()
}

fn variant(snapshot: &[u8]) -> Variant {
    Variant {
        schema: "s".to_owned(),
        size: snapshot.len() as u64,
        digest: Sha256::digest(snapshot).iter().map(|byte| format!("{byte:02x}")).collect(),
        content: "0".repeat(64),
    }
}

fn envelope(generation: u64) -> Envelope {
    let mut manifest = Manifest::new(generation, "2026-11-28T12:00:00Z".parse().unwrap());
    manifest.variants.push(variant(&snapshot(generation)));
    Envelope::new(&manifest)
}

struct Place {
    broker: Broker,
    publisher: Publisher,
    folder: TempDir,
}

impl Place {
    async fn new(program: &Path) -> Place {
        let broker = Broker::start(program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let publisher = Publisher::new(bus, &broker.settings(), Store::Broker).unwrap();
        Place { broker, publisher, folder: tempfile::tempdir().unwrap() }
    }

    async fn upload(&self, generation: u64) -> Source {
        let bytes = snapshot(generation);
        self.publisher.upload(&bytes, &variant(&bytes), self.folder.path()).await.unwrap()
    }

    /// Publishes a generation behind a release that was seen.
    async fn announce(&self, seen: &Seen, generation: u64, percent: u8) -> Result<u64, PublishError> {
        let source = self.upload(generation).await;
        let announced = self.publisher.announce(seen, &envelope(generation), vec![source], percent).await?;
        Ok(announced.manifest.generation)
    }

    async fn publish(&self, generation: u64) {
        let seen = self.publisher.read().await.unwrap();
        self.announce(&seen, generation, 100).await.unwrap();
    }

    async fn in_force(&self) -> (u64, Option<Rollout>) {
        let seen = self.publisher.read().await.unwrap();
        (seen.release.map_or(0, |release| release.manifest.generation), seen.rollout)
    }

    async fn report(&self, id: &str, generation: u64, state: State, reason: Option<Reason>, since: u64) {
        let status = ReplicaStatus {
            id: id.to_owned(),
            version: "0.2.0".to_owned(),
            schema: "s".to_owned(),
            generation: Some(generation),
            digest: Some(variant(&snapshot(generation)).digest),
            state,
            reason,
            since: format!("2026-11-28T12:00:{since:02}.000Z"),
            standings_revision: 0,
            clock: String::new(),
            started: String::new(),
            signed: false,
        };
        let json = serde_json::to_vec(&status).unwrap();
        self.publisher.bus().put(Bucket::Status, id, json).await.unwrap();
    }

    /// Publishes a generation to the first of [`WAVES`], and runs them with 20 replicas that act when there is an
    /// event.
    async fn waves(
        &self,
        generation: u64,
        replicas: &mut Replicas,
        hold: Duration,
        act: impl AsyncFnMut(WaveEvent),
    ) -> (Result<(), PublishError>, Vec<WaveEvent>) {
        let seen = self.publisher.read().await.unwrap();
        let percent = Publisher::first_wave(&WAVES, generation, replicas);
        let source = self.upload(generation).await;
        let mut announced =
            self.publisher.announce(&seen, &envelope(generation), vec![source], percent).await.unwrap();
        self.run_waves(&mut announced, replicas, hold, act).await
    }

    /// Runs the waves of a release with replicas that act when there is an event.
    async fn run_waves(
        &self,
        announced: &mut Announced,
        replicas: &mut Replicas,
        hold: Duration,
        mut act: impl AsyncFnMut(WaveEvent),
    ) -> (Result<(), PublishError>, Vec<WaveEvent>) {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let mut report = move |event| {
            let _ = sender.send(event);
        };
        let run = self.publisher.run_waves(announced, &WAVES, hold, replicas, &mut report);
        tokio::pin!(run);
        let mut seen = Vec::new();
        let result = loop {
            tokio::select! {
                result = &mut run => break result,
                Some(event) = events.recv() => {
                    seen.push(event.clone());
                    act(event).await;
                }
                () = tokio::time::sleep(PATIENCE) => panic!("the waves do not end: {seen:?}"),
            }
        };
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        (result, seen)
    }
}

fn ids() -> Vec<String> {
    (0..20).map(|number| format!("replica-{number}")).collect()
}

/// Returns the replicas of a wave, and the others.
fn members(generation: u64, percent: u8) -> (Vec<String>, Vec<String>) {
    ids().into_iter().partition(|id| wave_position(id, generation) < percent)
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn release_is_uploaded_published_and_kept_in_the_history() {
    for program in programs() {
        let place = Place::new(&program).await;
        let (publisher, folder) = (&place.publisher, place.folder.path());
        let empty = publisher.read().await.unwrap();
        assert!(empty.release.is_none() && empty.fault.is_none() && empty.rollout.is_none());
        let source = place.upload(1).await;
        assert_eq!(source.encoding, Encoding::Zstd);
        assert!(source.size < snapshot(1).len() as u64);
        // The second upload finds the first.
        assert_eq!(place.upload(1).await, source);
        place.announce(&empty, 1, 10).await.unwrap();
        assert_eq!(place.in_force().await, (1, Some(Rollout { generation: 1, percent: 10 })));
        // What cannot be compressed is stored as it is.
        let noise: Bytes = (0..50_000).map(|_| fastrand::u8(..)).collect::<Vec<u8>>().into();
        let source = publisher.upload(&noise, &variant(&noise), folder).await.unwrap();
        assert_eq!((source.encoding, source.size), (Encoding::Identity, 50_000));
        for generation in 2..=20 {
            place.publish(generation).await;
        }
        let history = publisher.history().await.unwrap();
        let generations: Vec<u64> = history.iter().map(|release| release.manifest.generation).collect();
        assert_eq!(generations, (5..=20).rev().collect::<Vec<_>>());
        let oldest = history.last().unwrap();
        let fetched = publisher.fetch(&oldest.current, &oldest.manifest.variants[0], folder).await.unwrap();
        assert_eq!(fs::read(fetched.path()).unwrap(), snapshot(5));
        drop(fetched);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn release_that_replicas_would_reject_is_not_published() {
    let place = Place::new(&programs()[0]).await;
    place.publish(7).await;
    let seen = place.publisher.read().await.unwrap();
    let far = u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap() + 25 * 3_600_000;
    assert!(matches!(place.announce(&seen, 6, 100).await, Err(PublishError::NotNewer { current: 7, .. })));
    assert!(matches!(place.announce(&seen, far, 100).await, Err(PublishError::Ahead(_))));
    let error = place.publisher.announce(&seen, &envelope(8), Vec::new(), 100).await.unwrap_err();
    assert!(matches!(&error, PublishError::Invalid(text) if text.contains("--with")), "{error}");
    assert_eq!(place.in_force().await, (7, Some(Rollout { generation: 7, percent: 100 })));
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn one_of_two_publishers_wins_whole() {
    for program in programs() {
        let place = Place::new(&program).await;
        place.publish(1).await;
        for round in 1..=10 {
            let seen = place.publisher.read().await.unwrap();
            let (a, b) = (round * 10, round * 10 + 1);
            let results = tokio::join!(place.announce(&seen, a, 20), place.announce(&seen, b, 30));
            let winner = match results {
                (Ok(a), Err(PublishError::Overtaken { .. })) => (a, 20),
                (Err(PublishError::Overtaken { .. }), Ok(b)) => (b, 30),
                other => panic!("{other:?}"),
            };
            let (generation, percent) = winner;
            assert_eq!(place.in_force().await, (generation, Some(Rollout { generation, percent })));
            // A publisher that has seen the release before loses without a change.
            let late = place.announce(&seen, 1000, 100).await.unwrap_err();
            assert!(late.to_string().contains("switchboard fleet status"), "{late}");
            assert_eq!(place.in_force().await, (generation, Some(Rollout { generation, percent })));
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn publisher_that_ended_between_its_writes_stops_no_other() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    // The wave of a release that was never published.
    let rollout = Rollout { generation: 5, percent: 1 }.to_json();
    place.publisher.bus().put(Bucket::Release, "rollout", rollout).await.unwrap();
    place.publish(6).await;
    // A release in its waves stays there, for the publisher, for the status and for replicas.
    let seen = place.publisher.read().await.unwrap();
    place.announce(&seen, 7, 10).await.unwrap();
    let seven = Rollout { generation: 7, percent: 10 };
    for value in [Rollout { generation: 8, percent: 1 }.to_json(), b"{}".to_vec()] {
        place.publisher.bus().put(Bucket::Release, "rollout", value.clone()).await.unwrap();
        let seen = place.publisher.read().await.unwrap();
        assert_eq!((seen.percent, place.publisher.resume(&seen).unwrap().percent), (10, 10));
        let status = fleet_status(place.publisher.bus()).await.unwrap();
        assert_eq!(status.json["rollout"], serde_json::json!(seven), "{:?}", status.fault);
        assert_eq!(status.json["release"]["generation"], 7);
        assert_eq!(status.fault.is_some(), value == b"{}", "{:?}", status.fault);
    }
    // A rollout of a generation below means every replica.
    let rollout = Rollout { generation: 6, percent: 1 }.to_json();
    place.publisher.bus().put(Bucket::Release, "rollout", rollout).await.unwrap();
    assert_eq!(place.publisher.read().await.unwrap().percent, 100);
    let status = fleet_status(place.publisher.bus()).await.unwrap();
    assert_eq!(status.json["rollout"], serde_json::Value::Null);
    place.publish(8).await;
    let seen = place.publisher.read().await.unwrap();
    assert_eq!((seen.percent, seen.generation), (100, 8));
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn release_that_nothing_can_read_is_replaced() {
    let place = Place::new(&programs()[0]).await;
    place.publish(6).await;
    assert_eq!(place.in_force().await, (6, Some(Rollout { generation: 6, percent: 100 })));
    // A value that nothing can read is replaced.
    place.publisher.bus().put(Bucket::Release, "current", b"{}".to_vec()).await.unwrap();
    let seen = place.publisher.read().await.unwrap();
    assert!(seen.release.is_none() && seen.fault.unwrap().contains("publish the release again"));
    place.publish(7).await;
    assert_eq!(place.in_force().await.0, 7);
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn broker_that_restarts_delays_a_release() {
    let mut place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    let seen = place.publisher.read().await.unwrap();
    let source = place.upload(2).await;
    place.broker.kill();
    let publisher = place.publisher.clone();
    let announced = tokio::spawn(async move {
        let mut link = publisher.bus().link();
        link.wait_for(|link| !link.connected).await.unwrap();
        let first = publisher.announce(&seen, &envelope(2), vec![source.clone()], 100).await;
        assert!(matches!(first, Err(PublishError::Bus(BusError::Disconnected))), "{first:?}");
        link.wait_for(|link| link.connected).await.unwrap();
        publisher.announce(&seen, &envelope(2), vec![source], 100).await.unwrap();
    });
    place.broker.restart().unwrap();
    timeout(PATIENCE, announced).await.unwrap().unwrap();
    assert_eq!(place.in_force().await, (2, Some(Rollout { generation: 2, percent: 100 })));
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn snapshots_that_no_release_names_are_removed() {
    for program in programs() {
        let place = Place::new(&program).await;
        let store = place.publisher.bus().snapshots().await.unwrap();
        place.publish(1).await;
        // A snapshot without a release, another's object, and an upload that was cut off.
        let orphan = place.upload(50).await.urls[0].strip_prefix("nats:").unwrap().to_owned();
        store.put("notes", &mut &b"of another program"[..]).await.unwrap();
        let (mut write, mut read) = tokio::io::duplex(1 << 16);
        let cut = {
            let store = place.publisher.bus().snapshots().await.unwrap();
            tokio::spawn(async move { store.put("cut", &mut read).await.map(drop) })
        };
        tokio::io::AsyncWriteExt::write_all(&mut write, &[7; 300_000]).await.unwrap();
        cut.abort();
        let _ = cut.await;
        place.publish(2).await;
        let client = async_nats::connect(&place.broker.settings().urls).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let subjects = async || {
            let stream = jetstream.get_stream("OBJ_test_snapshots").await.unwrap();
            stream.cached_info().state.subjects_count
        };
        let before = subjects().await;
        assert_eq!(place.publisher.sweep(Duration::from_secs(3600)).await.unwrap(), 0);
        assert_eq!(subjects().await, before, "what is young stays");
        assert_eq!(place.publisher.sweep(Duration::ZERO).await.unwrap(), 1);
        // Two releases and the other object, each with an entry and its blocks.
        assert_eq!(subjects().await, 6, "of {before}");
        assert!(store.info(&orphan).await.is_err());
        assert!(store.info("notes").await.is_ok());
        let history = place.publisher.history().await.unwrap();
        for release in history {
            let variant = &release.manifest.variants[0];
            place.publisher.fetch(&release.current, variant, place.folder.path()).await.unwrap();
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn folder_of_a_web_server_is_written_read_back_and_swept() {
    let broker = Broker::start(&programs()[0]).unwrap();
    let bus = broker.initialized().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let served = folder.path().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/of/fleet/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
            let body = fs::read(served.join(path.strip_prefix("/of/fleet/").unwrap()));
            let answer = match body {
                Ok(body) => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    [head.as_bytes(), &body].concat()
                }
                Err(_) => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            };
            let _ = stream.write_all(&answer).await;
        }
    });
    let store = |url: &str| Store::Folder { folder: folder.path().to_owned(), url: url.to_owned() };
    let publisher = Publisher::new(bus.clone(), &broker.settings(), store(&url)).unwrap();
    let bytes = snapshot(1);
    let source = publisher.upload(&bytes, &variant(&bytes), temporary.path()).await.unwrap();
    let digest = &variant(&bytes).digest;
    assert_eq!(source.urls, [format!("{url}{digest}.swb.zst")]);
    let seen = publisher.read().await.unwrap();
    publisher.announce(&seen, &envelope(1), vec![source], 100).await.unwrap();

    // A web server that does not have the file: the snapshot must not be named by a release.
    let wrong = Publisher::new(bus, &broker.settings(), store("http://127.0.0.1:9")).unwrap();
    let bytes = snapshot(2);
    let error = wrong.upload(&bytes, &variant(&bytes), temporary.path()).await.unwrap_err();
    assert!(matches!(&error, PublishError::NotReadable { .. }), "{error}");
    assert!(error.to_string().contains("nothing was published"), "{error}");

    // Another fleet shares the folder. It wrote a snapshot of its own, and one that this fleet wrote as well.
    let other = BusSettings { prefix: "other".to_owned(), ..broker.settings() };
    let other_bus = Bus::connect(&other, Unreachable::Fail).await.unwrap();
    other_bus.init(1).await.unwrap();
    let other = Publisher::new(other_bus, &other, store(&url)).unwrap();
    let name = |bytes: &Bytes| format!("{}.swb.zst", variant(bytes).digest);
    let [first, second, shared, others] = [1, 2, 3, 4].map(|generation| name(&snapshot(generation)));
    for (publisher, generation) in [(&publisher, 3), (&other, 3), (&other, 4)] {
        let bytes = snapshot(generation);
        publisher.upload(&bytes, &variant(&bytes), temporary.path()).await.unwrap();
    }
    let hour = Duration::from_secs(3600);
    let names = || {
        let names =
            fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with(".switchboard-")).collect::<BTreeSet<_>>()
    };
    assert_eq!(publisher.sweep(hour).await.unwrap(), 0, "what is young stays");
    let unlisted = name(&snapshot(5));
    for file in [&unlisted, &format!(".{second}.123-0.tmp"), "index.html"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    for file in names() {
        let file = File::options().append(true).open(folder.path().join(file)).unwrap();
        file.set_modified(SystemTime::now() - 2 * hour).unwrap();
    }
    assert_eq!(publisher.sweep(hour).await.unwrap(), 1);
    let expected = |files: &[&String]| {
        files.iter().map(|file| (*file).clone()).chain(["index.html".to_owned()]).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(), expected(&[&first, &shared, &others, &unlisted]));
    // The other fleet has no release yet, so that nothing of it is removed. Its first one names the fourth snapshot.
    assert_eq!(other.sweep(hour).await.unwrap(), 0);
    let bytes = snapshot(4);
    let source = other.upload(&bytes, &variant(&bytes), temporary.path()).await.unwrap();
    let seen = other.read().await.unwrap();
    other.announce(&seen, &envelope(4), vec![source], 100).await.unwrap();
    assert_eq!(other.sweep(hour).await.unwrap(), 1, "the shared one, which the first fleet has given up");
    assert_eq!(names(), expected(&[&first, &others, &unlisted]));
    // A list shows the names of snapshots, so that only its owner can read it.
    for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        if entry.file_name().into_string().unwrap().starts_with(".switchboard-") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn wave_is_raised_when_its_replicas_serve_and_the_hold_has_passed() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    for id in ids() {
        place.report(&id, 1, State::Serving, None, 0).await;
    }
    let (first, rest) = members(2, WAVES[0]);
    assert!(!first.is_empty() && !rest.is_empty());
    let mut replicas = place.publisher.replicas().await.unwrap();
    assert_eq!(replicas.living(), 20);
    let hold = Duration::from_millis(300);
    let mut held = None;
    let (result, events) = place
        .waves(2, &mut replicas, hold, async |event| match event {
            WaveEvent::Raised { percent: 100 } => {
                assert!(held.is_some_and(|at: tokio::time::Instant| at.elapsed() >= hold));
                for id in &rest {
                    place.report(id, 2, State::Serving, None, 1).await;
                }
            }
            WaveEvent::Raised { percent } => {
                assert_eq!(percent, WAVES[0]);
                // The first wave does not end while one of its replicas fetches.
                place.report(&first[0], 1, State::Fetching, None, 1).await;
                for id in &first[1..] {
                    place.report(id, 2, State::Serving, None, 1).await;
                }
            }
            WaveEvent::Progress { serving, members, living } => {
                assert_eq!(living, 20);
                if members == first.len() && serving == members - 1 {
                    assert_eq!(place.in_force().await.1.unwrap().percent, WAVES[0]);
                    place.report(&first[0], 2, State::Serving, None, 2).await;
                }
            }
            WaveEvent::Holding(time) => {
                assert_eq!(time, hold);
                held = Some(tokio::time::Instant::now());
            }
            WaveEvent::Waiting { .. } => panic!("no replica has a reason"),
        })
        .await;
    result.unwrap();
    assert_eq!(events.last(), Some(&WaveEvent::Progress { serving: 20, members: 20, living: 20 }));
    assert_eq!(place.in_force().await, (2, Some(Rollout { generation: 2, percent: 100 })));
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn wave_stops_at_the_first_rejection_of_this_release() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    for id in ids() {
        place.report(&id, 1, State::Serving, None, 0).await;
    }
    let (first, rest) = members(2, WAVES[0]);
    // This one rejected the release before, and has not changed.
    place.report(&rest[0], 1, State::Rejected, Some(Reason::Disk), 0).await;
    let mut replicas = place.publisher.replicas().await.unwrap();
    let (result, _) = place
        .waves(2, &mut replicas, Duration::ZERO, async |event| {
            if event == (WaveEvent::Raised { percent: WAVES[0] }) {
                place.report(&rest[0], 1, State::Rejected, Some(Reason::Disk), 0).await;
                place.report(&first[0], 1, State::Rejected, Some(Reason::Digest), 1).await;
            }
        })
        .await;
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PublishError::Rejected { .. }), "{text}");
    for part in [&*first[0], "(digest)", "stays at 30 %", "switchboard fleet rollback"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(place.in_force().await, (2, Some(Rollout { generation: 2, percent: WAVES[0] })));
    // The same reason again, of a new manifest.
    let (first, _) = members(3, WAVES[0]);
    place.report(&first[0], 1, State::Rejected, Some(Reason::Disk), 2).await;
    let mut replicas = place.publisher.replicas().await.unwrap();
    let (result, _) = place
        .waves(3, &mut replicas, Duration::ZERO, async |event| {
            if event == (WaveEvent::Raised { percent: WAVES[0] }) {
                place.report(&first[0], 1, State::Rejected, Some(Reason::Disk), 3).await;
            }
        })
        .await;
    assert!(result.unwrap_err().to_string().contains(&format!("{} rejected the release (disk)", first[0])));
}

/// Waits of a wave are named. A rejection from before does not stop it again, if the release is written again: else it
/// does.
#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn wave_that_goes_on_names_the_replicas_that_it_waits_for() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    for id in ids() {
        place.report(&id, 1, State::Serving, None, 0).await;
    }
    // At least five members, so that not all of them are named.
    let generation = (2..).find(|generation| members(*generation, WAVES[0]).0.len() >= 5).unwrap();
    let (first, rest) = members(generation, WAVES[0]);
    let seen = place.publisher.read().await.unwrap();
    place.announce(&seen, generation, WAVES[0]).await.unwrap();
    place.report(&first[0], 1, State::Rejected, Some(Reason::Digest), 1).await;

    let mut replicas = place.publisher.replicas().await.unwrap();
    assert!(replicas.has_rejected_bytes());
    let mut announced = place.publisher.resume(&place.publisher.read().await.unwrap()).unwrap();
    replicas.count_refusals_from_before();
    let (result, _) = place.run_waves(&mut announced, &mut replicas, Duration::ZERO, async |_| {}).await;
    assert!(result.unwrap_err().to_string().contains(&format!("{} rejected the release (digest)", first[0])));

    let mut replicas = place.publisher.replicas().await.unwrap();
    let (result, events) = place
        .run_waves(&mut announced, &mut replicas, Duration::ZERO, async |event| match event {
            WaveEvent::Waiting { replicas, others } => {
                assert_eq!((replicas.len(), others), (3, first.len() - 3));
                let named = &replicas[0];
                assert_eq!(
                    (&*named.id, &*named.state, named.reason.as_deref()),
                    (&*first[0], "rejected", Some("digest"))
                );
                place.report(&first[0], 1, State::Rejected, Some(Reason::Digest), 1).await;
                for id in &first {
                    place.report(id, generation, State::Serving, None, 2).await;
                }
            }
            WaveEvent::Raised { percent: 100 } => {
                for id in &rest {
                    place.report(id, generation, State::Serving, None, 2).await;
                }
            }
            _ => {}
        })
        .await;
    result.unwrap();
    let is_waiting = |event: &&WaveEvent| matches!(event, WaveEvent::Waiting { .. });
    assert_eq!(events.iter().filter(is_waiting).count(), 1, "{events:?}");
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn snapshot_of_the_release_is_uploaded_again_where_it_is_gone_or_damaged() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    let (bytes, folder) = (snapshot(1), place.folder.path());
    let variant = variant(&bytes);
    let seen = place.publisher.read().await.unwrap();
    let current = seen.release.unwrap().current;
    let store = place.publisher.bus().snapshots().await.unwrap();
    let name = current.sources[0].urls[0].strip_prefix("nats:").unwrap().to_owned();
    let resupply =
        async |publisher: &Publisher| publisher.resupply(&current, &bytes, &variant, folder).await.unwrap();
    let modified = async || store.info(&name).await.unwrap().modified;
    let first = modified().await;
    assert_eq!(resupply(&place.publisher).await, current.sources);
    assert_eq!(modified().await, first, "nothing is uploaded twice");
    store.delete(&name).await.unwrap();
    assert_eq!(resupply(&place.publisher).await, current.sources);
    store.put(&*name, &mut &b"damaged"[..]).await.unwrap();
    assert_eq!(resupply(&place.publisher).await, current.sources);
    let fetched = place.publisher.fetch(&current, &variant, folder).await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), bytes);
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn wave_without_a_living_replica_is_raised_until_it_has_one() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    // A replica that is in none of the first waves of this generation.
    let generation = (2..).find(|generation| wave_position("only", *generation) > 50).unwrap();
    place.report("only", 1, State::Serving, None, 0).await;
    let mut replicas = place.publisher.replicas().await.unwrap();
    let (result, events) = place
        .waves(generation, &mut replicas, Duration::ZERO, async |event| {
            if matches!(event, WaveEvent::Raised { .. }) {
                place.report("only", generation, State::Serving, None, 1).await;
            }
        })
        .await;
    result.unwrap();
    let percent = wave_position("only", generation) + 1;
    assert_eq!(events[0], WaveEvent::Raised { percent });
    assert_eq!(place.in_force().await, (generation, Some(Rollout { generation, percent: 100 })));
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn waves_end_when_another_release_is_published() {
    let place = Place::new(&programs()[0]).await;
    place.publish(1).await;
    for id in ids() {
        place.report(&id, 1, State::Serving, None, 0).await;
    }
    let mut replicas = place.publisher.replicas().await.unwrap();
    let (result, _) = place
        .waves(2, &mut replicas, Duration::ZERO, async |event| {
            if event == (WaveEvent::Raised { percent: WAVES[0] }) {
                place.publish(3).await;
            }
        })
        .await;
    let Err(PublishError::Replaced(other)) = result else { panic!("{result:?}") };
    assert_eq!(other, OtherRelease { generation: 3, rollback_to: None });
    assert_eq!(place.in_force().await, (3, Some(Rollout { generation: 3, percent: 100 })));
}
