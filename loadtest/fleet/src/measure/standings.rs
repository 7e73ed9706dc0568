//! How quickly standings are in force on every replica.
//!
//! A daemon logs a standing after its workers see it. The time of this line is the time at which the standing is in
//! force there, so that nothing has to be polled. The clock is that of the same machine.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use generator::{Error, Result};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Extent, millis};
use crate::bed::{Bed, COMPANY};
use crate::board::{Micros, micros};
use crate::http::Client;
use crate::report::{Figure, quantile};

/// The number of standings of a round that are set one after the other.
const SINGLE: usize = 200;
/// The pause after a standing is in force everywhere.
const PAUSE: Duration = Duration::from_millis(10);
/// The number of standings that are set at once.
const BURST: usize = 1_000;
/// The number of connections to each daemon that set standings at once.
const CONNECTIONS: usize = 20;
/// The length of a record of the journal in bytes, for the comparison with `fdatasync`.
const RECORD_LEN: usize = 300;

/// Sets standings one after the other. Measures each answer, and the time until every replica has the standing.
///
/// # Errors
/// Returns an error if an answer is not 200 with the reach `fleet`, or if a replica does not get a standing.
pub async fn single(bed: &Bed, extent: Extent) -> Result<Vec<Figure>> {
    let (mut answers, mut synced, mut excess) = (Vec::new(), Vec::new(), Vec::new());
    let (mut spread, mut last) = (Vec::new(), Vec::new());
    let path = bed.folder.path().join("synced");
    let mut file = File::create(&path).map_err(Error::io("create", &path))?;
    let asker = Asker::start(bed)?;
    for round in 0..extent.rounds {
        let (mut answer_times, mut sync_times) = (Vec::new(), Vec::new());
        let (mut all_times, mut last_times) = (Vec::new(), Vec::new());
        for (number, account) in bed.registry.accounts.iter().cycle().skip(1).take(SINGLE).enumerate() {
            bed.board.begin([(account.clone(), bed.replicas())]);
            let Answer { sent, answered, reaches_fleet } = asker.suspend(number, account, round).await?;
            if !reaches_fleet {
                return Err(Error::Refused("a PUT did not reach the broker within a second".to_owned()));
            }
            let times = bed.wait("get a standing").await?.remove(account).unwrap_or_default();
            let after: Vec<f64> = times.iter().map(|at| millis(answered, *at)).collect();
            last_times.push(quantile(&after, 1.0));
            all_times.extend(after);
            answer_times.push(millis(sent, answered));
            // In the same run and at the same rate, because the disk is shared.
            let started = Instant::now();
            let written = file.write_all(&[b'x'; RECORD_LEN]).and_then(|()| file.sync_data());
            written.map_err(Error::io("write", &path))?;
            sync_times.push(started.elapsed().as_secs_f64() * 1e3);
            sleep(PAUSE).await;
        }
        spread.push(quantile(&all_times, 0.99));
        last.push(quantile(&last_times, 0.99));
        let [answer, sync] = [answer_times, sync_times].map(|times| quantile(&times, 0.99));
        answers.push(answer);
        synced.push(sync);
        excess.push(answer - 2.0 * sync);
    }
    let factor = extent.limits;
    Ok(vec![
        Figure::new("PUT answered → in force, p99 of all replicas", "ms", spread)
            .at_most(100.0 * factor, 50.0),
        Figure::new("PUT answered → in force on the last replica, p99", "ms", last),
        Figure::new("PUT, p99", "ms", answers),
        Figure::new("fdatasync in the same run, p99", "ms", synced),
        Figure::new("PUT p99 without twice the p99 of fdatasync", "ms", excess).at_most(5.0 * factor, 3.0),
    ])
}

/// Sets a thousand standings at once, and measures the time until every replica has all of them.
///
/// # Errors
/// Returns an error if an answer is neither 200 nor 202, or if a replica does not get a standing.
pub async fn burst(bed: &Bed, extent: Extent) -> Result<Vec<Figure>> {
    let accounts: Vec<String> = bed.registry.accounts.iter().take(BURST).cloned().collect();
    let (mut everywhere, mut pending, mut answered_after) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..extent.rounds {
        let connections = (bed.daemons.len() * CONNECTIONS).min(accounts.len()).max(1);
        let mut senders = JoinSet::new();
        let mut clients = Vec::new();
        for number in 0..connections {
            let mut client = bed.admin(number).ok_or_else(no_daemon)?;
            client.connect().await.map_err(|error| Error::Io(error.to_string()))?;
            clients.push(client);
        }
        bed.board.begin(accounts.iter().map(|account| (account.clone(), bed.replicas())));
        let started = micros();
        for (number, mut client) in clients.into_iter().enumerate() {
            let own: Vec<String> = accounts.iter().skip(number).step_by(connections).cloned().collect();
            senders.spawn(async move {
                let (mut replica, mut last) = (0, 0);
                for account in own {
                    let answer = suspend(&mut client, &account, round).await?;
                    replica += usize::from(!answer.reaches_fleet);
                    last = last.max(answer.answered);
                }
                Ok::<_, Error>((replica, last))
            });
        }
        let (mut of_replica, mut last_answer) = (0, started);
        while let Some(sent) = senders.join_next().await {
            let (replica, last) = sent.map_err(|error| Error::Refused(error.to_string()))??;
            of_replica += replica;
            last_answer = last_answer.max(last);
        }
        let times = bed.wait("get a thousand standings").await?;
        let last = times.values().flatten().max().copied().unwrap_or(started);
        everywhere.push(millis(started, last) / 1e3);
        answered_after.push(millis(started, last_answer) / 1e3);
        pending.push(of_replica as f64);
        // The status of each replica follows, which is no part of the next round.
        sleep(Duration::from_secs(3)).await;
    }
    Ok(vec![
        Figure::new(format!("{BURST} standings at once → in force everywhere"), "s", everywhere)
            .at_most(5.0 * extent.limits, 3.0),
        Figure::new("until the last of them is answered", "s", answered_after),
        Figure::new("of them answered with the reach replica", "count", pending),
    ])
}

/// The answer to a standing that was set.
struct Answer {
    sent: Micros,
    answered: Micros,
    /// Whether the broker acknowledged the standing within a second.
    reaches_fleet: bool,
}

/// Sends requests on a thread of its own, because the simulated replicas keep those of the runtime busy.
struct Asker(mpsc::Sender<Asked>);

/// The number of a daemon, an account and a round, and what receives the answer.
type Asked = (usize, String, usize, oneshot::Sender<Result<Answer>>);

impl Asker {
    /// Starts the thread, with a connection to each daemon. It ends when this is dropped.
    fn start(bed: &Bed) -> Result<Asker> {
        let mut admins: Vec<Client> = (0..bed.daemons.len()).filter_map(|number| bed.admin(number)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::io("start", "the runtime of the client"))?;
        let (sender, received) = mpsc::channel::<Asked>();
        let thread = thread::Builder::new().name("client".into());
        let started = thread.spawn(move || {
            for (number, account, round, reply) in received {
                let turn = number % admins.len().max(1);
                let answer = match admins.get_mut(turn) {
                    Some(admin) => runtime.block_on(suspend(admin, &account, round)),
                    None => Err(no_daemon()),
                };
                // The measure has failed if nothing waits.
                let _ = reply.send(answer);
            }
        });
        started.map_err(Error::io("start", "the thread of the client"))?;
        Ok(Asker(sender))
    }

    /// Suspends an account through the daemon with a number.
    async fn suspend(&self, number: usize, account: &str, round: usize) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        let ended = || Error::io("use", "the thread of the client")(io::ErrorKind::BrokenPipe.into());
        self.0.send((number, account.to_owned(), round, reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// Suspends an account.
async fn suspend(admin: &mut Client, account: &str, round: usize) -> Result<Answer> {
    // Another reason in each round, so that the standing is another one.
    let body = json!({"standing": "suspended", "reason": format!("round {round}")}).to_string();
    let path = format!("/v1/standings/{COMPANY}/{account}");
    let sent = micros();
    let answer = admin.send("PUT", &path, &body).await;
    let answered = micros();
    let (status, body) = answer.map_err(|error| Error::Io(format!("PUT of a standing: {error}")))?;
    match status {
        200 => Ok(Answer { sent, answered, reaches_fleet: true }),
        202 => Ok(Answer { sent, answered, reaches_fleet: false }),
        _ => Err(Error::Refused(format!("PUT of a standing: {status} {body}"))),
    }
}

fn no_daemon() -> Error {
    Error::Usage("this measure needs a daemon: choose --daemons 1 or more".to_owned())
}
