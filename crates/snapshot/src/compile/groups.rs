//! Groups: the equal candidates of a step, laid out for the pick.

use std::collections::{BTreeMap, HashMap};

use super::super::format::{Account, Class, Group, Member, NONE, Range, Tables};
use super::super::rendezvous::{CELLS, MIN_CELLED_CLASS, cell};
use switchboard_model::{CallingCode, Region, Role};

/// A pool's accounts by role and country, and the groups already made of them.
#[derive(Default)]
pub(super) struct PoolGroups {
    /// (Role, country) to accounts. An account of no country is in none: no rule ever asks for it.
    by_country: BTreeMap<(Role, Region), Vec<u32>>,
    made: HashMap<(Role, Sharing), u32>,
}

/// Which accounts a group holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sharing {
    Country(Region),
    /// The calling code's accounts without those of one country.
    CodeBut(CallingCode, Option<Region>),
}

impl PoolGroups {
    pub(super) fn add(&mut self, role: Role, country: Region, account: u32) {
        self.by_country.entry((role, country)).or_default().push(account);
    }

    /// The countries that the pool has accounts of.
    pub(super) fn countries(&self, role: Role) -> impl Iterator<Item = Region> {
        self.by_country.keys().filter(move |(of, _)| *of == role).map(|(_, country)| *country)
    }

    /// The accounts of a country, or [`NONE`].
    pub(super) fn of_country(&mut self, tables: &mut Tables, role: Role, country: Region) -> u32 {
        let Some(accounts) = self.by_country.get(&(role, country)) else { return NONE };
        let key = (role, Sharing::Country(country));
        *self.made.entry(key).or_insert_with(|| build(tables, accounts.clone()))
    }

    /// The accounts that share the country's calling code, its own left out, or [`NONE`].
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
                let key = (role, Sharing::CodeBut(code, own));
                *self.made.entry(key).or_insert_with(|| build(tables, accounts))
            }
        }
    }
}

/// Orders the members by (weight, cell, hash) and gives large classes their directory of cells.
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

/// Cell to first member, for members in order of their hash, whose upper bits are the cell.
fn directory(tables: &mut Tables, first: usize, len: usize) -> u32 {
    let at = tables.cells.len() as u32;
    let members = &tables.members[first..first + len];
    tables.cells.extend((0..=CELLS).map(|c| members.partition_point(|m| cell(m.id_hash) < c) as u32));
    at
}
