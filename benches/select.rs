//! Times of `select()` and of the look-up of an address. The first group runs every kind of query on 1,000
//! accounts. The second picks from one group of up to 10,000 accounts. The third runs random queries on up to
//! a million accounts. The last finds the accounts of random addresses.
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;

use benches::kinds::{Kind, query};
use benches::{CONTEXT, QUERIES, Rounds, SEED, context, large, overlay, shapes};
use criterion::{Criterion, criterion_group, criterion_main};
use switchboard::access::CompanyScope;
use switchboard::api::data::account::{AccountQuery, write_account};
use switchboard_select::{Query, select};
use switchboard_snapshot::Snapshot;

/// Measures one selection among these queries.
fn selections(c: &mut Criterion, group: &str, name: &str, snapshot: &Snapshot, urls: &[String]) {
    let queries: Vec<Query<'_>> = urls.iter().map(|url| query(url)).collect();
    let overlay = overlay(snapshot);
    let context = context(&overlay);
    let mut rounds = Rounds::of(&queries);
    c.benchmark_group(group).bench_function(name, |b| {
        b.iter(|| select(black_box(snapshot), rounds.next(), context));
    });
}

fn kinds(c: &mut Criterion) {
    let snapshot = shapes::small();
    for kind in Kind::ALL {
        selections(c, "select, 1,000 accounts", kind.as_str(), &snapshot, &kind.urls(&snapshot));
    }
}

fn crowd(c: &mut Criterion) {
    for size in [100, 1_000, 10_000] {
        let snapshot = shapes::crowd(size);
        let mut random = fastrand::Rng::with_seed(SEED);
        let url = |_| format!("channel=whatsapp&ou=crowd&country=GB&client=c-{}", random.u64(..));
        let urls: Vec<String> = (0..QUERIES).map(url).collect();
        selections(c, "select, one group", &size.to_string(), &snapshot, &urls);
    }
}

/// Measures how the time grows with the registry. There are more queries than any cache holds.
fn large(c: &mut Criterion) {
    for accounts in [1_000, 10_000, 100_000, 1_000_000] {
        let snapshot = large::snapshot(accounts);
        let urls = large::urls(&snapshot, 200_000, SEED);
        selections(c, "select, at random", &accounts.to_string(), &snapshot, &urls);
    }
}

/// Measures the answer to `/v1/account` without its transport: parses the query, finds the account, writes
/// it.
fn addresses(c: &mut Criterion) {
    for accounts in [1_000, 1_000_000] {
        let snapshot = large::snapshot(accounts);
        let overlay = overlay(&snapshot);
        let mut queries: Vec<String> = Vec::new();
        for company in snapshot.companies() {
            for (_, account) in snapshot.accounts_of(company.idx()) {
                let (channel, address) = (snapshot.channel(account.channel()).id(), account.address());
                let address = address.replace('+', "%2B").replace('@', "%40");
                queries.push(format!("company={}&channel={channel}&address={address}", company.id()));
            }
        }
        fastrand::Rng::with_seed(SEED).shuffle(&mut queries);
        let mut rounds = Rounds::of(&queries);
        let mut out = Vec::with_capacity(4_096);
        c.benchmark_group("account, at random").bench_function(accounts.to_string(), |b| {
            b.iter(|| {
                out.clear();
                let query = AccountQuery::parse(black_box(rounds.next())).ok();
                let found = query.and_then(|query| query.find(&snapshot, CompanyScope::All).ok());
                if let Some(account) = found {
                    write_account(&mut out, &snapshot, &overlay, CONTEXT.now, account);
                }
                out.len()
            });
        });
    }
}

criterion_group!(benches, kinds, crowd, large, addresses);
criterion_main!(benches);
