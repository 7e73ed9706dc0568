//! The chain of an OU: where it begins, its levels, their steps, and whom a step has.

use super::{Records, Snapshot, fetch};
use crate::format::*;
use crate::rendezvous::SCANNED;
use switchboard_model::Region;
use switchboard_model::Role;

impl Snapshot {
    /// Which of the entries says where the chain of (OU, channel, role) begins: is fetched.
    pub fn seek_chain(&self, company: u32, ou: u32, channel: u32, role: Role) -> Option<u32> {
        let contents = self.contents();
        let company = contents.companies.at(company);
        let column = contents.columns.at(company.columns.to_native() + channel).to_native();
        if column == NO_COLUMN {
            return None;
        }
        let ou = ou - company.ous.start.to_native();
        let row = role as u32 * company.ous.len.to_native() + ou;
        let entry = row * u32::from(company.column_count.to_native()) + u32::from(column);
        let entry = company.entries.to_native() + entry;
        fetch(contents.entries.get(entry as usize));
        Some(entry)
    }

    /// The level where the chain of (OU, channel, role) begins.
    pub fn chain(&self, company: u32, ou: u32, channel: u32, role: Role) -> Option<&ArchivedLevel> {
        self.first_level(self.seek_chain(company, ou, channel, role)?)
    }

    /// The level where the chain of this entry begins.
    pub fn first_level(&self, entry: u32) -> Option<&ArchivedLevel> {
        let contents = self.contents();
        let entry = contents.entries.at(entry);
        // Nearly all levels have few enough of them for two cache lines.
        let exceptions = entry.exceptions.to_native();
        for at in [exceptions, exceptions.saturating_add(8)] {
            fetch(contents.exceptions.get(at as usize));
        }
        let level = self.level(entry.level.to_native());
        fetch(level);
        level
    }

    /// The level that a chain goes on at.
    pub fn next(&self, level: &ArchivedLevel) -> Option<&ArchivedLevel> {
        self.level(level.next.to_native())
    }

    fn level(&self, at: u32) -> Option<&ArchivedLevel> {
        (at != NONE).then(|| self.contents().levels.at(at))
    }

    /// The level's steps for a client of this country, in order.
    pub fn steps(&self, level: &ArchivedLevel, country: Option<Region>) -> Run<'_> {
        let contents = self.contents();
        let first = match country {
            None => level.stateless.to_native(),
            Some(region) => match rank(&level.excepted, region.index()) {
                Some(rank) => {
                    let exception = contents.exceptions.at(level.exceptions.to_native() + rank);
                    let members = exception.members.to_native();
                    fetch(contents.members.get(members as usize));
                    exception.run.to_native()
                }
                None => level.otherwise.to_native(),
            },
        };
        self.run(first)
    }

    /// The run that begins with this step; none does with [`NONE`].
    pub fn run(&self, first: u32) -> Run<'_> {
        Run::of(self.contents(), first)
    }

    /// Which of [`ArchivedContents::level_pools`] a step is about.
    pub fn step_pool(&self, level: &ArchivedLevel, step: &ArchivedStep) -> u32 {
        level.pools.to_native() + u32::from(step.slot.to_native())
    }

    /// The step's candidates.
    pub fn members(&self, step: &ArchivedStep) -> &[ArchivedMember] {
        self.contents().members.range(&step.members)
    }

    /// The classes of the step's candidates, where they are too many to scan.
    pub fn classes(&self, step: &ArchivedStep) -> &[ArchivedClass] {
        let contents = self.contents();
        if (step.members.len.to_native() as usize) < SCANNED {
            return &[];
        }
        contents.classes.range(&contents.groups.at(step.group.to_native()).classes)
    }
}

/// The steps of a run, in order.
#[derive(Clone, Default)]
pub struct Run<'s> {
    /// It and, behind its last step, others.
    steps: &'s [ArchivedStep],
}

impl<'s> Run<'s> {
    /// Its first step.
    pub(super) fn first(&self) -> Option<&'s ArchivedStep> {
        self.steps.first()
    }

    /// The run that begins with this step; none does with [`NONE`].
    pub(crate) fn of(contents: &'s ArchivedContents, first: u32) -> Run<'s> {
        Run { steps: contents.steps.get(first as usize..).unwrap_or_default() }
    }
}

impl<'s> Iterator for Run<'s> {
    type Item = &'s ArchivedStep;

    fn next(&mut self) -> Option<&'s ArchivedStep> {
        let (step, rest) = self.steps.split_first()?;
        self.steps = if step.is_last() { &[] } else { rest };
        Some(step)
    }
}

impl ArchivedStep {
    /// Its rule, as stored.
    pub fn rule(&self) -> u8 {
        self.rule & !LAST
    }

    /// Whether its run ends with it.
    pub fn is_last(&self) -> bool {
        self.rule & LAST != 0
    }
}

/// How many bits before this one are set, where this one is.
#[allow(clippy::indexing_slicing, reason = "a u8 over 64 is below four")]
fn rank(bits: &[rkyv::rend::u64_le; 4], bit: u8) -> Option<u32> {
    let (word, mask) = (usize::from(bit / 64), 1u64 << (bit % 64));
    if bits[word].to_native() & mask == 0 {
        return None;
    }
    let before: u32 = bits[..word].iter().map(|word| word.to_native().count_ones()).sum();
    Some(before + (bits[word].to_native() & (mask - 1)).count_ones())
}
