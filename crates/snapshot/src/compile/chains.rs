//! Compiles levels, the run of steps for each client's country at a level, and the groups of equal candidates
//! of the steps, in the order that the pick needs. Equal runs and equal groups are stored once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::super::format::{
    Account, Class, CountryOverride, Group, LAST_OF_RUN, Level, Member, NO_COUNTRY, NONE, Range, Step, Tables,
};
use super::super::rendezvous::{CELLS, MIN_CELLED_CLASS, cell};
use crate::{LevelIdx, OuIdx};
use switchboard_model::{CallingCode, Region, RegionSet, Role, Rule};
use switchboard_registry::{Mapping, Pool};

/// The runs that are already stored, by their steps.
#[derive(Default)]
pub(super) struct StoredRuns {
    by_steps: HashMap<Box<[Step]>, u32, Xxh3DefaultBuilder>,
    /// The largest number of pools that a level has.
    pub(super) max_level_pools: usize,
}

impl StoredRuns {
    fn store(&mut self, tables: &mut Tables, mut steps: Vec<Step>) -> u32 {
        let Some(last) = steps.last_mut() else { return NONE };
        last.rule |= LAST_OF_RUN;
        if let Some(&run) = self.by_steps.get(&*steps) {
            return run;
        }
        let run = tables.steps.len() as u32;
        tables.steps.extend_from_slice(&steps);
        self.by_steps.insert(steps.into(), run);
        run
    }
}

/// A pool of an OU: its index, its values in the registry, and its groups of accounts.
pub(super) struct PoolSlot<'a> {
    pub(super) idx: u32,
    pub(super) pool: &'a Pool,
    /// Index of the pool in the company's [`PoolGroups`].
    pub(super) groups: usize,
}

/// Compiles the level of one OU, channel and role.
pub(super) struct LevelCompiler<'a> {
    pub(super) tables: &'a mut Tables,
    pub(super) runs: &'a mut StoredRuns,
    pub(super) groups: &'a mut [PoolGroups],
    pub(super) company_mapping: &'a Mapping,
    pub(super) role: Role,
    /// The OU's pools of the channel, in the order in which they are tried. They are already the last ones of
    /// [`Tables::level_pools`].
    pub(super) slots: &'a [PoolSlot<'a>],
}

/// The clients for which a run is compiled.
#[derive(Clone, Copy)]
enum RunClient {
    /// The run is for clients of this country.
    Of(Region),
    /// The run is for clients of all countries for which the level has neither accounts nor a mapping.
    Elsewhere,
    /// The run is for clients of no country.
    NoCountry,
}

impl LevelCompiler<'_> {
    /// Stores the level of an OU and returns its index. `depth` is the number of OUs above the OU. `above` is
    /// the level at which the chain of the parent OU begins.
    pub(super) fn store(mut self, ou: OuIdx, depth: u32, above: Option<LevelIdx>) -> LevelIdx {
        self.runs.max_level_pools = self.runs.max_level_pools.max(self.slots.len());
        let pools = (self.tables.level_pools.len() - self.slots.len()) as u32;
        let default_run = self.run(RunClient::Elsewhere);
        let no_country_run = self.run(RunClient::NoCountry);
        let overrides = self.tables.overrides.len() as u32;
        let mut overridden = RegionSet::EMPTY;
        for country in self.countries_of_interest() {
            let run = self.run(RunClient::Of(country));
            if run != default_run {
                overridden.insert(country);
                let members = self.first_members(run);
                self.tables.overrides.push(CountryOverride { run, members });
            }
        }
        let overridden = overridden.words();
        let climbs = self.slots.iter().any(|slot| slot.pool.fallback_upward);
        let next = above.filter(|_| climbs).map_or(NONE, LevelIdx::get);
        let ou = ou.get();
        let level = Level { overridden, overrides, default_run, no_country_run, pools, ou, depth, next };
        self.tables.levels.push(level);
        LevelIdx::new(self.tables.levels.len() as u32 - 1)
    }

    /// Returns the index of the first candidate of a run, or 0 if the run has no candidates.
    fn first_members(&self, run: u32) -> u32 {
        for step in self.tables.steps.iter().skip(run as usize) {
            if step.group != NONE {
                return step.members.start;
            }
            if step.rule & LAST_OF_RUN != 0 {
                break;
            }
        }
        0
    }

    /// Returns the countries that may need a run of their own, in order. A new rule must add its countries
    /// here.
    fn countries_of_interest(&self) -> BTreeSet<Region> {
        let mut countries: BTreeSet<Region> = self.company_mapping.keys().copied().collect();
        for slot in self.slots {
            countries.extend(slot.pool.geography.keys());
            for country in self.groups[slot.groups].countries(self.role) {
                countries.insert(country);
                if let Some(code) = country.calling_code().filter(|_| slot.pool.match_calling_code) {
                    countries.extend(code.regions());
                }
            }
        }
        countries
    }

    /// Stores the steps of the level for these clients, ordered by rule and then by pool. Returns the run.
    fn run(&mut self, client: RunClient) -> u32 {
        let LevelCompiler { tables, groups, company_mapping, role, slots, .. } = self;
        let role = *role;
        let mut steps = Vec::with_capacity(Rule::STEPS.len() * slots.len());
        let step = |slot: usize, rule: Rule, country: Option<Region>, group| Step {
            members: Range::default(),
            group,
            slot: slot as u16,
            rule: rule as u8,
            country: country.map_or(NO_COUNTRY, Region::index),
        };
        if !matches!(client, RunClient::NoCountry) {
            for (at, slot) in slots.iter().enumerate() {
                let group = match client {
                    RunClient::Of(country) => groups[slot.groups].of_country(tables, role, country),
                    RunClient::Elsewhere | RunClient::NoCountry => NONE,
                };
                steps.push(step(at, Rule::Country, None, group));
            }
            for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.pool.match_calling_code) {
                let group = match client {
                    RunClient::Of(country) => groups[slot.groups].of_calling_code(tables, role, country),
                    RunClient::Elsewhere | RunClient::NoCountry => NONE,
                };
                steps.push(step(at, Rule::CallingCode, None, group));
            }
        }
        if let RunClient::Of(country) = client {
            for (at, slot) in slots.iter().enumerate() {
                let target = slot.pool.geography.get(&country).or_else(|| company_mapping.get(&country));
                if let Some(&(target, _)) = target {
                    let group = groups[slot.groups].of_country(tables, role, target);
                    steps.push(step(at, Rule::Geography, Some(target), group));
                }
            }
        }
        for (at, slot) in slots.iter().enumerate() {
            if let Some(country) = slot.pool.default_country {
                let group = groups[slot.groups].of_country(tables, role, country);
                steps.push(step(at, Rule::DefaultRegion, Some(country), group));
            }
        }
        for step in steps.iter_mut().filter(|step| step.group != NONE) {
            step.members = tables.groups[step.group as usize].members.clone();
        }
        self.runs.store(self.tables, steps)
    }
}

/// The accounts of a pool by role and country, and the groups that are already stored.
#[derive(Default)]
pub(super) struct PoolGroups {
    /// The accounts by role and country. An account without a country is left out, because no rule selects
    /// it.
    by_country: BTreeMap<(Role, Region), Vec<u32>>,
    stored: HashMap<(Role, GroupKey), u32>,
}

/// The property that the accounts of a group share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum GroupKey {
    /// The accounts have this country.
    Country(Region),
    /// The accounts have a country of this calling code, except the other country.
    CallingCodeWithout(CallingCode, Option<Region>),
}

impl PoolGroups {
    pub(super) fn add(&mut self, role: Role, country: Region, account: u32) {
        self.by_country.entry((role, country)).or_default().push(account);
    }

    /// Returns the countries of the pool's accounts in a role.
    pub(super) fn countries(&self, role: Role) -> impl Iterator<Item = Region> {
        self.by_country.keys().filter(move |(of, _)| *of == role).map(|(_, country)| *country)
    }

    /// Returns the group of the accounts of a country, or [`NONE`] if there are none.
    pub(super) fn of_country(&mut self, tables: &mut Tables, role: Role, country: Region) -> u32 {
        let Some(accounts) = self.by_country.get(&(role, country)) else { return NONE };
        let key = (role, GroupKey::Country(country));
        *self.stored.entry(key).or_insert_with(|| build(tables, accounts.clone()))
    }

    /// Returns the group of the accounts that share the country's calling code, without the accounts of the
    /// country itself. Returns [`NONE`] if there are none.
    pub(super) fn of_calling_code(&mut self, tables: &mut Tables, role: Role, country: Region) -> u32 {
        let Some(code) = country.calling_code() else { return NONE };
        let own = self.by_country.contains_key(&(role, country)).then_some(country);
        let others: Vec<Region> =
            self.countries(role).filter(|&at| at.calling_code() == Some(code) && Some(at) != own).collect();
        match others[..] {
            [] => NONE,
            [single] => self.of_country(tables, role, single),
            _ => {
                let accounts = others.iter().flat_map(|&at| self.by_country[&(role, at)].iter().copied());
                let accounts: Vec<u32> = accounts.collect();
                let key = (role, GroupKey::CallingCodeWithout(code, own));
                *self.stored.entry(key).or_insert_with(|| build(tables, accounts))
            }
        }
    }
}

/// Stores a group with its members in order, and a directory of cells for each large class.
fn build(tables: &mut Tables, accounts: Vec<u32>) -> u32 {
    let start = tables.members.len();
    tables.members.extend(accounts.into_iter().map(|account| {
        let record = &tables.accounts[account as usize];
        let &Account { id_hash, ref id_and_address, weight, suffix, .. } = record;
        Member { id_hash, id_and_address: id_and_address.clone(), account, weight, suffix }
    }));
    tables.members[start..].sort_unstable_by_key(|m| (m.weight, m.id_hash, m.account));
    let members = Range { start: start as u32, len: (tables.members.len() - start) as u32 };
    let classes_start = tables.classes.len();
    if members.len as usize >= MIN_CELLED_CLASS {
        let mut first = start;
        while first < tables.members.len() {
            let weight = tables.members[first].weight;
            let len = tables.members[first..].partition_point(|member| member.weight == weight);
            let cells = if len >= MIN_CELLED_CLASS { directory(tables, first, len) } else { NONE };
            tables.classes.push(Class { members: Range { start: first as u32, len: len as u32 }, cells });
            first += len;
        }
    }
    let classes = Range { start: classes_start as u32, len: (tables.classes.len() - classes_start) as u32 };
    tables.groups.push(Group { members, classes });
    tables.groups.len() as u32 - 1
}

/// Stores the directory of a class: the position of the first member of each cell. Members are in the order
/// of their hashes, so they are also in the order of their cells.
fn directory(tables: &mut Tables, first: usize, len: usize) -> u32 {
    let at = tables.cells.len() as u32;
    let members = &tables.members[first..first + len];
    tables.cells.extend((0..=CELLS).map(|c| members.partition_point(|m| cell(m.id_hash) < c) as u32));
    at
}
