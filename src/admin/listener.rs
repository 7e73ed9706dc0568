//! The admin thread: accepts, answers, and keeps the metrics in order.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use super::route::{Desk, Status, answer};
use crate::http::connection::drive;
use crate::http::listener::{accept, bind};
use crate::http::pulse::Limits;
use crate::live::Standings;
use crate::telemetry::Telemetry;

/// Most connections at a time: a scraper, some probes, some people. One more is closed.
const MOST_CONNECTIONS: usize = 64;
/// Nothing here has a body worth waiting for.
const LIMITS: Limits = Limits {
    header_timeout: Duration::from_secs(5),
    body_timeout: Duration::from_secs(10),
    // Probes come every few seconds, on connections of their own: nobody may keep them out by idling.
    idle_timeout: Duration::from_secs(5),
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

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Starts to answer. `closed` is only reported: whether the data listener takes no queries.
    pub fn serve(
        self,
        telemetry: Arc<Telemetry>,
        standings: Standings,
        closed: watch::Receiver<bool>,
        status: Status,
    ) -> io::Result<Serving> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
            let desk = Rc::new(Desk { telemetry, standings, closed, status });
            LocalSet::new().block_on(&runtime, run(self.socket, desk, stopped));
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

async fn run(socket: StdListener, desk: Rc<Desk>, mut stopped: watch::Receiver<bool>) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin listener cannot be polled"),
    };
    let stops = stopped.clone();
    // One count for whoever is in, and this one.
    let seats = Rc::new(());
    let mut upkeep = interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = upkeep.tick() => desk.telemetry.upkeep(),
            stream = accept(&listener, |error| tracing::warn!(%error, "an admin connection could not be accepted")) => {
                if Rc::strong_count(&seats) <= MOST_CONNECTIONS {
                    spawn_local(serve(Rc::clone(&desk), stream, stops.clone(), Rc::clone(&seats)));
                }
            }
        }
    }
}

async fn serve(desk: Rc<Desk>, stream: TcpStream, stops: watch::Receiver<bool>, seat: Rc<()>) {
    // Scrapes end here when the thread does: how is nobody's business but theirs.
    let _ = stream.set_nodelay(true);
    let _ = drive(stream, LIMITS, stops, |request| answer(Rc::clone(&desk), request), |_| {}).await;
    drop(seat);
}
