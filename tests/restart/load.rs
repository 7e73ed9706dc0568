//! A load that counts every request and every complete, correct answer. A client stops at its first lost
//! request and does not send the request again.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::harness::{HttpClient, wait_until};

const GET: &str =
    "GET /v1/select?company=acme&channel=whatsapp&ou=zurich&phone=33612345678 HTTP/1.1\r\nHost: x\r\n\r\n";
const QUERY: &str = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","phone":"+33612345678"}"#;
/// The account that every query selects.
const ACCOUNT: &str = r#""account":"wa-dach-ch-1""#;
const LINES: usize = 50;

/// How a client uses connections.
#[derive(Clone, Copy)]
pub(super) enum Habit {
    /// Opens a connection for each request.
    Fresh,
    /// Keeps its connection and sends without a pause.
    Busy,
    /// Keeps its connection and pauses between two requests.
    Idle(Duration),
}

#[derive(Default, Debug, Clone)]
pub(super) struct Counted {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) connections: u64,
    pub(super) slowest: Duration,
    pub(super) lost: Vec<String>,
}

pub(super) struct Load {
    clients: Vec<JoinHandle<()>>,
    is_running: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    counted: Arc<Mutex<Counted>>,
}

impl Load {
    /// Starts fresh, busy and idle clients that send GET, POST and batch requests.
    pub(super) fn on(address: &str) -> Load {
        let habits = [Habit::Fresh, Habit::Fresh, Habit::Fresh, Habit::Busy, Habit::Busy, Habit::Busy];
        let idle = (0..24).map(|at| Habit::Idle(Duration::from_millis(50 * at + 40)));
        Load::with(address, &habits.into_iter().chain(idle).collect::<Vec<_>>())
    }

    pub(super) fn with(address: &str, habits: &[Habit]) -> Load {
        let is_running = Arc::new(AtomicBool::new(true));
        let answered = Arc::new(AtomicU64::new(0));
        let counted = Arc::new(Mutex::new(Counted::default()));
        let clients = habits.iter().enumerate().map(|(at, habit)| {
            let (is_running, answered) = (Arc::clone(&is_running), Arc::clone(&answered));
            let counted = Arc::clone(&counted);
            let (address, habit) = (address.to_owned(), *habit);
            spawn(move || {
                let mut own = Counted::default();
                ask(&address, habit, at, &is_running, &answered, &mut own);
                let mut all = counted.lock().unwrap();
                all.sent += own.sent;
                all.answered += own.answered;
                all.connections += own.connections;
                all.slowest = all.slowest.max(own.slowest);
                all.lost.append(&mut own.lost);
            })
        });
        Load { clients: clients.collect(), is_running, answered, counted }
    }

    /// Waits until this many answers have arrived.
    pub(super) fn wait_for_answers(&self, count: u64) {
        wait_until("answers under load", || self.answered.load(Ordering::SeqCst) >= count);
    }

    /// Stops the clients after their requests in flight, and returns the counts.
    pub(super) fn stop(self) -> Counted {
        self.is_running.store(false, Ordering::SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
        let counted = self.counted.lock().unwrap().clone();
        println!("{counted:?}");
        counted
    }
}

fn ask(
    address: &str,
    habit: Habit,
    number: usize,
    is_running: &AtomicBool,
    answered: &AtomicU64,
    counted: &mut Counted,
) {
    let mut kept: Option<HttpClient> = None;
    for round in number.. {
        if !is_running.load(Ordering::SeqCst) {
            return;
        }
        // Like a connection pool, a client does not use a connection that the server has closed.
        let usable = kept.take().filter(|connection| !is_closed(&connection.stream));
        counted.sent += 1;
        let since = Instant::now();
        let connected = match usable {
            Some(connection) => Ok(connection),
            None => {
                counted.connections += 1;
                HttpClient::try_connect(address).map_err(|error| format!("connect: {error}"))
            }
        };
        match connected.and_then(|mut connection| Ok((exchange(&mut connection, round)?, connection))) {
            Ok((last, connection)) => {
                counted.answered += 1;
                answered.fetch_add(1, Ordering::SeqCst);
                kept = Some(connection).filter(|_| !last && !matches!(habit, Habit::Fresh));
            }
            Err(error) => return counted.lost.push(error),
        }
        counted.slowest = counted.slowest.max(since.elapsed());
        if let Habit::Idle(pause) = habit {
            // The pause makes the client idle.
            sleep(pause);
        }
    }
}

fn is_closed(connection: &TcpStream) -> bool {
    connection.set_nonblocking(true).unwrap();
    let closed = !matches!(connection.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    connection.set_nonblocking(false).unwrap();
    closed
}

/// Sends one request and checks its answer. Returns whether the connection ends with it.
fn exchange(connection: &mut HttpClient, round: usize) -> Result<bool, String> {
    let (request, accounts) = match round % 3 {
        0 => (GET.to_owned(), 1),
        1 => (post("/v1/select", QUERY), 1),
        _ => (post("/v1/select/batch", &format!("{QUERY}\n").repeat(LINES)), LINES),
    };
    connection.try_send(request).map_err(|error| format!("send: {error}"))?;
    let answer = connection.try_answer().map_err(|error| error.to_string())?;
    if answer.status != 200 || answer.text().matches(ACCOUNT).count() != accounts {
        return Err(format!("wrong: {answer:?}"));
    }
    Ok(answer.header("connection") == Some("close"))
}

fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}
