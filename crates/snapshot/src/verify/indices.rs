//! Verifies the hash indices: every record is found by its key, and no record occurs twice.

use super::super::format::*;
use super::super::hash_index;
use super::super::header::Rejection;
use super::super::view::Records;
use super::require;
use super::texts::Texts;

pub(super) fn verify(all: &ArchivedTables, texts: &Texts<'_>, accounts: &[u64]) -> Result<(), Rejection> {
    check(&all.company_index, &hashes(texts, &all.companies, |company| (0, &company.id))?)?;
    let of_company = |ou: &ArchivedOu| u64::from(ou.company.to_native());
    check(&all.ou_index, &hashes(texts, &all.ous, |ou| (of_company(ou), &ou.id))?)?;
    check(&all.account_index, accounts)?;
    let scope =
        |user: &ArchivedDedicated| hash_index::user_scope(user.company.to_native(), user.channel.to_native());
    let users = hashes(texts, &all.dedicated, |user| (scope(user), &user.user))?;
    check(&all.user_index, &users)?;
    check_users(all, texts, &users)
}

/// Returns the hashes of all records. `key` returns the scope and the text of a record's key.
fn hashes<T>(
    texts: &Texts<'_>,
    records: &[T],
    key: impl Fn(&T) -> (u64, &ArchivedSpan),
) -> Result<Vec<u64>, Rejection> {
    let mut hashes = Vec::with_capacity(records.len());
    for record in records {
        let (scope, text) = key(record);
        hashes.push(hash_index::hash(scope, texts.span(text)?.as_bytes()));
    }
    Ok(hashes)
}

/// Checks the slots of an index. A record can be found if no slot is free between the slot of its hash and
/// its own slot. One pass over the slots checks this for all records, even if a hostile writer put all of
/// them side by side.
fn check(slots: &[ArchivedSlot], hashes: &[u64]) -> Result<(), Rejection> {
    require(slots.len().is_power_of_two(), "the size of an index is not a power of two")?;
    // At least half of the slots are free, so that every search ends after few probes.
    require(slots.len() >= 2 * hashes.len(), "an index is more than half full")?;
    let mask = slots.len() - 1;
    // A search continues at the first slot after the last one, so the used slots at the end precede the first
    // slot.
    let mut used_before = slots.iter().rev().take_while(|slot| slot.record.to_native() != NONE).count();
    let mut seen = vec![false; hashes.len()];
    let mut taken = 0;
    for (at, slot) in slots.iter().enumerate() {
        let record = slot.record.to_native();
        if record == NONE {
            used_before = 0;
            continue;
        }
        let (hash, seen) = match (hashes.get(record as usize), seen.get_mut(record as usize)) {
            (Some(&hash), Some(seen)) => (hash, seen),
            _ => return require(false, "an index refers to a missing record"),
        };
        let probes = at.wrapping_sub(hash_index::position(hash, slots.len())) & mask;
        require(probes <= used_before, "a search cannot reach a record of an index")?;
        require(slot.fingerprint.to_native() == hash as u32, "a slot of an index has a wrong fingerprint")?;
        require(!std::mem::replace(seen, true), "an index has a record twice")?;
        used_before += 1;
        taken += 1;
    }
    require(taken == hashes.len(), "an index lacks a record")
}

/// Checks that a user has only one account on a channel. Other tables need no such check, because their ids
/// ascend.
fn check_users(all: &ArchivedTables, texts: &Texts<'_>, hashes: &[u64]) -> Result<(), Rejection> {
    let mut order: Vec<(u64, u32)> = hashes.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let key = |at: u32| {
        let dedicated = all.dedicated.at(at);
        texts.span(&dedicated.user).map(|user| (dedicated.company, dedicated.channel, user))
    };
    for alike in order.chunk_by(|(a, _), (b, _)| a == b).filter(|alike| alike.len() > 1) {
        let mut keys = alike.iter().map(|&(_, at)| key(at)).collect::<Result<Vec<_>, Rejection>>()?;
        keys.sort_unstable();
        require(
            keys.windows(2).all(|pair| matches!(pair, [a, b] if a != b)),
            "a user has two accounts on one channel",
        )?;
    }
    Ok(())
}
