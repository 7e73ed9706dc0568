//! Standings and generations that change at the same time. The tests run in this process, because queries to
//! a daemon would not see every generation.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use switchboard::runtime::standings::{AccountKey, Author, Reach, Standing, StandingsEvent};
use switchboard::runtime::{Reader, Standings, Store};
use switchboard_model::Condition;
use switchboard_registry::Files;

use super::from_now;
use crate::expected::{acme, compiled};

const ACCOUNTS: [&str; 6] =
    ["wa-emea-de-1", "wa-emea-gb-1", "wa-emea-gb-2", "wa-emea-gb-3", "sms-gb-1", "line-jp-1"];
/// Number of standings of accounts that do not exist. They make a swap take longer.
const WAITING: usize = 3_000;

fn key(account: &str) -> AccountKey {
    AccountKey { company: "acme".into(), account: account.into() }
}

fn suspended() -> Standing {
    Standing::from_json(br#"{"standing":"suspended","reason":"under review"}"#).unwrap()
}

/// Returns the generation in service and the condition of an account in it.
fn seen(reader: &mut Reader, account: &str) -> (u64, Condition) {
    let generation = reader.pin().unwrap();
    let company = generation.snapshot.find_company("acme").unwrap();
    let account = generation.snapshot.find_account(company, account).unwrap();
    (generation.snapshot.generation(), generation.overlay.condition(account))
}

#[test]
fn every_generation_is_seen_with_its_standings() {
    let files = Files::read_dir(acme().path()).unwrap();
    let store = Store::default();
    store.swap(compiled(&files, 1));
    let waiting = (0..WAITING).map(|number| format!("gone-{number}"));
    let all: HashMap<AccountKey, Standing> =
        waiting.chain(ACCOUNTS.map(str::to_owned)).map(|account| (key(&account), suspended())).collect();
    store.replace_standings(all);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let (mut reader, mut looks) = (store.reader(), 0_u64);
            while !ended.load(Ordering::SeqCst) {
                for account in ACCOUNTS {
                    let (generation, condition) = seen(&mut reader, account);
                    if condition != Condition::Suspended {
                        return Err(format!("{account} is {condition:?} in generation {generation}"));
                    }
                }
                looks += 1;
            }
            Ok(looks)
        });
        let began = Instant::now();
        let mut generation = 1;
        while began.elapsed() < Duration::from_millis(500) && !looking.is_finished() {
            generation += 1;
            drop(store.swap(compiled(&files, generation)));
        }
        ended.store(true, Ordering::SeqCst);
        assert!(looking.join().unwrap().unwrap() > 10 && generation > 5, "{generation} generations");
    });
}

#[test]
fn standing_set_during_a_swap_is_in_the_next_generation() {
    let files = Files::read_dir(acme().path()).unwrap();
    let store = Store::default();
    store.swap(compiled(&files, 1));
    let waiting = (0..WAITING).map(|number| (key(&format!("gone-{number}")), suspended()));
    store.replace_standings(waiting.collect());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let setting = scope.spawn(|| {
            let (mut reader, mut rounds) = (store.reader(), 0_usize);
            while !ended.load(Ordering::SeqCst) {
                let account = ACCOUNTS[rounds % ACCOUNTS.len()];
                for (standing, wanted) in
                    [(Some(suspended()), Condition::Suspended), (None, Condition::Active)]
                {
                    let (before, _) = seen(&mut reader, account);
                    store.set_standing(key(account), standing);
                    // The standing must be in the generation in service and in the next one.
                    loop {
                        let (generation, condition) = seen(&mut reader, account);
                        if condition != wanted {
                            return Err(format!("{account} is {condition:?} in generation {generation}"));
                        }
                        if generation > before || ended.load(Ordering::SeqCst) {
                            break;
                        }
                    }
                }
                rounds += 1;
            }
            Ok(rounds)
        });
        let began = Instant::now();
        let mut generation = 1;
        while began.elapsed() < Duration::from_millis(500) && !setting.is_finished() {
            generation += 1;
            drop(store.swap(compiled(&files, generation)));
        }
        ended.store(true, Ordering::SeqCst);
        assert!(setting.join().unwrap().unwrap() > 2 && generation > 5, "{generation} generations");
    });
}

/// The reply comes last, so that the receiver can query any worker at once.
#[test]
fn change_is_on_disk_and_visible_before_its_reply() {
    let files = Files::read_dir(acme().path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let store = Store::default();
    store.swap(compiled(&files, 1));
    let (standings, writer, _) =
        Standings::open(store.clone(), Some(journal.clone()), true, Arc::new(|_| {}), None, None).unwrap();
    let writing = std::thread::spawn(move || writer.run());
    let (to, replies) = channel();
    for (standing, wanted) in [(Some(suspended()), Condition::Suspended), (None, Condition::Active)] {
        let (store, to, journal) = (store.clone(), to.clone(), journal.clone());
        let before = std::fs::metadata(&journal).unwrap().len();
        standings.change(key("wa-emea-de-1"), standing.clone(), Author::default(), move |result| {
            // The reply runs on the writer's thread, which does nothing else meanwhile.
            let longer = std::fs::metadata(&journal).unwrap().len() > before;
            let stored = store.standing(&key("wa-emea-de-1"));
            let stored = stored.map(|stored| Standing { since: None, ..stored }) == standing;
            let (_, condition) = seen(&mut store.reader(), "wa-emea-de-1");
            to.send((result, longer, stored, condition == wanted)).unwrap();
        });
        assert_eq!(
            replies.recv_timeout(Duration::from_secs(20)).unwrap(),
            (Ok(Reach::Daemon), true, true, true)
        );
    }
    drop(standings);
    writing.join().unwrap();
}

/// A standing is removed within a second after its end, even while the disk delays another change.
#[test]
fn standing_is_removed_at_its_end_while_the_writer_waits() {
    let files = Files::read_dir(acme().path()).unwrap();
    let store = Store::default();
    store.swap(compiled(&files, 1));
    let (to, removed) = channel();
    let observer = move |event: &StandingsEvent<'_>| {
        if let StandingsEvent::Removed { key, expired: true, .. } = event {
            let _ = to.send((*key).clone());
        }
    };
    let (standings, writer, expirer) =
        Standings::open(store.clone(), None, false, Arc::new(observer), None, None).unwrap();
    let threads = [std::thread::spawn(move || writer.run()), std::thread::spawn(move || expirer.run())];
    let until = from_now(300);
    let body = format!(r#"{{"standing":"suspended","reason":"for a moment","until":"{until}"}}"#);
    let standing = Standing::from_json(body.as_bytes()).unwrap();
    standings.change(key("wa-emea-de-1"), Some(standing), Author::default(), |_| {});
    let (release, held) = channel::<()>();
    standings.change(key("sms-gb-1"), Some(suspended()), Author::default(), move |_| {
        // The reply runs on the writer's thread.
        let _ = held.recv();
    });
    assert_eq!(removed.recv_timeout(Duration::from_secs(20)).unwrap(), key("wa-emea-de-1"));
    assert_eq!(seen(&mut store.reader(), "wa-emea-de-1"), (1, Condition::Active));
    drop((release, standings));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
