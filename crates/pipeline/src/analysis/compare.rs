//! Compares the decisions of two snapshots. First the change of one decision and of one step's accounts, then
//! all decisions of a scope, with equal changes in groups.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use switchboard_model::{Region, Role, SelectError, UnixSeconds};
use switchboard_snapshot::view::{AccountPieces, Candidate};
use switchboard_snapshot::{CompanyIdx, GroupIdx, OuIdx, Snapshot};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::decision::{Decision, DecisionTable, ServingStep};
use super::scope::Scope;

/// The change of the answer to one question, the worst first. `A` is the difference between two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change<A> {
    /// An answer becomes an error.
    BecomesError,
    /// An error becomes another error.
    OtherError,
    /// An error becomes an answer.
    Answered,
    /// An answer becomes another answer.
    Answer(A),
}

/// The change of the decision for one OU, channel and country.
pub type DecisionChange = Change<StepChange>;

switchboard_model::text_enum! {
    /// The difference between two steps that serve.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum StepChange {
        /// The rule, the pool or the OU of the level differs, or the height of the level and the accounts
        /// both differ.
        Moved => "moved",
        /// The step is the same, but its available accounts differ.
        Accounts => "accounts",
        /// The step and its accounts are the same, but the number of levels above the query's OU differs.
        Level => "level",
    }
}

impl DecisionChange {
    /// Every change of a decision, the worst first.
    pub const ALL: [DecisionChange; 3 + StepChange::ALL.len()] = [
        Change::BecomesError,
        Change::OtherError,
        Change::Answered,
        Change::Answer(StepChange::Moved),
        Change::Answer(StepChange::Accounts),
        Change::Answer(StepChange::Level),
    ];

    /// Returns the name of the change in JSON reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::BecomesError => "becomes_error",
            Change::OtherError => "other_error",
            Change::Answered => "answered",
            Change::Answer(change) => change.as_str(),
        }
    }
}

/// Compares the decisions of two snapshots at the same time.
pub struct Comparison<'s> {
    /// The decisions of the old snapshot.
    pub old: DecisionTable<'s>,
    /// The decisions of the new snapshot.
    pub new: DecisionTable<'s>,
    /// Differences between two steps, by their groups, because many steps share a group.
    differences: HashMap<(GroupIdx, GroupIdx), Option<Rc<CandidateDifference<'s>>>, Xxh3DefaultBuilder>,
    changes: HashMap<(Decision, Decision), Option<DecisionChange>, Xxh3DefaultBuilder>,
}

impl<'s> Comparison<'s> {
    /// Creates a comparison of two snapshots at the time `now`.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot, now: UnixSeconds) -> Comparison<'s> {
        Comparison {
            old: DecisionTable::new(old, now),
            new: DecisionTable::new(new, now),
            differences: HashMap::default(),
            changes: HashMap::default(),
        }
    }

    /// Returns the change of a decision. Returns `None` if the decision stays the same.
    pub fn change(&mut self, old: &Decision, new: &Decision) -> Option<DecisionChange> {
        if let Some(&known) = self.changes.get(&(*old, *new)) {
            return known;
        }
        let change = match (old, new) {
            (Decision::Served(_), Decision::Refused(_)) => Some(Change::BecomesError),
            (Decision::Refused(_), Decision::Served(_)) => Some(Change::Answered),
            (Decision::Refused(old), Decision::Refused(new)) => (old != new).then_some(Change::OtherError),
            (Decision::Served(old), Decision::Served(new)) => {
                let is_moved = self.is_moved(old, new);
                match (old.climbed == new.climbed, self.difference(old, new)) {
                    _ if is_moved => Some(Change::Answer(StepChange::Moved)),
                    (false, Some(_)) => Some(Change::Answer(StepChange::Moved)),
                    (false, None) => Some(Change::Answer(StepChange::Level)),
                    (true, difference) => difference.map(|_| Change::Answer(StepChange::Accounts)),
                }
            }
        };
        self.changes.insert((*old, *new), change);
        change
    }

    /// Returns the difference between the accounts of two steps. Returns `None` if the accounts are the same.
    pub fn difference(
        &mut self,
        old: &ServingStep,
        new: &ServingStep,
    ) -> Option<Rc<CandidateDifference<'s>>> {
        let Comparison { old: before, new: now, differences, .. } = self;
        let difference = differences.entry((old.group, new.group)).or_insert_with(|| {
            let (old, new) = (before.available(old), now.available(new));
            let ids = (candidate_ids(before, old), candidate_ids(now, new));
            let sides = ((before.snapshot(), old), (now.snapshot(), new));
            CandidateDifference::between(sides.0, sides.1, (&ids.0, &ids.1)).map(Rc::new)
        });
        difference.clone()
    }

    /// Returns whether queries that leave out `company` are answered by the old snapshot, and refused by the new
    /// one.
    pub fn is_one_to_several(&self) -> bool {
        self.old.snapshot().only_company().is_some() && self.new.snapshot().companies().len() > 1
    }

    fn is_moved(&self, old: &ServingStep, new: &ServingStep) -> bool {
        let (before, now) = (self.old.snapshot(), self.new.snapshot());
        old.rule != new.rule || old.pool(before) != new.pool(now) || old.ou(before) != new.ou(now)
    }
}

/// The difference between the available accounts of two steps. Each list is in the order of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandidateDifference<'s> {
    /// Accounts that only the old step has.
    pub lost: Vec<&'s str>,
    /// Accounts that only the new step has.
    pub gained: Vec<&'s str>,
    /// Accounts with another weight: the id, the old weight and the new weight.
    pub reweighted: Vec<(&'s str, u16, u16)>,
    /// Accounts whose address or country in answers differs.
    pub altered: Vec<&'s str>,
}

impl<'s> CandidateDifference<'s> {
    /// Compares the accounts of two steps. Returns `None` if there is no difference.
    pub fn between(
        old: (&Snapshot, &[Candidate<'s>]),
        new: (&Snapshot, &[Candidate<'s>]),
        ids: (&[&'s str], &[&'s str]),
    ) -> Option<CandidateDifference<'s>> {
        let mut difference = CandidateDifference::default();
        let mut old_side = old.1.iter().zip(ids.0).peekable();
        let mut new_side = new.1.iter().zip(ids.1).peekable();
        loop {
            let order = match (old_side.peek(), new_side.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, old)), Some((_, new))) => old.cmp(new),
            };
            match order {
                Ordering::Less => difference.lost.extend(old_side.next().map(|(_, id)| *id)),
                Ordering::Greater => difference.gained.extend(new_side.next().map(|(_, id)| *id)),
                Ordering::Equal => {
                    let (Some((before, id)), Some((now, _))) = (old_side.next(), new_side.next()) else {
                        break;
                    };
                    let weights = (before.weight(), now.weight());
                    if weights.0 != weights.1 {
                        difference.reweighted.push((id, weights.0, weights.1));
                    }
                    if said(old.0, *before) != said(new.0, *now) {
                        difference.altered.push(id);
                    }
                }
            }
        }
        (difference != CandidateDifference::default()).then_some(difference)
    }
}

/// Returns the prepared JSON of an account.
fn said<'s>(snapshot: &'s Snapshot, candidate: Candidate<'_>) -> AccountPieces<'s> {
    snapshot.account_pieces(candidate.json())
}

/// Returns the ids of candidates, in the same order.
pub fn candidate_ids<'s>(table: &DecisionTable<'s>, candidates: &[Candidate<'s>]) -> Vec<&'s str> {
    let snapshot = table.snapshot();
    candidates.iter().map(|candidate| snapshot.account(candidate.account()).id()).collect()
}

/// All decisions that differ between two snapshots.
#[derive(Debug, Default)]
pub struct Changes<'s> {
    /// Number of compared decisions: those of every company, OU, channel and role that either snapshot has.
    pub compared: usize,
    /// The changes in groups, the worst first.
    pub groups: Vec<ChangeGroup<'s>>,
}

/// Decisions of one company, channel and role that all change from the same old decision to the same new one.
#[derive(Debug)]
pub struct ChangeGroup<'s> {
    /// The kind of this change.
    pub change: DecisionChange,
    /// The id of the company.
    pub company: &'s str,
    /// The id of the channel.
    pub channel: &'s str,
    /// The role of the accounts.
    pub role: Role,
    /// The decision in the old snapshot.
    pub old: Decision,
    /// The decision in the new snapshot.
    pub new: Decision,
    /// The OUs and countries of the decisions. No pair of OU and country is in two of these sets.
    pub cells: Vec<Cells<'s>>,
}

/// Cells of the decision table: every pair of these OUs and these countries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cells<'s> {
    /// The ids of the OUs, sorted.
    pub ous: Vec<&'s str>,
    /// The countries, in alphabetical order.
    pub countries: Vec<Region>,
}

impl Changes<'_> {
    /// Returns the number of decisions for each change.
    pub fn counts(&self) -> [(DecisionChange, usize); 6] {
        DecisionChange::ALL.map(|change| {
            let groups = self.groups.iter().filter(|group| group.change == change);
            (change, groups.map(ChangeGroup::decisions).sum())
        })
    }

    /// Returns the number of decisions for one change.
    pub fn count(&self, change: DecisionChange) -> usize {
        self.counts().iter().filter(|(of, _)| *of == change).map(|(_, count)| count).sum()
    }
}

impl ChangeGroup<'_> {
    /// Returns the number of decisions in the group.
    pub fn decisions(&self) -> usize {
        self.cells.iter().map(Cells::decisions).sum()
    }
}

impl<'s> Cells<'s> {
    /// Returns the number of decisions in these cells.
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

/// Compares every decision of both snapshots within a scope. Calls `proceed` before it decides for each OU, so
/// that a caller that no longer waits for the changes can unwind from there.
pub fn find_changes<'s>(
    comparison: &mut Comparison<'s>,
    scope: Scope<'_>,
    proceed: &dyn Fn(),
) -> Changes<'s> {
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
            let known = sides.into_iter().zip([&old_channels, &new_channels]);
            let known = known.filter(|(_, channels)| channels.contains(channel));
            let of_side = |((side, company), _): ((&'s Snapshot, Option<CompanyIdx>), _)| {
                let known = company.zip(side.find_channel(channel));
                known.map_or_else(Vec::new, |(company, channel)| scope.roles(side, company, channel))
            };
            let roles: BTreeSet<Role> = known.flat_map(of_side).collect();
            for role in roles {
                changes.compared += ous.len() * Region::COUNT;
                let mut rows: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
                for (ou, &[old_ou, new_ou]) in &ous {
                    proceed();
                    let before = row_of(&mut comparison.old, old_company, channel, old_ou, role);
                    let now = row_of(&mut comparison.new, new_company, channel, new_ou, role);
                    rows.entry((before, now)).or_default().push(ou);
                }
                changes.groups.extend(group_changes(comparison, (company, channel, role), rows));
            }
        }
    }
    proceed();
    // A stable sort keeps equal changes in the order of companies, channels, roles and OUs.
    changes.groups.sort_by_key(|group| group.change);
    changes
}

/// Groups the changes of one company, channel and role. `rows` maps a pair of row numbers, old and new, to its OUs.
fn group_changes<'s>(
    comparison: &mut Comparison<'s>,
    (company, channel, role): (&'s str, &'s str, Role),
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
        role,
        old,
        new,
        cells: Cells::merge(cells),
    };
    let mut groups: Vec<ChangeGroup<'_>> = groups.into_iter().map(of).collect();
    groups.sort_by(|a, b| a.cells.cmp(&b.cells));
    groups
}

/// Returns the row of an OU. If the snapshot lacks the company, channel or OU, every country is refused, as a
/// query would be.
fn row_of(
    table: &mut DecisionTable<'_>,
    company: Option<CompanyIdx>,
    channel: &str,
    ou: Option<OuIdx>,
    role: Role,
) -> usize {
    match (company, table.snapshot().find_channel(channel), ou) {
        (None, ..) => table.row_of_refusals(SelectError::UnknownCompany),
        (_, None, _) => table.row_of_refusals(SelectError::UnknownChannel),
        (.., None) => table.row_of_refusals(SelectError::UnknownOu),
        (Some(company), Some(channel), Some(ou)) => table.row_of(company, ou, channel, role),
    }
}

/// Ids that either snapshot has, with their index in each snapshot.
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
