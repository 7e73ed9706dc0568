//! Compares every decision of two snapshots, and groups equal changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::compare::{Comparison, DecisionChange};
use super::decision::Decision;
use super::scope::Scope;
use super::table::DecisionTable;
use switchboard_model::{Region, SelectError};

use switchboard_snapshot::{CompanyIdx, OuIdx};

/// The decisions that change between two snapshots.
#[derive(Debug, Default)]
pub struct Changes<'s> {
    /// Decisions that were compared: those of every company, OU and channel that either snapshot has.
    pub compared: usize,
    /// The changes, the worst first.
    pub groups: Vec<ChangeGroup<'s>>,
}

/// The decisions of one company and channel that change from one decision to one other.
#[derive(Debug)]
pub struct ChangeGroup<'s> {
    /// How they change.
    pub change: DecisionChange,
    /// The company's id.
    pub company: &'s str,
    /// The channel's id.
    pub channel: &'s str,
    /// The old decision.
    pub old: Decision,
    /// The new decision.
    pub new: Decision,
    /// The OUs and countries; no cell is in two of these sets.
    pub cells: Vec<Cells<'s>>,
}

/// Cells of the decision table: each of these OUs with each of these countries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cells<'s> {
    /// OUs, in order of their ids.
    pub ous: Vec<&'s str>,
    /// Countries, in alphabetical order.
    pub countries: Vec<Region>,
}

impl Changes<'_> {
    /// Counts the decisions of each change.
    pub fn counts(&self) -> [(DecisionChange, usize); 6] {
        DecisionChange::ALL.map(|change| {
            let groups = self.groups.iter().filter(|group| group.change == change);
            (change, groups.map(ChangeGroup::decisions).sum())
        })
    }

    /// Counts the decisions of one change.
    pub fn count(&self, change: DecisionChange) -> usize {
        self.counts().iter().filter(|(of, _)| *of == change).map(|(_, count)| count).sum()
    }
}

impl ChangeGroup<'_> {
    /// Counts the decisions.
    pub fn decisions(&self) -> usize {
        self.cells.iter().map(Cells::decisions).sum()
    }
}

impl<'s> Cells<'s> {
    /// Counts the decisions.
    pub fn decisions(&self) -> usize {
        self.ous.len() * self.countries.len()
    }

    /// Merges cells: OUs with the same countries become one set.
    pub fn merge(all: impl IntoIterator<Item = Cells<'s>>) -> Vec<Cells<'s>> {
        let mut by_ou: BTreeMap<&str, BTreeSet<Region>> = BTreeMap::new();
        for Cells { ous, countries } in all {
            for ou in ous {
                by_ou.entry(ou).or_default().extend(&countries);
            }
        }
        let mut by_countries: BTreeMap<Vec<Region>, Vec<&str>> = BTreeMap::new();
        for (ou, countries) in by_ou {
            by_countries.entry(countries.into_iter().collect()).or_default().push(ou);
        }
        let mut cells: Vec<Cells<'_>> =
            by_countries.into_iter().map(|(countries, ous)| Cells { ous, countries }).collect();
        cells.sort_unstable();
        cells
    }
}

/// Compares every decision of both snapshots in a scope.
pub fn find_changes<'s>(comparison: &mut Comparison<'s>, scope: Scope<'_>) -> Changes<'s> {
    let mut changes = Changes::default();
    let (old, new) = (comparison.old.snapshot(), comparison.new.snapshot());
    for (company, [old_company, new_company]) in both(scope.companies(old), scope.companies(new)) {
        let sides = [(old, old_company), (new, new_company)];
        let [old_channels, new_channels] = sides.map(|(side, company)| {
            let channels = company.into_iter().flat_map(|company| scope.channels(side, company));
            channels.map(|(channel, _)| channel).collect::<BTreeSet<&str>>()
        });
        let [old_ous, new_ous] =
            sides.map(|(side, company)| company.into_iter().flat_map(|company| scope.ous(side, company)));
        let ous = both(old_ous, new_ous);
        for channel in old_channels.union(&new_channels) {
            changes.compared += ous.len() * Region::COUNT;
            let mut rows: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
            for (ou, &[old_ou, new_ou]) in &ous {
                let before = row_of(&mut comparison.old, old_company, channel, old_ou);
                let now = row_of(&mut comparison.new, new_company, channel, new_ou);
                rows.entry((before, now)).or_default().push(ou);
            }
            changes.groups.extend(group_changes(comparison, company, channel, rows));
        }
    }
    // Stable: equal changes stay in order of companies, channels and OUs.
    changes.groups.sort_by_key(|group| group.change);
    changes
}

/// Groups the changes of one company and channel, given the rows of both sides and the OUs that have them.
fn group_changes<'s>(
    comparison: &mut Comparison<'s>,
    company: &'s str,
    channel: &'s str,
    rows: BTreeMap<(usize, usize), Vec<&'s str>>,
) -> Vec<ChangeGroup<'s>> {
    let mut groups: HashMap<(Decision, Decision), (DecisionChange, Vec<Cells<'_>>)> = HashMap::new();
    for ((before, now), ous) in rows {
        let (before, now) = (comparison.old.row(before), comparison.new.row(now));
        let mut countries: HashMap<(Decision, Decision), Vec<Region>> = HashMap::new();
        for ((country, old), (_, new)) in before.countries().zip(now.countries()) {
            if comparison.change(old, new).is_some() {
                countries.entry((*old, *new)).or_default().push(country);
            }
        }
        for ((old, new), countries) in countries {
            let Some(change) = comparison.change(&old, &new) else { continue };
            let (_, cells) = groups.entry((old, new)).or_insert_with(|| (change, Vec::new()));
            cells.push(Cells { ous: ous.clone(), countries });
        }
    }
    let of = |((old, new), (change, cells))| ChangeGroup {
        change,
        company,
        channel,
        old,
        new,
        cells: Cells::merge(cells),
    };
    let mut groups: Vec<ChangeGroup<'_>> = groups.into_iter().map(of).collect();
    groups.sort_by(|a, b| a.cells.cmp(&b.cells));
    groups
}

/// Returns the row of an OU. A missing company, channel or OU refuses every country, as a query would be refused.
fn row_of(
    table: &mut DecisionTable<'_>,
    company: Option<CompanyIdx>,
    channel: &str,
    ou: Option<OuIdx>,
) -> usize {
    match (company, table.snapshot().find_channel(channel), ou) {
        (None, ..) => table.row_of_refusals(SelectError::UnknownCompany),
        (_, None, _) => table.row_of_refusals(SelectError::UnknownChannel),
        (.., None) => table.row_of_refusals(SelectError::UnknownOu),
        (Some(company), Some(channel), Some(ou)) => table.row_of(company, ou, channel),
    }
}

/// What either snapshot has, by id, and its index in each.
type Both<'s, I> = BTreeMap<&'s str, [Option<I>; 2]>;

fn both<'s, I>(
    old: impl Iterator<Item = (&'s str, I)>,
    new: impl Iterator<Item = (&'s str, I)>,
) -> Both<'s, I> {
    let mut both: Both<'s, I> = old.map(|(id, idx)| (id, [Some(idx), None])).collect();
    for (id, idx) in new {
        let [_, now] = both.entry(id).or_insert([None, None]);
        *now = Some(idx);
    }
    both
}
