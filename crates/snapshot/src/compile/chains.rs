//! Chains: for every (OU, channel, role) the level it begins at, for every level and country the run
//! of its steps, each stored once.

use std::collections::{BTreeSet, HashMap};

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::super::format::{Contents, Exception, LAST, Level, NO_COUNTRY, NONE, Range, Step};
use super::groups::PoolGroups;
use switchboard_model::Region;
use switchboard_model::Role;
use switchboard_registry::{Mapping, Pool};

/// Rules of the chain, as stored, in the order they are tried at a level.
const COUNTRY: u8 = 0;
/// See [`COUNTRY`].
const CALLING_CODE: u8 = 1;
/// See [`COUNTRY`].
const GEOGRAPHY: u8 = 2;
/// See [`COUNTRY`].
const DEFAULT_REGION: u8 = 3;

/// Runs already stored, by their steps.
#[derive(Default)]
pub(super) struct Interned {
    runs: HashMap<Box<[Step]>, u32, Xxh3DefaultBuilder>,
    /// The most pools that one level has.
    pub(super) most_slots: usize,
}

impl Interned {
    fn run(&mut self, contents: &mut Contents, mut steps: Vec<Step>) -> u32 {
        let Some(last) = steps.last_mut() else { return NONE };
        last.rule |= LAST;
        if let Some(&run) = self.runs.get(&*steps) {
            return run;
        }
        let run = contents.steps.len() as u32;
        contents.steps.extend_from_slice(&steps);
        self.runs.insert(steps.into(), run);
        run
    }
}

/// A pool at a level: its number, what the registry says of it, its accounts.
pub(super) struct Slot<'a> {
    pub(super) number: u32,
    pub(super) pool: &'a Pool,
    /// Index into the company's [`PoolGroups`].
    pub(super) groups: usize,
}

/// Whose a level is.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) ou: u32,
    pub(super) depth: u32,
    pub(super) role: Role,
    /// The OU's pools of the channel, in the order they are tried: the last of the [`Contents::level_pools`].
    pub(super) slots: &'a [Slot<'a>],
}

/// Stores a level.
///
/// `above` is where the nearest ancestor's chain begins.
pub(super) fn level(
    contents: &mut Contents,
    interned: &mut Interned,
    groups: &mut [PoolGroups],
    Own { ou, depth, role, slots }: Own<'_>,
    company_mapping: &Mapping,
    above: u32,
) -> u32 {
    interned.most_slots = interned.most_slots.max(slots.len());
    let pools = (contents.level_pools.len() - slots.len()) as u32;

    let otherwise = run(contents, interned, groups, role, slots, company_mapping, Client::Elsewhere);
    let stateless = run(contents, interned, groups, role, slots, company_mapping, Client::Stateless);
    let exceptions = contents.exceptions.len() as u32;
    let mut excepted = [0u64; 4];
    for country in exceptional_countries(groups, role, slots, company_mapping) {
        let own = run(contents, interned, groups, role, slots, company_mapping, Client::Of(country));
        if own != otherwise {
            let bit = usize::from(country.index());
            excepted[bit / 64] |= 1 << (bit % 64);
            let members = first_members(contents, own);
            contents.exceptions.push(Exception { run: own, members });
        }
    }
    let upward = slots.iter().any(|slot| slot.pool.fallback_upward);
    let next = if upward { above } else { NONE };
    contents.levels.push(Level { excepted, exceptions, otherwise, stateless, pools, ou, depth, next });
    contents.levels.len() as u32 - 1
}

/// Where the first candidates of a run are.
fn first_members(contents: &Contents, run: u32) -> u32 {
    for step in contents.steps.iter().skip(run as usize) {
        if step.group != NONE {
            return step.members.start;
        }
        if step.rule & LAST != 0 {
            break;
        }
    }
    0
}

/// Whose run it is.
#[derive(Clone, Copy)]
enum Client {
    /// A client of this country.
    Of(Region),
    /// A client of any country that the level has neither accounts nor a mapping for.
    Elsewhere,
    /// A client of no country.
    Stateless,
}

/// The countries whose run may differ from every other country's, in order.
fn exceptional_countries(
    groups: &[PoolGroups],
    role: Role,
    slots: &[Slot<'_>],
    company_mapping: &Mapping,
) -> BTreeSet<Region> {
    let mut countries: BTreeSet<Region> = company_mapping.keys().copied().collect();
    for slot in slots {
        countries.extend(slot.pool.geography.keys());
        for country in groups[slot.groups].countries(role) {
            countries.insert(country);
            if let Some(code) = country.calling_code().filter(|_| slot.pool.match_calling_code) {
                countries.extend(code.regions());
            }
        }
    }
    countries
}

/// The steps of one level for one client: rule by rule over all the pools.
fn run(
    contents: &mut Contents,
    interned: &mut Interned,
    groups: &mut [PoolGroups],
    role: Role,
    slots: &[Slot<'_>],
    company_mapping: &Mapping,
    client: Client,
) -> u32 {
    let mut steps = Vec::with_capacity(4 * slots.len());
    let step = |slot: usize, rule, country: Option<Region>, group| Step {
        members: Range::default(),
        group,
        slot: slot as u16,
        rule,
        country: country.map_or(NO_COUNTRY, Region::index),
    };
    if !matches!(client, Client::Stateless) {
        for (at, slot) in slots.iter().enumerate() {
            let group = match client {
                Client::Of(country) => groups[slot.groups].of_country(contents, role, country),
                _ => NONE,
            };
            steps.push(step(at, COUNTRY, None, group));
        }
        for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.pool.match_calling_code) {
            let group = match client {
                Client::Of(country) => groups[slot.groups].of_calling_code(contents, role, country),
                _ => NONE,
            };
            steps.push(step(at, CALLING_CODE, None, group));
        }
    }
    if let Client::Of(country) = client {
        for (at, slot) in slots.iter().enumerate() {
            let target = slot.pool.geography.get(&country).or_else(|| company_mapping.get(&country));
            if let Some(&(target, _)) = target {
                let group = groups[slot.groups].of_country(contents, role, target);
                steps.push(step(at, GEOGRAPHY, Some(target), group));
            }
        }
    }
    for (at, slot) in slots.iter().enumerate() {
        if let Some(country) = slot.pool.default_country {
            let group = groups[slot.groups].of_country(contents, role, country);
            steps.push(step(at, DEFAULT_REGION, Some(country), group));
        }
    }
    for step in steps.iter_mut().filter(|step| step.group != NONE) {
        step.members = contents.groups[step.group as usize].members.clone();
    }
    interned.run(contents, steps)
}
