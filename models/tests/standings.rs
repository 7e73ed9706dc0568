//! Properties that must hold under every interleaving of writers and readers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use loom::model;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::spawn;
use models::runtime::Store;
use models::runtime::standings::{AccountKey, Standing};
use models::snapshot::Snapshot;
use models::{AccountIdx, Overlay};
use switchboard_model::{Condition, UnixMillis};

const ACCOUNT: AccountIdx = AccountIdx::new(0);

fn snapshot(generation: u64) -> Snapshot {
    Snapshot::new(generation, &["account"])
}

fn key() -> AccountKey {
    AccountKey { company: "acme".into(), account: "account".into() }
}

fn standing(json: &str) -> Option<Standing> {
    Some(Standing::from_json(json.as_bytes()).unwrap())
}

fn suspended() -> Option<Standing> {
    standing(r#"{"standing":"suspended","reason":"x"}"#)
}

/// After `set_standing` has returned, every reader sees the account suspended. Generations never go
/// backwards.
#[test]
fn standing_that_was_set_is_seen_in_every_later_generation() {
    model(|| {
        let store = Store::default();
        store.swap(snapshot(1));
        let acknowledged = Arc::new(AtomicBool::new(false));
        let setter = spawn({
            let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
            move || {
                store.set_standing(key(), suspended());
                // Stands in for the answer to the PUT.
                acknowledged.store(true, Ordering::Release);
            }
        });
        let publisher = spawn({
            let store = store.clone();
            move || drop(store.swap(snapshot(2)))
        });
        let mut reader = store.reader();
        let mut last = 0;
        for _ in 0..2 {
            let acknowledged = acknowledged.load(Ordering::Acquire);
            let generation = reader.pin().unwrap();
            let condition = generation.overlay.condition(ACCOUNT);
            assert!(
                !acknowledged || condition == Condition::Suspended,
                "generation {}",
                generation.snapshot.generation()
            );
            assert!(generation.snapshot.generation() >= last);
            last = generation.snapshot.generation();
        }
        setter.join().unwrap();
        publisher.join().unwrap();
        let generation = reader.pin().unwrap();
        assert_eq!(generation.snapshot.generation(), 2);
        assert_eq!(generation.overlay.condition(ACCOUNT), Condition::Suspended);
    });
}

#[test]
fn every_generation_is_seen_with_its_standings() {
    model(|| {
        let store = Store::default();
        store.set_standing(key(), suspended());
        let publisher = spawn({
            let store = store.clone();
            move || {
                store.swap(snapshot(1));
                store.swap(snapshot(2));
            }
        });
        let mut reader = store.reader();
        for _ in 0..2 {
            if let Some(generation) = reader.pin() {
                assert_eq!(generation.overlay.condition(ACCOUNT), Condition::Suspended);
            }
        }
        publisher.join().unwrap();
    });
}

/// A snapshot of the state directory never replaces one of the source, and has its standings.
#[test]
fn kept_snapshot_is_put_in_service_only_while_there_is_none() {
    model(|| {
        let store = Store::default();
        let restoring = spawn({
            let store = store.clone();
            move || store.swap_if_empty(snapshot(1))
        });
        store.set_standing(key(), suspended());
        let replaced = store.swap(snapshot(2));
        let is_restored = restoring.join().unwrap();
        assert_eq!(is_restored, replaced.is_some());
        let current = store.current().unwrap();
        assert_eq!(current.snapshot.generation(), 2);
        assert_eq!(current.overlay.condition(ACCOUNT), Condition::Suspended);
    });
}

#[test]
fn account_that_is_restricted_further_never_looks_active_in_between() {
    model(|| {
        let overlay = Arc::new(Overlay::new(2));
        overlay.set(AccountIdx::new(0), Condition::Draining);
        let writer = spawn({
            let overlay = Arc::clone(&overlay);
            move || overlay.set(AccountIdx::new(0), Condition::Suspended)
        });
        // Another account in the same word of the overlay.
        overlay.set(AccountIdx::new(1), Condition::Draining);
        assert_ne!(overlay.condition(AccountIdx::new(0)), Condition::Active);
        writer.join().unwrap();
        assert_eq!(overlay.condition(AccountIdx::new(0)), Condition::Suspended);
        assert_eq!(overlay.condition(AccountIdx::new(1)), Condition::Draining);
    });
}

#[test]
fn standing_that_replaces_an_ended_one_is_not_removed_with_it() {
    model(|| {
        let store = Store::default();
        store.swap(snapshot(1));
        store.set_standing(key(), standing(r#"{"standing":"draining","reason":"x","until":"2020-01-01"}"#));
        let expirer = spawn({
            let store = store.clone();
            move || drop(store.expire(UnixMillis(i64::MAX)))
        });
        store.set_standing(key(), suspended());
        expirer.join().unwrap();
        assert_eq!(store.standing(&key()), suspended());
        assert_eq!(store.current().unwrap().overlay.condition(ACCOUNT), Condition::Suspended);
    });
}
