//! One company: its records in order of their ids, then the chains of its OUs.

use std::collections::HashMap;

use super::super::format::{
    Account, CONVERSATION, Company, Contents, Dedicated, Entry, LevelPool, NO_COLUMN, NO_COUNTRY, NO_ROLE,
    NONE, Ou, Pool, Range, head,
};
use super::super::{hash_index, rendezvous};
use super::Builder;
use super::chains::{self, Slot};
use super::groups::PoolGroups;
use switchboard_model::{Region, Role, UnixSeconds};
use switchboard_registry::{self as registry, DedicatedUnavailable, Holder, OuWithoutPool, Registry};

/// Appends a company to the contents.
pub(super) fn compile(builder: &mut Builder<'_>, registry: &Registry, company: &registry::Company) {
    let number = builder.contents.companies.len() as u32;
    let mut ous: Vec<&registry::Ou> = company.ous.iter().collect();
    ous.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let mut pools: Vec<&registry::Pool> = company.pools.iter().collect();
    pools.sort_unstable_by(|a, b| a.id.cmp(&b.id));

    let ou_range = Range { start: builder.contents.ous.len() as u32, len: ous.len() as u32 };
    let pool_range = Range { start: builder.contents.pools.len() as u32, len: pools.len() as u32 };
    let tree = Tree::new(&ous);
    for (ou, &depth) in ous.iter().zip(&tree.depth) {
        let id = builder.text.plain(&ou.id);
        builder.ou_hashes.push(hash_index::hash(u64::from(number), ou.id.as_bytes()));
        builder.contents.ous.push(Ou { id, head: head(ou.id.as_bytes()), company: number, depth });
    }
    for pool in &pools {
        let id = builder.text.plain(&pool.id);
        builder.contents.pools.push(Pool { id });
    }
    let mut groups: Vec<PoolGroups> = pools.iter().map(|_| PoolGroups::default()).collect();
    let account_range = accounts(builder, registry, company, number, &pools, pool_range.start, &mut groups);

    let (columns, column_count) = columns(builder, registry, &pools);
    let record = Company {
        id: builder.text.plain(&company.id),
        ous: ou_range,
        pools: pool_range,
        accounts: account_range,
        columns: (builder.contents.columns.len() - columns.len()) as u32,
        column_count,
        dedicated_falls_back: u8::from(company.dedicated_unavailable == DedicatedUnavailable::Pool),
        entries: builder.contents.entries.len() as u32,
    };
    let rows = ous.len() * usize::from(column_count) * 2;
    let nowhere = Entry { level: NONE, exceptions: 0 };
    builder.contents.entries.resize(record.entries as usize + rows, nowhere);
    for (channel, &column) in
        registry.channels.iter().zip(&columns).filter(|(_, column)| **column != NO_COLUMN)
    {
        let slots = slots(&channel.id, &pools, record.pools.start, &tree);
        for role in [Role::Primary, Role::Secondary] {
            let place = |ou: usize| {
                let row = role as usize * ous.len() + ou;
                record.entries as usize + row * usize::from(column_count) + usize::from(column)
            };
            let ous = Ous { first: record.ous.start, ids: &ous, tree: &tree };
            chain_entries(builder, company, ous, &slots, &mut groups, role, place);
        }
    }
    builder.company_hashes.push(hash_index::hash(0, company.id.as_bytes()));
    builder.contents.companies.push(record);
}

/// A company's OUs.
#[derive(Clone, Copy)]
struct Ous<'a> {
    /// The number of the first.
    first: u32,
    ids: &'a [&'a registry::Ou],
    tree: &'a Tree<'a>,
}

/// Where every OU's chain of one channel and role begins: at itself if it has pools, else where its
/// parent's does.
fn chain_entries(
    builder: &mut Builder<'_>,
    company: &registry::Company,
    ous: Ous<'_>,
    slots: &[Vec<Slot<'_>>],
    groups: &mut [PoolGroups],
    role: Role,
    place: impl Fn(usize) -> usize,
) {
    let tree = ous.tree;
    let mut reached = vec![NONE; tree.parent.len()];
    let entry = |contents: &Contents, level: u32| Entry {
        level,
        exceptions: contents.levels.get(level as usize).map_or(0, |level| level.exceptions),
    };
    for &ou in &tree.parents_first {
        let above = tree.parent[ou].map_or(NONE, |parent| reached[parent]);
        if slots[ou].is_empty() {
            if company.ou_without_pool == OuWithoutPool::Inherit {
                builder.contents.entries[place(ou)] = entry(&builder.contents, above);
            }
            reached[ou] = above;
            continue;
        }
        for slot in &slots[ou] {
            let place = builder.text.place(&ous.ids[ou].id, &slot.pool.id);
            builder.contents.level_pools.push(LevelPool { pool: slot.number, place });
        }
        let (contents, interned) = (&mut builder.contents, &mut builder.chains);
        let own = chains::Own { ou: ous.first + ou as u32, depth: tree.depth[ou], role, slots: &slots[ou] };
        let level = chains::level(contents, interned, groups, own, &company.geography, above);
        reached[ou] = level;
        builder.contents.entries[place(ou)] = entry(&builder.contents, level);
    }
}

/// For each OU, its pools of one channel in the order they are tried: (priority, id) ascending.
fn slots<'a>(channel: &str, pools: &[&'a registry::Pool], first: u32, tree: &Tree) -> Vec<Vec<Slot<'a>>> {
    let mut slots: Vec<Vec<Slot<'a>>> = tree.parent.iter().map(|_| Vec::new()).collect();
    for (at, pool) in pools.iter().enumerate().filter(|(_, pool)| *pool.channel == *channel) {
        for ou in pool.ous.iter().filter_map(|id| tree.number.get(&**id)) {
            // An OU that a pool names twice has it once.
            if slots[*ou].last().is_none_or(|last| last.groups != at) {
                slots[*ou].push(Slot { number: first + at as u32, pool, groups: at });
            }
        }
    }
    // Stable: pools of one priority stay in order of their ids.
    slots.iter_mut().for_each(|slots| slots.sort_by_key(|slot| slot.pool.priority));
    slots
}

/// A column for each channel that the company has pools of.
fn columns(builder: &mut Builder<'_>, registry: &Registry, pools: &[&registry::Pool]) -> (Vec<u16>, u16) {
    let mut count = 0;
    let mut columns = Vec::with_capacity(registry.channels.len());
    for channel in &registry.channels {
        let used = pools.iter().any(|pool| pool.channel == channel.id);
        columns.push(if used { count } else { NO_COLUMN });
        count += u16::from(used);
    }
    builder.contents.columns.extend_from_slice(&columns);
    (columns, count)
}

/// Appends the accounts, and sorts the shared ones into their pools' groups.
fn accounts(
    builder: &mut Builder<'_>,
    registry: &Registry,
    company: &registry::Company,
    number: u32,
    pools: &[&registry::Pool],
    first_pool: u32,
    groups: &mut [PoolGroups],
) -> Range {
    let pool_number: HashMap<&str, usize> =
        pools.iter().enumerate().map(|(at, pool)| (&*pool.id, at)).collect();
    let mut accounts: Vec<&registry::Account> = company.accounts.iter().collect();
    accounts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let range = Range { start: builder.contents.accounts.len() as u32, len: accounts.len() as u32 };
    for account in accounts {
        builder.report();
        let at = builder.contents.accounts.len() as u32;
        // `check` found the channel and the pool to exist.
        let channel = account.channel.unwrap_or_default();
        let channel_id = registry.channels.get(usize::from(channel)).map_or("", |channel| &*channel.id);
        let pool = match &account.holder {
            Holder::Pool(id) => pool_number.get(&**id).copied(),
            Holder::User(_) | Holder::Spare => None,
        };
        let (lead, id) = builder.text.lead(&account.id, &account.address);
        builder.account_hashes.push(hash_index::hash(u64::from(number), account.id.as_bytes()));
        let tail = builder.text.tail(channel, channel_id, account.role, account.country);
        builder.contents.accounts.push(Account {
            id_hash: rendezvous::id_hash(account.id.as_bytes()),
            available_from: account.available_from.unwrap_or(UnixSeconds::MIN).0,
            lead,
            id,
            pool: pool.map_or(NONE, |pool| first_pool + pool as u32),
            // `finish` refuses what does not fit.
            tail: tail as u16,
            company: number,
            channel,
            weight: account.weight,
            id_len: account.id.len() as u8,
            country: account.country.map_or(NO_COUNTRY, Region::index),
            role: stored_role(account),
            state: account.state as u8,
        });
        if let (Some(pool), Some(role), Some(country)) = (pool, account.role, account.country) {
            groups[pool].add(role, country, at);
        }
        if let Holder::User(user) = &account.holder {
            let scope = hash_index::user_scope(number, u32::from(channel));
            builder.user_hashes.push(hash_index::hash(scope, user.as_bytes()));
            let user = builder.text.plain(user);
            let dedicated = Dedicated { user, company: number, channel: u32::from(channel), account: at };
            builder.contents.dedicated.push(dedicated);
        }
    }
    range
}

fn stored_role(account: &registry::Account) -> u8 {
    match (account.role, &account.holder) {
        (Some(role), _) => role as u8,
        (None, Holder::User(_)) => CONVERSATION,
        (None, Holder::Pool(_) | Holder::Spare) => NO_ROLE,
    }
}

/// The company's OUs, numbered in order of their ids.
struct Tree<'a> {
    number: HashMap<&'a str, usize>,
    parent: Vec<Option<usize>>,
    /// How many OUs are above each.
    depth: Vec<u32>,
    parents_first: Vec<usize>,
}

impl<'a> Tree<'a> {
    fn new(ous: &[&'a registry::Ou]) -> Tree<'a> {
        let number: HashMap<&str, usize> = ous.iter().enumerate().map(|(at, ou)| (&*ou.id, at)).collect();
        let parent: Vec<Option<usize>> =
            ous.iter().map(|ou| ou.parent.as_ref().and_then(|id| number.get(&**id).copied())).collect();
        let mut depth: Vec<Option<u32>> = vec![None; ous.len()];
        for start in 0..ous.len() {
            // Up to the first OU whose depth is known, then down again: linear, and no recursion.
            let mut path = Vec::new();
            let mut at = Some(start);
            while let Some(ou) = at.filter(|&ou| depth[ou].is_none()) {
                path.push(ou);
                at = parent[ou];
            }
            let first = at.and_then(|ou| depth[ou]).map_or(0, |depth| depth + 1);
            for (below, ou) in (first..).zip(path.into_iter().rev()) {
                depth[ou] = Some(below);
            }
        }
        // Each has one by now.
        let depth: Vec<u32> = depth.into_iter().map(Option::unwrap_or_default).collect();
        let mut parents_first: Vec<usize> = (0..ous.len()).collect();
        parents_first.sort_by_key(|&ou| depth[ou]);
        Tree { number, parent, depth, parents_first }
    }
}
