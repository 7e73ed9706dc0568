//! The admin thread: accepts, answers, and keeps the metrics in order.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body as _, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, LocalSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::route::{Desk, Status, answer};
use crate::api::data::connection::{Rest, drive};
use crate::api::data::direct::Nothing;
use crate::api::data::listener::{accept, bind};
use crate::api::data::panics::contained;
use crate::api::data::problems::Problem;
use crate::api::data::pulse::Limits;
use crate::runtime::Standings;
use crate::telemetry::Telemetry;
use switchboard_select::Code;

/// Nothing here has a body worth waiting for.
const LIMITS: Limits = Limits {
    header_timeout: Duration::from_secs(5),
    body_timeout: Duration::from_secs(10),
    // Probes come every few seconds, on connections of their own: nobody may keep them out by idling.
    idle_timeout: Duration::from_secs(5),
    // It ends with the process.
    drain_grace: Duration::ZERO,
};
/// What the exporter's histograms hold between two times is kept sample by sample.
const UPKEEP: Duration = Duration::from_secs(1);

/// The admin listener, bound but not answering yet.
pub struct Listener {
    socket: StdListener,
}

/// The admin listener at work. It answers while the process drains, and ends when this is dropped.
pub struct Serving {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Takes the address; a second process may take the same one.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        Ok(Listener { socket: bind(address)? })
    }

    /// Takes a listening socket that this process was started with.
    pub fn passed(socket: StdListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener { socket })
    }

    /// The same socket once more, for whoever shuts the door.
    pub(crate) fn door(&self) -> io::Result<StdListener> {
        self.socket.try_clone()
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Starts to answer. `closed` is only reported: whether the data listener takes no queries. Of more
    /// connections than there may be, the one that has asked for nothing the longest is closed.
    pub fn serve(
        self,
        telemetry: Arc<Telemetry>,
        standings: Standings,
        closed: watch::Receiver<bool>,
        status: Status,
        most_connections: usize,
    ) -> io::Result<Serving> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            let desk = Rc::new(Desk { telemetry, standings, closed, status });
            LocalSet::new().block_on(&runtime, run(self.socket, desk, stopped, most_connections));
        })?;
        Ok(Serving { stop, thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

async fn run(socket: StdListener, desk: Rc<Desk>, mut stopped: watch::Receiver<bool>, most: usize) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin listener cannot be polled"),
    };
    let stops = stopped.clone();
    let mut seats: Vec<Seat> = Vec::new();
    let mut connections = JoinSet::new();
    let mut upkeep = interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let turn = async {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return false,
                _ = upkeep.tick() => desk.telemetry.upkeep(),
                (stream, _) = accept(&listener, |error| tracing::warn!(%error, "an admin connection could not be accepted")) => {
                    seats.retain(|seat| !seat.task.is_finished());
                    if seats.len() >= most {
                        evict(&mut seats);
                    }
                    let asked = Rc::new(Cell::new(Instant::now()));
                    let served = serve(Rc::clone(&desk), stream, stops.clone(), Rc::clone(&asked));
                    seats.push(Seat { asked, task: connections.spawn_local(served) });
                    // One after the other: whoever was let in gets to ask before many more come.
                    yield_now().await;
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
            true
        };
        match contained(turn).await {
            Some(true) => {}
            Some(false) => return,
            None => desk.telemetry.panicked(),
        }
    }
}

/// A connection that is open, and when it last asked for something.
struct Seat {
    asked: Rc<Cell<Instant>>,
    task: AbortHandle,
}

/// Closes the connection that has asked for nothing the longest: 64 that idle must not keep a probe out.
fn evict(seats: &mut Vec<Seat>) {
    let longest = seats.iter().enumerate().min_by_key(|(_, seat)| seat.asked.get());
    if let Some((at, _)) = longest {
        seats.swap_remove(at).task.abort();
    }
}

async fn serve(desk: Rc<Desk>, stream: TcpStream, stops: watch::Receiver<bool>, asked: Rc<Cell<Instant>>) {
    let handle = |request: Request<Incoming>| {
        asked.set(Instant::now());
        let desk = Rc::clone(&desk);
        let rest = if request.body().is_end_stream() { Rest::Read } else { Rest::Unread };
        async move {
            let answered = contained(answer(Rc::clone(&desk), request)).await;
            answered.unwrap_or_else(|| {
                desk.telemetry.panicked();
                (Problem::new(Code::Internal).respond(), rest)
            })
        }
    };
    // Scrapes end here when the thread does: how is nobody's business but theirs.
    let _ = stream.set_nodelay(true);
    if contained(drive(stream, Nothing, LIMITS, stops, handle, |_| {})).await.is_none() {
        desk.telemetry.panicked();
    }
}
