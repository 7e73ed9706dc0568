//! The effect of an account, compared with a count over every decision of its company by the oracle: once of a
//! registry in which the account is unrestricted, and once of one in which it is suspended.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use oracle::{Oracle, Query, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use switchboard_model::{Condition, Region, UnixSeconds};
use switchboard_pipeline::analysis::Effect;
use switchboard_pipeline::demo_files;
use switchboard_registry::{Company, Files, Holder, Registry};
use switchboard_select::{Availability, Overlay, Query as SelectQuery, SelectContext, select, trace};
use switchboard_snapshot::view::AccountRef;
use switchboard_snapshot::{AccountIdx, Snapshot};

use crate::coverage::agreement::compiled;
use crate::oracle::properties::sound;
use crate::oracle::registries::{NOW, registry};

/// Number of random registries.
const CASES: u32 = 40;
/// Number of accounts of each random registry whose effect is counted.
const ACCOUNTS: usize = 4;

/// An effect with ids in place of indices. The share is a sum of the account's shares in all decisions.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    units: BTreeSet<String>,
    decisions: usize,
    shares: f64,
    gaps: BTreeMap<String, BTreeSet<Region>>,
}

/// Counts the decisions of every OU and country on the channel and in the role of an account. `registries` are two
/// copies of one registry.
fn count(registries: &mut [Registry; 2], at: (usize, usize)) -> Counted {
    let states = [Condition::Active, Condition::Suspended];
    let before = registries.each_mut().map(|registry| {
        let account = &mut registry.companies[at.0].accounts[at.1];
        (std::mem::take(&mut account.available_from), account.state)
    });
    for (registry, state) in registries.iter_mut().zip(states) {
        registry.companies[at.0].accounts[at.1].state = state;
    }
    let counted = count_between(registries, at);
    for (registry, (available_from, state)) in registries.iter_mut().zip(before) {
        let account = &mut registry.companies[at.0].accounts[at.1];
        (account.available_from, account.state) = (available_from, state);
    }
    counted
}

/// Counts the decisions of the first registry that an account answers, and those that the second refuses.
fn count_between([registry, suspended]: &[Registry; 2], at: (usize, usize)) -> Counted {
    let [with, without] = [Oracle::new(registry), Oracle::new(suspended)];
    let company = &registry.companies[at.0];
    let account = &company.accounts[at.1];
    let mut counted = Counted::default();
    // Dedicated and spare accounts are in no pool.
    let (Holder::Pool(_), Some(role)) = (&account.holder, account.role) else { return counted };
    let channel = &registry.channels[usize::from(account.channel.unwrap())].id;
    for ou in &company.ous {
        for country in Region::all() {
            let query = Query {
                company: Some(company.id.to_string()),
                channel: Some(channel.to_string()),
                ou: Some(ou.id.to_string()),
                country: Some(country.alpha2().to_owned()),
                role: Some(role.as_str().to_owned()),
                ..Query::default()
            };
            let Verdict::Selected(selected) = with.answer(&query, NOW) else { continue };
            if !selected.candidates.iter().any(|candidate| candidate.id == account.id) {
                continue;
            }
            let weights = selected.candidates.iter().map(|candidate| f64::from(candidate.weight));
            counted.decisions += 1;
            counted.shares += f64::from(account.weight) / weights.sum::<f64>();
            counted.units.insert(ou.id.to_string());
            if matches!(without.answer(&query, NOW), Verdict::Refused(_)) {
                counted.gaps.entry(ou.id.to_string()).or_default().insert(country);
            }
        }
    }
    counted
}

/// Checks that an effect has the counted numbers.
fn compare(snapshot: &Snapshot, effect: &Effect, counted: &Counted) -> Result<(), String> {
    let units = counted.units.len();
    let share = if units == 0 { 0.0 } else { counted.shares / (units * Region::COUNT) as f64 };
    let countries: BTreeSet<Region> = counted.gaps.values().flatten().copied().collect();
    let first = counted.gaps.iter().take(10);
    let listed = effect.without.first.iter();
    let listed: Vec<(&str, Vec<Region>)> =
        listed.map(|(ou, countries)| (snapshot.ou(*ou).id(), countries.iter().collect())).collect();
    let equal = (effect.units, effect.decisions) == (units, counted.decisions)
        && (effect.share - share).abs() < 1e-9
        && effect.without.units == counted.gaps.len()
        && effect.without.countries == countries.len()
        && effect.without.decisions == counted.gaps.values().map(BTreeSet::len).sum::<usize>()
        && listed == first.map(|(ou, set)| (&**ou, set.iter().copied().collect())).collect::<Vec<_>>();
    if equal { Ok(()) } else { Err(format!("{effect:?}, not {counted:?}")) }
}

/// Gives the accounts the conditions that the standings set.
fn with_standings(mut registry: Registry, standings: &[Condition]) -> Registry {
    let accounts = registry.companies.iter_mut().flat_map(|company| &mut company.accounts);
    for (account, standing) in accounts.zip(standings.iter().cycle()) {
        account.state = account.state.max(*standing);
    }
    registry
}

/// Returns the same standings for the accounts of the snapshot.
fn overlay(snapshot: &Snapshot, companies: &[Company], standings: &[Condition]) -> Overlay {
    let overlay = Overlay::from_free(snapshot.free_accounts());
    let accounts = companies.iter().flat_map(|company| {
        let found = snapshot.find_company(&company.id).unwrap();
        company.accounts.iter().map(move |account| snapshot.find_account(found, &account.id).unwrap())
    });
    for (account, standing) in accounts.zip(standings.iter().cycle()) {
        if *standing != Condition::Active {
            overlay.set(account, *standing);
        }
    }
    overlay
}

/// Compares the effects of the accounts that `is_asked` selects by their number.
fn holds(
    files: &Files,
    standings: &[Condition],
    is_asked: impl Fn(usize) -> bool,
    seen: &mut Seen,
) -> Result<(), String> {
    let registry = sound(files)?;
    let snapshot = compiled(files);
    let overlay = overlay(&snapshot, &registry.companies, standings);
    let mut restricted = [sound(files)?, sound(files)?].map(|copy| with_standings(copy, standings));
    let accounts = registry
        .companies
        .iter()
        .enumerate()
        .flat_map(|(company, plan)| (0..plan.accounts.len()).map(move |account| (company, account)));
    for (number, at) in accounts.enumerate().filter(|(number, _)| is_asked(*number)) {
        let company = &registry.companies[at.0];
        let account = &company.accounts[at.1];
        let idx = snapshot.find_account(snapshot.find_company(&company.id).unwrap(), &account.id).unwrap();
        let effect = Effect::of(&snapshot, &overlay, UnixSeconds(NOW), idx);
        let counted = count(&mut restricted, at);
        compare(&snapshot, &effect, &counted).map_err(|error| format!("{number} {}: {error}", account.id))?;
        seen.count(&counted, restricted[0].companies[at.0].accounts[at.1].state);
    }
    Ok(())
}

/// How often each case occurred.
#[derive(Debug, Default)]
struct Seen {
    without_effect: usize,
    restricted: usize,
    shared: usize,
    gaps: usize,
    no_gaps: usize,
}

impl Seen {
    fn count(&mut self, counted: &Counted, state: Condition) {
        self.without_effect += usize::from(counted.decisions == 0);
        if counted.decisions > 0 {
            self.restricted += usize::from(state != Condition::Active);
            self.shared += usize::from(counted.shares < counted.decisions as f64);
            self.gaps += usize::from(!counted.gaps.is_empty());
            self.no_gaps += usize::from(counted.gaps.is_empty());
        }
    }

    fn assert_all(&self) {
        let Seen { without_effect, restricted, shared, gaps, no_gaps } = self;
        let least = [without_effect, restricted, shared, gaps, no_gaps].into_iter().min();
        assert!(least.is_some_and(|least| *least > 0), "a case never occurred: {self:?}");
    }
}

#[test]
fn effects_in_random_registries_are_those_of_the_oracle() {
    let config = Config {
        failure_persistence: None,
        cases: CASES,
        rng_seed: RngSeed::Fixed(7403),
        max_shrink_iters: 100,
        ..Config::default()
    };
    let standing = prop_oneof![
        4 => Just(Condition::Active),
        1 => Just(Condition::Draining),
        1 => Just(Condition::Suspended),
    ];
    let plans = (registry(), prop::collection::vec(standing, 1..20), any::<prop::sample::Index>());
    let seen = RefCell::new(Seen::default());
    let run = TestRunner::new(config).run(&plans, |(plan, standings, first)| {
        let accounts = plan.companies.iter().map(|company| company.accounts.len()).sum::<usize>();
        let first = first.index(accounts.max(1));
        let is_asked = |number| (first..first + ACCOUNTS).contains(&number);
        holds(&plan.render(), &standings, is_asked, &mut seen.borrow_mut()).map_err(TestCaseError::fail)
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    seen.into_inner().assert_all();
}

#[test]
fn effects_in_the_demo_are_those_of_the_oracle() {
    let mut files = demo_files();
    files.retain(|path| !path.starts_with("meridian/"));
    let mut seen = Seen::default();
    holds(&files, &[Condition::Active], |_| true, &mut seen).unwrap();
    holds(&files, &[Condition::Suspended, Condition::Active], |_| true, &mut seen).unwrap();
    seen.assert_all();
}

/// A company of several hundred OUs is too large for the oracle. Every decision is a selection of its own.
#[test]
fn effects_in_a_large_company_are_those_of_every_selection() {
    let snapshot = compiled(&demo_files());
    let company = snapshot.find_company("meridian").unwrap();
    let is_asked =
        |account: AccountRef<'_>| account.pool().is_some() && account.is_available_at(UnixSeconds(NOW));
    let shared = snapshot.accounts_of(company).filter(|(_, account)| is_asked(*account));
    for (idx, account) in shared.step_by(1201) {
        let standings = Overlay::from_free(snapshot.free_accounts());
        let effect = Effect::of(&snapshot, &standings, UnixSeconds(NOW), idx);
        let suspended = Overlay::from_free(snapshot.free_accounts());
        suspended.set(idx, Condition::Suspended);
        let mut counted = Counted::default();
        for (ou, country) in
            snapshot.company(company).ous().flat_map(|ou| Region::all().map(move |country| (ou, country)))
        {
            let query = SelectQuery {
                company: Some("meridian".into()),
                channel: snapshot.channel(account.channel()).id().into(),
                ou: ou.id().into(),
                country: Some(country.alpha2().into()),
                role: account.role(),
                ..SelectQuery::default()
            };
            let context = |standings| SelectContext { now: UnixSeconds(NOW), random: 0, standings };
            let (_, traced) = trace(&snapshot, &query, context(&standings));
            let Ok(traced) = traced else { continue };
            let Some(step) = traced.chosen else { continue };
            let available =
                traced.steps[step].candidates.iter().filter(|(_, is)| *is == Availability::Available);
            let available: Vec<_> = available.map(|(candidate, _)| *candidate).collect();
            if !available.contains(&idx) {
                continue;
            }
            let weight = |candidate: &AccountIdx| f64::from(snapshot.account(*candidate).weight());
            counted.decisions += 1;
            counted.shares += weight(&idx) / available.iter().map(weight).sum::<f64>();
            counted.units.insert(ou.id().to_owned());
            if select(&snapshot, &query, context(&suspended)).result.is_err() {
                counted.gaps.entry(ou.id().to_owned()).or_default().insert(country);
            }
        }
        compare(&snapshot, &effect, &counted).unwrap_or_else(|error| panic!("{}: {error}", account.id()));
    }
}
