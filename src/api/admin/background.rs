//! The thread of the console: computes answers that take longer than a millisecond, such as the coverage of a
//! company, with the lowest priority, so that neither queries nor probes wait for them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use hyper::header::RETRY_AFTER;
use rustix::process::setpriority_process;
use switchboard_server::response::{INTERNAL, OVERLOADED};
use switchboard_server::{Problem, catch_panic};
use tokio::sync::oneshot;

use crate::telemetry::Telemetry;

/// Maximum number of requests that wait for the thread. Ten open pages send two or three at a time.
const MAX_WAITING: usize = 64;
/// The nice value of the thread, the lowest priority.
const NICE: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one at a time on a thread of its own. The thread ends when this handle is dropped.
pub(super) struct Background {
    jobs: SyncSender<Job>,
    telemetry: Arc<Telemetry>,
}

impl Background {
    /// Starts the thread. Panics of its jobs are counted.
    ///
    /// # Errors
    /// Returns the error of the system if the thread cannot be created.
    pub(super) fn start(telemetry: Arc<Telemetry>) -> io::Result<Background> {
        let (jobs, waiting) = sync_channel::<Job>(MAX_WAITING);
        spawn("console", move || run(&waiting))?;
        Ok(Background { jobs, telemetry })
    }

    /// Runs a job, and returns its result.
    ///
    /// # Errors
    /// Returns `overloaded` if too many jobs wait, and `internal` if the job panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, result) = oneshot::channel();
        let telemetry = Arc::clone(&self.telemetry);
        let job = Box::new(move || {
            // The client may have disconnected while the job waited.
            if sender.is_closed() {
                return;
            }
            match catch_panic(job) {
                Some(result) => drop(sender.send(result)),
                // The receiver then finds the channel closed.
                None => telemetry.count_panic(),
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => result.await.map_err(|_| Problem::new(&INTERNAL)),
            Err(TrySendError::Full(_)) => Err(busy()),
            Err(TrySendError::Disconnected(_)) => Err(Problem::new(&INTERNAL)),
        }
    }
}

/// Starts a thread with the lowest priority.
///
/// # Errors
/// Returns the error of the system if the thread cannot be created.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Without an id, Linux sets the priority of the calling thread alone. An error changes no answer.
        let _ = setpriority_process(None, NICE);
        run();
    })?;
    Ok(())
}

fn run(waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        job();
    }
}

fn busy() -> Problem {
    Problem::new(&OVERLOADED)
        .with_header(RETRY_AFTER, "1")
        .with_detail("Too many requests of the console wait. Retry after the time in Retry-After.")
}
