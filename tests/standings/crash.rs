//! `kill -9` at any moment: answered changes are not lost.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::expected::acme;
use crate::harness::{request, wait_until};

const ACCOUNTS: [&str; 4] = ["wa-emea-de-1", "wa-emea-gb-1", "wa-emea-gb-2", "wa-emea-gb-3"];

/// The last answered standing of an account, and the request that was not answered, if there is one.
#[derive(Default)]
struct Known {
    answered: Option<Value>,
    asked: Option<Option<Value>>,
}

#[test]
fn answered_changes_survive_kills() {
    kill_while_standings_change(8);
}

#[test]
#[ignore = "long: 200 kills"]
fn answered_changes_survive_kills_long() {
    kill_while_standings_change(200);
}

fn kill_while_standings_change(kills: u64) {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("standings");
    let known: Mutex<HashMap<&str, Known>> = Mutex::default();
    let changes = AtomicU64::new(0);
    let mut unanswered = 0_u64;
    for kill in 0..=kills {
        let mut daemon = serve(registry.path(), Some(&journal));
        for (account, known) in known.lock().unwrap().iter_mut() {
            let found = stored(&daemon, &format!("/v1/standings/acme/{account}"));
            let asked = known.asked.take();
            unanswered += u64::from(asked.is_some());
            // A request without an answer may have been executed or not.
            assert!(
                found == known.answered || Some(&found) == asked.as_ref(),
                "{account} has {found:?}, but {:?} was answered, and {asked:?} asked",
                known.answered
            );
            known.answered = found;
        }
        if kill == kills {
            break;
        }
        let admin = &daemon.admin.clone();
        std::thread::scope(|scope| {
            let writers: Vec<_> = ACCOUNTS
                .iter()
                .map(|account| {
                    let (known, changes) = (&known, &changes);
                    scope.spawn(move || {
                        let path = format!("/v1/standings/acme/{account}");
                        for round in 0_u64.. {
                            let next = (round % 3 != 2).then(
                                || json!({"standing": "draining", "reason": format!("{kill} {round}")}),
                            );
                            known.lock().unwrap().entry(account).or_default().asked = Some(next.clone());
                            let answer = match &next {
                                Some(body) => request(admin, "PUT", &path, &body.to_string()),
                                None => request(admin, "DELETE", &path, ""),
                            };
                            match answer {
                                Ok((200 | 204, _)) => {
                                    let mut known = known.lock().unwrap();
                                    let known = known.entry(account).or_default();
                                    (known.answered, known.asked) = (next, None);
                                    changes.fetch_add(1, Ordering::SeqCst);
                                }
                                Ok(other) => panic!("{other:?}"),
                                Err(_) => return,
                            }
                        }
                    })
                })
                .collect();
            let until = changes.load(Ordering::SeqCst) + kill * 37 % 101;
            wait_until("changes are answered", || changes.load(Ordering::SeqCst) >= until);
            daemon.kill();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
        });
    }
    let changes = changes.into_inner();
    println!("{kills} kills, {changes} changes answered, {unanswered} cut off: none lost");
    assert!(changes > kills);
}
