//! Groups: equals in order, laid out as the pick reads them, and what all members of each have in common.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::rendezvous::{CELLS, cell};
use super::countries::Countries;
use super::{Tiles, record, refusal, require};

/// What the members of a group have in common, for the steps that use it.
#[derive(Clone, Copy)]
pub(super) struct Common {
    pub(super) pool: u32,
    pub(super) channel: u16,
    pub(super) role: u8,
    /// The country of all of them, or [`NO_COUNTRY`] where there are several.
    pub(super) country: u8,
    /// Where there are several countries: which of [`Groups::several`].
    several: u32,
}

/// Of every group.
pub(super) struct Groups {
    pub(super) common: Vec<Common>,
    several: Vec<Countries>,
}

impl Groups {
    pub(super) fn new(all: &ArchivedContents) -> Result<Groups, Rejection> {
        let mut members = Tiles::new(&all.members, "members of a group");
        let mut classes = Tiles::new(&all.classes, "classes of a group");
        let mut cells = Tiles::new(&all.cells, "cells of a class");
        let mut groups = Groups { common: Vec::with_capacity(all.groups.len()), several: Vec::new() };
        for group in all.groups.iter() {
            let own = members.take_range(&group.members)?;
            let common = groups.in_common(all, own)?;
            groups.common.push(common);
            let of_classes = Tiles { records: own, next: 0, what: "members of a class" };
            let own = classes.take_range(&group.classes)?;
            check_classes(group.members.start.to_native(), of_classes, own, &mut cells)?;
        }
        members.finish()?;
        classes.finish()?;
        cells.finish()?;
        Ok(groups)
    }

    /// The countries of a group's members.
    pub(super) fn countries(&self, common: &Common) -> Countries {
        let several = self.several.get(common.several as usize).copied();
        several.unwrap_or_else(|| Countries::only(common.country))
    }

    /// Members are equals in all that a step asks for, and in order of (weight, hash, account): so each once.
    fn in_common(&mut self, all: &ArchivedContents, members: &[ArchivedMember]) -> Result<Common, Rejection> {
        let mut common: Option<Common> = None;
        let mut countries = Countries::default();
        let mut previous = None;
        for member in members {
            let (hash, weight, at) = (member.id_hash, member.weight, member.account.to_native());
            let account = record(&all.accounts, at, "account")?;
            let lead = |lead: &ArchivedLead| (lead.start, lead.len, lead.id_len);
            let same = hash == account.id_hash
                && weight == account.weight
                && member.tail == account.tail
                && lead(&member.lead) == lead(&account.lead);
            require(same, "copy of an account")?;
            let order = Some((weight.to_native(), hash.to_native(), at));
            require(previous < order, "order of members")?;
            previous = order;
            let (pool, channel, role) = (account.pool.to_native(), account.channel.to_native(), account.role);
            require(pool != NONE && account.country != NO_COUNTRY, "account of a group")?;
            countries.insert(account.country);
            let country = account.country;
            let common = common.get_or_insert(Common { pool, channel, role, country, several: NONE });
            require((common.pool, common.channel, common.role) == (pool, channel, role), "pool of a member")?;
            if common.country != country {
                common.country = NO_COUNTRY;
            }
        }
        let Some(mut common) = common else { return Err(refusal("empty group")) };
        if common.country == NO_COUNTRY {
            common.several = self.several.len() as u32;
            self.several.push(countries);
        }
        Ok(common)
    }
}

/// Classes divide a group where its members' weights change, or there is none.
fn check_classes(
    start: u32,
    mut members: Tiles<'_, ArchivedMember>,
    classes: &[ArchivedClass],
    cells: &mut Tiles<'_, rkyv::rend::u32_le>,
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
