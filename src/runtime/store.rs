//! The snapshot in service and the live standings. A generation is published by one pointer store and read
//! by one atomic load; a lock orders writers, and no answer waits for it.

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

/// A snapshot with the standings of its accounts. Every byte of an answer comes from one generation.
#[derive(Debug)]
pub struct Generation {
    /// The compiled registry.
    pub snapshot: Snapshot,
    /// The live standings of its accounts.
    pub overlay: Overlay,
}

/// The generation in service, if there is one yet, and the standings, which outlive generations.
#[derive(Clone, Default)]
pub struct Store {
    state: Arc<StoreState>,
}

#[derive(Default)]
struct StoreState {
    /// Behind a pointer of its own, for the readers' caches.
    cell: Arc<ArcSwapOption<Generation>>,
    /// Read without the lock below, so that listing standings waits for no writer.
    standings: DashMap<AccountKey, Standing>,
    /// Held while a generation or a standing changes, so that a standing that is set meanwhile reaches the
    /// generation that comes out of the change.
    write_lock: Mutex<()>,
}

impl Store {
    /// Puts a snapshot in service with its standings. Returns the replaced generation, so that the caller
    /// frees it: that takes milliseconds for a large one, which no worker should spend.
    pub fn swap(&self, snapshot: Snapshot) -> Option<Arc<Generation>> {
        let overlay = Overlay::from_free(snapshot.free_accounts());
        let _writing = self.state.write_lock.lock();
        for standing in &self.state.standings {
            if let Some(account) = account(&snapshot, standing.key()) {
                overlay.set(account, standing.condition);
            }
        }
        self.state.cell.swap(Some(Arc::new(Generation { snapshot, overlay })))
    }

    /// Sets or removes an account's standing. Later selections see the change.
    pub fn set_standing(&self, key: AccountKey, standing: Option<Standing>) {
        let _writing = self.state.write_lock.lock();
        self.set_locked(key, standing);
    }

    /// Removes the standings that have ended by `now`. Returns their accounts.
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

    /// Returns when the next standing ends by itself. Looks at every standing.
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        self.state.standings.iter().filter_map(|standing| standing.until.as_ref().map(|until| until.at)).min()
    }

    /// Replaces all standings.
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
    /// No snapshot, no such company or no such account.
    pub fn check_account(&self, key: &AccountKey) -> Result<(), StandingError> {
        let generation = self.current().ok_or(StandingError::NoSnapshot)?;
        let Generation { snapshot, .. } = &*generation;
        let company = snapshot
            .find_company(&key.company)
            .ok_or(StandingError::UnknownCompany(snapshot.generation()))?;
        let account = snapshot.find_account(company, &key.account);
        account.map(drop).ok_or(StandingError::UnknownAccount(snapshot.generation()))
    }

    /// Returns an account's standing.
    pub fn standing(&self, key: &AccountKey) -> Option<Standing> {
        self.state.standings.get(key).map(|standing| standing.clone())
    }

    /// Returns all standings, in no order.
    pub fn standings(&self) -> Vec<(AccountKey, Standing)> {
        let standings = self.state.standings.iter();
        standings.map(|standing| (standing.key().clone(), standing.value().clone())).collect()
    }

    /// Returns the number of standings, including those of accounts that the snapshot does not have.
    pub fn standing_count(&self) -> usize {
        self.state.standings.len()
    }

    /// Counts standings by what they do. Reads the overlay, not every standing, because every scrape calls
    /// this.
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

    /// Returns the generation in service and holds it until the returned pointer is dropped.
    pub fn current(&self) -> Option<Arc<Generation>> {
        self.state.cell.load_full()
    }

    /// Changes the standing before the overlay, so that a standing whose effect was seen can be read. The
    /// caller holds the write lock.
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

/// One worker's access to the generation in service. Detects a change by one relaxed load, and touches no
/// shared counter without one.
pub struct Reader {
    cache: Cache<Arc<ArcSwapOption<Generation>>, Option<Arc<Generation>>>,
}

impl Reader {
    /// Returns the generation in service, to answer one whole request from.
    pub fn pin(&mut self) -> Option<&Arc<Generation>> {
        self.cache.load().as_ref()
    }
}
