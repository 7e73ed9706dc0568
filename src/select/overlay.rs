//! What live standings add to a snapshot: one condition per account, read by every worker while the
//! standings change.
//!
//! Two bits an account, so that a million accounts take 250 KB: next to a snapshot of 168 MB, this stays
//! in the processor's cache.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use crate::account::Condition;

/// Accounts in a word.
const PER_WORD: u32 = 32;
/// The bits of one account.
const MASK: u64 = 0b11;

/// The live conditions of one snapshot's accounts, by index.
#[derive(Debug, Default)]
pub struct Overlay {
    words: Vec<AtomicU64>,
}

/// Of a snapshot without standings: every account is what the registry says.
pub static NO_STANDINGS: Overlay = Overlay { words: Vec::new() };

impl Overlay {
    /// Of so many accounts, all active.
    pub fn new(accounts: usize) -> Overlay {
        let words = accounts.div_ceil(PER_WORD as usize);
        Overlay { words: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// What the live standing makes of an account; active where it has none.
    pub fn condition(&self, account: u32) -> Condition {
        let Some(word) = self.words.get((account / PER_WORD) as usize) else { return Condition::Active };
        // Nothing else is read on the strength of this one value, so that its order does not matter.
        match word.load(Ordering::Relaxed) >> shift(account) & MASK {
            0 => Condition::Active,
            1 => Condition::Draining,
            _ => Condition::Suspended,
        }
    }

    /// Whoever asks from now on sees this. An account beyond the last is nobody's.
    pub fn set(&self, account: u32, condition: Condition) {
        let Some(word) = self.words.get((account / PER_WORD) as usize) else { return };
        let bits = (condition as u64) << shift(account);
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
                overlay.set(account, of(account + shift));
            }
            for account in 0..100 {
                assert_eq!(overlay.condition(account), of(account + shift));
            }
        }
    }

    #[test]
    fn beyond_the_last_account_there_is_nothing() {
        let overlay = Overlay::new(1);
        overlay.set(1 << 20, Condition::Suspended);
        assert_eq!(overlay.condition(1 << 20), Condition::Active);
        assert_eq!(NO_STANDINGS.condition(0), Condition::Active);
    }
}
