//! Runs of steps, held against every level and client that uses them: each rule at each pool, with exactly
//! the accounts that the rule says.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::view::Run;
use super::countries::Countries;
use super::groups::Groups;
use super::shares::Shares;
use super::{is_country_or_none, record, require};

/// Rules as stored, in the order they are tried.
const COUNTRY: u8 = 0;
/// See [`COUNTRY`].
const CALLING_CODE: u8 = 1;
/// See [`COUNTRY`].
const GEOGRAPHY: u8 = 2;
/// See [`COUNTRY`].
const DEFAULT_REGION: u8 = 3;

/// For whom a run is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// A client of this country.
    Of(u8),
    /// A client of any other country than the level's excepted ones, which are these.
    Elsewhere(Countries),
    /// A client of no country.
    Stateless,
}

/// A level, for what its runs must fit.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub(super) channel: u16,
    pub(super) role: u8,
    pub(super) pools: &'a [ArchivedLevelPool],
}

/// All runs.
pub(super) struct Runs<'a> {
    all: &'a ArchivedContents,
    groups: Groups,
    shares: Shares,
    /// Whether a run begins with a step.
    first: Vec<bool>,
}

impl<'a> Runs<'a> {
    /// Proves what is so of a run for whomever it is.
    pub(super) fn new(all: &'a ArchivedContents, groups: Groups) -> Result<Runs<'a>, Rejection> {
        let shares = Shares::new(all, &groups)?;
        let mut first = Vec::with_capacity(all.steps.len());
        let mut previous = None;
        for step in all.steps.iter() {
            first.push(previous.is_none());
            let (rule, slot) = (step.rule(), step.slot.to_native());
            // Rule by rule over all the pools: so a run has four steps for each pool at most.
            require(rule <= DEFAULT_REGION && previous < Some((rule, slot)), "order of steps")?;
            previous = if step.is_last() { None } else { Some((rule, slot)) };
            let named = step.country != NO_COUNTRY;
            require(named == (rule >= GEOGRAPHY) && is_country_or_none(step.country), "country of a step")?;
            let members = |range: &ArchivedRange| (range.start.to_native(), range.len.to_native());
            let copied = match step.group.to_native() {
                NONE => (0, 0),
                group => members(&record(&all.groups, group, "group")?.members),
            };
            require(members(&step.members) == copied, "members of a step")?;
        }
        require(previous.is_none(), "end of a run")?;
        Ok(Runs { all, groups, shares, first })
    }

    /// Holds a run against a level that uses it, and against the client that it is for.
    pub(super) fn hold(&self, run: u32, client: Client, level: Level<'_>) -> Result<(), Rejection> {
        let begins = run == NONE && client == Client::Stateless || *record(&self.first, run, "step")?;
        require(begins, "beginning of a run")?;
        let mut country_steps = 0;
        for step in Run::new(self.all, run) {
            let pool = record(level.pools, u32::from(step.slot.to_native()), "pool of a level")?;
            let pool = pool.pool.to_native();
            let there = self.shares.countries(pool, level.role);
            country_steps += usize::from(step.rule() == COUNTRY);
            let wanted = wanted(step, client, there)?;
            let found = match step.group.to_native() {
                NONE => Countries::default(),
                group => {
                    let common = record(&self.groups.common, group, "group")?;
                    let fits =
                        (common.pool, common.channel, common.role) == (pool, level.channel, level.role);
                    require(fits, "group of another pool")?;
                    self.groups.countries(common)
                }
            };
            require(found == wanted, "countries of a step")?;
        }
        let pools = if client == Client::Stateless { 0 } else { level.pools.len() };
        require(country_steps == pools, "steps of a client")
    }
}

/// Of the countries that a pool has accounts of, those that a step is about.
fn wanted(step: &ArchivedStep, client: Client, there: Countries) -> Result<Countries, Rejection> {
    let wanted = match (step.rule(), client) {
        (DEFAULT_REGION, _) | (GEOGRAPHY, Client::Of(_)) => there.and(Countries::only(step.country)),
        (COUNTRY, Client::Of(country)) => there.and(Countries::only(country)),
        (CALLING_CODE, Client::Of(country)) => {
            there.and(Countries::alike(country)).without(Countries::only(country))
        }
        (COUNTRY, Client::Elsewhere(excepted)) => there.without(excepted),
        (CALLING_CODE, Client::Elsewhere(excepted)) => {
            // No client from elsewhere shares a code with any account: else they would be excepted.
            let mut served = Countries::default();
            for country in there.iter() {
                served = served.or(Countries::alike(country));
            }
            served.without(excepted)
        }
        _ => return Err(super::refusal("step of no client")),
    };
    let elsewhere = matches!(client, Client::Elsewhere(_)) && step.rule() != DEFAULT_REGION;
    require(!elsewhere || wanted.is_empty(), "country that is not excepted")?;
    Ok(wanted)
}

/// The pools of a level: those before the next one's.
pub(super) fn pools_of(all: &ArchivedContents, level: u32) -> &[ArchivedLevelPool] {
    let first = |level: u32| all.levels.get(level as usize).map(|level| level.pools.to_native() as usize);
    let end = first(level + 1).unwrap_or(all.level_pools.len());
    first(level).and_then(|start| all.level_pools.get(start..end)).unwrap_or_default()
}
