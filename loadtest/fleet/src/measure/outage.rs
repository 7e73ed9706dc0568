//! A broker that is away for a while, and one that is away for ever.
//!
//! Meanwhile, every daemon is asked for selections all the time. Each answer must be the one from before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use generator::{Error, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Extent, millis};
use crate::bed::{Bed, COMPANY, PATIENCE, current};
use crate::board::micros;
use crate::http::Client;
use crate::report::{Figure, log, quantile};

/// The number of different selections that each daemon is asked for.
const QUERIES: usize = 50;
/// The pause between two selections of a daemon.
const INTERVAL: Duration = Duration::from_millis(20);
/// The number of standings that are set while the broker is away, each on another daemon.
const STANDINGS: usize = 10;
/// The time for which daemons are asked after the broker has gone for ever.
const WITHOUT_BROKER: Duration = Duration::from_secs(5);
/// The number of daemons that start again without the broker.
const STARTS: usize = 10;

/// Kills the broker, starts it again after a while, and measures until every replica is current.
///
/// # Errors
/// Returns an error if a replica is not current within two minutes.
pub async fn back(bed: &mut Bed, extent: Extent) -> Result<Vec<Figure>> {
    let (mut in_time, mut standings, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..extent.rounds {
        let asker = Asker::start(bed).await?;
        let accounts: Vec<String> =
            asker.accounts_without_answers(&bed.registry.accounts).take(STANDINGS).cloned().collect();
        let replicas = accounts.iter().map(|account| (account.clone(), bed.replicas()));
        bed.board.begin(replicas.chain((0..bed.simulated.len()).map(|number| (current(number), 1))));
        bed.broker.kill();
        let away = Instant::now();
        for (number, account) in accounts.iter().enumerate() {
            let Some(mut admin) = bed.admin(number) else { continue };
            let body = json!({"standing": "suspended", "reason": format!("outage {round}")}).to_string();
            let answer = admin.send("PUT", &format!("/v1/standings/{COMPANY}/{account}"), &body).await;
            let (status, body) = answer.map_err(|error| Error::Io(format!("PUT of a standing: {error}")))?;
            if status != 202 {
                return Err(Error::Refused(format!("PUT without the broker: {status} {body}")));
            }
        }
        sleep(extent.outage.saturating_sub(away.elapsed())).await;
        bed.broker.restart().map_err(Error::io("start", &bed.settings.nats_server))?;
        let back = micros();
        let mut times = bed.wait("get the standings of the outage").await?;
        let read = (0..bed.simulated.len()).filter_map(|number| times.remove(&current(number)));
        let read: Vec<f64> = read.flatten().map(|at| millis(back, at) / 1e3).collect();
        in_time.push(quantile(&read, 0.99));
        let last = times.values().flatten().max().copied().unwrap_or(back);
        standings.push(millis(back, last) / 1e3);
        failed.push(asker.stop().await);
    }
    Ok(vec![
        Figure::new("broker back → simulated replicas current, p99", "s", in_time)
            .at_most(5.0 * extent.limits, 2.0),
        Figure::new("broker back → standings of the outage in force everywhere", "s", standings),
        Figure::new("selections that failed meanwhile", "count", failed).at_most(0.0, 0.0),
    ])
}

/// Kills the broker for ever. Counts selections that fail, and measures starts from the state directory.
///
/// # Errors
/// Returns an error if a daemon does not start without the broker.
pub async fn gone(bed: &mut Bed, extent: Extent) -> Result<Vec<Figure>> {
    let asker = Asker::start(bed).await?;
    bed.broker.kill();
    sleep(WITHOUT_BROKER).await;
    let failed = asker.stop().await;
    let mut starts = Vec::new();
    let daemons = std::mem::take(&mut bed.daemons);
    for (number, stopped) in daemons.into_iter().enumerate().take(STARTS) {
        stopped.stop().map_err(Error::io("stop", &bed.settings.switchboard))?;
        let started = Instant::now();
        let daemon = bed.start_daemon(number)?.listening();
        let daemon = daemon.map_err(Error::io("start", &bed.settings.switchboard))?;
        let mut admin = Client::new(&daemon.admin);
        let ready = async {
            while !matches!(admin.send("GET", "/readyz", "").await, Ok((200, _))) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let is_ready = timeout(PATIENCE, ready).await;
        is_ready.map_err(|_| Error::Refused("a daemon is not ready without the broker".to_owned()))?;
        starts.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(vec![
        Figure::new("broker gone for ever: selections that failed", "count", vec![failed]).at_most(0.0, 0.0),
        Figure::new("start from the state directory without the broker → ready", "ms", starts)
            .at_most(500.0 * extent.limits, 500.0),
    ])
}

/// Asks every daemon for selections, and compares each answer with the first one.
struct Asker {
    tasks: Vec<JoinHandle<()>>,
    counts: Arc<Mutex<Counts>>,
    /// The accounts of the answers.
    answered: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Counts {
    asked: u64,
    failed: u64,
    /// The first failure.
    first: Option<String>,
}

impl Counts {
    /// Counts a selection, and the text of its failure.
    fn note(&mut self, failure: Option<String>) {
        self.asked += 1;
        self.failed += u64::from(failure.is_some());
        self.first = self.first.take().or(failure);
    }
}

impl Asker {
    async fn start(bed: &Bed) -> Result<Asker> {
        let queries = Arc::new(bed.registry.queries(QUERIES));
        let mut asker = Asker { tasks: Vec::new(), counts: Arc::default(), answered: BTreeSet::new() };
        let mut first = JoinSet::new();
        for daemon in &bed.daemons {
            let (mut client, queries) = (Client::new(&daemon.data), Arc::clone(&queries));
            first.spawn(async move {
                let mut answers = Vec::new();
                for query in queries.iter() {
                    answers.push(client.send("GET", query, "").await?);
                }
                Ok::<_, std::io::Error>((client, answers))
            });
        }
        while let Some(done) = first.join_next().await {
            let (mut client, answers) = done
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(|error| Error::Io(error.to_string()))?;
            let account = |(_, body): &(u16, String)| {
                Some(serde_json::from_str::<Value>(body).ok()?.get("account")?.as_str()?.to_owned())
            };
            asker.answered.extend(answers.iter().filter_map(account));
            let (queries, counts) = (Arc::clone(&queries), Arc::clone(&asker.counts));
            asker.tasks.push(tokio::spawn(async move {
                for (query, expected) in queries.iter().zip(&answers).cycle() {
                    let answer = client.send("GET", query, "").await;
                    let wrong = match &answer {
                        Ok(answer) if answer == expected => None,
                        other => Some(format!("{query}: {other:?} instead of {expected:?}")),
                    };
                    counts.lock().note(wrong);
                    sleep(INTERVAL).await;
                }
            }));
        }
        if asker.answered.is_empty() {
            return Err(Error::Refused("no selection has an account".to_owned()));
        }
        Ok(asker)
    }

    /// Returns accounts whose standing changes no answer.
    fn accounts_without_answers<'a>(&'a self, all: &'a [String]) -> impl Iterator<Item = &'a String> {
        all.iter().filter(|account| !self.answered.contains(*account))
    }

    /// Ends the selections. Returns the number of those that failed.
    async fn stop(self) -> f64 {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        let counts = self.counts.lock();
        if let Some(first) = &counts.first {
            log(&format!("{} of {} selections failed, the first: {first}", counts.failed, counts.asked));
        }
        if counts.asked == 0 { f64::INFINITY } else { counts.failed as f64 }
    }
}
