//! The waves of a release: raises it from wave to wave, while the replicas that have it report that they serve it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use switchboard_release::Manifest;
use tokio::time::{Instant, sleep_until};

use super::{Announced, Lagging, PublishError, Published, Publisher, WaveEvent, published};
use crate::bus::{Bucket, BusError, Entry, decode_token};
use crate::release::{CURRENT_KEY, Reason, wave_position};
use crate::status::REPORT_INTERVAL;
use crate::watch::{Watch, WatchEvent};

/// The time after which a replica that runs has reported, and has seen a release.
const SILENCE: Duration = Duration::from_secs(REPORT_INTERVAL.as_secs() * 5 / 4);
/// The age of a status after which the replica does not live.
const LIVING: Duration = Duration::from_secs(60);
/// The interval in which a wave names the replicas that it waits for, and their maximum number.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);
const MAX_NAMED: usize = 3;
/// The share of a wave that must serve the release, in percent.
const ENOUGH_PERCENT: usize = 99;

/// A replica in the bucket of the status, as far as waves need it. The status of another version is read as well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ReplicaView {
    id: String,
    state: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    pub(super) generation: Option<u64>,
    #[serde(default)]
    digest: Option<String>,
}

/// The living replicas, kept up to date while waves run.
pub struct Replicas {
    watch: Watch,
    known: BTreeMap<String, Known>,
    /// The rejections before the release.
    before: BTreeMap<String, ReplicaView>,
}

struct Known {
    view: ReplicaView,
    arrived: Instant,
    time_millis: i64,
}

/// What all waves of a release share.
struct Run<'a> {
    /// Shows when another release replaces this one.
    release: Watch,
    /// The time by which every replica that runs has reported.
    silent: Instant,
    hold: Duration,
    report: &'a mut (dyn FnMut(WaveEvent) + Send),
}

impl Publisher {
    /// Begins to observe the replicas, before a release is published.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer.
    pub async fn replicas(&self) -> Result<Replicas, BusError> {
        let entries = self.bus.list(Bucket::Status).await?;
        let mut replicas = Replicas {
            watch: Watch::start(&self.bus, Bucket::Status, None),
            known: BTreeMap::new(),
            before: BTreeMap::new(),
        };
        entries.into_iter().for_each(|entry| replicas.enter(entry));
        let views = replicas.known.values().map(|known| &known.view);
        let refusing = views.filter(|view| view.is_refusing()).cloned();
        replicas.before = refusing.map(|view| (view.id.clone(), view)).collect();
        Ok(replicas)
    }

    /// Raises a release from wave to wave. Each wave ends when 99 % of its living replicas serve the release, and
    /// `hold` has passed after that. A wave without a living replica is raised until it has one. If no replica
    /// lives, the waves are empty, and end after 25 s.
    ///
    /// # Errors
    /// Returns [`PublishError::Rejected`] at the first rejection. The wave stays then.
    pub async fn run_waves(
        &self,
        announced: &mut Announced,
        waves: &[u8],
        hold: Duration,
        replicas: &mut Replicas,
        report: &mut (dyn FnMut(WaveEvent) + Send),
    ) -> Result<(), PublishError> {
        let release = Watch::start(&self.bus, Bucket::Release, None);
        let mut run = Run { release, silent: Instant::now() + SILENCE, hold, report };
        (run.report)(WaveEvent::Raised { percent: announced.percent });
        // The first wave may have another percentage than the list, because the one of the list selected no replica.
        let mut later = waves.to_vec();
        later.push(100);
        later.dedup();
        let first = announced.percent;
        later.retain(|percent| *percent > first);
        for percent in std::iter::once(first).chain(later) {
            if percent < announced.percent {
                continue;
            }
            if percent > announced.percent {
                self.raise(announced, percent).await?;
                (run.report)(WaveEvent::Raised { percent });
            }
            self.run_wave(announced, replicas, &mut run).await?;
        }
        Ok(())
    }

    /// Waits until a wave has ended. Raises it if no living replica is in it.
    async fn run_wave(
        &self,
        announced: &mut Announced,
        replicas: &mut Replicas,
        run: &mut Run<'_>,
    ) -> Result<(), PublishError> {
        let mut complete_since = None;
        let mut reported = None;
        let (mut notice, mut is_noticed) = (Instant::now() + NOTICE_INTERVAL, false);
        loop {
            replicas.forget_the_dead();
            if let Some(rejected) = replicas.rejection(announced) {
                return Err(rejected);
            }
            let (serving, members) = replicas.wave(announced);
            let living = replicas.known.len();
            if reported != Some((serving, members, living)) {
                reported = Some((serving, members, living));
                (run.report)(WaveEvent::Progress { serving, members, living });
            }
            let mut wake = Instant::now() + LIVING / 10;
            if members == 0 {
                complete_since = None;
                let selecting = replicas.selecting(announced.manifest.generation);
                if let Some(percent) = selecting.filter(|_| announced.percent < 100) {
                    self.raise(announced, percent).await?;
                    (run.report)(WaveEvent::Raised { percent });
                    continue;
                }
                if run.silent <= Instant::now() {
                    return Ok(());
                }
                wake = wake.min(run.silent);
            } else if serving * 100 >= members * ENOUGH_PERCENT {
                let hold = if announced.percent < 100 { run.hold } else { Duration::ZERO };
                let since = *complete_since.get_or_insert_with(|| {
                    if !hold.is_zero() {
                        (run.report)(WaveEvent::Holding(hold));
                    }
                    Instant::now()
                });
                if since.elapsed() >= hold {
                    return Ok(());
                }
                wake = wake.min(since + hold);
            } else {
                complete_since = None;
                let (mut lagging, now) = (replicas.lagging(announced), Instant::now());
                let has_reason = lagging.first().is_some_and(|first| first.reason.is_some());
                if now >= notice || (has_reason && !is_noticed) {
                    let others = lagging.len().saturating_sub(MAX_NAMED);
                    lagging.truncate(MAX_NAMED);
                    (run.report)(WaveEvent::Waiting { replicas: lagging, others });
                    (notice, is_noticed) = (now + NOTICE_INTERVAL, true);
                }
                wake = wake.min(notice);
            }
            tokio::select! {
                event = replicas.watch.next() => replicas.receive(event)?,
                event = run.release.next() => {
                    if let Some(other) = replaced(event, announced) {
                        return Err(PublishError::Replaced(self.other(other).await));
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Returns the first percentage of the waves that selects a living replica.
    pub fn first_wave(waves: &[u8], generation: u64, replicas: &Replicas) -> u8 {
        let first = waves.first().copied().unwrap_or(100);
        replicas.selecting(generation).map_or(first, |selecting| selecting.max(first))
    }
}

impl Replicas {
    /// Returns the number of living replicas.
    pub fn living(&self) -> usize {
        self.known.len()
    }

    fn receive(&mut self, event: Option<WatchEvent>) -> Result<(), PublishError> {
        match event {
            Some(WatchEvent::Entry(entry)) => self.enter(entry),
            Some(WatchEvent::Lost(error)) => {
                tracing::debug!(%error, "the status of the replicas is not read")
            }
            Some(_) => {}
            None => return Err(PublishError::Bus(BusError::Disconnected)),
        }
        Ok(())
    }

    fn enter(&mut self, entry: Entry) {
        let view = ReplicaView::read(&entry);
        let key = entry.key;
        match view {
            Some(view) => {
                let known = Known { view, arrived: Instant::now(), time_millis: entry.time_millis };
                self.known.insert(key, known);
            }
            None => {
                self.known.remove(&key);
            }
        }
    }

    fn forget_the_dead(&mut self) {
        self.known.retain(|_, known| known.arrived.elapsed() < LIVING);
    }

    /// Returns the numbers of replicas of the wave that serve the release, and of all in the wave.
    fn wave(&self, announced: &Announced) -> (usize, usize) {
        let generation = announced.manifest.generation;
        let views = self.known.values().map(|known| &known.view);
        let members = views.filter(|view| wave_position(&view.id, generation) < announced.percent);
        let (mut serving, mut all) = (0, 0);
        for view in members {
            all += 1;
            serving += usize::from(view.serves(&announced.manifest));
        }
        (serving, all)
    }

    /// Returns the lowest percentage that selects a living replica.
    fn selecting(&self, generation: u64) -> Option<u8> {
        self.known.values().map(|known| wave_position(&known.view.id, generation) + 1).min()
    }

    /// Returns the replicas of the wave that do not serve the release, those with a reason first.
    fn lagging(&self, announced: &Announced) -> Vec<Lagging> {
        let generation = announced.manifest.generation;
        let views = self.known.values().map(|known| &known.view);
        let lagging = views.filter(|view| {
            wave_position(&view.id, generation) < announced.percent && !view.serves(&announced.manifest)
        });
        let mut lagging: Vec<Lagging> = lagging
            .map(|view| Lagging {
                id: view.id.clone(),
                state: view.state.clone(),
                reason: view.reason.clone(),
            })
            .collect();
        lagging.sort_by_key(|replica| replica.reason.is_none());
        lagging
    }

    /// Makes every refusal count, also one from before, because no status changes with a release that is not written
    /// again.
    pub fn count_refusals_from_before(&mut self) {
        self.before.clear();
    }

    /// Returns whether a replica rejected the bytes of its release.
    pub fn has_rejected_bytes(&self) -> bool {
        let digest = Some(Reason::Digest.as_str());
        self.known.values().any(|it| it.view.state == "rejected" && it.view.reason.as_deref() == digest)
    }

    /// Returns the first rejection of the release. A replica that refused a release before counts once it has changed
    /// its status: each release, and each attempt, changes the time of the status.
    fn rejection(&self, announced: &Announced) -> Option<PublishError> {
        let generation = announced.manifest.generation;
        let refusing = self.known.values().find(|known| {
            let is_member = wave_position(&known.view.id, generation) < announced.percent;
            let before = self.before.get(&known.view.id);
            known.is_new_refusal(before, announced.time_millis)
                && (is_member || known.view.state == "rejected")
        })?;
        Some(PublishError::Rejected {
            replica: refusing.view.id.clone(),
            state: refusing.view.state.clone(),
            reason: refusing.view.reason.clone().unwrap_or_else(|| "unknown".to_owned()),
            percent: announced.percent,
        })
    }
}

impl Known {
    /// Returns whether the status refuses a release of this time or of a later one, other than the status before.
    fn is_new_refusal(&self, before: Option<&ReplicaView>, since_millis: i64) -> bool {
        self.view.is_refusing() && before != Some(&self.view) && self.time_millis >= since_millis
    }
}

impl ReplicaView {
    /// Reads the status of a replica under its own key.
    pub(super) fn read(entry: &Entry) -> Option<ReplicaView> {
        let view = serde_json::from_slice::<ReplicaView>(entry.value.as_ref()?).ok()?;
        (decode_token(&entry.key).as_deref() == Some(&view.id)).then_some(view)
    }

    fn is_refusing(&self) -> bool {
        matches!(&*self.state, "rejected" | "behind")
    }

    fn serves(&self, manifest: &Manifest) -> bool {
        self.state == "serving"
            && self.generation == Some(manifest.generation)
            && self.digest.as_deref().is_some_and(|digest| manifest.names(digest))
    }
}

/// Returns another release that is in force.
fn replaced(event: Option<WatchEvent>, announced: &Announced) -> Option<Published> {
    let Some(WatchEvent::Entry(entry)) = event else { return None };
    if entry.key != CURRENT_KEY || entry.revision <= announced.revision {
        return None;
    }
    published(&entry).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_from_before_counts_only_once_it_has_changed() {
        let known = |state: &str, since: &str, time_millis| Known {
            view: ReplicaView {
                id: "r".to_owned(),
                state: state.to_owned(),
                reason: Some("disk".to_owned()),
                since: Some(since.to_owned()),
                generation: Some(6),
                digest: None,
            },
            arrived: Instant::now(),
            time_millis,
        };
        let before = known("rejected", "1", 900).view;
        let hour = 3_600_000;
        for (status, is_new) in [
            (known("rejected", "1", 900), false),
            // Repeated for an hour after the release, as a replica does that waits for another one.
            (known("rejected", "1", 1_000 + hour), false),
            (known("rejected", "2", 1_000), true),
            (known("behind", "2", 1_000), true),
            (known("rejected", "2", 999), false),
            (known("waiting", "2", 1_000), false),
        ] {
            assert_eq!(status.is_new_refusal(Some(&before), 1_000), is_new, "{:?}", status.view);
        }
        assert!(known("rejected", "1", 1_000).is_new_refusal(None, 1_000));
    }
}
