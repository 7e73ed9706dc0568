//! The hash indices: every record is found under its key, and only once.

use super::super::format::*;
use super::super::hash_index;
use super::super::rejection::Rejection;
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
    once(all, texts, &users)
}

/// The hashes of records' keys: what each is unique within, and its text.
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

/// A record is found when its slot can be reached from where its hash places it: when no slot is free from
/// there to here. So one pass over the slots proves all of them, however crowded a hostile writer made them.
fn check(slots: &[ArchivedSlot], hashes: &[u64]) -> Result<(), Rejection> {
    require(slots.len().is_power_of_two(), "size of an index")?;
    // Half of them at least are free, so that probes end, and soon.
    require(slots.len() >= 2 * hashes.len(), "full index")?;
    let mask = slots.len() - 1;
    // The taken slots right before the first one are those at the end: a probe goes round.
    let mut crowd = slots.iter().rev().take_while(|slot| slot.record.to_native() != NONE).count();
    let mut seen = vec![false; hashes.len()];
    let mut taken = 0;
    for (at, slot) in slots.iter().enumerate() {
        let record = slot.record.to_native();
        if record == NONE {
            crowd = 0;
            continue;
        }
        let (hash, seen) = match (hashes.get(record as usize), seen.get_mut(record as usize)) {
            (Some(&hash), Some(seen)) => (hash, seen),
            _ => return require(false, "record of an index"),
        };
        let probes = at.wrapping_sub(hash_index::position(hash, slots.len())) & mask;
        require(probes <= crowd, "place in an index")?;
        require(slot.fingerprint.to_native() == hash as u32, "fingerprint of an index")?;
        require(!std::mem::replace(seen, true), "record twice in an index")?;
        crowd += 1;
        taken += 1;
    }
    require(taken == hashes.len(), "record of no index")
}

/// A user has one account on a channel. Other tables are in order of their ids, so that these are unique.
fn once(all: &ArchivedTables, texts: &Texts<'_>, hashes: &[u64]) -> Result<(), Rejection> {
    let mut order: Vec<(u64, u32)> = hashes.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let key = |at: u32| {
        let dedicated = all.dedicated.at(at);
        texts.span(&dedicated.user).map(|user| (dedicated.company, dedicated.channel, user))
    };
    for alike in order.chunk_by(|(a, _), (b, _)| a == b).filter(|alike| alike.len() > 1) {
        let mut keys = alike.iter().map(|&(_, at)| key(at)).collect::<Result<Vec<_>, Rejection>>()?;
        keys.sort_unstable();
        require(keys.windows(2).all(|pair| matches!(pair, [a, b] if a != b)), "user twice on a channel")?;
    }
    Ok(())
}
