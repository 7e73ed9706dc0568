//! Compiles one company: its records in the order of their ids, then the chains of its OUs.

use std::collections::HashMap;

use super::super::format::{
    Account, CONVERSATION_ROLE, ChainStart, Company, Dedicated, LevelPool, NO_COLUMN, NO_COUNTRY, NO_ROLE,
    NONE, Ou, Pool, Range, Tables, id_prefix,
};
use super::super::{hash_index, rendezvous};
use super::TableBuilder;
use super::chains::{LevelCompiler, PoolGroups, PoolSlot};
use crate::{LevelIdx, OuIdx};
use switchboard_model::{AddressBuffer, Region, Role, UnixSeconds};
use switchboard_registry::{self as registry, DedicatedUnavailable, Holder, OuWithoutPool, Registry};

/// Compiles one company and appends it to the tables.
pub(super) struct CompanyCompiler<'a, 'p> {
    builder: &'a mut TableBuilder<'p>,
    registry: &'a Registry,
    company: &'a registry::Company,
    idx: u32,
    /// The company's OUs, in the order of their ids.
    ous: Vec<&'a registry::Ou>,
    /// The index of the company's first OU.
    first_ou: u32,
    tree: OuDepths<'a>,
    /// The company's pools, in the order of their ids.
    pools: Vec<&'a registry::Pool>,
    /// The index of the company's first pool.
    first_pool: u32,
    /// The groups of accounts of each pool.
    groups: Vec<PoolGroups>,
}

impl<'a, 'p> CompanyCompiler<'a, 'p> {
    pub(super) fn new(
        builder: &'a mut TableBuilder<'p>,
        registry: &'a Registry,
        company: &'a registry::Company,
    ) -> CompanyCompiler<'a, 'p> {
        let mut ous: Vec<&registry::Ou> = company.ous.iter().collect();
        ous.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut pools: Vec<&registry::Pool> = company.pools.iter().collect();
        pools.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        CompanyCompiler {
            idx: builder.tables.companies.len() as u32,
            first_ou: builder.tables.ous.len() as u32,
            first_pool: builder.tables.pools.len() as u32,
            tree: OuDepths::new(&ous),
            groups: pools.iter().map(|_| PoolGroups::default()).collect(),
            builder,
            registry,
            company,
            ous,
            pools,
        }
    }

    /// Stores the company and all its records.
    pub(super) fn store(mut self) {
        for (ou, &depth) in self.ous.iter().zip(&self.tree.depth) {
            let id = self.builder.text.plain(&ou.id);
            self.builder.ou_hashes.push(hash_index::hash(u64::from(self.idx), ou.id.as_bytes()));
            let id_prefix = id_prefix(ou.id.as_bytes());
            self.builder.tables.ous.push(Ou { id, id_prefix, company: self.idx, depth });
        }
        for pool in &self.pools {
            let id = self.builder.text.plain(&pool.id);
            let mut ous: Vec<u32> = pool
                .ous
                .iter()
                .filter_map(|ou| Some(self.first_ou + *self.tree.position.get(&**ou)? as u32))
                .collect();
            ous.sort_unstable();
            // If a pool names an OU twice, the OU has the pool once.
            ous.dedup();
            let tables = &mut self.builder.tables;
            let ous_range = Range { start: tables.pool_ous.len() as u32, len: ous.len() as u32 };
            tables.pool_ous.append(&mut ous);
            tables.pools.push(Pool { id, ous: ous_range });
        }
        let accounts = self.store_accounts();
        let (columns, column_count) = self.store_columns();
        let record = Company {
            id: self.builder.text.plain(&self.company.id),
            ous: Range { start: self.first_ou, len: self.ous.len() as u32 },
            pools: Range { start: self.first_pool, len: self.pools.len() as u32 },
            accounts,
            columns: (self.builder.tables.columns.len() - columns.len()) as u32,
            column_count,
            dedicated_falls_back: u8::from(self.company.dedicated_unavailable == DedicatedUnavailable::Pool),
            chain_starts: self.builder.tables.chain_starts.len() as u32,
        };
        let rows = self.ous.len() * usize::from(column_count) * 2;
        let no_chain = ChainStart { level: NONE, overrides: 0 };
        self.builder.tables.chain_starts.resize(record.chain_starts as usize + rows, no_chain);
        let registry = self.registry;
        let channels = registry.channels.iter().zip(&columns);
        for (channel, &column) in channels.filter(|(_, column)| **column != NO_COLUMN) {
            let slots = self.pool_slots(&channel.id);
            for role in [Role::Primary, Role::Secondary] {
                let ou_count = self.ous.len();
                let start_of = |ou: usize| {
                    let row = role as usize * ou_count + ou;
                    record.chain_starts as usize + row * usize::from(column_count) + usize::from(column)
                };
                self.store_chains(&slots, role, start_of);
            }
        }
        self.builder.company_hashes.push(hash_index::hash(0, self.company.id.as_bytes()));
        self.builder.tables.companies.push(record);
    }

    /// Stores the chain starts of all OUs for one channel and role. A chain begins at the OU if the OU has
    /// pools, else where the chain of its parent begins.
    fn store_chains(&mut self, slots: &[Vec<PoolSlot<'_>>], role: Role, start_of: impl Fn(usize) -> usize) {
        let TableBuilder { tables, text, runs, .. } = &mut *self.builder;
        let mut reached: Vec<Option<LevelIdx>> = vec![None; self.ous.len()];
        let start = |tables: &Tables, level: Option<LevelIdx>| {
            let level = level.map_or(NONE, LevelIdx::get);
            let overrides = tables.levels.get(level as usize).map_or(0, |level| level.overrides);
            ChainStart { level, overrides }
        };
        for &ou in &self.tree.parents_first {
            let above = self.tree.parent[ou].and_then(|parent| reached[parent]);
            let slots = &slots[ou];
            if slots.is_empty() {
                if self.company.ou_without_pool == OuWithoutPool::Inherit {
                    tables.chain_starts[start_of(ou)] = start(tables, above);
                }
                reached[ou] = above;
                continue;
            }
            for slot in slots {
                let location = text.location(&self.ous[ou].id, &slot.pool.id);
                tables.level_pools.push(LevelPool { pool: slot.idx, location });
            }
            let groups = &mut self.groups;
            let level =
                LevelCompiler { tables, runs, groups, company_mapping: &self.company.geography, role, slots };
            let ou_idx = OuIdx::new(self.first_ou + ou as u32);
            let level = Some(level.store(ou_idx, self.tree.depth[ou], above));
            reached[ou] = level;
            tables.chain_starts[start_of(ou)] = start(tables, level);
        }
    }

    /// Returns the pools of one channel for each OU, in the order in which they are tried: by priority, then
    /// by id.
    fn pool_slots(&self, channel: &str) -> Vec<Vec<PoolSlot<'a>>> {
        let mut slots: Vec<Vec<PoolSlot<'a>>> = self.ous.iter().map(|_| Vec::new()).collect();
        for (at, &pool) in self.pools.iter().enumerate().filter(|(_, pool)| *pool.channel == *channel) {
            for &ou in pool.ous.iter().filter_map(|id| self.tree.position.get(&**id)) {
                // If a pool names an OU twice, the OU has the pool once.
                if slots[ou].last().is_none_or(|last| last.groups != at) {
                    slots[ou].push(PoolSlot { idx: self.first_pool + at as u32, pool, groups: at });
                }
            }
        }
        // The sort is stable, so pools of one priority stay in the order of their ids.
        slots.iter_mut().for_each(|slots| slots.sort_by_key(|slot| slot.pool.priority));
        slots
    }

    /// Stores a column for each channel of which the company has pools. Returns the columns of all channels,
    /// and the number of columns in use.
    fn store_columns(&mut self) -> (Vec<u16>, u16) {
        let mut count = 0;
        let mut columns = Vec::with_capacity(self.registry.channels.len());
        for channel in &self.registry.channels {
            let used = self.pools.iter().any(|pool| pool.channel == channel.id);
            columns.push(if used { count } else { NO_COLUMN });
            count += u16::from(used);
        }
        self.builder.tables.columns.extend_from_slice(&columns);
        (columns, count)
    }

    /// Stores the accounts, and adds the shared ones to the groups of their pools.
    fn store_accounts(&mut self) -> Range {
        let pool_position: HashMap<&str, usize> =
            self.pools.iter().enumerate().map(|(at, pool)| (&*pool.id, at)).collect();
        let mut accounts: Vec<&registry::Account> = self.company.accounts.iter().collect();
        accounts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let range = Range { start: self.builder.tables.accounts.len() as u32, len: accounts.len() as u32 };
        for account in accounts {
            self.builder.report();
            let pool = match &account.holder {
                Holder::Pool(id) => pool_position.get(&**id).copied(),
                Holder::User(_) | Holder::Spare => None,
            };
            self.store_account(account, pool);
        }
        range
    }

    #[allow(clippy::expect_used, reason = "`check` requires that the channel exists; not on the answer path")]
    fn store_account(&mut self, account: &registry::Account, pool: Option<usize>) {
        let builder = &mut *self.builder;
        let idx = builder.tables.accounts.len() as u32;
        let channel = account.channel.expect(
            "cannot fail: an unknown channel is an error of the registry, which is then not compiled",
        );
        let profile = self.registry.channels.get(usize::from(channel));
        let channel_id = profile.map_or("", |channel| &*channel.id);
        let (id_and_address, id) = builder.text.id_and_address(&account.id, &account.address);
        builder.account_hashes.push(hash_index::hash(u64::from(self.idx), account.id.as_bytes()));
        let mut buffer = AddressBuffer::new();
        let normal = profile.and_then(|channel| channel.address.normal_form(&account.address, &mut buffer));
        let scope = hash_index::address_scope(u32::from(channel));
        // `check` requires that the address is of the channel's kind, so it has a normal form.
        builder.address_hashes.push(hash_index::hash(scope, normal.unwrap_or(&account.address).as_bytes()));
        let suffix = builder.text.suffix(channel, channel_id, account.role, account.country);
        builder.tables.accounts.push(Account {
            id_hash: rendezvous::id_hash(account.id.as_bytes()),
            available_from: account.available_from.unwrap_or(UnixSeconds::MIN).0,
            id_and_address,
            id,
            pool: pool.map_or(NONE, |pool| self.first_pool + pool as u32),
            // `finish` rejects a registry whose suffixes do not fit into 16 bits.
            suffix: suffix as u16,
            company: self.idx,
            channel,
            weight: account.weight,
            id_len: account.id.len() as u8,
            country: account.country.map_or(NO_COUNTRY, Region::index),
            role: stored_role(account),
            state: account.state as u8,
        });
        if let (Some(pool), Some(role), Some(country)) = (pool, account.role, account.country) {
            self.groups[pool].add(role, country, idx);
        }
        if let Holder::User(user) = &account.holder {
            let scope = hash_index::user_scope(self.idx, u32::from(channel));
            builder.user_hashes.push(hash_index::hash(scope, user.as_bytes()));
            let user = builder.text.plain(user);
            let dedicated = Dedicated { user, company: self.idx, channel: u32::from(channel), account: idx };
            builder.tables.dedicated.push(dedicated);
        }
    }
}

fn stored_role(account: &registry::Account) -> u8 {
    match (account.role, &account.holder) {
        (Some(role), _) => role as u8,
        (None, Holder::User(_)) => CONVERSATION_ROLE,
        (None, Holder::Pool(_) | Holder::Spare) => NO_ROLE,
    }
}

/// The tree of a company's OUs. OUs are identified by their position in the order of their ids.
struct OuDepths<'a> {
    position: HashMap<&'a str, usize>,
    parent: Vec<Option<usize>>,
    /// The number of OUs above each OU.
    depth: Vec<u32>,
    parents_first: Vec<usize>,
}

impl<'a> OuDepths<'a> {
    fn new(ous: &[&'a registry::Ou]) -> OuDepths<'a> {
        let position: HashMap<&str, usize> = ous.iter().enumerate().map(|(at, ou)| (&*ou.id, at)).collect();
        let parent: Vec<Option<usize>> =
            ous.iter().map(|ou| ou.parent.as_ref().and_then(|id| position.get(&**id).copied())).collect();
        let mut depth: Vec<Option<u32>> = vec![None; ous.len()];
        for start in 0..ous.len() {
            // Goes up to the first OU with a known depth, then down again: in linear time, without recursion.
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
        // Every OU has a depth now.
        let depth: Vec<u32> = depth.into_iter().map(Option::unwrap_or_default).collect();
        let mut parents_first: Vec<usize> = (0..ous.len()).collect();
        parents_first.sort_by_key(|&ou| depth[ou]);
        OuDepths { position, parent, depth, parents_first }
    }
}
