//! Where the snapshot in service and the live standings meet: the cell that a generation is published
//! through, one pointer store to publish and one atomic load to read, and the lock under which
//! generations and standings change places, which no answer ever waits for.

#[cfg(loom)]
use crate::cell::{ArcSwapOption, Cache, Mutex};
#[cfg(not(loom))]
use arc_swap::{ArcSwapOption, Cache};
#[cfg(not(loom))]
use std::sync::Mutex;

use std::sync::{Arc, PoisonError};

use dashmap::DashMap;

use super::standings::{Counts, Key, Refused, Standing};
use switchboard_model::Condition;
use switchboard_select::Overlay;
use switchboard_snapshot::Snapshot;

/// What one answer is made of, from its first byte to its last.
#[derive(Debug)]
pub struct Generation {
    /// The registry.
    pub snapshot: Snapshot,
    /// The live standings of its accounts.
    pub overlay: Overlay,
}

/// The generation in service, none before the first, and the standings, which outlive generations.
#[derive(Clone, Default)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// By itself behind a pointer, for the readers' caches.
    cell: Arc<ArcSwapOption<Generation>>,
    /// Read without the lock below, so that whoever lists standings waits for nobody.
    standings: DashMap<Key, Standing>,
    /// Held while a generation or a standing takes its place. So a standing that is set while the next
    /// generation is made ready reaches whichever comes out of it.
    turn: Mutex<()>,
}

impl Store {
    /// Puts a snapshot in service, with its standings, and returns the generation it replaces, for the
    /// caller to let go of: freeing a large one takes milliseconds, which no worker should spend.
    pub fn publish(&self, snapshot: Snapshot) -> Option<Arc<Generation>> {
        let overlay = Overlay::of(snapshot.free_accounts());
        let _turn = self.turn();
        for standing in &self.shared.standings {
            if let Some(account) = account(&snapshot, standing.key()) {
                overlay.set(account, standing.condition);
            }
        }
        self.shared.cell.swap(Some(Arc::new(Generation { snapshot, overlay })))
    }

    /// Gives an account a standing, or lifts the one it has. Whatever is asked from now on sees it.
    pub fn stand(&self, key: Key, standing: Option<Standing>) {
        let _turn = self.turn();
        self.stand_in_turn(key, standing);
    }

    /// Lifts what has ended by `now` (Unix milliseconds), and says which.
    pub fn lift_ended(&self, now: i64) -> Vec<Key> {
        let _turn = self.turn();
        let held = self.shared.standings.iter();
        let ended: Vec<Key> =
            held.filter(|standing| standing.has_ended(now)).map(|standing| standing.key().clone()).collect();
        for key in &ended {
            self.stand_in_turn(key.clone(), None);
        }
        ended
    }

    /// Takes over all standings from elsewhere.
    pub fn replace_standings(&self, mut all: std::collections::HashMap<Key, Standing>) {
        let _turn = self.turn();
        let held = self.shared.standings.iter();
        let gone: Vec<Key> =
            held.map(|standing| standing.key().clone()).filter(|key| !all.contains_key(key)).collect();
        for key in gone {
            self.stand_in_turn(key, None);
        }
        for (key, standing) in all.drain() {
            self.stand_in_turn(key, Some(standing));
        }
    }

    /// Whether the snapshot in service has this account.
    ///
    /// # Errors
    /// What it lacks.
    pub fn known(&self, key: &Key) -> Result<(), Refused> {
        let generation = self.current().ok_or(Refused::NoSnapshot)?;
        let Generation { snapshot, .. } = &*generation;
        let company = snapshot.company(&key.company).ok_or(Refused::UnknownCompany(snapshot.generation()))?;
        let account = snapshot.account(company, &key.account);
        account.map(drop).ok_or(Refused::UnknownAccount(snapshot.generation()))
    }

    /// An account's standing.
    pub fn standing(&self, key: &Key) -> Option<Standing> {
        self.shared.standings.get(key).map(|standing| standing.clone())
    }

    /// All standings, in no order.
    pub fn standings(&self) -> Vec<(Key, Standing)> {
        let held = self.shared.standings.iter();
        held.map(|standing| (standing.key().clone(), standing.value().clone())).collect()
    }

    /// How many are held, those of accounts that the snapshot does not have included.
    pub fn held(&self) -> usize {
        self.shared.standings.len()
    }

    /// How many are in force. Every scrape asks: it looks at the overlay, not at each standing.
    pub fn counts(&self) -> Counts {
        let generation = self.current();
        let (draining, suspended) = generation.map_or((0, 0), |it| it.overlay.counts());
        // A standing may come between the two.
        let waiting = self.held().saturating_sub(draining + suspended);
        Counts { draining, suspended, waiting }
    }

    /// A way to the generation in service for one worker.
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(Arc::clone(&self.shared.cell)) }
    }

    /// The generation in service, held until the returned pointer is dropped.
    pub fn current(&self) -> Option<Arc<Generation>> {
        self.shared.cell.load_full()
    }

    /// The standing comes first, so that whoever has seen its effect finds its reason.
    fn stand_in_turn(&self, key: Key, standing: Option<Standing>) {
        let generation = self.current();
        let place = generation.as_ref().and_then(|it| Some((it, account(&it.snapshot, &key)?)));
        let condition = standing.as_ref().map_or(Condition::Active, |standing| standing.condition);
        match standing {
            Some(standing) => drop(self.shared.standings.insert(key, standing)),
            None => drop(self.shared.standings.remove(&key)),
        }
        if let Some((generation, account)) = place {
            generation.overlay.set(account, condition);
        }
    }

    fn turn(&self) -> impl Drop + '_ {
        // A panic under the lock leaves a standing that is set or not: either is sound.
        self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn account(snapshot: &Snapshot, key: &Key) -> Option<u32> {
    snapshot.account(snapshot.company(&key.company)?, &key.account)
}

/// One worker's way to the generation in service: looks whether it has changed with one relaxed load, and
/// touches no shared counter where it has not.
pub struct Reader {
    cache: Cache<Arc<ArcSwapOption<Generation>>, Option<Arc<Generation>>>,
}

impl Reader {
    /// The generation to answer one request from, from its first byte to its last.
    pub fn pin(&mut self) -> Option<&Arc<Generation>> {
        self.cache.load().as_ref()
    }
}
