//! What people want to read as one: decisions that go from one rule and pool to another, whichever accounts they had
//! in each country; and what one of the two sides does not have at all.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use switchboard_pipeline::analysis::Decision;
use switchboard_pipeline::analysis::candidates::{Difference, ids};
use switchboard_pipeline::analysis::changes::{Changes, Group, Place};
use switchboard_pipeline::analysis::compare::{Comparison, Kind};
use switchboard_pipeline::analysis::survey::Survey;
use switchboard_select::Code;

/// A decision but for its accounts, and for how far below the OUs are that climb to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown<'s> {
    /// Or the problem's code.
    pub(super) rule: &'static str,
    pub(super) at: Option<Where<'s>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Where<'s> {
    pub(super) pool: &'s str,
    pub(super) ou: &'s str,
}

/// The least and the most levels.
pub(super) type Climbed = Option<(u32, u32)>;

/// Decisions that change alike.
pub(super) struct Fold<'s> {
    pub(super) kind: Kind,
    pub(super) company: &'s str,
    pub(super) channel: &'s str,
    pub(super) old: Shown<'s>,
    pub(super) new: Shown<'s>,
    pub(super) old_climbed: Climbed,
    pub(super) new_climbed: Climbed,
    /// Of decisions of which nothing else changes.
    pub(super) difference: Option<Rc<Difference<'s>>>,
    /// All that can be had, over the countries.
    pub(super) old_accounts: BTreeSet<&'s str>,
    pub(super) new_accounts: BTreeSet<&'s str>,
    pub(super) places: Vec<Place<'s>>,
}

/// Decisions about something that only one side has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OneSided<'s> {
    /// What the other side has not: OUs, channels, or (none of them) the company itself.
    pub(super) names: BTreeSet<&'s str>,
    /// Of the side that has it.
    pub(super) answered: usize,
    pub(super) refused: usize,
}

/// (Company, whether it is the old one that has it, the code that the other answers.)
pub(super) type Side<'s> = (&'s str, bool, Code);

pub(super) struct Folded<'s> {
    pub(super) one_sided: BTreeMap<Side<'s>, OneSided<'s>>,
    pub(super) folds: Vec<Fold<'s>>,
}

/// Folds what changes, in its order.
pub(super) fn fold<'s>(comparison: &mut Comparison<'s>, changes: &Changes<'s>) -> Folded<'s> {
    let mut folded = Folded { one_sided: BTreeMap::new(), folds: Vec::new() };
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    for group in &changes.groups {
        let Group { kind, company, channel, old, new, places: of } = group;
        if let Some((side, name_ous)) = missing(company, old, new) {
            let one = folded.one_sided.entry(side).or_default();
            match name_ous {
                Names::Ous => one.names.extend(of.iter().flat_map(|place| &place.ous)),
                Names::Channel => drop(one.names.insert(channel)),
                Names::Nothing => {}
            }
            let answered = if side.1 { old.served() } else { new.served() };
            *(if answered.is_some() { &mut one.answered } else { &mut one.refused }) += group.decisions();
            continue;
        }
        let difference = match (kind, old, new) {
            (Kind::Accounts, Decision::Served(old), Decision::Served(new)) => comparison.difference(old, new),
            _ => None,
        };
        let shown = (Shown::of(&comparison.old, old), Shown::of(&comparison.new, new));
        let next = folded.folds.len();
        // Where nobody is answered by anybody else, which rule and pool they are answered by is not told.
        let apart = (*kind != Kind::Level).then_some(shown);
        let at = *places.entry((*kind, *company, *channel, apart, difference.clone())).or_insert(next);
        if at == next {
            folded.folds.push(Fold {
                kind: *kind,
                company,
                channel,
                old: shown.0,
                new: shown.1,
                old_climbed: None,
                new_climbed: None,
                difference,
                old_accounts: BTreeSet::new(),
                new_accounts: BTreeSet::new(),
                places: Vec::new(),
            });
        }
        if let Some(fold) = folded.folds.get_mut(at) {
            climb(&mut fold.old_climbed, old);
            climb(&mut fold.new_climbed, new);
            fold.old_accounts.extend(accounts(&comparison.old, old));
            fold.new_accounts.extend(accounts(&comparison.new, new));
            fold.places.extend(of.iter().cloned());
        }
    }
    for fold in &mut folded.folds {
        fold.places = Place::together(std::mem::take(&mut fold.places));
    }
    folded
}

impl Fold<'_> {
    /// How many.
    pub(super) fn decisions(&self) -> usize {
        self.places.iter().map(Place::decisions).sum()
    }
}

impl<'s> Shown<'s> {
    fn of(survey: &Survey<'s>, decision: &Decision) -> Shown<'s> {
        let snapshot = survey.snapshot();
        let at =
            decision.served().map(|served| Where { pool: served.pool(snapshot), ou: served.ou(snapshot) });
        Shown { rule: decision.text(), at }
    }
}

fn climb(climbed: &mut Climbed, decision: &Decision) {
    if let Some(served) = decision.served() {
        let (least, most) = climbed.unwrap_or((served.climbed, served.climbed));
        *climbed = Some((least.min(served.climbed), most.max(served.climbed)));
    }
}

/// The ids of those that can be had.
pub(super) fn accounts<'s>(survey: &Survey<'s>, decision: &Decision) -> Vec<&'s str> {
    decision.served().map(|served| ids(survey, survey.available(served))).unwrap_or_default()
}

enum Names {
    Nothing,
    Channel,
    Ous,
}

/// Where one of the sides does not know what it is asked about: which, and what it is that is not there.
fn missing<'s>(company: &'s str, old: &Decision, new: &Decision) -> Option<(Side<'s>, Names)> {
    [(new, true), (old, false)].into_iter().find_map(|(decision, old_has)| {
        let Decision::Refused(code) = decision else { return None };
        let names = match code {
            Code::UnknownCompany => Names::Nothing,
            Code::UnknownChannel => Names::Channel,
            Code::UnknownOu => Names::Ous,
            _ => return None,
        };
        Some(((company, old_has, *code), names))
    })
}
