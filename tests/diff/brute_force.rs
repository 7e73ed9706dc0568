//! Compares the changes between random pairs of registries with the oracle's.

use std::collections::{BTreeMap, BTreeSet};

use oracle::Oracle;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use switchboard_model::{Region, Role, UnixSeconds};
use switchboard_pipeline::analysis::compare::{Change, Comparison, DecisionChange, StepChange, find_changes};
use switchboard_pipeline::analysis::{Roles, Scope};
use switchboard_registry::{Files, Holder, Registry};

use crate::coverage::agreement::{DecisionText, compiled, oracle_decision, table_decision};
use crate::oracle::properties::sound;
use crate::oracle::registries::{NOW, registry};

/// Number of random pairs of registries.
const CASES: u32 = 30;

type Key = (String, String, String, Role, Region);
/// The OUs of a company, and its channels with the roles to compare.
type OusAndChannels = (BTreeSet<String>, BTreeSet<(String, Role)>);

/// Returns every combination of a company, one of its OUs, a channel that it has pools of, and a role: the
/// conversation role, and the other role if a pool of an OU has an account of it.
fn asked(registries: &[&Registry]) -> BTreeSet<(String, String, String, Role)> {
    let mut sets: BTreeMap<String, OusAndChannels> = BTreeMap::new();
    for registry in registries {
        for company in &registry.companies {
            let (ous, channels) = sets.entry(company.id.to_string()).or_default();
            ous.extend(company.ous.iter().map(|ou| ou.id.to_string()));
            for pool in &company.pools {
                let profile = registry.channels.iter().find(|channel| channel.id == pool.channel).unwrap();
                channels.insert((pool.channel.to_string(), profile.conversation_role));
                let accounts = company.accounts.iter().filter(|_| !pool.ous.is_empty());
                let own =
                    accounts.filter(|account| matches!(&account.holder, Holder::Pool(id) if *id == pool.id));
                let own = own.filter(|account| account.country.is_some());
                channels.extend(own.filter_map(|account| Some((pool.channel.to_string(), account.role?))));
            }
        }
    }
    let mut all = BTreeSet::new();
    for (company, (ous, channels)) in sets {
        for ou in &ous {
            let of_ou =
                |(channel, role): &(String, Role)| (company.clone(), ou.clone(), channel.clone(), *role);
            all.extend(channels.iter().map(of_ou));
        }
    }
    all
}

fn kind(old: &DecisionText, new: &DecisionText) -> Option<DecisionChange> {
    match (old, new) {
        (old, new) if old == new => None,
        ((_, Some(_)), (_, None)) => Some(Change::BecomesError),
        ((_, None), (_, None)) => Some(Change::OtherError),
        ((_, None), (_, Some(_))) => Some(Change::Answered),
        ((old, Some(before)), (new, Some(now))) => {
            let elsewhere = (old, &before.1, &before.2) != (new, &now.1, &now.2);
            Some(match (before.0 == now.0, before.3 == now.3) {
                _ if elsewhere => Change::Answer(StepChange::Moved),
                (false, false) => Change::Answer(StepChange::Moved),
                (false, true) => Change::Answer(StepChange::Level),
                (true, _) => Change::Answer(StepChange::Accounts),
            })
        }
    }
}

fn holds(old: &Files, new: &Files, seen: &mut BTreeSet<DecisionChange>) -> Result<(), String> {
    let registries = [sound(old)?, sound(new)?];
    let oracles = registries.each_ref().map(Oracle::new);
    let mut expected: BTreeMap<Key, (DecisionChange, DecisionText, DecisionText)> = BTreeMap::new();
    let asked = asked(&[&registries[0], &registries[1]]);
    for (company, ou, channel, role) in &asked {
        for region in Region::all() {
            let [before, now] = oracles.each_ref().map(|oracle| {
                oracle_decision(oracle, NOW, [company, ou, channel], Some(*role), region.alpha2())
            });
            if let Some(kind) = kind(&before, &now) {
                seen.insert(kind);
                expected.insert(
                    (company.clone(), ou.clone(), channel.clone(), *role, region),
                    (kind, before, now),
                );
            }
        }
    }
    let snapshots = [compiled(old), compiled(new)];
    let mut comparison = Comparison::new(&snapshots[0], &snapshots[1], UnixSeconds(NOW));
    let changes = find_changes(&mut comparison, Scope { roles: Roles::All, ..Scope::default() }, &|| {});
    if changes.compared != asked.len() * Region::COUNT {
        return Err(format!("{} compared, not {} rows", changes.compared, asked.len()));
    }
    for group in &changes.groups {
        let sides =
            (table_decision(&comparison.old, &group.old), table_decision(&comparison.new, &group.new));
        let altered = match (group.change, &group.old, &group.new) {
            (
                Change::Answer(StepChange::Accounts) | Change::Answer(StepChange::Moved),
                switchboard_pipeline::analysis::Decision::Served(a),
                switchboard_pipeline::analysis::Decision::Served(b),
            ) => comparison.difference(a, b).is_some_and(|difference| !difference.altered.is_empty()),
            _ => false,
        };
        for cells in &group.cells {
            for ou in &cells.ous {
                for country in &cells.countries {
                    let (company, channel) = (group.company.to_owned(), group.channel.to_owned());
                    let key = (company, (*ou).to_owned(), channel, group.role, *country);
                    match expected.remove(&key) {
                        Some(one) if one == (group.change, sides.0.clone(), sides.1.clone()) => {}
                        // The same ids and weights, but other addresses, which the oracle's decision does not
                        // contain.
                        None if altered && sides.0 == sides.1 => {}
                        Some((Change::Answer(StepChange::Level), ..)) if altered => {}
                        other => return Err(format!("{key:?}: {:?} {sides:?}, not {other:?}", group.change)),
                    }
                }
            }
        }
    }
    if let Some(missed) = expected.iter().next() {
        return Err(format!("missing in the changes: {missed:?}"));
    }
    Ok(())
}

#[test]
fn changes_of_random_registries_agree_with_the_oracle() {
    let config = Config {
        failure_persistence: None,
        cases: CASES,
        rng_seed: RngSeed::Fixed(7402),
        max_shrink_iters: 100,
        ..Config::default()
    };
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let run = TestRunner::new(config).run(&(registry(), registry()), |(old, new)| {
        // Unrelated registries, one without half of the accounts, and one whose OUs form a single line.
        let (mut lacking, mut in_line) = (old.clone(), old.clone());
        for company in &mut lacking.companies {
            company.accounts.truncate(company.accounts.len() / 2);
        }
        for ou in in_line.companies.iter_mut().flat_map(|company| &mut company.ous) {
            ou.parent = 1;
        }
        let [old, new, lacking, in_line] = [old, new, lacking, in_line].map(|plan| plan.render());
        let seen = &mut seen.borrow_mut();
        holds(&old, &new, seen).map_err(TestCaseError::fail)?;
        for edited in [lacking, in_line] {
            if sound(&edited).is_ok() {
                holds(&old, &edited, seen).map_err(TestCaseError::fail)?;
            }
        }
        holds(&old, &old, &mut BTreeSet::new()).map_err(TestCaseError::fail)
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(seen.into_inner().len(), DecisionChange::ALL.len(), "every kind of change came up");
}
