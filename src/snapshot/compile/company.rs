//! One company: its records in order of their ids, then the chains of its OUs.

use std::collections::HashMap;

use super::super::format::{
    Account, CONVERSATION, Company, Dedicated, Entry, NO_COLUMN, NO_COUNTRY, NO_ROLE, NONE, Ou, Pool, Range,
};
use super::super::{index, rendezvous};
use super::Builder;
use super::chains::{self, Slot};
use super::groups::PoolGroups;
use crate::account::Role;
use crate::numbering::Region;
use crate::registry::{self, DedicatedUnavailable, Holder, OuWithoutPool, Registry};

/// Appends a company to the contents.
pub(super) fn compile(builder: &mut Builder<'_>, registry: &Registry, company: &registry::Company) {
    let number = builder.contents.companies.len() as u32;
    let mut ous: Vec<&registry::Ou> = company.ous.iter().collect();
    ous.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let mut pools: Vec<&registry::Pool> = company.pools.iter().collect();
    pools.sort_unstable_by(|a, b| a.id.cmp(&b.id));

    let ou_range = Range { start: builder.contents.ous.len() as u32, len: ous.len() as u32 };
    let pool_range = Range { start: builder.contents.pools.len() as u32, len: pools.len() as u32 };
    for ou in &ous {
        let (id, json) = builder.text.quoted(&ou.id);
        builder.ou_hashes.push(index::hash(u64::from(number), ou.id.as_bytes()));
        builder.contents.ous.push(Ou { id, json, company: number });
    }
    for pool in &pools {
        let (id, json) = builder.text.quoted(&pool.id);
        builder.contents.pools.push(Pool { id, json });
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
    let tree = Tree::new(&ous);
    let rows = ous.len() * usize::from(column_count) * 2;
    builder
        .contents
        .entries
        .resize_with(record.entries as usize + rows, || Entry { level: NONE, climbed: 0 });
    for (channel, &column) in
        registry.channels.iter().zip(&columns).filter(|(_, column)| **column != NO_COLUMN)
    {
        let slots = slots(&channel.id, &pools, pool_range_start(&record), &tree);
        for role in [Role::Primary, Role::Secondary] {
            let place = |ou: usize| {
                let row = ou * usize::from(column_count) + usize::from(column);
                record.entries as usize + row * 2 + role as usize
            };
            chain_entries(builder, company, &tree, &slots, &mut groups, role, record.ous.start, place);
        }
    }
    builder.company_hashes.push(index::hash(0, company.id.as_bytes()));
    builder.contents.companies.push(record);
}

fn pool_range_start(company: &Company) -> u32 {
    company.pools.start
}

/// Where every OU's chain of one channel and role begins: at itself if it has pools, else where its
/// parent's does, one level further up.
#[allow(clippy::too_many_arguments, reason = "one call, each of another kind")]
fn chain_entries(
    builder: &mut Builder<'_>,
    company: &registry::Company,
    tree: &Tree,
    slots: &[Vec<Slot<'_>>],
    groups: &mut [PoolGroups],
    role: Role,
    first_ou: u32,
    place: impl Fn(usize) -> usize,
) {
    let nowhere = Entry { level: NONE, climbed: 0 };
    let mut reached = vec![nowhere.clone(); tree.parent.len()];
    for &ou in &tree.parents_first {
        let above = match tree.parent[ou] {
            Some(parent) if reached[parent].level != NONE => {
                Entry { level: reached[parent].level, climbed: reached[parent].climbed + 1 }
            }
            _ => nowhere.clone(),
        };
        if slots[ou].is_empty() {
            if company.ou_without_pool == OuWithoutPool::Inherit {
                builder.contents.entries[place(ou)] = above.clone();
            }
            reached[ou] = above;
            continue;
        }
        let (contents, interned) = (&mut builder.contents, &mut builder.chains);
        let own = (first_ou + ou as u32, role, slots[ou].as_slice());
        let level = chains::level(contents, interned, groups, own, &company.geography, above);
        reached[ou] = Entry { level, climbed: 0 };
        builder.contents.entries[place(ou)] = reached[ou].clone();
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
        let (json, id) = builder.text.account(&account.id, &account.address);
        builder.account_hashes.push(index::hash(u64::from(number), account.id.as_bytes()));
        let tail = builder.text.tail(channel, channel_id, account.role, account.country);
        builder.contents.accounts.push(Account {
            id_hash: rendezvous::id_hash(account.id.as_bytes()),
            available_from: account.available_from.unwrap_or(i64::MIN),
            json,
            id: id.start,
            pool: pool.map_or(NONE, |pool| first_pool + pool as u32),
            tail,
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
            let scope = index::user_scope(number, u32::from(channel));
            builder.user_hashes.push(index::hash(scope, user.as_bytes()));
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
        let mut parents_first: Vec<usize> = (0..ous.len()).collect();
        parents_first.sort_by_key(|&ou| depth[ou]);
        Tree { number, parent, parents_first }
    }
}
