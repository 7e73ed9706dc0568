//! What live standings add to a snapshot: one condition per account, read by every worker while the
//! standings change.
//!
//! Two bits an account, so that a million accounts take 250 KB: next to a snapshot of 160 MB, this stays
//! in the processor's cache. So it also says which accounts need no look at all: those that the registry
//! has as active from always on, nearly every one.

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
/// No standing, and no need to ask the registry's record.
const FREE: u64 = 0;
/// See [`Condition`].
const DRAINING: u64 = 1;
/// See [`Condition`].
const SUSPENDED: u64 = 2;
/// No standing: the account is what its record says.
const AS_RECORDED: u64 = 3;

/// The live conditions of one snapshot's accounts, by index.
#[derive(Debug, Default)]
pub struct Overlay {
    words: Vec<AtomicU64>,
}

/// Of a snapshot without standings: every account is what the registry says.
pub static NO_STANDINGS: Overlay = Overlay { words: Vec::new() };

impl Overlay {
    /// Of so many accounts, without standings; all of them are looked at.
    pub fn new(accounts: usize) -> Overlay {
        Overlay::of(std::iter::repeat_n(false, accounts))
    }

    /// Of accounts without standings: which of them need no look, since they are active from always on.
    pub fn of(free: impl IntoIterator<Item = bool>) -> Overlay {
        let mut free = free.into_iter().peekable();
        let mut words = Vec::new();
        while free.peek().is_some() {
            let bits = |word, (at, free)| word | if free { FREE } else { AS_RECORDED } << shift(at);
            words.push(AtomicU64::new((0..PER_WORD).zip(&mut free).fold(0, bits)));
        }
        Overlay { words }
    }

    /// Whether an account is active, whatever its record would add.
    #[inline]
    pub fn is_free(&self, account: AccountIdx) -> bool {
        self.bits(account) == FREE
    }

    /// What the live standing makes of an account; active where it has none.
    #[inline]
    pub fn condition(&self, account: AccountIdx) -> Condition {
        match self.bits(account) {
            DRAINING => Condition::Draining,
            SUSPENDED => Condition::Suspended,
            _ => Condition::Active,
        }
    }

    /// How many accounts are draining, and how many suspended, by live standings. A word at a time: a million
    /// accounts take 60 µs of a scrape (`docs/performance.md`), however many have a standing.
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
        // Nothing else is read on the strength of this one value, so that its order does not matter.
        word.load(Ordering::Relaxed) >> shift(account) & MASK
    }

    /// Whoever asks from now on sees this. An account beyond the last is nobody's.
    pub fn set(&self, account: AccountIdx, condition: Condition) {
        let account = account.get();
        let Some(word) = self.words.get((account / PER_WORD) as usize) else { return };
        let bits = match condition {
            // What the record says is not known here.
            Condition::Active => AS_RECORDED,
            Condition::Draining => DRAINING,
            Condition::Suspended => SUSPENDED,
        } << shift(account);
        // In one step: an account that goes from draining to suspended must not look active in between.
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
    fn every_account_has_its_own_condition() {
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
    fn who_has_had_a_standing_is_looked_at() {
        let overlay = Overlay::of((0..100).map(|account| account % 7 != 3));
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
    fn beyond_the_last_account_there_is_nothing() {
        let overlay = Overlay::new(1);
        overlay.set(AccountIdx::new(1 << 20), Condition::Suspended);
        assert_eq!(overlay.condition(AccountIdx::new(1 << 20)), Condition::Active);
        assert_eq!(NO_STANDINGS.condition(AccountIdx::new(0)), Condition::Active);
        assert!(!NO_STANDINGS.is_free(AccountIdx::new(0)) && !overlay.is_free(AccountIdx::new(0)));
    }
}
