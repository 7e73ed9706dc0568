//! A flat hash index: finds a record by id in one or two probes, where a binary search over a million
//! strings would read twenty cache lines.
//!
//! Open addressing with linear probing over `(fingerprint, record)` slots, at most half full. The
//! hash is XXH3-64 of the key, seeded with the scope in which the key is unique (the company, the channel), so
//! that one table serves all companies. A hit is confirmed by the record's own text.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::format::{ArchivedSlot, NONE, Slot};

/// Returns the hash of a key, which is unique within its scope.
#[inline]
pub(crate) fn hash(scope: u64, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, scope)
}

/// Returns the scope of a user's account: a company and a channel.
#[inline]
pub(crate) fn user_scope(company: u32, channel: u32) -> u64 {
    u64::from(company) | u64::from(channel) << 32
}

/// Returns slots for these hashes; record `i` has the `i`-th hash. At least one slot stays free, so that a probe for an
/// absent key ends.
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

/// Finds the record with this hash that `is_it` confirms.
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

/// Returns where the probes for a hash begin: by its upper half. The lower half is the fingerprint; both are independent.
#[inline]
pub(crate) fn position(hash: u64, size: usize) -> usize {
    (hash >> 32) as usize & (size - 1)
}
