//! Groups: equals in order, laid out as the pick reads them, and what all members of each have in common.

use super::super::format::*;
use super::super::open::Rejection;
use super::super::rendezvous::{CELLS, cell};
use super::{Tiles, record, refusal, require};
use crate::numbering::Region;

/// A set of countries, one bit each.
type Countries = [u64; 4];

/// What the members of a group have in common, for the steps that use it.
#[derive(Clone, Copy)]
pub(super) struct Common {
    pub(super) pool: u32,
    pub(super) channel: u16,
    pub(super) role: u8,
    /// The country of all of them, or [`NO_COUNTRY`] where there are several.
    pub(super) country: u8,
    /// The calling code of all of them; 0 where there are several, or none.
    pub(super) code: u16,
    /// Where there are several countries: which of [`Groups::several`].
    several: u32,
}

/// Of every group.
pub(super) struct Groups {
    common: Vec<Common>,
    several: Vec<Countries>,
}

impl Groups {
    /// What the members of a group have in common.
    pub(super) fn common(&self, group: u32) -> Result<Common, Rejection> {
        record(&self.common, group, "group").copied()
    }

    /// Whether a group has a member of this country.
    pub(super) fn has(&self, group: u32, country: u8) -> Result<bool, Rejection> {
        let common = self.common(group)?;
        Ok(match self.several.get(common.several as usize) {
            None => common.country == country,
            Some(several) => contains(several, country),
        })
    }
}

fn insert(set: &mut Countries, country: u8) {
    if let Some(word) = set.get_mut(usize::from(country / 64)) {
        *word |= 1 << (country % 64);
    }
}

/// Whether a country is in a set.
fn contains(set: &Countries, country: u8) -> bool {
    set.get(usize::from(country / 64)).is_some_and(|word| word & (1 << (country % 64)) != 0)
}

/// The number of a country's calling code, or 0.
pub(super) fn code_of(country: u8) -> u16 {
    Region::from_index(country).and_then(Region::calling_code).map_or(0, |code| code.number())
}

pub(super) fn verify(all: &ArchivedContents) -> Result<Groups, Rejection> {
    let mut members = Tiles::new(&all.members, "members of a group");
    let mut classes = Tiles::new(&all.classes, "classes of a group");
    let mut cells = Tiles::new(&all.cells, "cells of a class");
    let mut groups = Groups { common: Vec::with_capacity(all.groups.len()), several: Vec::new() };
    for group in all.groups.iter() {
        let start = group.members.start.to_native();
        let own = members.take_range(&group.members)?;
        let common = groups.in_common(all, own)?;
        groups.common.push(common);
        let mut of_classes = Tiles { records: own, next: 0, what: "members of a class" };
        let own_classes = classes.take_range(&group.classes)?;
        for class in own_classes {
            let first = class.members.start.to_native();
            require(first >= start, "members of a class")?;
            let members = of_classes.take(first - start, u64::from(class.members.len.to_native()))?;
            let weights = (members.first().map(|m| m.weight), members.last().map(|m| m.weight));
            // In order of their weights, as all members are: what the ends have, all have.
            require(weights.0.is_some() && weights.0 == weights.1, "weights of a class")?;
            if class.cells.to_native() != NONE {
                check_cells(cells.take(class.cells.to_native(), u64::from(CELLS) + 1)?, members)?;
            }
        }
        if !own_classes.is_empty() {
            of_classes.finish()?;
        }
    }
    members.finish()?;
    classes.finish()?;
    cells.finish()?;
    Ok(groups)
}

impl Groups {
    /// Members are equals in all that a step asks for, and in order of (weight, hash, account): so each once.
    fn in_common(&mut self, all: &ArchivedContents, members: &[ArchivedMember]) -> Result<Common, Rejection> {
        let mut common: Option<Common> = None;
        let mut countries = Countries::default();
        let mut previous = None;
        for member in members {
            let (hash, weight, at) = (member.id_hash, member.weight, member.account.to_native());
            let account = record(&all.accounts, at, "account")?;
            require(hash == account.id_hash && weight == account.weight, "copy of an account")?;
            let order = Some((weight.to_native(), hash.to_native(), at));
            require(previous < order, "order of members")?;
            previous = order;
            let (pool, channel, country) =
                (account.pool.to_native(), account.channel.to_native(), account.country);
            require(pool != NONE && country != NO_COUNTRY, "account of a group")?;
            insert(&mut countries, country);
            let common = common.get_or_insert_with(|| Common {
                pool,
                channel,
                role: account.role,
                country,
                code: code_of(country),
                several: NONE,
            });
            let alike = (common.pool, common.channel, common.role) == (pool, channel, account.role);
            require(alike, "pool of a member")?;
            if common.country != country {
                common.country = NO_COUNTRY;
                common.code = if common.code == code_of(country) { common.code } else { 0 };
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
