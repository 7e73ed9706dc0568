//! Runs of steps: in order, and each summed up in what it asks of the level and the client that use it.
//! One run serves many levels and countries, so it is read once, and its sum held against each.

use super::super::format::*;
use super::super::open::Rejection;
use super::super::view::Records;
use super::groups::{Common, Groups, code_of};
use super::{Tiles, is_country_or_none, record, refusal, require};

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
    /// A client of any country that nothing at the level is about.
    Elsewhere,
    /// A client of no country.
    Stateless,
}

/// What a run asks of the level and the client that use it: 16 bytes, since a hostile file may have a run
/// for every 20 of its own.
struct Run {
    /// The level that its candidates were last found to be of the pools of, or [`NONE`].
    held: u32,
    /// The calling code of the client's country, where candidates share it; else 0.
    code: u16,
    /// How many pools the level has, at least.
    slots: u16,
    /// Steps of the country rule: one for each pool of the level, or none for a client of no country.
    country_steps: u16,
    /// The channel of its candidates, where it has some.
    channel: u16,
    /// Their role, or [`NO_ROLE`] where it has none.
    role: u8,
    /// The client's country, where candidates are of it, or [`NO_COUNTRY`].
    country: u8,
    /// The last rule before the default region, or [`NONE_BEFORE`].
    last_rule: u8,
}

/// The last rule of a run that has default regions alone.
const NONE_BEFORE: u8 = u8::MAX;

/// All runs.
pub(super) struct Runs<'a> {
    all: &'a ArchivedContents,
    runs: Vec<Run>,
    groups: Groups,
}

/// A level, for what it has to say of its runs.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) level: u32,
    pub(super) channel: u16,
    pub(super) role: u8,
    pub(super) pools: &'a [rkyv::rend::u32_le],
}

impl<'a> Runs<'a> {
    pub(super) fn new(all: &'a ArchivedContents, groups: Groups) -> Result<Runs<'a>, Rejection> {
        let mut steps = Tiles::new(&all.steps, "steps of a run");
        let mut runs = Vec::with_capacity(all.runs.len());
        let mut empty = 0;
        for run in all.runs.iter() {
            let own = steps.take_range(run)?;
            empty += u32::from(own.is_empty());
            runs.push(Run::sum_up(own, &groups)?);
        }
        steps.finish()?;
        require(empty <= 1, "run stored twice")?;
        Ok(Runs { all, runs, groups })
    }

    /// Holds a run against a level that uses it, and against the client that it is for.
    pub(super) fn hold(&mut self, at: u32, client: Client, holder: Holder<'_>) -> Result<(), Rejection> {
        let Some(run) = self.runs.get_mut(at as usize) else { return Err(refusal("run of a level")) };
        let Holder { level, channel, role, pools } = holder;
        require(usize::from(run.slots) <= pools.len(), "pool of a step")?;
        require(run.role == NO_ROLE || (run.role, run.channel) == (role, channel), "role of a step")?;
        let steps = || self.all.steps.range(self.all.runs.at(at)).iter();
        let last_rule_fits = match client {
            Client::Of(country) => {
                require(run.country == NO_COUNTRY || run.country == country, "country of a step")?;
                if run.code != 0 {
                    require(run.code == code_of(country), "calling code of a step")?;
                    for step in
                        steps().filter(|step| step.rule == CALLING_CODE && step.group.to_native() != NONE)
                    {
                        let own = self.groups.has(step.group.to_native(), country)?;
                        require(!own, "country of a step")?;
                    }
                }
                true
            }
            Client::Elsewhere => {
                require(run.country == NO_COUNTRY && run.code == 0, "country of a step")?;
                run.last_rule == COUNTRY || run.last_rule == CALLING_CODE
            }
            Client::Stateless => run.last_rule == NONE_BEFORE,
        };
        let country_steps = if client == Client::Stateless { 0 } else { pools.len() };
        require(last_rule_fits && usize::from(run.country_steps) == country_steps, "steps of a client")?;
        // Levels with the same pools share their runs.
        if run.role != NO_ROLE && (run.held == NONE || pools_of(self.all, run.held) != pools) {
            for step in steps().filter(|step| step.group.to_native() != NONE) {
                let pool = record(pools, u32::from(step.slot.to_native()), "pool")?;
                require(self.groups.common(step.group.to_native())?.pool == *pool, "pool of a step")?;
            }
            run.held = level;
        }
        Ok(())
    }
}

/// The pools of a level: those before the next one's.
pub(super) fn pools_of(all: &ArchivedContents, level: u32) -> &[rkyv::rend::u32_le] {
    let first = |level: u32| all.levels.get(level as usize).map(|level| level.pools.to_native() as usize);
    let end = first(level + 1).unwrap_or(all.level_pools.len());
    first(level).and_then(|start| all.level_pools.get(start..end)).unwrap_or_default()
}

impl Run {
    fn sum_up(steps: &[ArchivedStep], groups: &Groups) -> Result<Run, Rejection> {
        let mut run = Run {
            held: NONE,
            code: 0,
            slots: 0,
            country_steps: 0,
            channel: 0,
            role: NO_ROLE,
            country: NO_COUNTRY,
            last_rule: NONE_BEFORE,
        };
        let mut previous = None;
        for step in steps {
            let (rule, slot) = (step.rule, step.slot.to_native());
            // Rule by rule over all the pools: so a run has four steps for each pool at most.
            require(rule <= DEFAULT_REGION && previous < Some((rule, slot)), "order of steps")?;
            require(slot < u16::MAX, "pool of a step")?;
            previous = Some((rule, slot));
            run.slots = run.slots.max(slot + 1);
            run.country_steps += u16::from(rule == COUNTRY);
            if rule != DEFAULT_REGION {
                run.last_rule = rule;
            }
            let named = step.country != NO_COUNTRY && is_country_or_none(step.country);
            require(if rule >= GEOGRAPHY { named } else { step.country == NO_COUNTRY }, "country of a step")?;
            if step.group.to_native() != NONE {
                run.add(step, groups.common(step.group.to_native())?)?;
            }
        }
        Ok(run)
    }

    /// All its candidates are of one channel and role, and those of the client's country of one country.
    fn add(&mut self, step: &ArchivedStep, common: Common) -> Result<(), Rejection> {
        if self.role == NO_ROLE {
            (self.role, self.channel) = (common.role, common.channel);
        }
        require((self.role, self.channel) == (common.role, common.channel), "role of a step")?;
        match step.rule {
            COUNTRY => {
                let alike = self.country == NO_COUNTRY || common.country == self.country;
                require(common.country != NO_COUNTRY && alike, "country of a step")?;
                self.country = common.country;
                Ok(())
            }
            CALLING_CODE => {
                let first = self.code == 0;
                require(common.code != 0 && (first || common.code == self.code), "calling code of a step")?;
                self.code = common.code;
                Ok(())
            }
            _ => require(common.country == step.country, "country of a step"),
        }
    }
}
