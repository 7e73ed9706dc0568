//! The snapshot in service and the live standings. A writer publishes a generation by one pointer store, and
//! a worker reads it by one atomic load. A lock orders the writers. No answer waits for this lock.

#[cfg(loom)]
use crate::cell::{ArcSwapOption, Cache, Mutex};
#[cfg(not(loom))]
use arc_swap::{ArcSwapOption, Cache};
#[cfg(not(loom))]
use parking_lot::Mutex;

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;

use super::standings::{AccountKey, Standing, StandingCounts, StandingError};
use switchboard_model::{Condition, UnixMillis};
use switchboard_select::Overlay;
use switchboard_snapshot::{AccountIdx, Snapshot};

/// A snapshot with the standings of its accounts. Every answer is computed from one generation.
#[derive(Debug)]
pub struct Generation {
    /// The compiled registry of this generation.
    pub snapshot: Snapshot,
    /// The live conditions of the accounts in the snapshot.
    pub overlay: Overlay,
}

/// The generation in service, if there is one, and the standings, which outlive generations. Clones share
/// their state.
#[derive(Clone, Default)]
pub struct Store {
    state: Arc<StoreState>,
}

#[derive(Default)]
struct StoreState {
    /// Shared with the caches of the readers.
    cell: Arc<ArcSwapOption<Generation>>,
    /// Read without the lock below, so that a list of standings waits for no writer.
    standings: DashMap<AccountKey, Standing>,
    /// Held while a generation or a standing changes. Without the lock, a standing that is set during a
    /// change of the generation could miss the new generation.
    write_lock: Mutex<()>,
}

impl Store {
    /// Puts a snapshot in service with its standings. Returns the replaced generation. The caller should free
    /// it, because that takes milliseconds for a large one and must not happen on a worker.
    pub fn swap(&self, snapshot: Snapshot) -> Option<Arc<Generation>> {
        let overlay = Overlay::from_free(snapshot.free_accounts());
        let _writing = self.state.write_lock.lock();
        self.swap_locked(snapshot, overlay)
    }

    /// Puts a snapshot in service with its standings if none is in service. Returns whether it did.
    pub fn swap_if_empty(&self, snapshot: Snapshot) -> bool {
        let _writing = self.state.write_lock.lock();
        let is_empty = self.current().is_none();
        if is_empty {
            let overlay = Overlay::from_free(snapshot.free_accounts());
            self.swap_locked(snapshot, overlay);
        }
        is_empty
    }

    /// Sets an account's standing, or removes it with `None`. Later selections see the change.
    pub fn set_standing(&self, key: AccountKey, standing: Option<Standing>) {
        let _writing = self.state.write_lock.lock();
        self.set_locked(key, standing);
    }

    /// Removes the standings that have expired by `now`. Returns their accounts.
    pub fn expire(&self, now: UnixMillis) -> Vec<AccountKey> {
        let _writing = self.state.write_lock.lock();
        let standings = self.state.standings.iter();
        let ended: Vec<AccountKey> = standings
            .filter(|standing| standing.has_ended(now))
            .map(|standing| standing.key().clone())
            .collect();
        for key in &ended {
            self.set_locked(key.clone(), None);
        }
        ended
    }

    /// Returns the time at which the next standing expires. Looks at every standing.
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        self.state.standings.iter().filter_map(|standing| standing.until.as_ref().map(|until| until.at)).min()
    }

    /// Replaces all standings by the given ones.
    pub fn replace_standings(&self, mut all: HashMap<AccountKey, Standing>) {
        let _writing = self.state.write_lock.lock();
        let standings = self.state.standings.iter();
        let gone: Vec<AccountKey> =
            standings.map(|standing| standing.key().clone()).filter(|key| !all.contains_key(key)).collect();
        for key in gone {
            self.set_locked(key, None);
        }
        for (key, standing) in all.drain() {
            self.set_locked(key, Some(standing));
        }
    }

    /// Checks that the snapshot in service has this account.
    ///
    /// # Errors
    /// Fails if there is no snapshot, no such company or no such account.
    pub fn check_account(&self, key: &AccountKey) -> Result<(), StandingError> {
        let generation = self.current().ok_or(StandingError::NoSnapshot)?;
        let Generation { snapshot, .. } = &*generation;
        let company = snapshot
            .find_company(&key.company)
            .ok_or(StandingError::UnknownCompany(snapshot.generation()))?;
        let account = snapshot.find_account(company, &key.account);
        account.map(drop).ok_or(StandingError::UnknownAccount(snapshot.generation()))
    }

    /// Returns the standing of an account, if it has one.
    pub fn standing(&self, key: &AccountKey) -> Option<Standing> {
        self.state.standings.get(key).map(|standing| standing.clone())
    }

    /// Returns all standings in no particular order.
    pub fn standings(&self) -> Vec<(AccountKey, Standing)> {
        let standings = self.state.standings.iter();
        standings.map(|standing| (standing.key().clone(), standing.value().clone())).collect()
    }

    /// Returns the number of standings, including those of accounts that are not in the snapshot.
    pub fn standing_count(&self) -> usize {
        self.state.standings.len()
    }

    /// Counts standings by condition. Reads the counters of the overlay instead of every standing, because
    /// every scrape calls this function.
    pub fn counts(&self) -> StandingCounts {
        let generation = self.current();
        let (draining, suspended) = generation.map_or((0, 0), |it| it.overlay.counts());
        // A standing may be set between the two reads.
        let waiting = self.standing_count().saturating_sub(draining + suspended);
        StandingCounts { draining, suspended, waiting }
    }

    /// Creates a reader for one worker.
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(Arc::clone(&self.state.cell)) }
    }

    /// Returns the generation in service. The generation stays in memory until the pointer is dropped.
    pub fn current(&self) -> Option<Arc<Generation>> {
        self.state.cell.load_full()
    }

    /// Publishes a snapshot. The caller holds the write lock.
    fn swap_locked(&self, snapshot: Snapshot, overlay: Overlay) -> Option<Arc<Generation>> {
        for standing in &self.state.standings {
            if let Some(account) = account(&snapshot, standing.key()) {
                overlay.set(account, standing.condition);
            }
        }
        self.state.cell.swap(Some(Arc::new(Generation { snapshot, overlay })))
    }

    /// Changes the standing before the overlay, so that a client that sees the effect of a standing can read
    /// the standing. The caller holds the write lock.
    fn set_locked(&self, key: AccountKey, standing: Option<Standing>) {
        let generation = self.current();
        let place = generation.as_ref().and_then(|it| Some((it, account(&it.snapshot, &key)?)));
        let condition = standing.as_ref().map_or(Condition::Active, |standing| standing.condition);
        match standing {
            Some(standing) => drop(self.state.standings.insert(key, standing)),
            None => drop(self.state.standings.remove(&key)),
        }
        if let Some((generation, account)) = place {
            generation.overlay.set(account, condition);
        }
    }
}

fn account(snapshot: &Snapshot, key: &AccountKey) -> Option<AccountIdx> {
    snapshot.find_account(snapshot.find_company(&key.company)?, &key.account)
}

/// One worker's access to the generation in service. Detects a change by one relaxed load. Touches no shared
/// counter without a change.
pub struct Reader {
    cache: Cache<Arc<ArcSwapOption<Generation>>, Option<Arc<Generation>>>,
}

impl Reader {
    /// Returns the generation in service. Use it for one whole request.
    pub fn pin(&mut self) -> Option<&Arc<Generation>> {
        self.cache.load().as_ref()
    }
}
