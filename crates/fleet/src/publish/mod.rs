//! Publishes a release: uploads snapshots, sets `rollout` and `current` by compare-and-set, raises the waves, and
//! removes snapshots that no release names.
//!
//! The order makes a publisher safe to kill: a snapshot is uploaded and read back before a release names it, and a
//! release is one value of one key. Replicas see the release before or the whole new one.

mod snapshots;
mod waves;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::value::RawValue;
use switchboard_model::UnixMillis;
use switchboard_release::{Envelope, Manifest, Variant};
use tokio::time::{Instant, sleep};

use crate::bus::{Bucket, Bus, BusError, BusSettings, CALL_TIMEOUT, Entry};
use crate::fetch::{FetchError, Fetched, Fetcher};
use crate::history::{rollout_of, values};
use crate::release::{
    CURRENT_KEY, Candidate, Current, InvalidValue, Judgement, ROLLOUT_KEY, Reason, Rollout, Source, is_ahead,
    judge,
};
pub use snapshots::REMOVAL_AGE;
use waves::ReplicaView;
pub use waves::Replicas;

/// The time in which a write without an acknowledgement is repeated.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);
/// The time to wait for a publisher that has set `rollout`, and not yet `current`.
const OTHER_PUBLISHER: Duration = Duration::from_secs(3);

/// The place of the snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// The object store of the broker.
    Broker,
    /// A folder that a web server serves.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The URL of the folder, with or without a slash at its end.
        url: String,
    },
}

/// A publisher, with its connection to the broker.
#[derive(Clone)]
pub struct Publisher {
    bus: Bus,
    fetcher: Fetcher,
    store: Store,
}

/// A release in the bucket: the present one, or one of the history.
#[derive(Debug, Clone)]
pub struct Published {
    /// The revision of the value.
    pub revision: u64,
    /// The time of the broker's clock when the release was published, in Unix milliseconds.
    pub time_millis: i64,
    /// The value.
    pub current: Current,
    /// The manifest. Its signatures are not verified.
    pub manifest: Manifest,
}

/// The release as a publisher has seen it. A write succeeds only if nothing has changed since.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The release. `None` if there is none, or if it cannot be read.
    pub release: Option<Published>,
    /// The fault of a release that cannot be read.
    pub fault: Option<String>,
    /// The generation that the next release must exceed, 0 if there is none: that of the release. A release that
    /// cannot be read does not count, and neither does one that is more than 24 h ahead of this machine's clock and of
    /// the broker's when it was published, because replicas reject it and every release above it. Then the newest other
    /// release of the history counts.
    pub generation: u64,
    /// The greatest generation that a living replica serves, if the bucket has no release: after a loss of the broker's
    /// memory, a new release must exceed it, and the same one may come back. Else 0.
    pub served: u64,
    /// The value of the key `rollout`, if it can be read.
    pub rollout: Option<Rollout>,
    /// The percentage of the replicas that take the release, as replicas decide it.
    pub percent: u8,
    current_revision: u64,
    rollout_revision: u64,
}

/// A release that was published by this publisher.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The manifest.
    pub manifest: Manifest,
    /// The percentage of the wave.
    pub percent: u8,
    revision: u64,
    time_millis: i64,
    rollout_revision: u64,
}

/// Another release that was published meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRelease {
    /// The generation.
    pub generation: u64,
    /// The earlier generation whose content a rollback published again.
    pub rollback_to: Option<u64>,
}

/// A replica of a wave that does not serve the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lagging {
    /// The id of the replica.
    pub id: String,
    /// The state of the replica.
    pub state: String,
    /// The reason of the state.
    pub reason: Option<String>,
}

/// A step of the waves, for people who watch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaveEvent {
    /// A wave began.
    Raised {
        /// The percentage.
        percent: u8,
    },
    /// The number of replicas that serve the release has changed.
    Progress {
        /// The replicas of the wave that serve the release.
        serving: usize,
        /// The living replicas of the wave.
        members: usize,
        /// All living replicas.
        living: usize,
    },
    /// The wave waits for replicas. Reported once a replica has a reason, and every minute.
    Waiting {
        /// Up to three of the replicas, those with a reason first.
        replicas: Vec<Lagging>,
        /// The number of the other replicas that the wave waits for.
        others: usize,
    },
    /// Enough replicas of the wave serve the release. The next wave begins after this time.
    Holding(Duration),
}

/// The reason why a release is not published, or not to all replicas.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker refuses a call, or does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Another publisher changed the release.
    #[error(
        "another publisher changed the release at the same time{}: nothing of this one is in force; look at `switchboard \
         fleet status`, and publish again if it is still wanted",
        .0.as_ref().map(|other| format!(", to {other}")).unwrap_or_default()
    )]
    Overtaken(Option<OtherRelease>),
    /// Another release was published while this one was in its waves.
    #[error("{0} was published meanwhile, so that the waves of this release end")]
    Replaced(OtherRelease),
    /// The generation is not greater than that of the release.
    #[error("the generation {generation} is not greater than {current}, the one that the fleet serves")]
    NotNewer {
        /// The generation to publish.
        generation: u64,
        /// The generation of the release.
        current: u64,
    },
    /// The generation is more than 24 h ahead of the clock.
    #[error(
        "the generation {0} is more than 24 h ahead of the clock of this machine, and replicas reject it: check the \
         clock, or compile the snapshot again"
    )]
    Ahead(u64),
    /// The release is too large, or a URL is malformed.
    #[error("the release cannot be published: {0}")]
    Invalid(String),
    /// A replica rejected the release.
    #[error(
        "the replica {replica} {}: the release stays at {percent} %. Publish a corrected one, or go back with \
         `switchboard fleet rollback`",
        described(.state, .reason)
    )]
    Rejected {
        /// The id of the replica.
        replica: String,
        /// The state of the replica.
        state: String,
        /// The reason of the replica.
        reason: String,
        /// The percentage of the wave.
        percent: u8,
    },
    /// The snapshot cannot be written to the place of the snapshots.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file or object.
        path: PathBuf,
        /// The error.
        error: String,
    },
    /// The snapshot was uploaded, and cannot be read back.
    #[error("the snapshot was uploaded, but cannot be read back from {url}: {error}; nothing was published")]
    NotReadable {
        /// The URL of the snapshot.
        url: String,
        /// The error.
        error: FetchError,
    },
    /// This machine cannot do the work.
    #[error("{0}")]
    System(String),
}

impl std::fmt::Display for OtherRelease {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "generation {}", self.generation)?;
        match self.rollback_to {
            Some(earlier) => write!(out, " (a rollback to the content of generation {earlier})"),
            None => Ok(()),
        }
    }
}

impl Published {
    /// Returns whether two releases have the same content for the same versions of the program.
    pub fn has_content_of(&self, other: &Published) -> bool {
        let contents = |manifest: &Manifest| {
            let mut contents: Vec<_> =
                manifest.variants.iter().map(|it| (it.schema.clone(), it.content.clone())).collect();
            contents.sort();
            contents
        };
        contents(&self.manifest) == contents(&other.manifest)
    }

    /// Returns whether replicas reject the generation because of their clocks. A clock of this machine that is behind
    /// must not make a good release look so, therefore the broker's clock counts too.
    fn is_too_far_ahead(&self) -> bool {
        let published_at = UnixMillis(self.time_millis);
        is_ahead(self.manifest.generation, now_millis().max(published_at))
    }
}

impl Publisher {
    /// Creates a publisher. The settings are those of the bus: certificates count for web servers as well.
    ///
    /// # Errors
    /// Returns [`BusError::Settings`] for a file that cannot be used.
    pub fn new(bus: Bus, settings: &BusSettings, store: Store) -> Result<Publisher, BusError> {
        let fetcher = Fetcher::new(settings, Some(bus.clone()))?;
        Ok(Publisher { bus, fetcher, store })
    }

    /// Returns the connection.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Reads the release and the wave. Waits a moment for a publisher between its two writes.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or has no buckets or no epoch.
    pub async fn read(&self) -> Result<Seen, BusError> {
        self.bus.memory(Bucket::Release).await?;
        let started = Instant::now();
        loop {
            // The wave first: a publisher that sets it after this read makes the write of this one fail.
            let rollout = self.bus.get(Bucket::Release, ROLLOUT_KEY).await?;
            let current = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
            let mut seen = Seen {
                release: None,
                fault: None,
                generation: 0,
                rollout: rollout.as_ref().and_then(|entry| Rollout::parse(entry.value.as_ref()?).ok()),
                served: 0,
                percent: 100,
                current_revision: current.as_ref().map_or(0, |entry| entry.revision),
                rollout_revision: rollout.as_ref().map_or(0, |entry| entry.revision),
            };
            match current.as_ref().map(published).transpose() {
                Ok(release) => seen.release = release.flatten(),
                Err(error) => seen.fault = Some(error.to_string()),
            }
            let generation = seen.release.as_ref().map_or(0, |release| release.manifest.generation);
            let is_between = seen.rollout.is_some_and(|rollout| rollout.generation > generation);
            if !is_between || seen.fault.is_some() || started.elapsed() > OTHER_PUBLISHER {
                let is_too_far = seen.release.as_ref().is_some_and(Published::is_too_far_ahead);
                let is_unknown = seen.fault.is_some() || is_too_far;
                seen.generation = if is_unknown { self.newest_in_history().await? } else { generation };
                if current.is_none() {
                    let statuses = self.bus.list(Bucket::Status).await?;
                    let views = statuses.iter().filter_map(|entry| ReplicaView::read(entry)?.generation);
                    seen.served = views.filter(|served| !is_ahead(*served, now_millis())).max().unwrap_or(0);
                }
                if seen.release.is_some() {
                    let counting = rollout_of(&self.bus, rollout.as_ref(), generation).await?;
                    seen.percent = Rollout::percent_of(counting, generation);
                }
                return Ok(seen);
            }
            sleep(SETTLE_INTERVAL).await;
        }
    }

    /// Returns the releases that the bucket keeps, the newest first. Leaves out those that cannot be read.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer.
    pub async fn history(&self) -> Result<Vec<Published>, BusError> {
        let values = values(&self.bus).await?;
        let releases = values.iter().rev().filter(|entry| entry.key == CURRENT_KEY);
        Ok(releases.filter_map(|entry| published(entry).ok().flatten()).collect())
    }

    /// Describes a release of another publisher. It is a rollback if its content is that of a release before the one
    /// that it replaced.
    async fn other(&self, release: Published) -> OtherRelease {
        let history = self.history().await.unwrap_or_default();
        let mut before = history.iter().filter(|it| it.revision < release.revision);
        let is_other = before.next().is_some_and(|replaced| !replaced.has_content_of(&release));
        let rollback_to = before.find(|it| it.has_content_of(&release)).filter(|_| is_other);
        OtherRelease {
            generation: release.manifest.generation,
            rollback_to: rollback_to.map(|it| it.manifest.generation),
        }
    }

    async fn overtaken(&self, entry: Option<&Entry>) -> PublishError {
        match entry.and_then(|entry| published(entry).ok().flatten()) {
            Some(release) => PublishError::Overtaken(Some(self.other(release).await)),
            None => PublishError::Overtaken(None),
        }
    }

    /// Returns the newest generation of the history that is not too far ahead of this machine's clock.
    async fn newest_in_history(&self) -> Result<u64, BusError> {
        let history = self.history().await?;
        let usable = history.iter().filter(|release| !release.is_too_far_ahead());
        Ok(usable.map(|release| release.manifest.generation).max().unwrap_or(0))
    }

    /// Fetches a snapshot of a release into a folder.
    ///
    /// # Errors
    /// Returns an error if no source gives the snapshot.
    pub async fn fetch(
        &self,
        current: &Current,
        variant: &Variant,
        folder: &Path,
    ) -> Result<Fetched, FetchError> {
        self.fetcher.fetch(current, variant, folder, Duration::ZERO).await
    }

    /// Publishes a release, of which every snapshot was uploaded: sets `rollout`, then `current`.
    ///
    /// # Errors
    /// Returns [`PublishError::Overtaken`] if anything has changed since `seen`. The release before is in force then.
    pub async fn announce(
        &self,
        seen: &Seen,
        envelope: &Envelope,
        sources: Vec<Source>,
        percent: u8,
    ) -> Result<Announced, PublishError> {
        let manifest = envelope.unverified().map_err(|error| PublishError::Invalid(error.to_string()))?;
        let generation = manifest.generation;
        let json = String::from_utf8(envelope.to_json()).unwrap_or_default();
        let raw = RawValue::from_string(json.trim_end().to_owned());
        let raw = raw.map_err(|error| PublishError::Invalid(error.to_string()))?;
        let current = Current { manifest: raw, sources };
        check(&current, &manifest, seen)?;
        let value = current.to_json();
        let now = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
        if now.as_ref().map_or(0, |entry| entry.revision) != seen.current_revision {
            return Err(self.overtaken(now.as_ref()).await);
        }
        let rollout = Rollout { generation, percent }.to_json();
        let Some(rollout_revision) = self.set(ROLLOUT_KEY, rollout, seen.rollout_revision).await? else {
            // The other publisher writes its release directly after its rollout.
            let release = self.read().await?.release;
            return Err(match release.filter(|release| release.revision != seen.current_revision) {
                Some(release) => PublishError::Overtaken(Some(self.other(release).await)),
                None => PublishError::Overtaken(None),
            });
        };
        match self.set(CURRENT_KEY, value, seen.current_revision).await {
            Ok(Some(revision)) => {
                let entry = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
                let entry = entry.filter(|entry| entry.revision == revision);
                let time_millis = entry.map_or_else(|| now_millis().0, |entry| entry.time_millis);
                Ok(Announced { manifest, percent, revision, time_millis, rollout_revision })
            }
            lost => {
                // The wave of the other release counts again.
                if let Some(before) = seen.rollout {
                    let restored = self.set(ROLLOUT_KEY, before.to_json(), rollout_revision).await;
                    restored.map(drop).unwrap_or_else(|error| {
                        tracing::warn!(%error, "the wave of the other release could not be restored");
                    });
                }
                lost?;
                let entry = self.bus.get(Bucket::Release, CURRENT_KEY).await?;
                Err(self.overtaken(entry.as_ref()).await)
            }
        }
    }

    /// Returns the release that is in force as one of this publisher, to go on with its waves.
    pub fn resume(&self, seen: &Seen) -> Option<Announced> {
        let release = seen.release.as_ref()?;
        Some(Announced {
            manifest: release.manifest.clone(),
            percent: seen.percent,
            revision: release.revision,
            time_millis: release.time_millis,
            rollout_revision: seen.rollout_revision,
        })
    }

    /// Raises the percentage of a release.
    ///
    /// # Errors
    /// Returns [`PublishError::Replaced`] if another release is in force.
    pub async fn raise(&self, announced: &mut Announced, percent: u8) -> Result<(), PublishError> {
        let generation = announced.manifest.generation;
        let value = Rollout { generation, percent };
        loop {
            if let Some(revision) = self.set(ROLLOUT_KEY, value.to_json(), announced.rollout_revision).await?
            {
                (announced.rollout_revision, announced.percent) = (revision, percent);
                return Ok(());
            }
            let seen = self.read().await?;
            match seen.release {
                Some(release) if release.revision == announced.revision => {
                    // A publisher that lost against this one wrote the wave, and wrote it back.
                    announced.rollout_revision = seen.rollout_revision;
                }
                Some(release) => return Err(PublishError::Replaced(self.other(release).await)),
                None => return Err(PublishError::Overtaken(None)),
            }
        }
    }

    /// Sets a key by compare-and-set. Repeats a write without an acknowledgement. Returns `None` if another writer
    /// was faster.
    async fn set(&self, key: &str, value: Vec<u8>, expected: u64) -> Result<Option<u64>, BusError> {
        let started = Instant::now();
        loop {
            let written = self.bus.update(Bucket::Release, key, value.clone(), expected, CALL_TIMEOUT).await;
            let error = match written {
                Ok(revision) => return Ok(Some(revision)),
                Err(BusError::Conflict(_)) => {
                    // It may be the own write, of which the acknowledgement was lost.
                    let entry = self.bus.get(Bucket::Release, key).await?;
                    let own = entry.filter(|entry| entry.value.as_deref() == Some(&value));
                    return Ok(own.filter(|own| own.revision > expected).map(|own| own.revision));
                }
                Err(error @ (BusError::TimedOut { refusal: None, .. } | BusError::Disconnected)) => error,
                Err(error) => return Err(error),
            };
            if started.elapsed() > SETTLE_TIMEOUT {
                return Err(error);
            }
            sleep(SETTLE_INTERVAL).await;
        }
    }
}

/// Reads an entry of the key `current`. Returns `None` for one that was deleted.
fn published(entry: &Entry) -> Result<Option<Published>, InvalidValueOrManifest> {
    let Some(value) = &entry.value else { return Ok(None) };
    let current = Current::parse(value)?;
    let envelope = Envelope::from_json(current.manifest.get().as_bytes());
    let manifest = envelope
        .and_then(|envelope| envelope.unverified())
        .map_err(|error| InvalidValueOrManifest::Manifest(error.to_string()))?;
    Ok(Some(Published { revision: entry.revision, time_millis: entry.time_millis, current, manifest }))
}

/// The fault of a release in the bucket.
#[derive(Debug, thiserror::Error)]
enum InvalidValueOrManifest {
    #[error(transparent)]
    Value(#[from] InvalidValue),
    #[error("the manifest of the release cannot be used: {0}")]
    Manifest(String),
}

/// Checks a release as a replica does.
fn check(current: &Current, manifest: &Manifest, seen: &Seen) -> Result<(), PublishError> {
    let generation = manifest.generation;
    // The same snapshots may get further signatures.
    let is_same = seen.release.as_ref().is_some_and(|before| {
        (generation, &manifest.variants) == (before.manifest.generation, &before.manifest.variants)
    });
    if generation <= seen.generation && !is_same {
        return Err(PublishError::NotNewer { generation, current: seen.generation });
    }
    if generation < seen.served {
        return Err(PublishError::NotNewer { generation, current: seen.served });
    }
    Current::parse(&current.to_json()).map_err(|error| PublishError::Invalid(error.to_string()))?;
    for variant in &manifest.variants {
        if current.sources_of(variant).next().is_none() {
            return Err(PublishError::Invalid(format!(
                "the variant of the schema {} has no source: add its snapshot with --with FILE.swb",
                variant.schema
            )));
        }
        let candidate = Candidate {
            replica_id: "publisher",
            canary: true,
            schema: &variant.schema,
            serving: None,
            floor: 0,
            rejected: None,
        };
        match judge(manifest, "", None, &candidate, now_millis()) {
            Judgement::Fetch(_) => {}
            Judgement::Reject(Reason::GenerationAhead) => return Err(PublishError::Ahead(generation)),
            other => return Err(PublishError::Invalid(format!("a replica would judge {other:?}"))),
        }
    }
    Ok(())
}

fn described(state: &str, reason: &str) -> String {
    match state {
        "behind" => {
            "has no variant of the release that it can read; add the snapshot of its version with --with \
                     FILE.swb"
                .to_owned()
        }
        _ => format!("rejected the release ({reason})"),
    }
}

fn now_millis() -> UnixMillis {
    UnixMillis::from(SystemTime::now())
}
