//! Compares the decisions for every OU, channel and country with the oracle's, over random registries.

use std::sync::atomic::{AtomicUsize, Ordering};

use oracle::{Oracle, Query, Verdict};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use switchboard_model::{Condition, Role, SelectError, UnixSeconds};
use switchboard_pipeline::analysis::{Decision, DecisionTable, RuleCounts, Scope};
use switchboard_pipeline::{BuildMode, BuiltSnapshot, build_snapshot};
use switchboard_registry::{Files, Registry};
use switchboard_select::{Overlay, SelectContext, select};
use switchboard_snapshot::{AccountIdx, NoProgress, Snapshot};

use crate::oracle::properties::sound;
use crate::oracle::registries::{NOW, registry};

/// Number of random registries in a run.
const CASES: u32 = 60;

/// A decision as text: the rule or the error code. If an account serves, also the climbed levels, the pool,
/// the OU, and the accounts with their weights.
pub type DecisionText = (String, Option<(u32, String, String, Vec<(String, u16)>)>);

/// Returns the oracle's decision for a client of whom only the country is known. Without a role, it is that of
/// the conversation role.
pub fn oracle_decision(
    oracle: &Oracle<'_>,
    now: i64,
    [company, ou, channel]: [&str; 3],
    role: Option<Role>,
    country: &str,
) -> DecisionText {
    let [company, ou, channel, country] = [company, ou, channel, country].map(|text| Some(text.to_owned()));
    let role = role.map(|role| role.as_str().to_owned());
    match oracle.answer(&Query { company, ou, channel, country, role, ..Query::default() }, now) {
        Verdict::Refused(code) => (code.to_owned(), None),
        Verdict::Selected(selected) => {
            let found = selected.found.expect("a pool's account");
            let mut accounts: Vec<(String, u16)> =
                selected.candidates.iter().map(|one| (one.id.to_string(), one.weight)).collect();
            accounts.sort();
            let place = (found.climbed as u32, found.pool.to_owned(), found.ou.to_owned(), accounts);
            (selected.rule.to_owned(), Some(place))
        }
    }
}

pub fn compiled(files: &Files) -> Snapshot {
    match build_snapshot(files, 1, UnixSeconds(NOW), BuildMode::Strict, &NoProgress) {
        Ok(BuiltSnapshot { snapshot, .. }) => snapshot,
        Err(refused) => panic!("{:?}", refused.findings),
    }
}

/// Returns the decision of a table in the same form.
pub fn table_decision(table: &DecisionTable<'_>, decision: &Decision) -> DecisionText {
    let place = decision.served().map(|served| {
        let snapshot = table.snapshot();
        let available = table.available(served);
        let ids = switchboard_pipeline::analysis::compare::candidate_ids(table, available);
        let weights = available.iter().map(|member| member.weight());
        let accounts = ids.into_iter().map(str::to_owned).zip(weights).collect();
        (served.climbed, served.pool(snapshot).to_owned(), served.ou(snapshot).to_owned(), accounts)
    });
    (decision.as_str().to_owned(), place)
}

fn holds(files: &Files) -> Result<(), String> {
    let registry: Registry = sound(files)?;
    let oracle = Oracle::new(&registry);
    let snapshot = compiled(files);
    let channels: Vec<String> = registry.channels.iter().map(|channel| channel.id.to_string()).collect();
    let mut table = DecisionTable::new(&snapshot, UnixSeconds(NOW));
    for company in &registry.companies {
        let named = [company.id.to_string()];
        let scope = Scope { companies: &named, channels: &channels, ..Scope::default() };
        for scoped in scope.find(&snapshot).map_err(|unknown| unknown.to_string())? {
            let mut ous: Vec<&str> = company.ous.iter().map(|ou| &*ou.id).collect();
            ous.sort_unstable();
            let mut names: Vec<&str> = channels.iter().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!((scoped.ous.len(), scoped.channels.len()), (ous.len(), names.len()));
            for (&number, ou) in scoped.ous.iter().zip(&ous) {
                for (&(channel_number, _), channel) in scoped.channels.iter().zip(&names) {
                    for role in Role::ALL {
                        let row = table.row_of(scoped.company, number, channel_number, role);
                        let row = table.row(row);
                        let names = [&*company.id, ou, channel];
                        for (country, decision) in row.countries() {
                            let expected = oracle_decision(&oracle, NOW, names, Some(role), country.alpha2());
                            let got = table_decision(&table, decision);
                            if got != expected {
                                return Err(format!(
                                    "{names:?} {role:?} {country}: {got:?}, not {expected:?}"
                                ));
                            }
                        }
                        let decisions = row.countries().map(|(_, decision)| *decision);
                        counted(&RuleCounts::from_row(&row), decisions)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Checks that the counts of a row equal a recount of its decisions.
fn counted(tally: &RuleCounts, decisions: impl Iterator<Item = Decision>) -> Result<(), String> {
    let mut recounted = RuleCounts::default();
    for decision in decisions {
        recounted.climbed += usize::from(decision.served().is_some_and(|served| served.climbed > 0));
        match (decision.served(), decision.as_str()) {
            (None, code) => {
                recounted.none += 1;
                *recounted.reasons.entry(code).or_default() += 1;
            }
            (_, "country") => recounted.country += 1,
            (_, "calling_code") => recounted.calling_code += 1,
            (_, "geography") => recounted.geography += 1,
            (_, "default_region") => recounted.default_region += 1,
            (_, other) => return Err(format!("a country alone is decided by {other}")),
        }
    }
    let same = *tally == recounted && tally.total() == 252;
    if same { Ok(()) } else { Err(format!("{tally:?}, not {recounted:?}")) }
}

/// Compares the table with a selection for each country, with random standings.
fn equals_selections(files: &Files, seed: u64) -> Result<(), String> {
    let snapshot = compiled(files);
    let now = UnixSeconds(NOW);
    let standings = Overlay::from_free(snapshot.free_accounts());
    let mut random = seed | 1;
    for account in 0..snapshot.counts().accounts as u32 {
        // A generator of Lehmer.
        random = random.wrapping_mul(0xda94_2042_e4dd_58b5);
        match random >> 61 {
            0..=2 => standings.set(AccountIdx::new(account), Condition::Suspended),
            3 => standings.set(AccountIdx::new(account), Condition::Draining),
            _ => {}
        }
    }
    let mut table = DecisionTable::with_standings(&snapshot, now, standings.clone());
    let context = SelectContext { now, random: 7, standings: &standings };
    for company in snapshot.companies() {
        for (ou, channel) in company.ous().flat_map(|ou| snapshot.channels().map(move |it| (ou, it))) {
            for role in Role::ALL {
                let row = table.row_of(company.idx(), ou.idx(), channel.idx(), role);
                let row = table.row(row);
                for (country, decision) in row.countries() {
                    let query = switchboard_select::Query {
                        company: Some(company.id().into()),
                        ou: ou.id().into(),
                        channel: channel.id().into(),
                        role: Some(role),
                        country: Some(country.alpha2().into()),
                        ..switchboard_select::Query::default()
                    };
                    let selected = select(&snapshot, &query, context).result;
                    let is_equal = match (&selected, decision) {
                        (Err(error), Decision::Refused(refused)) => error == refused,
                        (Ok(selection), Decision::Served(step)) => {
                            let place = selection.location.expect("a pool's account");
                            let available = table.available(step);
                            let is_candidate =
                                available.iter().any(|candidate| candidate.account() == selection.account);
                            (selection.rule, place.climbed, place.ou, place.pool, is_candidate)
                                == (step.rule, step.climbed, step.ou, step.pool, true)
                        }
                        _ => false,
                    };
                    if !is_equal {
                        let what = (company.id(), ou.id(), channel.id(), role, country);
                        return Err(format!("{what:?}: {decision:?}, not {selected:?}"));
                    }
                    if *decision == Decision::Refused(SelectError::NoAccountAvailable) {
                        UNAVAILABLE.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Number of decisions that standings have made errors.
static UNAVAILABLE: AtomicUsize = AtomicUsize::new(0);

#[test]
fn decisions_with_standings_equal_selections() {
    let config = Config {
        failure_persistence: None,
        cases: CASES,
        rng_seed: RngSeed::Fixed(7402),
        max_shrink_iters: 200,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&(registry(), 0..u64::MAX), |(plan, seed)| {
        equals_selections(&plan.render(), seed).map_err(TestCaseError::fail)
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    assert!(UNAVAILABLE.load(Ordering::Relaxed) > 1000, "standings change decisions");
}

#[test]
fn decisions_of_random_registries_agree_with_the_oracle() {
    let config = Config {
        failure_persistence: None,
        cases: CASES,
        rng_seed: RngSeed::Fixed(7401),
        max_shrink_iters: 200,
        ..Config::default()
    };
    let run =
        TestRunner::new(config).run(&registry(), |plan| holds(&plan.render()).map_err(TestCaseError::fail));
    run.unwrap_or_else(|error| panic!("{error}"));
}
