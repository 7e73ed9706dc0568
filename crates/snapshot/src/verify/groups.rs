//! Verifies groups: their members are equal candidates in the order that the pick needs. Also finds the
//! countries of the accounts of each pool, for the check of steps.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::super::format::*;
use super::super::header::Rejection;
use super::super::rendezvous::{CELLS, cell};
use super::{Partition, inconsistent, record, require};
use switchboard_model::{Region, RegionSet};

/// The properties that all members of a group have in common.
#[derive(Clone, Copy)]
pub(super) struct GroupProperties {
    pub(super) pool: u32,
    pub(super) channel: u16,
    pub(super) role: u8,
    /// The countries of the members.
    pub(super) countries: RegionSet,
}

impl GroupProperties {
    /// Returns the country of all members, or `None` if the members have several countries.
    fn only_country(&self) -> Option<Region> {
        self.countries.iter().next().filter(|_| self.countries.len() == 1)
    }
}

/// All groups, after their members were verified.
pub(super) struct Groups {
    pub(super) common: Vec<GroupProperties>,
}

impl Groups {
    pub(super) fn new(all: &ArchivedTables) -> Result<Groups, Rejection> {
        let mut members = Partition::new(&all.members, "members of groups");
        let mut classes = Partition::new(&all.classes, "classes of groups");
        let mut cells = Partition::new(&all.cells, "cells of classes");
        let mut common = Vec::with_capacity(all.groups.len());
        for group in all.groups.iter() {
            let own = members.take_range(&group.members)?;
            common.push(common_of(all, own)?);
            let class_members = Partition { records: own, next: 0, what: "members of classes" };
            let own = classes.take_range(&group.classes)?;
            check_classes(group.members.start.to_native(), class_members, own, &mut cells)?;
        }
        members.finish()?;
        classes.finish()?;
        cells.finish()?;
        Ok(Groups { common })
    }
}

/// Checks the members of a group. They are equal in pool, channel and role, and in the order of weight, hash
/// and account, so no account occurs twice.
fn common_of(all: &ArchivedTables, members: &[ArchivedMember]) -> Result<GroupProperties, Rejection> {
    let mut common: Option<GroupProperties> = None;
    let mut previous = None;
    for member in members {
        let (hash, weight, at) = (member.id_hash, member.weight, member.account.to_native());
        let account = record(&all.accounts, at, "account")?;
        let text = |text: &ArchivedIdAndAddress| (text.start, text.len, text.id_len);
        let same = hash == account.id_hash
            && weight == account.weight
            && member.suffix == account.suffix
            && text(&member.id_and_address) == text(&account.id_and_address);
        require(same, "a member does not have the fields of its account")?;
        let order = Some((weight.to_native(), hash.to_native(), at));
        require(previous < order, "the members of a group are not in order")?;
        previous = order;
        let (pool, channel, role) = (account.pool.to_native(), account.channel.to_native(), account.role);
        let Some(country) = account.country().filter(|_| pool != NONE) else {
            return Err(inconsistent("a group has an account without a pool or a country"));
        };
        let countries = RegionSet::EMPTY;
        let common = common.get_or_insert(GroupProperties { pool, channel, role, countries });
        require(
            (common.pool, common.channel, common.role) == (pool, channel, role),
            "the members of a group differ in pool, channel or role",
        )?;
        common.countries.insert(country);
    }
    common.ok_or_else(|| inconsistent("a group is empty"))
}

/// Checks the classes of a group. A class has all members of one weight. A small group has no classes.
fn check_classes(
    start: u32,
    mut members: Partition<'_, ArchivedMember>,
    classes: &[ArchivedClass],
    cells: &mut Partition<'_, rkyv::rend::u32_le>,
) -> Result<(), Rejection> {
    for class in classes {
        let first = class.members.start.to_native();
        require(first >= start, "a class has members of another group")?;
        let own = members.take(first - start, u64::from(class.members.len.to_native()))?;
        let weights = (own.first().map(|member| member.weight), own.last().map(|member| member.weight));
        // Members are in the order of their weights: if the first and the last weight are equal, all are.
        require(weights.0.is_some() && weights.0 == weights.1, "the members of a class differ in weight")?;
        if class.cells.to_native() != NONE {
            check_cells(cells.take(class.cells.to_native(), u64::from(CELLS) + 1)?, own)?;
        }
    }
    if classes.is_empty() { Ok(()) } else { members.finish() }
}

/// Checks the directory of a class, which has the position of the first member of each cell.
fn check_cells(cells: &[rkyv::rend::u32_le], members: &[ArchivedMember]) -> Result<(), Rejection> {
    require(
        cells.first().is_some_and(|start| start.to_native() == 0),
        "the first cell of a class does not begin at its first member",
    )?;
    require(
        cells.last().is_some_and(|end| end.to_native() as usize == members.len()),
        "the last cell of a class does not end at its last member",
    )?;
    for (at, pair) in cells.windows(2).enumerate() {
        let [start, end] = pair else { continue };
        let here = members.get(start.to_native() as usize..end.to_native() as usize);
        let right = here.is_some_and(|here| here.iter().all(|m| cell(m.id_hash.to_native()) as usize == at));
        require(right, "a cell has members of another cell")?;
    }
    Ok(())
}

/// The countries of the accounts of each pool, by role.
///
/// Requires that the groups have every account of a pool. A selection looks up a `current` account by its
/// pool and country only, and relies on the step's group to contain the account.
pub(super) struct PoolCountries {
    /// For each pool and role the index in `countries`, or [`NONE`].
    of_pool: Vec<[u32; 2]>,
    countries: Vec<RegionSet>,
}

impl PoolCountries {
    pub(super) fn new(all: &ArchivedTables, groups: &Groups) -> Result<PoolCountries, Rejection> {
        let mut pool_countries =
            PoolCountries { of_pool: vec![[NONE; 2]; all.pools.len()], countries: Vec::new() };
        let mut sizes: HashMap<(u32, u8, Region), u32, Xxh3DefaultBuilder> = HashMap::default();
        let mut grouped = 0;
        let with_len =
            || groups.common.iter().zip(all.groups.iter().map(|group| group.members.len.to_native()));
        for (common, len) in with_len() {
            let Some(country) = common.only_country() else { continue };
            let countries = pool_countries.countries_mut(common)?;
            require(!countries.contains(country), "a pool has two groups of one country")?;
            countries.insert(country);
            sizes.insert((common.pool, common.role, country), len);
            grouped += u64::from(len);
        }
        // No account is in two groups, so an equal number means that every account is in one.
        require(grouped == in_service(all)?, "an account of a pool is in no group")?;
        for (common, len) in with_len().filter(|(common, _)| common.only_country().is_none()) {
            let size = |country| sizes.get(&(common.pool, common.role, country)).copied().unwrap_or_default();
            let whole: u64 = common.countries.iter().map(|country| u64::from(size(country))).sum();
            require(u64::from(len) == whole, "a group of a calling code lacks an account")?;
        }
        Ok(pool_countries)
    }

    /// Returns the countries of a pool's accounts in a role.
    pub(super) fn countries(&self, pool: u32, role: u8) -> RegionSet {
        let at = self.of_pool.get(pool as usize).and_then(|roles| roles.get(usize::from(role)));
        at.and_then(|&at| self.countries.get(at as usize)).copied().unwrap_or_default()
    }

    fn countries_mut(&mut self, common: &GroupProperties) -> Result<&mut RegionSet, Rejection> {
        let roles = self.of_pool.get_mut(common.pool as usize);
        let Some(at) = roles.and_then(|roles| roles.get_mut(usize::from(common.role))) else {
            return Err(inconsistent("a group has an unknown pool"));
        };
        if *at == NONE {
            *at = self.countries.len() as u32;
            self.countries.push(RegionSet::EMPTY);
        }
        let at = *at as usize;
        self.countries.get_mut(at).ok_or_else(|| inconsistent("a group has an unknown pool"))
    }
}

/// Counts the accounts with a country in pools that are part of a level. Accounts of other pools are in no
/// group.
fn in_service(all: &ArchivedTables) -> Result<u64, Rejection> {
    let mut used = vec![false; all.pools.len()];
    for pool in all.level_pools.iter() {
        let pool = pool.pool.to_native();
        record(&all.pools, pool, "pool")?;
        if let Some(used) = used.get_mut(pool as usize) {
            *used = true;
        }
    }
    let shared = all.accounts.iter().filter(|account| {
        account.country != NO_COUNTRY && used.get(account.pool.to_native() as usize) == Some(&true)
    });
    Ok(shared.count() as u64)
}
