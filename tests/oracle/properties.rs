//! Compares Switchboard with the oracle over random registries and queries.

use std::cell::RefCell;

use oracle::{Oracle, Query};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use switchboard_model::{Condition, E164};
use switchboard_registry::{Files, Findings, Registry, check, read};
use switchboard_snapshot::{Decompiler, NoProgress, compile};

use super::agreement::Trial;
use super::coverage::Coverage;
use super::groups::Group;
use super::queries::{QueryPlan, query};
use super::registries::{NOW, RegistryPlan, registry};
use super::subject::Subject;

/// Registries in a run; `PROPTEST_CASES` overrides it. A shorter run is not checked for coverage.
const CASES: u32 = 1_000;
/// Number of queries for each registry.
const QUERIES: usize = 40;
/// Two generations of the same registry.
const GENERATIONS: [u64; 2] = [7, 1_800_000_000_123];

#[test]
fn snapshot_answers_as_the_oracle_over_random_registries() {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    config.cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { CASES };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(7400);
    }
    let whole = config.cases >= CASES;
    let coverage = RefCell::new(Coverage::default());
    let standings = prop::collection::vec(standing(), 1..20);
    let plans = (registry(), prop::collection::vec(query(), QUERIES), standings);
    let run = TestRunner::new(config).run(&plans, |(plan, queries, standings)| {
        compare_registry(&plan, &queries, &standings, &mut coverage.borrow_mut()).map_err(TestCaseError::fail)
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, (plan, ..))) => panic!("{why}\n\n{}", shown(&plan.render())),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let coverage = coverage.into_inner();
    println!("{}", coverage.table());
    let missing = coverage.missing();
    assert!(!whole || missing.is_empty(), "cases that never occurred: {missing:?}");
}

#[test]
fn explain_lists_fifty_candidates_and_counts_the_others() {
    for size in [49, 50, 51, 120] {
        let files = Group::from_weights((0..size).map(|n| n % 9 + 1)).files();
        let registry = sound(&files).expect("a sound group");
        let subject = Subject::compile(&files, GENERATIONS[0]).expect("a sound group");
        let oracle = Oracle::new(&registry);
        let trial = Trial { oracle: &oracle, subject: &subject, generation: GENERATIONS[0] };
        for client in 0..100 {
            let [channel, ou, country] = ["telegram", "all", "US"].map(|text| Some(text.to_owned()));
            let client = Some(format!("client-{client}"));
            let query = Query { channel, ou, country, client, ..Query::default() };
            let mut coverage = Coverage::default();
            let picked = trial.select(&query, NOW, &mut coverage).expect("a selection");
            trial.explain(&query, NOW, picked.as_deref(), &mut coverage).expect("an explanation");
        }
    }
}

/// Draws the standing of an account.
fn standing() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => Just(Condition::Active),
        1 => Just(Condition::Draining),
        1 => Just(Condition::Suspended),
    ]
}

/// Compares a registry, in two generations, with the oracle on all queries: as written, and with standings. A
/// standing must have the effect of the same state in the registry.
fn compare_registry(
    plan: &RegistryPlan,
    queries: &[QueryPlan],
    standings: &[Condition],
    coverage: &mut Coverage,
) -> Result<(), String> {
    let files = plan.render();
    let mut registry = sound(&files)?;
    let [first, second] = GENERATIONS.map(|generation| Subject::compile(&files, generation));
    let (first, second) = (first?, second?);
    recompile(&first, &registry)?;
    compare_all(&registry, &first, &second, queries, coverage)?;
    let mut turns = standings.iter().cycle();
    for company in &mut registry.companies {
        for account in &mut company.accounts {
            let standing = *turns.next().expect("at least one");
            first.set_standing(&company.id, &account.id, standing);
            second.set_standing(&company.id, &account.id, standing);
            account.state = account.state.max(standing);
        }
    }
    compare_all(&registry, &first, &second, queries, coverage)
        .map_err(|why| format!("{why}\nwith the standings {standings:?}, one for each account in turn"))
}

/// Checks that the companies of a snapshot, turned back into a registry, are compiled to the same bytes.
fn recompile(subject: &Subject, registry: &Registry) -> Result<(), String> {
    let snapshot = &subject.snapshot;
    let decompiler = Decompiler::new(snapshot);
    let companies = snapshot.companies().map(|company| decompiler.company(company.idx(), &registry.channels));
    let companies = companies.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let again = Registry { channels: registry.channels.clone(), companies };
    let tests: Vec<_> = snapshot.tests().collect();
    let again =
        compile(&again, snapshot.generation(), &NoProgress).map_err(|limits| format!("{limits:?}"))?;
    if *again.finish(&tests) == *snapshot.bytes() {
        Ok(())
    } else {
        Err("compiled to other bytes".to_owned())
    }
}

fn compare_all(
    registry: &Registry,
    first: &Subject,
    second: &Subject,
    queries: &[QueryPlan],
    coverage: &mut Coverage,
) -> Result<(), String> {
    let oracle = &Oracle::new(registry);
    let [first, second] = [(first, GENERATIONS[0]), (second, GENERATIONS[1])]
        .map(|(subject, generation)| Trial { oracle, subject, generation });
    for plan in queries {
        let (query, later) = plan.aim(registry);
        let now = NOW + later;
        compare_query(&first, &second, &query, now, coverage)
            .map_err(|why| format!("{why}\nasked {} at {now}", query.text()))?;
    }
    Ok(())
}

fn compare_query(
    first: &Trial<'_>,
    second: &Trial<'_>,
    query: &Query,
    now: i64,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let picked = first.select(query, now, coverage)?;
    let again = first.select(query, now, &mut Coverage::default())?;
    let later = second.select(query, now, &mut Coverage::default())?;
    if query.keyed() && (again != picked || later != picked) {
        return Err(format!("{picked:?}, asked again {again:?}, in another generation {later:?}"));
    }
    if let Some(same) = rewritten(query) {
        let other = first.select(&same, now, &mut Coverage::default())?;
        if other != picked {
            return Err(format!("{picked:?}, but {other:?} when asked as {}", same.text()));
        }
    }
    first.explain(query, now, picked.as_deref(), coverage)
}

/// Returns the same query in another form. The `+` of a valid phone and the case of the country have no effect,
/// nor has the phone if client and country are given.
fn rewritten(query: &Query) -> Option<Query> {
    let mut same = query.clone();
    same.country = query.country.as_ref().map(|country| {
        if country.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            country.to_ascii_uppercase()
        } else {
            country.to_ascii_lowercase()
        }
    });
    same.phone = query.phone.as_ref().map(|phone| {
        let other = phone.strip_prefix('+').map_or_else(|| format!("+{phone}"), str::to_owned);
        // A number that is not valid needs its plus.
        if E164::parse(&other).is_ok() == E164::parse(phone).is_ok() { other } else { phone.clone() }
    });
    if query.client.is_some() && query.country.is_some() && query.phone.is_none() {
        same.phone = Some("+12015550123".to_owned());
    }
    (query.keyed() && query.garbled.is_none()).then_some(same)
}

/// Reads and checks a registry. Returns the findings as text if there are errors.
pub fn sound(files: &Files) -> Result<Registry, String> {
    let (registry, mut findings): (Registry, Findings) = read(files);
    check(&registry, &mut findings);
    let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    if findings.errors() > 0 { Err(text) } else { Ok(registry) }
}

fn shown(files: &Files) -> String {
    let paths = files.iter().map(|(path, _)| path);
    paths
        .map(|path| {
            let text = files.get(path).unwrap_or_default();
            format!("--- {path}\n{}\n", String::from_utf8_lossy(text))
        })
        .collect()
}
