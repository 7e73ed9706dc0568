//! A flat hash index, which finds a record by its id in one or two probes. A binary search over a million ids
//! would read twenty cache lines.
//!
//! The index uses open addressing with linear probing over slots of a fingerprint and a record. At most half
//! of the slots are in use. The hash is XXH3-64 of the key, seeded with the scope in which the key is unique
//! (such as the company), so one index serves all companies. The caller confirms a match by the record's own
//! text.

use rkyv::rend::u32_le;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::format::{ArchivedSlot, NONE, Slot};

/// Returns the hash of a key. The scope is the seed.
#[inline]
pub(crate) fn hash(scope: u64, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, scope)
}

/// Returns the scope of a user id, which is unique within a company and a channel.
#[inline]
pub(crate) fn user_scope(company: u32, channel: u32) -> u64 {
    u64::from(company) | u64::from(channel) << 32
}

/// Returns the scope of an address, which is unique within a company and a channel. The company is not part
/// of the scope, because a look-up need not name it.
#[inline]
pub(crate) fn address_scope(channel: u32) -> u64 {
    u64::from(channel)
}

/// A stored slot of an index.
pub(crate) trait IndexSlot {
    /// Returns the index of the record, or [`NONE`] if the slot is free.
    fn record(&self) -> u32;
    /// Returns false if the record of a used slot has another hash. May return true for another hash.
    fn may_have(&self, hash: u64) -> bool;
}

impl IndexSlot for ArchivedSlot {
    #[inline]
    fn record(&self) -> u32 {
        self.record.to_native()
    }

    #[inline]
    fn may_have(&self, hash: u64) -> bool {
        self.fingerprint.to_native() == hash as u32
    }
}

/// A slot without a fingerprint, which takes half of the memory.
impl IndexSlot for u32_le {
    #[inline]
    fn record(&self) -> u32 {
        self.to_native()
    }

    #[inline]
    fn may_have(&self, _: u64) -> bool {
        true
    }
}

/// Builds the slots for these hashes, where record `i` has the `i`-th hash. At least one slot stays free, so
/// that the search for an absent key ends.
#[allow(clippy::indexing_slicing, reason = "every index is masked to the table's length")]
pub(crate) fn build_without_fingerprints(hashes: &[u64]) -> Vec<u32> {
    let size = (hashes.len() * 2).max(1).next_power_of_two();
    let mut slots = vec![NONE; size];
    for (record, &hash) in hashes.iter().enumerate() {
        let mut at = position(hash, size);
        while slots[at] != NONE {
            at = (at + 1) & (size - 1);
        }
        slots[at] = record as u32;
    }
    slots
}

/// Builds the slots like [`build_without_fingerprints`], with fingerprints.
pub(crate) fn build(hashes: &[u64]) -> Vec<Slot> {
    let records = build_without_fingerprints(hashes).into_iter();
    let slot = |record: u32| Slot {
        fingerprint: hashes.get(record as usize).map_or(0, |&hash| hash as u32),
        record,
    };
    records.map(slot).collect()
}

/// Finds the record that has this hash and that `is_it` confirms.
#[inline]
pub(crate) fn find<S: IndexSlot>(slots: &[S], hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
    let mut at = position(hash, slots.len());
    loop {
        let slot = slots.get(at)?;
        let record = slot.record();
        if record == NONE {
            return None;
        }
        if slot.may_have(hash) && is_it(record) {
            return Some(record);
        }
        at = (at + 1) & (slots.len() - 1);
    }
}

/// Returns the slot at which the search for a hash begins. Uses the upper half of the hash, because the lower
/// half is the fingerprint and both must be independent.
#[inline]
pub(crate) fn position(hash: u64, size: usize) -> usize {
    (hash >> 32) as usize & (size - 1)
}
