//! Follows a database: reads its registry whenever it has changed.
//!
//! One connection listens for notifications, looks for changes and reads. It belongs to a thread of its own, because a
//! notification may arrive at any time. The first error ends the connection, and the next poll makes a new one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use sqlx::{Acquire, Connection};
use switchboard_registry::ReadLimits;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::connection::{CONNECT_TIMEOUT, READ_TIMEOUT, rows, text, within};
use crate::migrate::require_version;
use crate::read::{BEGIN, LOCK, read_contents};
use crate::{Contents, Database, DatabaseError};

/// The channel on which the triggers of the schema notify.
const CHANNEL: &str = "switchboard_registry";
/// The time within which the database must say whether it has changed.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// The limits of the server, in case this client or the network fails during a transaction. An administrator or the
/// URL may set others for statements and for a transaction that is idle.
const SERVER_LIMITS: &str = "select set_config(name, value, true) \
     from (values ('statement_timeout', '5min'), ('idle_in_transaction_session_timeout', '1min')) as limits (name, value) \
     where current_setting(name) = '0'";
/// The full delay after the first failure. It doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The pause after the end of a connection, as the number of failures with the same pause.
const RECONNECT: u32 = 3;
/// The maximum delay after a failure.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A read that takes longer is followed by a pause of the same length, so that a large registry that changes all the
/// time is read at most half of the time.
const LONG_READ: Duration = Duration::from_secs(1);
/// The nice value of the thread of the connection, so that a read of a large registry delays no other thread.
const NICE: i32 = 10;

/// Is called, on the thread of the connection, when the database may have changed or the connection has ended.
type OnChange = Arc<dyn Fn() + Send + Sync>;

/// A database whose registry is read whenever it has changed.
///
/// A change is found by the history of the schema, whose rows have the transaction that wrote them. The registry is
/// read again without such a row after each notification and each new connection, and if a table or a trigger was made
/// or altered, as the restoration of a backup does. A change while triggers are disabled is found when they are enabled
/// again.
pub struct FollowedDatabase {
    database: Database,
    on_change: Option<OnChange>,
    /// Ends the thread of the connection when it is dropped. `None` before the first poll.
    requests: Option<mpsc::UnboundedSender<Request>>,
    must_read: bool,
    /// Number of failures since the last success.
    failures: u32,
    /// The time before which nothing is asked of the database.
    not_before: Option<Instant>,
    listening: Option<Result<(), String>>,
}

/// The request to read the registry if it has changed.
struct Request {
    limits: ReadLimits,
    must_read: bool,
    answer: oneshot::Sender<Answer>,
}

struct Answer {
    /// `None` if nothing has changed since the last read.
    read: Result<Option<Contents>, DatabaseError>,
    /// Whether notifications arrive, or why they do not. `None` without a connection.
    listening: Option<Result<(), String>>,
}

/// The state of the database at the last look: what identifies its tables, and the transactions that were visible.
struct Mark {
    tables: String,
    is_standby: bool,
    snapshot: String,
}

/// A connection to the database.
struct Session {
    listener: PgListener,
    listening: Result<(), String>,
    /// `None` before the first read.
    mark: Option<Mark>,
    /// Whether the server was a standby, which has no notifications, and is one no more.
    is_promoted: bool,
}

impl FollowedDatabase {
    /// Follows a database. Connects with the first poll. With `on_change`, listens for notifications, and calls it
    /// after each one, and when the connection ends.
    pub fn new(database: Database, on_change: Option<Box<dyn Fn() + Send + Sync>>) -> FollowedDatabase {
        FollowedDatabase {
            database,
            on_change: on_change.map(OnChange::from),
            requests: None,
            must_read: false,
            failures: 0,
            not_before: None,
            listening: None,
        }
    }

    /// Returns the database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns whether notifications report changes, or why they do not, as of the last poll. Returns `None` without a
    /// connection.
    pub fn listening(&self) -> Option<Result<(), &str>> {
        Some(self.listening.as_ref()?.as_ref().map_err(String::as_str).copied())
    }

    /// Makes the next poll connect at once, if it must, and read the registry even if it has not changed.
    pub fn forget(&mut self) {
        self.must_read = true;
        self.not_before = None;
    }

    /// Returns whether a poll does nothing yet, because the last read took long. A change waits meanwhile.
    pub fn is_pausing(&self) -> bool {
        self.failures == 0 && self.not_before.is_some_and(|at| Instant::now() < at)
    }

    /// Reads the registry in one transaction, if it may have changed since the last poll that read it. Returns `None`
    /// otherwise, and in the pause after a failure, which has jitter, or after a long read. Waits for the database: 10 s to connect, 10 s to
    /// look for a change, 5 minutes to read.
    ///
    /// Call it on a thread that may block, and not in an asynchronous task.
    ///
    /// # Errors
    /// Fails as [`Database::read`] does. The poll after a failure reads the registry.
    pub fn poll(&mut self, limits: ReadLimits) -> Result<Option<Contents>, DatabaseError> {
        let began = Instant::now();
        if self.not_before.is_some_and(|at| began < at) {
            return Ok(None);
        }
        let Answer { read, listening } = self.ask(limits);
        let took = began.elapsed();
        self.failures = if read.is_ok() { 0 } else { self.failures.saturating_add(1) };
        let pause = match &read {
            Err(_) => Some(delay(self.failures).max(took)),
            Ok(Some(_)) if took > LONG_READ => Some(took),
            Ok(_) => None,
        };
        self.not_before = pause.map(|pause| Instant::now() + pause);
        self.must_read &= read.is_err();
        self.listening = listening;
        read
    }

    fn ask(&mut self, limits: ReadLimits) -> Answer {
        let failed = |text: String| Answer { read: Err(DatabaseError::Connection(text)), listening: None };
        let (answer, answered) = oneshot::channel();
        let mut request = Request { limits, must_read: self.must_read, answer };
        if let Some(requests) = &self.requests {
            match requests.send(request) {
                Ok(()) => return answered.blocking_recv().unwrap_or_else(|_| failed(STOPPED.to_owned())),
                Err(mpsc::error::SendError(unsent)) => request = unsent,
            }
        }
        match self.start() {
            Ok(requests) => {
                // The thread has just begun to receive.
                let _ = self.requests.insert(requests).send(request);
                answered.blocking_recv().unwrap_or_else(|_| failed(STOPPED.to_owned()))
            }
            Err(error) => failed(format!("cannot start the client of the database: {error}")),
        }
    }

    /// Starts the thread of the connection.
    fn start(&self) -> std::io::Result<mpsc::UnboundedSender<Request>> {
        let (requests, mut received) = mpsc::unbounded_channel::<Request>();
        let (database, on_change) = (self.database.clone(), self.on_change.clone());
        thread::Builder::new().name("database".into()).spawn(move || {
            // On Linux, `None` is the calling thread alone, which may always lower its own priority.
            let _ = setpriority_process(None, NICE);
            while let Some(request) = received.blocking_recv() {
                // Each connection has its own runtime, so that nothing of a broken one is left.
                match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => {
                        let on_change = on_change.as_deref();
                        runtime.block_on(serve(&database, request, &mut received, on_change));
                        runtime.shutdown_background();
                    }
                    Err(error) => {
                        let text = format!("cannot start the client of the database: {error}");
                        request.fail(DatabaseError::Connection(text));
                    }
                }
            }
        })?;
        Ok(requests)
    }
}

/// The reason of a failure if the thread of the connection has panicked.
const STOPPED: &str =
    "a bug in Switchboard stopped the client of the database; report it with the panic from the log";

impl Request {
    fn fail(self, error: DatabaseError) {
        self.answer(Err(error), None);
    }

    fn answer(self, read: Result<Option<Contents>, DatabaseError>, listening: Option<Result<(), String>>) {
        // The receiver waits for each answer, or the process is ending.
        let _ = self.answer.send(Answer { read, listening });
    }
}

/// Connects, and answers requests until one fails, the connection breaks, or there are no more requests.
async fn serve(
    database: &Database,
    first: Request,
    requests: &mut mpsc::UnboundedReceiver<Request>,
    on_change: Option<&(dyn Fn() + Send + Sync)>,
) {
    let mut session = match Session::connect(database, on_change.is_some()).await {
        Ok(session) => session,
        Err(error) => return first.fail(error),
    };
    let mut next = first;
    loop {
        match session.read_if_changed(next.limits, next.must_read).await {
            Ok(read) => next.answer(Ok(read), Some(session.listening.clone())),
            Err(error) => return next.fail(error),
        }
        if session.is_promoted {
            return;
        }
        next = loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => break request,
                    None => return,
                },
                notified = session.listener.try_recv() => {
                    let is_connected = matches!(notified, Ok(Some(_)));
                    if is_connected {
                        // The rows of the history may have been deleted.
                        session.mark = None;
                    } else {
                        // All daemons lose their connections at the same time, and the next one reads everything.
                        sleep(delay(RECONNECT)).await;
                    }
                    if let Some(on_change) = on_change {
                        on_change();
                    }
                    if !is_connected {
                        return;
                    }
                }
            }
        };
    }
}

impl Session {
    async fn connect(database: &Database, listens: bool) -> Result<Session, DatabaseError> {
        // The file with the passwords is read again.
        let database = Database::from_url(&database.url);
        let options = database.map_err(|error| DatabaseError::Connection(error.to_string()))?.options;
        // A connection for notifications comes from a pool, and a pool hides why it gets no connection.
        let connecting = within(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
        let probe = connecting.map_err(|error| match error {
            DatabaseError::Connection(reason) => {
                DatabaseError::Connection(format!("cannot connect: {reason}"))
            }
            error => error,
        })?;
        let _ = within(CONNECT_TIMEOUT, probe.close()).await;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        let mut listener = within(CONNECT_TIMEOUT, PgListener::connect_with(&pool)).await?;
        listener.eager_reconnect(false);
        let mut listening = Err("notifications are not asked for".to_owned());
        if listens {
            listening = match within(LOOK_TIMEOUT, listener.listen(CHANNEL)).await {
                // A server that only reads, such as a standby.
                Err(DatabaseError::Refused(reason)) => Err(reason),
                listening => Ok(listening?),
            };
        }
        Ok(Session { listener, listening, mark: None, is_promoted: false })
    }

    /// Reads the registry in one transaction, if it has changed since the last read of this connection.
    async fn read_if_changed(
        &mut self,
        limits: ReadLimits,
        must_read: bool,
    ) -> Result<Option<Contents>, DatabaseError> {
        let connection = self.listener.acquire().await?;
        let last = self.mark.as_ref().filter(|_| !must_read);
        let begin = format!("{BEGIN}; set local lock_timeout = '5s'");
        let (mut mark, is_changed) = within(LOOK_TIMEOUT, look(connection, &begin, last)).await?;
        let mut contents = None;
        if is_changed {
            // A look without a change takes no lock.
            let begin = format!("commit; {begin}; {LOCK}");
            (mark, _) = within(LOOK_TIMEOUT, look(connection, &begin, last)).await?;
            contents = Some(within(READ_TIMEOUT, read_contents(connection, limits)).await?);
        }
        within(LOOK_TIMEOUT, rows(connection, "commit")).await?;
        self.is_promoted = !mark.is_standby && self.mark.as_ref().is_some_and(|last| last.is_standby);
        self.mark = Some(mark);
        Ok(contents)
    }
}

/// Begins a transaction that reads, with these statements. Returns the mark of its snapshot, and whether it differs from
/// the last one.
async fn look(
    connection: &mut PgConnection,
    begin: &str,
    last: Option<&Mark>,
) -> Result<(Mark, bool), DatabaseError> {
    rows(connection, format!("{begin}; {SERVER_LIMITS}")).await?;
    require_version(connection).await?;
    // A standby does not know which transactions were running: there, rows of running ones count as new. A backup of
    // another server may have rows of transactions that this server has not reached.
    let is_changed = match last {
        None => "true".to_owned(),
        Some(Mark { snapshot, .. }) => format!(
            "(exists (select from switchboard.history where xid >= pg_snapshot_xmin('{snapshot}') \
               and xid < pg_snapshot_xmax(pg_current_snapshot()) \
               and (pg_is_in_recovery() or not pg_visible_in_snapshot(xid, '{snapshot}'))) \
             or pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax('{snapshot}'))"
        ),
    };
    let found = rows(
        connection,
        format!(
            "select pg_current_snapshot()::text, {is_changed}::text, pg_is_in_recovery()::text, \
             extract(epoch from pg_postmaster_start_time())::text || ' ' || \
             (select oid::text from pg_database where datname = current_database()) || ' ' || \
             (select string_agg(concat_ws('.', c.oid, c.relfilenode, c.xmin, \
                 (select string_agg(t.xmin::text, '.' order by t.oid) from pg_trigger t where t.tgrelid = c.oid)), \
                 ' ' order by c.oid) \
               from pg_class c where c.relnamespace = 'switchboard'::regnamespace and c.relkind = 'r')"
        ),
    )
    .await?;
    let row =
        found.first().ok_or_else(|| DatabaseError::Connection("no answer to a statement".to_owned()))?;
    let mark = Mark {
        snapshot: text(row, 0)?.to_owned(),
        tables: text(row, 3)?.to_owned(),
        is_standby: text(row, 2)? == "true",
    };
    let is_changed = text(row, 1)? == "true" || last.is_none_or(|last| last.tables != mark.tables);
    Ok((mark, is_changed))
}

/// Returns the pause after this number of failures: random, between half of the full delay and the full delay.
fn delay(failures: u32) -> Duration {
    let full = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(LAST_RETRY);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_failures_grow_to_the_limit_and_differ() {
        for (failures, full) in [(1, 250), (2, 500), (5, 4000), (6, 5000), (u32::MAX, 5000)] {
            let delays: Vec<u128> = (0..100).map(|_| delay(failures).as_millis()).collect();
            assert!(delays.iter().all(|delay| (full / 2..=full).contains(delay)), "{failures}: {delays:?}");
            assert!(delays.iter().any(|delay| delay != &delays[0]), "{failures}");
        }
    }
}
