//! Runs of steps: in order, and each summed up in what it asks of the level and the client that use it.
//! One run serves many levels and countries, so it is read once, and its sum held against each.

use super::super::format::*;
use super::super::open::Rejection;
use super::groups::{Common, Countries, Groups, code_of, contains};
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

/// What a run asks of the level and the client that use it.
#[derive(Default)]
struct Run<'a> {
    steps: &'a [ArchivedStep],
    /// How many pools the level has, at least.
    slots: usize,
    /// Steps of the country rule: one for each pool of the level, or none for a client of no country.
    country_steps: usize,
    /// The rule of the last step before the default regions'.
    last_rule: Option<u8>,
    /// The channel and role of its candidates, where it has some.
    of: Option<(u16, u8)>,
    /// The client's country, where candidates are of it.
    country: Option<u8>,
    /// Where candidates share the client's calling code: that code, and their countries.
    code: Option<(u16, Box<Countries>)>,
    /// The list of pools that its candidates were last found to be of.
    pools: Option<u32>,
}

/// All runs.
pub(super) struct Runs<'a> {
    runs: Vec<Run<'a>>,
    groups: Groups,
}

impl<'a> Runs<'a> {
    pub(super) fn new(all: &'a ArchivedContents, groups: Groups) -> Result<Runs<'a>, Rejection> {
        let mut steps = Tiles::new(&all.steps, "steps of a run");
        let mut runs = Vec::with_capacity(all.runs.len());
        for run in all.runs.iter() {
            runs.push(Run::sum_up(steps.take_range(run)?, &groups)?);
        }
        steps.finish()?;
        Ok(Runs { runs, groups })
    }

    /// Holds a run against a level of this channel and role, whose pools are these, and against the client
    /// that it is for. `list` is the number of that list of pools.
    pub(super) fn hold(
        &mut self,
        run: u32,
        client: Client,
        of: (u16, u8),
        (list, pools): (u32, &[rkyv::rend::u32_le]),
    ) -> Result<(), Rejection> {
        let Some(run) = self.runs.get_mut(run as usize) else { return Err(refusal("run of a level")) };
        require(run.slots <= pools.len(), "pool of a step")?;
        require(run.of.is_none_or(|own| own == of), "role of a step")?;
        let (country_steps, last_rule) = match client {
            Client::Of(country) => {
                require(run.country.is_none_or(|own| own == country), "country of a step")?;
                let shared = |(code, countries): &(u16, Box<Countries>)| {
                    *code == code_of(country) && !contains(countries, country)
                };
                require(run.code.as_ref().is_none_or(shared), "calling code of a step")?;
                (pools.len(), Some(GEOGRAPHY))
            }
            Client::Elsewhere => {
                require(run.country.is_none() && run.code.is_none(), "country of a step")?;
                (pools.len(), Some(CALLING_CODE))
            }
            Client::Stateless => (0, None),
        };
        require(run.country_steps == country_steps && run.last_rule <= last_rule, "steps of a client")?;
        if run.of.is_some() && run.pools != Some(list) {
            for step in run.steps.iter().filter(|step| step.group.to_native() != NONE) {
                let pool = record(pools, u32::from(step.slot.to_native()), "pool")?;
                require(self.groups.common(step.group.to_native())?.pool == *pool, "pool of a step")?;
            }
            run.pools = Some(list);
        }
        Ok(())
    }
}

impl<'a> Run<'a> {
    fn sum_up(steps: &'a [ArchivedStep], groups: &Groups) -> Result<Run<'a>, Rejection> {
        let mut run = Run { steps, ..Run::default() };
        let mut previous = None;
        for step in steps {
            let (rule, slot) = (step.rule, step.slot.to_native());
            // Rule by rule over all the pools: so a run has four steps for each pool at most.
            require(rule <= DEFAULT_REGION && previous < Some((rule, slot)), "order of steps")?;
            previous = Some((rule, slot));
            run.slots = run.slots.max(usize::from(slot) + 1);
            run.country_steps += usize::from(rule == COUNTRY);
            if rule != DEFAULT_REGION {
                run.last_rule = Some(rule);
            }
            let named = step.country != NO_COUNTRY && is_country_or_none(step.country);
            let clients = rule == COUNTRY || rule == CALLING_CODE;
            require(if clients { step.country == NO_COUNTRY } else { named }, "country of a step")?;
            if step.group.to_native() != NONE {
                run.add(step, groups.common(step.group.to_native())?, groups)?;
            }
        }
        Ok(run)
    }

    /// All its candidates are of one channel and role, and those of the client's country of one country.
    fn add(&mut self, step: &ArchivedStep, common: Common, groups: &Groups) -> Result<(), Rejection> {
        let of = *self.of.get_or_insert((common.channel, common.role));
        require(of == (common.channel, common.role), "role of a step")?;
        match step.rule {
            COUNTRY => {
                let country = *self.country.get_or_insert(common.country);
                require(common.country != NO_COUNTRY && common.country == country, "country of a step")
            }
            CALLING_CODE => {
                let (code, countries) = self.code.get_or_insert_with(|| (common.code, Box::default()));
                groups.add_countries(common, countries);
                require(common.code != 0 && common.code == *code, "calling code of a step")
            }
            _ => require(common.country == step.country, "country of a step"),
        }
    }
}
