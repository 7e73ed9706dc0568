//! Compiles groups of equal candidates, in the order that the pick needs.

use std::collections::{BTreeMap, HashMap};

use super::super::format::{Account, Class, Group, Member, NONE, Range, Tables};
use super::super::rendezvous::{CELLS, MIN_CELLED_CLASS, cell};
use switchboard_model::{CallingCode, Region, Role};

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
