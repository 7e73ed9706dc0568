//! Every decision of two snapshots, held against each other, and those that change alike put together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::compare::{Comparison, Kind};
use super::decision::Decision;
use super::scope::Scope;
use super::survey::Survey;
use switchboard_model::Region;
use switchboard_select::Code;
use switchboard_snapshot::{CompanyIdx, OuIdx};

/// What changes between two snapshots.
#[derive(Debug, Default)]
pub struct Changes<'s> {
    /// Decisions that were compared: of every company, OU and channel that either has.
    pub compared: usize,
    /// What changes, what is worst first.
    pub groups: Vec<Group<'s>>,
}

/// Decisions of one company and channel that change from the same to the same.
#[derive(Debug)]
pub struct Group<'s> {
    /// How.
    pub kind: Kind,
    /// The company.
    pub company: &'s str,
    /// The channel.
    pub channel: &'s str,
    /// What is.
    pub old: Decision,
    /// What is to be.
    pub new: Decision,
    /// Which decisions; no OU and country stand in two.
    pub places: Vec<Place<'s>>,
}

/// Every of some OUs, for each of some countries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'s> {
    /// OUs, in order of their ids.
    pub ous: Vec<&'s str>,
    /// Countries, in alphabetical order.
    pub countries: Vec<Region>,
}

impl Changes<'_> {
    /// How many decisions change, kind by kind.
    pub fn counts(&self) -> [(Kind, usize); 6] {
        Kind::ALL.map(|kind| {
            let groups = self.groups.iter().filter(|group| group.kind == kind);
            (kind, groups.map(Group::decisions).sum())
        })
    }

    /// How many decisions change in this way.
    pub fn count(&self, kind: Kind) -> usize {
        self.counts().iter().filter(|(of, _)| *of == kind).map(|(_, count)| count).sum()
    }
}

impl Group<'_> {
    /// How many.
    pub fn decisions(&self) -> usize {
        self.places.iter().map(Place::decisions).sum()
    }
}

impl<'s> Place<'s> {
    /// How many.
    pub fn decisions(&self) -> usize {
        self.ous.len() * self.countries.len()
    }

    /// OUs and countries, OUs of the same countries together.
    pub fn together(all: impl IntoIterator<Item = Place<'s>>) -> Vec<Place<'s>> {
        let mut by_ou: BTreeMap<&str, BTreeSet<Region>> = BTreeMap::new();
        for Place { ous, countries } in all {
            for ou in ous {
                by_ou.entry(ou).or_default().extend(&countries);
            }
        }
        let mut by_countries: BTreeMap<Vec<Region>, Vec<&str>> = BTreeMap::new();
        for (ou, countries) in by_ou {
            by_countries.entry(countries.into_iter().collect()).or_default().push(ou);
        }
        let mut places: Vec<Place<'_>> =
            by_countries.into_iter().map(|(countries, ous)| Place { ous, countries }).collect();
        places.sort_unstable();
        places
    }
}

/// Holds every decision of both that is asked for against each other.
pub fn changes<'s>(comparison: &mut Comparison<'s>, scope: Scope<'_>) -> Changes<'s> {
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
                let before = ask(&mut comparison.old, old_company, channel, old_ou);
                let now = ask(&mut comparison.new, new_company, channel, new_ou);
                rows.entry((before, now)).or_default().push(ou);
            }
            changes.groups.extend(alike(comparison, company, channel, rows));
        }
    }
    // Those of one kind stay in the order of companies, channels and OUs.
    changes.groups.sort_by_key(|group| group.kind);
    changes
}

/// The changes of one company and channel, by the rows of both sides and the OUs that have them.
fn alike<'s>(
    comparison: &mut Comparison<'s>,
    company: &'s str,
    channel: &'s str,
    rows: BTreeMap<(usize, usize), Vec<&'s str>>,
) -> Vec<Group<'s>> {
    let mut groups: HashMap<(Decision, Decision), (Kind, Vec<Place<'_>>)> = HashMap::new();
    for ((before, now), ous) in rows {
        let (before, now) = (comparison.old.row(before), comparison.new.row(now));
        let mut countries: HashMap<(Decision, Decision), Vec<Region>> = HashMap::new();
        for ((country, old), (_, new)) in before.countries().zip(now.countries()) {
            if comparison.kind(old, new).is_some() {
                countries.entry((*old, *new)).or_default().push(country);
            }
        }
        for ((old, new), countries) in countries {
            let Some(kind) = comparison.kind(&old, &new) else { continue };
            let (_, places) = groups.entry((old, new)).or_insert_with(|| (kind, Vec::new()));
            places.push(Place { ous: ous.clone(), countries });
        }
    }
    let of = |((old, new), (kind, places))| Group {
        kind,
        company,
        channel,
        old,
        new,
        places: Place::together(places),
    };
    let mut groups: Vec<Group<'_>> = groups.into_iter().map(of).collect();
    groups.sort_by(|a, b| a.places.cmp(&b.places));
    groups
}

/// The row of an OU; where it, the channel or the company is not there, the code that says so, as in a query.
fn ask(survey: &mut Survey<'_>, company: Option<CompanyIdx>, channel: &str, ou: Option<OuIdx>) -> usize {
    match (company, survey.snapshot().find_channel(channel), ou) {
        (None, ..) => survey.refuse(Code::UnknownCompany),
        (_, None, _) => survey.refuse(Code::UnknownChannel),
        (.., None) => survey.refuse(Code::UnknownOu),
        (Some(company), Some(channel), Some(ou)) => survey.ask(company, ou, channel),
    }
}

/// What either has, by id, and the number that it has in each.
type Both<'s, I> = BTreeMap<&'s str, [Option<I>; 2]>;

fn both<'s, I>(
    old: impl Iterator<Item = (&'s str, I)>,
    new: impl Iterator<Item = (&'s str, I)>,
) -> Both<'s, I> {
    let mut both: Both<'s, I> = old.map(|(id, number)| (id, [Some(number), None])).collect();
    for (id, number) in new {
        let [_, now] = both.entry(id).or_insert([None, None]);
        *now = Some(number);
    }
    both
}
