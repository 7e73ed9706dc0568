//! The live conditions of a snapshot's accounts, which every worker reads while standings change.
//!
//! Two bits an account, so that a million accounts take 250 KB: next to a snapshot of 160 MB, this stays
//! in the processor's cache. For nearly every account these bits alone say that it is free, and its record, a cache miss,
//! is not read:
//!
//! | bits | state | the account is |
//! |---|---|---|
//! | `00` | free | active: no standing, and the registry has it as active without a time from which |
//! | `01` | draining | draining, by a standing |
//! | `10` | suspended | suspended, by a standing |
//! | `11` | as recorded | what its record in the snapshot says; no standing |

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_model::Condition;
use switchboard_snapshot::AccountIdx;

/// Accounts in a word.
const PER_WORD: u32 = 32;
/// The bits of one account.
const MASK: u64 = 0b11;
/// See the table above.
const FREE: u64 = 0;
/// See the table above.
const DRAINING: u64 = 1;
/// See the table above.
const SUSPENDED: u64 = 2;
/// See the table above.
const AS_RECORDED: u64 = 3;

/// The live conditions of one snapshot's accounts, by index.
#[derive(Debug, Default)]
pub struct Overlay {
    words: Vec<AtomicU64>,
}

/// The overlay of a snapshot without standings: every account is what its record says.
pub static NO_STANDINGS: Overlay = Overlay { words: Vec::new() };

impl Overlay {
    /// Returns an overlay without standings, for this many accounts: each is what its record says.
    pub fn new(accounts: usize) -> Overlay {
        Overlay::from_free(std::iter::repeat_n(false, accounts))
    }

    /// Returns an overlay without standings. `free` says of each account whether its record has it as active without a
    /// time from which; see [`Snapshot::free_accounts`](switchboard_snapshot::Snapshot::free_accounts).
    pub fn from_free(free: impl IntoIterator<Item = bool>) -> Overlay {
        let mut free = free.into_iter().peekable();
        let mut words = Vec::new();
        while free.peek().is_some() {
            let bits = |word, (at, free)| word | if free { FREE } else { AS_RECORDED } << shift(at);
            words.push(AtomicU64::new((0..PER_WORD).zip(&mut free).fold(0, bits)));
        }
        Overlay { words }
    }

    /// Returns whether an account is active without a look at its record.
    #[inline]
    pub fn is_free(&self, account: AccountIdx) -> bool {
        self.bits(account) == FREE
    }

    /// Returns the condition by an account's standing; active if it has none.
    #[inline]
    pub fn condition(&self, account: AccountIdx) -> Condition {
        match self.bits(account) {
            DRAINING => Condition::Draining,
            SUSPENDED => Condition::Suspended,
            _ => Condition::Active,
        }
    }

    /// Counts the accounts that are draining, and those that are suspended, by standings. Counts a word at a time: a
    /// million accounts take 60 µs of a scrape (`docs/performance.md`).
    pub fn counts(&self) -> (usize, usize) {
        // The lower bit of every account.
        const LOWER: u64 = u64::MAX / MASK;
        let counts = self.words.iter().map(|word| {
            let word = word.load(Ordering::Relaxed);
            let (lower, upper) = (word & LOWER, word >> 1 & LOWER);
            ((lower & !upper).count_ones(), (upper & !lower).count_ones())
        });
        counts.fold((0, 0), |sum, word| (sum.0 + word.0 as usize, sum.1 + word.1 as usize))
    }

    #[inline]
    fn bits(&self, account: AccountIdx) -> u64 {
        let account = account.get();
        let Some(word) = self.words.get((account / PER_WORD) as usize) else { return AS_RECORDED };
        // `Relaxed` suffices: no other memory is read because of this value.
        word.load(Ordering::Relaxed) >> shift(account) & MASK
    }

    /// Sets an account's live condition, visible to every later read. Ignores an index out of range.
    pub fn set(&self, account: AccountIdx, condition: Condition) {
        let account = account.get();
        let Some(word) = self.words.get((account / PER_WORD) as usize) else { return };
        let bits = match condition {
            // The record is not known here.
            Condition::Active => AS_RECORDED,
            Condition::Draining => DRAINING,
            Condition::Suspended => SUSPENDED,
        } << shift(account);
        // In one step: an account that changes from draining to suspended must not appear active in between.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            Some(word & !(MASK << shift(account)) | bits)
        });
    }
}

fn shift(account: u32) -> u32 {
    account % PER_WORD * 2
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_neighbouring_accounts_are_independent() {
        let overlay = Overlay::new(100);
        let of = |account: u32| match account % 3 {
            0 => Condition::Active,
            1 => Condition::Draining,
            _ => Condition::Suspended,
        };
        for shift in [0, 1, 2] {
            for account in 0..100 {
                overlay.set(AccountIdx::new(account), of(account + shift));
            }
            for account in 0..100 {
                assert_eq!(overlay.condition(AccountIdx::new(account)), of(account + shift));
            }
            let counted = |condition| (0..100).filter(|account| of(account + shift) == condition).count();
            assert_eq!(overlay.counts(), (counted(Condition::Draining), counted(Condition::Suspended)));
        }
    }

    #[test]
    fn account_is_not_free_after_its_standing_is_lifted() {
        let overlay = Overlay::from_free((0..100).map(|account| account % 7 != 3));
        for account in 0..100 {
            assert_eq!(overlay.is_free(AccountIdx::new(account)), account % 7 != 3);
            assert_eq!(overlay.condition(AccountIdx::new(account)), Condition::Active);
        }
        overlay.set(AccountIdx::new(40), Condition::Draining);
        let is_free = |account| overlay.is_free(AccountIdx::new(account));
        assert!(!is_free(40) && is_free(39) && is_free(41));
        overlay.set(AccountIdx::new(40), Condition::Active);
        assert!(!is_free(40));
    }

    #[test]
    fn index_out_of_range_is_ignored_and_as_recorded() {
        let overlay = Overlay::new(1);
        overlay.set(AccountIdx::new(1 << 20), Condition::Suspended);
        assert_eq!(overlay.condition(AccountIdx::new(1 << 20)), Condition::Active);
        assert_eq!(NO_STANDINGS.condition(AccountIdx::new(0)), Condition::Active);
        assert!(!NO_STANDINGS.is_free(AccountIdx::new(0)) && !overlay.is_free(AccountIdx::new(0)));
    }
}
