//! The live conditions of a snapshot's accounts. Every worker reads them while standings change.
//!
//! The overlay has two bits for each account: 250 KB for a million accounts, which stay in the processor's
//! cache. A snapshot of a million accounts has 160 MB. For nearly every account the two bits say "free", and
//! the account's record, a cache miss, is not read.
//!
//! | bits | state | condition of the account |
//! |---|---|---|
//! | `00` | free | active. No standing; the record says active, without an `available_from` |
//! | `01` | draining | draining, because of a standing |
//! | `10` | suspended | suspended, because of a standing |
//! | `11` | as recorded | the condition in the snapshot's record. No standing |

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_model::Condition;
use switchboard_snapshot::AccountIdx;

/// Number of accounts in a word of 64 bits.
const PER_WORD: u32 = 32;
/// The two bits of one account.
const MASK: u64 = 0b11;
/// Value `free` of the table above.
const FREE: u64 = 0;
/// Value `draining` of the table above.
const DRAINING: u64 = 1;
/// Value `suspended` of the table above.
const SUSPENDED: u64 = 2;
/// Value `as recorded` of the table above.
const AS_RECORDED: u64 = 3;

/// The live conditions of one snapshot's accounts, by account index.
///
/// ```
/// use switchboard_model::Condition;
/// use switchboard_select::Overlay;
/// use switchboard_snapshot::AccountIdx;
///
/// let overlay = Overlay::new(10);
/// overlay.set(AccountIdx::new(3), Condition::Draining);
/// assert_eq!(overlay.condition(AccountIdx::new(3)), Condition::Draining);
/// assert_eq!(overlay.counts(), (1, 0));
/// ```
#[derive(Debug, Default)]
pub struct Overlay {
    words: Vec<AtomicU64>,
}

/// Copies the conditions, so that an analysis sees no later change. Takes 40 µs for a million accounts.
impl Clone for Overlay {
    fn clone(&self) -> Overlay {
        let words = self.words.iter().map(|word| AtomicU64::new(word.load(Ordering::Relaxed)));
        Overlay { words: words.collect() }
    }
}

/// Compares the bits of every account. Equal overlays of one snapshot make its accounts equally available.
impl PartialEq for Overlay {
    fn eq(&self, other: &Overlay) -> bool {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        self.words.iter().map(load).eq(other.words.iter().map(load))
    }
}

/// An overlay without standings, for any snapshot. Every account has the condition of its record.
pub static NO_STANDINGS: Overlay = Overlay { words: Vec::new() };

impl Overlay {
    /// Creates an overlay without standings for `accounts` accounts. Each account has the condition of its
    /// record.
    pub fn new(accounts: usize) -> Overlay {
        Overlay::from_free(std::iter::repeat_n(false, accounts))
    }

    /// Creates an overlay without standings. `free` says for each account whether its record is active
    /// without an `available_from`; see
    /// [`Snapshot::free_accounts`](switchboard_snapshot::Snapshot::free_accounts).
    pub fn from_free(free: impl IntoIterator<Item = bool>) -> Overlay {
        let mut free = free.into_iter().peekable();
        let mut words = Vec::new();
        while free.peek().is_some() {
            let bits = |word, (at, free)| word | if free { FREE } else { AS_RECORDED } << shift(at);
            words.push(AtomicU64::new((0..PER_WORD).zip(&mut free).fold(0, bits)));
        }
        Overlay { words }
    }

    /// Returns a copy in which the account is free, whatever its record and its standing say. A selection with
    /// the copy has the answers of a registry and standings that leave the account unrestricted.
    pub fn with_free(&self, account: AccountIdx) -> Overlay {
        let Overlay { mut words } = self.clone();
        let at = (account.get() / PER_WORD) as usize;
        if at >= words.len() {
            // Accounts beyond the last word are as recorded.
            words.resize_with(at + 1, || AtomicU64::new(u64::MAX));
        }
        if let Some(word) = words.get(at) {
            word.fetch_and(!(MASK << shift(account.get())), Ordering::Relaxed);
        }
        Overlay { words }
    }

    /// Returns true if the account is active and its record need not be read.
    #[inline]
    pub fn is_free(&self, account: AccountIdx) -> bool {
        self.bits(account) == FREE
    }

    /// Returns the condition that the account's standing sets. Returns `Active` if the account has no
    /// standing.
    #[inline]
    pub fn condition(&self, account: AccountIdx) -> Condition {
        match self.bits(account) {
            DRAINING => Condition::Draining,
            SUSPENDED => Condition::Suspended,
            _ => Condition::Active,
        }
    }

    /// Returns the number of accounts that are draining and the number that are suspended because of
    /// standings. Takes 60 µs for a million accounts (`docs/performance.md`).
    pub fn counts(&self) -> (usize, usize) {
        // The lower bit of each account.
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

    /// Sets an account's live condition. Every later read sees the condition. Ignores an index that is out of
    /// range.
    pub fn set(&self, account: AccountIdx, condition: Condition) {
        let account = account.get();
        let Some(word) = self.words.get((account / PER_WORD) as usize) else { return };
        let bits = match condition {
            // The overlay does not know the record, so it cannot set `FREE`.
            Condition::Active => AS_RECORDED,
            Condition::Draining => DRAINING,
            Condition::Suspended => SUSPENDED,
        } << shift(account);
        // One atomic update: an account that changes from draining to suspended must not look active in
        // between.
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
    fn account_is_not_free_after_its_standing_is_removed() {
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
    fn copy_with_a_free_account_changes_that_account_alone() {
        let overlay = Overlay::from_free((0..100).map(|account| account % 2 == 0));
        overlay.set(AccountIdx::new(40), Condition::Suspended);
        overlay.set(AccountIdx::new(41), Condition::Draining);
        for account in [3, 40, 99, 200] {
            let copy = overlay.with_free(AccountIdx::new(account));
            assert!(copy.is_free(AccountIdx::new(account)), "{account}");
            for other in (0..300).filter(|other| *other != account).map(AccountIdx::new) {
                assert_eq!(copy.bits(other), overlay.bits(other), "{account}");
            }
        }
        assert!(NO_STANDINGS.with_free(AccountIdx::new(70)).is_free(AccountIdx::new(70)));
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
