//! Groups: equals in order, laid out as the pick reads them, what all members of each have in common, and which
//! countries each pool has accounts of.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::rendezvous::{CELLS, cell};
use super::{Partition, record, refusal, require};
use switchboard_model::{Region, RegionSet};

/// What the members of a group have in common.
#[derive(Clone, Copy)]
pub(super) struct Common {
    pub(super) pool: u32,
    pub(super) channel: u16,
    pub(super) role: u8,
    /// The countries of the members.
    pub(super) countries: RegionSet,
}

impl Common {
    /// The country of all members; `None` if they have several.
    fn only_country(&self) -> Option<Region> {
        self.countries.iter().next().filter(|_| self.countries.len() == 1)
    }
}

/// All groups.
pub(super) struct Groups {
    pub(super) common: Vec<Common>,
}

impl Groups {
    pub(super) fn new(all: &ArchivedTables) -> Result<Groups, Rejection> {
        let mut members = Partition::new(&all.members, "members of a group");
        let mut classes = Partition::new(&all.classes, "classes of a group");
        let mut cells = Partition::new(&all.cells, "cells of a class");
        let mut common = Vec::with_capacity(all.groups.len());
        for group in all.groups.iter() {
            let own = members.take_range(&group.members)?;
            common.push(common_of(all, own)?);
            let class_members = Partition { records: own, next: 0, what: "members of a class" };
            let own = classes.take_range(&group.classes)?;
            check_classes(group.members.start.to_native(), class_members, own, &mut cells)?;
        }
        members.finish()?;
        classes.finish()?;
        cells.finish()?;
        Ok(Groups { common })
    }
}

/// Members are equals in all that a step asks for, and in order of (weight, hash, account): so each once.
fn common_of(all: &ArchivedTables, members: &[ArchivedMember]) -> Result<Common, Rejection> {
    let mut common: Option<Common> = None;
    let mut previous = None;
    for member in members {
        let (hash, weight, at) = (member.id_hash, member.weight, member.account.to_native());
        let account = record(&all.accounts, at, "account")?;
        let text = |text: &ArchivedIdAndAddress| (text.start, text.len, text.id_len);
        let same = hash == account.id_hash
            && weight == account.weight
            && member.suffix == account.suffix
            && text(&member.id_and_address) == text(&account.id_and_address);
        require(same, "copy of an account")?;
        let order = Some((weight.to_native(), hash.to_native(), at));
        require(previous < order, "order of members")?;
        previous = order;
        let (pool, channel, role) = (account.pool.to_native(), account.channel.to_native(), account.role);
        let Some(country) = account.country().filter(|_| pool != NONE) else {
            return Err(refusal("account of a group"));
        };
        let countries = RegionSet::EMPTY;
        let common = common.get_or_insert(Common { pool, channel, role, countries });
        require((common.pool, common.channel, common.role) == (pool, channel, role), "pool of a member")?;
        common.countries.insert(country);
    }
    common.ok_or_else(|| refusal("empty group"))
}

/// Classes divide a group where its members' weights change, or there is none.
fn check_classes(
    start: u32,
    mut members: Partition<'_, ArchivedMember>,
    classes: &[ArchivedClass],
    cells: &mut Partition<'_, rkyv::rend::u32_le>,
) -> Result<(), Rejection> {
    for class in classes {
        let first = class.members.start.to_native();
        require(first >= start, "members of a class")?;
        let own = members.take(first - start, u64::from(class.members.len.to_native()))?;
        let weights = (own.first().map(|member| member.weight), own.last().map(|member| member.weight));
        // In order of their weights, as all members are: what the ends have, all have.
        require(weights.0.is_some() && weights.0 == weights.1, "weights of a class")?;
        if class.cells.to_native() != NONE {
            check_cells(cells.take(class.cells.to_native(), u64::from(CELLS) + 1)?, own)?;
        }
    }
    if classes.is_empty() { Ok(()) } else { members.finish() }
}

/// The directory of a class: where each cell's members begin.
fn check_cells(cells: &[rkyv::rend::u32_le], members: &[ArchivedMember]) -> Result<(), Rejection> {
    require(cells.first().is_some_and(|start| start.to_native() == 0), "first cell")?;
    require(cells.last().is_some_and(|end| end.to_native() as usize == members.len()), "last cell")?;
    for (at, pair) in cells.windows(2).enumerate() {
        let [start, end] = pair else { continue };
        let here = members.get(start.to_native() as usize..end.to_native() as usize);
        let right = here.is_some_and(|here| here.iter().all(|m| cell(m.id_hash.to_native()) as usize == at));
        require(right, "members of a cell")?;
    }
    Ok(())
}

/// Which countries each pool has accounts of, by role. No account of a pool is left out: a selection finds a `current`
/// by its pool and country alone, and relies on the step's group to have it.
pub(super) struct Shares {
    /// For each pool and role, which of `countries`, or [`NONE`].
    of_pool: Vec<[u32; 2]>,
    countries: Vec<RegionSet>,
}

impl Shares {
    pub(super) fn new(all: &ArchivedTables, groups: &Groups) -> Result<Shares, Rejection> {
        let mut shares = Shares { of_pool: vec![[NONE; 2]; all.pools.len()], countries: Vec::new() };
        let mut sizes: HashMap<(u32, u8, Region), u32, Xxh3DefaultBuilder> = HashMap::default();
        let mut grouped = 0;
        let with_len =
            || groups.common.iter().zip(all.groups.iter().map(|group| group.members.len.to_native()));
        for (common, len) in with_len() {
            let Some(country) = common.only_country() else { continue };
            let countries = shares.countries_mut(common)?;
            require(!countries.contains(country), "two groups of one country")?;
            countries.insert(country);
            sizes.insert((common.pool, common.role, country), len);
            grouped += u64::from(len);
        }
        // As many as there are, and none twice: all of them.
        require(grouped == in_service(all)?, "account of no group")?;
        for (common, len) in with_len().filter(|(common, _)| common.only_country().is_none()) {
            let size = |country| sizes.get(&(common.pool, common.role, country)).copied().unwrap_or_default();
            let whole: u64 = common.countries.iter().map(|country| u64::from(size(country))).sum();
            require(u64::from(len) == whole, "account of a calling code's group")?;
        }
        Ok(shares)
    }

    /// Returns the countries that a pool has accounts of in a role.
    pub(super) fn countries(&self, pool: u32, role: u8) -> RegionSet {
        let at = self.of_pool.get(pool as usize).and_then(|roles| roles.get(usize::from(role)));
        at.and_then(|&at| self.countries.get(at as usize)).copied().unwrap_or_default()
    }

    fn countries_mut(&mut self, common: &Common) -> Result<&mut RegionSet, Rejection> {
        let roles = self.of_pool.get_mut(common.pool as usize);
        let Some(at) = roles.and_then(|roles| roles.get_mut(usize::from(common.role))) else {
            return Err(refusal("pool of a group"));
        };
        if *at == NONE {
            *at = self.countries.len() as u32;
            self.countries.push(RegionSet::EMPTY);
        }
        let at = *at as usize;
        self.countries.get_mut(at).ok_or_else(|| refusal("pool of a group"))
    }
}

/// Counts the accounts of the pools that any level has; those of other pools are in no group.
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
