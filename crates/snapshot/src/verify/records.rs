//! Verifies companies, channels, organizational units, pools and accounts: their order, their owners, their
//! texts, and the hash indices that find them.

use super::super::format::*;
use super::super::hash_index::{self, IndexSlot};
use super::super::header::Rejection;
use super::super::rendezvous;
use super::super::view::{Records, unescaped};
use super::{Partition, Texts, inconsistent, is_country_or_none, record, require, without_escaped};
use rkyv::rend::u32_le;
use switchboard_model::{AddressBuffer, AddressKind, Region, Role, is_id};

/// Checks the companies and the records that each company owns. Companies divide the tables completely, and
/// ids ascend.
pub(super) fn verify_companies(all: &ArchivedTables, texts: &Texts<'_>) -> Result<(), Rejection> {
    let mut previous = None;
    for channel in all.channels.iter() {
        let id = texts.id(&channel.id)?;
        require(previous < Some(id), "the channels are not in the order of their ids")?;
        require(channel.conversation_role <= 1, "a channel has an unknown conversation role")?;
        require(
            AddressKind::from_stored(channel.address_kind).is_some(),
            "a channel has an unknown kind of address",
        )?;
        previous = Some(id);
    }
    // An account stores its channel in 16 bits.
    require(all.channels.len() <= usize::from(u16::MAX), "there are more than 65535 channels")?;
    let mut ous = Partition::new(&all.ous, "OUs");
    let mut pools = Partition::new(&all.pools, "pools");
    let mut pool_ous = Partition::new(&all.pool_ous, "OUs of pools");
    let mut accounts = Partition::new(&all.accounts, "accounts");
    let mut columns = Partition::new(&all.columns, "columns");
    let mut chain_starts = Partition::new(&all.chain_starts, "chain starts");
    let mut previous = None;
    for (idx, company) in all.companies.iter().enumerate() {
        let id = texts.id(&company.id)?;
        require(previous < Some(id), "the companies are not in the order of their ids")?;
        previous = Some(id);
        require(company.dedicated_falls_back <= 1, "a company has an unknown setting")?;
        let own = ous.take_range(&company.ous)?;
        let mut previous = None;
        for ou in own {
            let id = texts.id(&ou.id)?;
            require(previous < Some(id), "the OUs of a company are not in the order of their ids")?;
            require(ou.company.to_native() as usize == idx, "an OU belongs to another company")?;
            require(ou.id_prefix == id_prefix(id.as_bytes()), "an OU does not have the prefix of its id")?;
            require(
                ou.depth.to_native() < company.ous.len.to_native(),
                "the depth of an OU exceeds the number of OUs",
            )?;
            previous = Some(id);
        }
        let mut previous = None;
        for pool in pools.take_range(&company.pools)? {
            let id = texts.id(&pool.id)?;
            require(previous < Some(id), "the pools of a company are not in the order of their ids")?;
            previous = Some(id);
            let mut last = None;
            for ou in pool_ous.take_range(&pool.ous)? {
                let ou = ou.to_native();
                let is_own = ou.wrapping_sub(company.ous.start.to_native()) < company.ous.len.to_native();
                require(
                    is_own && last < Some(ou),
                    "the OUs of a pool are not in order or of another company",
                )?;
                last = Some(ou);
            }
        }
        accounts.take_range(&company.accounts)?;
        let mut used = 0;
        for column in columns.take(company.columns.to_native(), all.channels.len() as u64)? {
            let column = column.to_native();
            require(column == NO_COLUMN || column == used, "the columns of a company are not in order")?;
            used += u16::from(column != NO_COLUMN);
        }
        require(
            company.column_count.to_native() == used,
            "a company has another number of columns than it states",
        )?;
        chain_starts.take(company.chain_starts.to_native(), own.len() as u64 * u64::from(used) * 2)?;
    }
    ous.finish()?;
    pools.finish()?;
    pool_ous.finish()?;
    accounts.finish()?;
    columns.finish()?;
    chain_starts.finish()
}

/// The hashes of accounts, for the checks of their indices. Computing them while the accounts are checked
/// saves reading the texts again.
pub(super) struct AccountHashes {
    /// Hashes of the companies and ids.
    ids: Vec<u64>,
    /// Hashes of the channels and addresses.
    addresses: Vec<u64>,
}

/// Checks accounts and dedicated accounts. Returns the hashes of the accounts.
pub(super) fn verify_accounts(all: &ArchivedTables, texts: &Texts<'_>) -> Result<AccountHashes, Rejection> {
    let mut hashes = Vec::with_capacity(all.accounts.len());
    let mut addresses = Vec::with_capacity(all.accounts.len());
    let mut buffer = AddressBuffer::new();
    let mut suffixes = Suffixes::new(all, texts)?;
    let mut dedicated = 0;
    for (idx, company) in all.companies.iter().enumerate() {
        let pools = &company.pools;
        let mut previous = None;
        for account in all.accounts.range(&company.accounts) {
            let id = texts.run(account.id.to_native(), u32::from(account.id_len))?;
            require(is_id(id), "the id of an account is not an id")?;
            require(previous < Some(id), "the accounts of a company are not in the order of their ids")?;
            previous = Some(id);
            require(account.company.to_native() as usize == idx, "an account belongs to another company")?;
            let address = texts.address(&account.id_and_address, id)?;
            require(
                account.id_hash.to_native() == rendezvous::id_hash(id.as_bytes()),
                "an account does not have the hash of its id",
            )?;
            hashes.push(hash_index::hash(idx as u64, id.as_bytes()));
            let channel_idx = u32::from(account.channel.to_native());
            let channel = record(&all.channels, channel_idx, "channel")?;
            suffixes.check(account, channel)?;
            let kind = AddressKind::from_stored(channel.address_kind);
            let address = unescaped(address);
            let normal = kind.and_then(|kind| kind.normal_form(&address, &mut buffer));
            let normal =
                normal.ok_or_else(|| inconsistent("an address is not of the kind of its channel"))?;
            addresses.push(hash_index::hash(hash_index::address_scope(channel_idx), normal.as_bytes()));
            require(
                (1..=1000).contains(&account.weight.to_native()),
                "the weight of an account is not from 1 to 1000",
            )?;
            require(account.state <= 2, "an account has an unknown state")?;
            require(is_country_or_none(account.country), "an account has an unknown country")?;
            require(
                account.role <= 1 || account.role >= CONVERSATION_ROLE,
                "an account has an unknown role",
            )?;
            dedicated += usize::from(account.is_dedicated());
            let pool = account.pool.to_native();
            let own = pool.wrapping_sub(pools.start.to_native()) < pools.len.to_native();
            require(
                pool == NONE || (own && account.role <= 1),
                "an account has a pool of another company, or a pool and no role",
            )?;
        }
    }
    require(
        dedicated == all.dedicated.len(),
        "the users have another number of dedicated accounts than there are",
    )?;
    let mut next = 0;
    for dedicated in all.dedicated.iter() {
        texts.span(&dedicated.user)?;
        let at = dedicated.account.to_native();
        let account = record(&all.accounts, at, "account")?;
        // The accounts ascend and are as many as there are dedicated accounts, so each account has one user.
        require(
            at >= next && account.is_dedicated(),
            "a user has an account that is not dedicated, or the users are not in order",
        )?;
        require(account.company == dedicated.company, "a user has an account of another company")?;
        require(
            u32::from(account.channel.to_native()) == dedicated.channel.to_native(),
            "a user has an account of another channel",
        )?;
        next = at + 1;
    }
    Ok(AccountHashes { ids: hashes, addresses })
}

/// Checks the suffixes of answers. Each suffix belongs to one channel, role and country.
struct Suffixes<'a> {
    texts: &'a Texts<'a>,
    all: Vec<&'a str>,
    /// The channel, role and country of each suffix. `None` until an account uses the suffix.
    key_of: Vec<Option<(u16, Option<Role>, u8)>>,
}

impl<'a> Suffixes<'a> {
    fn new(all: &ArchivedTables, texts: &'a Texts<'a>) -> Result<Suffixes<'a>, Rejection> {
        let all = all.suffixes.iter().map(|suffix| texts.span(suffix)).collect::<Result<Vec<_>, _>>()?;
        Ok(Suffixes { texts, key_of: vec![None; all.len()], all })
    }

    fn check(&mut self, account: &ArchivedAccount, channel: &ArchivedChannel) -> Result<(), Rejection> {
        let at = u32::from(account.suffix.to_native());
        let text = record(&self.all, at, "suffix")?;
        let key = (account.channel.to_native(), account.role(), account.country);
        let Some(key_of) = self.key_of.get_mut(at as usize) else { return Ok(()) };
        if *key_of != Some(key) {
            require(key_of.is_none(), "accounts of different channel, role or country share a suffix")?;
            require(
                is_suffix(text, self.texts.span(&channel.id)?, account),
                "the JSON of a suffix does not fit its account",
            )?;
            *key_of = Some(key);
        }
        Ok(())
    }
}

/// Returns whether a text is `","channel":"…","role":"…","country":"…","rule":"` with the values of the
/// account. Role and country are absent if the account has none.
fn is_suffix(text: &str, channel: &str, account: &ArchivedAccount) -> bool {
    let channel = text.strip_prefix(r#"","channel":""#).and_then(|rest| without_escaped(rest, channel));
    let mut rest = channel.and_then(|rest| rest.strip_prefix('"'));
    let fields =
        [("role", account.role().map(Role::as_str)), ("country", account.country().map(Region::alpha2))];
    for (name, value) in fields {
        if let Some(value) = value {
            rest = rest.and_then(|rest| rest.strip_prefix(&*format!(r#","{name}":"{value}""#)));
        }
    }
    rest == Some(r#","rule":""#)
}

/// Checks the hash indices: every record is found by its key, and no record occurs twice.
pub(super) fn verify_indices(
    all: &ArchivedTables,
    texts: &Texts<'_>,
    accounts: &AccountHashes,
) -> Result<(), Rejection> {
    check_slots(&all.company_index, &hashes(texts, &all.companies, |company| (0, &company.id))?)?;
    let of_company = |ou: &ArchivedOu| u64::from(ou.company.to_native());
    check_slots(&all.ou_index, &hashes(texts, &all.ous, |ou| (of_company(ou), &ou.id))?)?;
    check_slots(&all.account_index, &accounts.ids)?;
    check_slots(&all.address_index, &accounts.addresses)?;
    check_addresses(all, &accounts.addresses)?;
    let scope =
        |user: &ArchivedDedicated| hash_index::user_scope(user.company.to_native(), user.channel.to_native());
    let users = hashes(texts, &all.dedicated, |user| (scope(user), &user.user))?;
    check_slots(&all.user_index, &users)?;
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
fn check_slots<S: IndexSlot>(slots: &[S], hashes: &[u64]) -> Result<(), Rejection> {
    require(slots.len().is_power_of_two(), "the size of an index is not a power of two")?;
    // At least half of the slots are free, so that every search ends after few probes.
    require(slots.len() >= 2 * hashes.len(), "an index is more than half full")?;
    let mask = slots.len() - 1;
    // A search continues at the first slot after the last one, so the used slots at the end precede the first
    // slot.
    let mut used_before = slots.iter().rev().take_while(|slot| slot.record() != NONE).count();
    let mut seen = vec![false; hashes.len()];
    let mut taken = 0;
    for (at, slot) in slots.iter().enumerate() {
        let record = slot.record();
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
        require(slot.may_have(hash), "a slot of an index has a wrong fingerprint")?;
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

/// Checks that a company has an address only once on a channel. `hashes` are those of the accounts. Equal
/// hashes are in neighbouring slots without a free slot between them, so each group of used slots is checked
/// alone.
fn check_addresses(all: &ArchivedTables, hashes: &[u64]) -> Result<(), Rejection> {
    let slots = &all.address_index;
    let is_free = |slot: &u32_le| slot.to_native() == NONE;
    // Begins after a free slot. At least half of the slots are free.
    let first = slots.iter().position(is_free).unwrap_or(0);
    let (before, after) = slots.split_at_checked(first).unwrap_or_default();
    let mut group: Vec<(u64, u32)> = Vec::new();
    for slot in after.iter().chain(before).chain(after.first()) {
        if !is_free(slot) {
            let record = slot.to_native();
            group.push((hashes.get(record as usize).copied().unwrap_or_default(), record));
            continue;
        }
        group.sort_unstable();
        for alike in group.chunk_by(|(a, _), (b, _)| a == b).filter(|alike| alike.len() > 1) {
            check_alike_addresses(all, alike)?;
        }
        group.clear();
    }
    Ok(())
}

/// Checks accounts whose addresses have one hash.
fn check_alike_addresses(all: &ArchivedTables, alike: &[(u64, u32)]) -> Result<(), Rejection> {
    let mut keys = Vec::with_capacity(alike.len());
    for &(_, at) in alike {
        let account = all.accounts.at(at);
        let kind = AddressKind::from_stored(all.channels.at(account.channel.to_native().into()).address_kind);
        let mut buffer = AddressBuffer::new();
        let address = all.address_of(account);
        let normal = kind.and_then(|kind| kind.normal_form(&address, &mut buffer).map(str::to_owned));
        keys.push((account.company, account.channel, normal));
    }
    keys.sort_unstable();
    let distinct = keys.windows(2).all(|pair| matches!(pair, [a, b] if a != b));
    require(distinct, "a company has two accounts with one address on a channel")
}
