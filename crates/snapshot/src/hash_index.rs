//! A flat hash index, which finds a record by its id in one or two probes. A binary search over a million ids
//! would read twenty cache lines.
//!
//! The index uses open addressing with linear probing over slots of a fingerprint and a record. At most half
//! of the slots are in use. The hash is XXH3-64 of the key, seeded with the scope in which the key is unique
//! (such as the company), so one index serves all companies. The caller confirms a match by the record's own
//! text.

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

/// Builds the slots for these hashes, where record `i` has the `i`-th hash. At least one slot stays free, so
/// that the search for an absent key ends.
#[allow(clippy::indexing_slicing, reason = "every index is masked to the table's length")]
pub(crate) fn build(hashes: &[u64]) -> Vec<Slot> {
    let size = (hashes.len() * 2).max(1).next_power_of_two();
    let mut slots = vec![Slot { fingerprint: 0, record: NONE }; size];
    for (record, &hash) in hashes.iter().enumerate() {
        let mut at = position(hash, size);
        while slots[at].record != NONE {
            at = (at + 1) & (size - 1);
        }
        slots[at] = Slot { fingerprint: hash as u32, record: record as u32 };
    }
    slots
}

/// Finds the record that has this hash and that `is_it` confirms.
#[inline]
pub(crate) fn find(slots: &[ArchivedSlot], hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
    let mut at = position(hash, slots.len());
    loop {
        let slot = slots.get(at)?;
        let record = slot.record.to_native();
        if record == NONE {
            return None;
        }
        if slot.fingerprint.to_native() == hash as u32 && is_it(record) {
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
