//! Both listeners in this process, on ports of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use switchboard::api::{admin, data};
use switchboard::runtime::{Standings, Store};
use switchboard::telemetry::Telemetry;
use tokio::sync::watch;

use super::client::{Answer, Client};
use super::fixture;

pub(super) struct Daemon {
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) store: Store,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) drain: watch::Sender<bool>,
    pub(super) serving: Option<data::Serving>,
    _admin: admin::Serving,
}

/// One worker: what is asked of it, it does in a known order.
pub(super) fn settings() -> data::Settings {
    data::Settings { listen: ([127, 0, 0, 1], 0).into(), workers: 1, ..data::Settings::default() }
}

impl Daemon {
    /// With generation 7 of one company.
    pub(super) fn start() -> Daemon {
        Daemon::with(settings())
    }

    pub(super) fn with(settings: data::Settings) -> Daemon {
        let daemon = Daemon::empty(settings);
        daemon.store.publish(fixture::snapshot(7, &["acme"]));
        daemon
    }

    /// Before the first snapshot.
    pub(super) fn empty(settings: data::Settings) -> Daemon {
        Daemon::on(data::Listener::bind(&settings).unwrap())
    }

    /// With send buffers that hold 16 KiB of an answer: those of loopback would take 2.6 MB.
    pub(super) fn with_small_send_buffers(settings: data::Settings) -> Daemon {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.bind(&settings.listen.into()).unwrap();
        socket.listen(8).unwrap();
        let daemon = Daemon::on(data::Listener::passed(socket.into(), &settings).unwrap());
        daemon.store.publish(fixture::snapshot(7, &["acme"]));
        daemon
    }

    /// On a listener of one's own.
    pub(super) fn on(listener: data::Listener) -> Daemon {
        let telemetry = Telemetry::new("0.1.0", "abcdef");
        let store = Store::default();
        let drain = watch::Sender::new(false);
        let data = listener.local_addr().unwrap();
        let serving = listener.serve(store.clone(), telemetry.clone(), drain.subscribe()).unwrap();
        let listener = admin::Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let admin = listener.local_addr().unwrap();
        let status: admin::Status = Arc::new(|| serde_json::json!({"version": "0.1.0"}));
        let (standings, keeper, lifter) = Standings::open(store.clone(), None, Arc::new(|_| {})).unwrap();
        std::thread::spawn(move || keeper.run());
        std::thread::spawn(move || lifter.run());
        let _admin = listener.serve(telemetry.clone(), standings, drain.subscribe(), status, 64).unwrap();
        Daemon { data, admin, store, telemetry, drain, serving: Some(serving), _admin }
    }

    pub(super) fn client(&self) -> Client {
        Client::to(self.data)
    }

    /// One that takes 16 KiB before it reads.
    pub(super) fn slow_client(&self) -> Client {
        let client = self.client();
        SockRef::from(&client.stream).set_recv_buffer_size(16 * 1024).unwrap();
        client
    }

    /// One request on a connection of its own.
    pub(super) fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client();
        client.send(request);
        client.answer()
    }

    pub(super) fn get(&self, target: &str) -> Answer {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    pub(super) fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client();
        client.post(target, "", body);
        client.answer()
    }

    pub(super) fn admin(&self, target: &str) -> Answer {
        let mut client = Client::to(self.admin);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        client.answer()
    }

    /// The value of a series.
    pub(super) fn metric(&self, series: &str) -> f64 {
        let text = self.admin("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// Drains; how many connections were cut.
    pub(super) fn drain(&mut self, timeout: Duration) -> usize {
        self.drain.send_replace(true);
        self.serving.take().unwrap().drain(timeout)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.serving.is_some() {
            self.drain(Duration::ZERO);
        }
    }
}
