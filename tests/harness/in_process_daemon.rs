use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use switchboard::api::{admin, data};
use switchboard::runtime::{Standings, Store};
use switchboard::telemetry::Telemetry;
use switchboard_server::{Listener, ServerSettings, ServerThreads};
use tokio::sync::watch;

use super::{HttpClient, HttpResponse, small_registry};

/// Both listeners within this process, on ports that the system chooses.
pub(crate) struct InProcessDaemon {
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) store: Store,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) drain: watch::Sender<bool>,
    pub(crate) serving: Option<ServerThreads>,
    _admin: admin::AdminServer,
}

/// Settings with one worker, which handles requests in a known order.
pub(crate) fn one_worker() -> ServerSettings {
    ServerSettings { listen: ([127, 0, 0, 1], 0).into(), workers: 1, ..ServerSettings::default() }
}

impl InProcessDaemon {
    /// Serves generation 7 of one company.
    pub(crate) fn start() -> InProcessDaemon {
        InProcessDaemon::with(one_worker())
    }

    pub(crate) fn with(settings: ServerSettings) -> InProcessDaemon {
        let daemon = InProcessDaemon::empty(settings);
        daemon.store.swap(small_registry::snapshot(7, &["acme"]));
        daemon
    }

    /// Serves no snapshot yet.
    pub(crate) fn empty(settings: ServerSettings) -> InProcessDaemon {
        InProcessDaemon::on(Listener::bind(&settings).unwrap())
    }

    /// Serves with send buffers of 16 KiB; the default ones of loopback take 2.6 MB of answers.
    pub(crate) fn with_small_send_buffers(settings: ServerSettings) -> InProcessDaemon {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.bind(&settings.listen.into()).unwrap();
        socket.listen(8).unwrap();
        let daemon = InProcessDaemon::on(Listener::from_inherited(socket.into(), &settings).unwrap());
        daemon.store.swap(small_registry::snapshot(7, &["acme"]));
        daemon
    }

    /// Serves no snapshot yet, on this listener.
    pub(crate) fn on(listener: Listener) -> InProcessDaemon {
        let telemetry = Telemetry::new("0.1.0", "abcdef");
        let store = Store::default();
        let drain = watch::Sender::new(false);
        let data = listener.local_addr().unwrap();
        let serving = data::serve(listener, store.clone(), telemetry.clone(), drain.subscribe()).unwrap();
        let listener = admin::AdminListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let admin = listener.local_addr().unwrap();
        let (standings, writer, expirer) = Standings::open(store.clone(), None, Arc::new(|_| {})).unwrap();
        std::thread::spawn(move || writer.run());
        std::thread::spawn(move || expirer.run());
        let context = admin::AdminContext {
            telemetry: telemetry.clone(),
            store: store.clone(),
            standings,
            closed: drain.subscribe(),
            status: Arc::new(FixedStatus),
        };
        let _admin = listener.serve(context, 64).unwrap();
        InProcessDaemon { data, admin, store, telemetry, drain, serving: Some(serving), _admin }
    }

    pub(crate) fn client(&self) -> HttpClient {
        HttpClient::connect(self.data)
    }

    /// Returns a client whose receive buffer holds 16 KiB.
    pub(crate) fn slow_client(&self) -> HttpClient {
        let client = self.client();
        SockRef::from(&client.stream).set_recv_buffer_size(16 * 1024).unwrap();
        client
    }

    /// Returns the answer to one request on a connection of its own.
    pub(crate) fn ask(&self, request: impl AsRef<[u8]>) -> HttpResponse {
        let mut client = self.client();
        client.send(request);
        client.answer()
    }

    pub(crate) fn get(&self, target: &str) -> HttpResponse {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    pub(crate) fn post(&self, target: &str, body: impl AsRef<[u8]>) -> HttpResponse {
        let mut client = self.client();
        client.post(target, "", body);
        client.answer()
    }

    pub(crate) fn admin(&self, target: &str) -> HttpResponse {
        let mut client = HttpClient::connect(self.admin);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        client.answer()
    }

    /// Returns the value of a series, which is named as in `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.admin("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// Drains, and returns how many connections were force-closed.
    pub(crate) fn drain(&mut self, timeout: Duration) -> usize {
        self.drain.send_replace(true);
        self.serving.take().unwrap().drain(timeout)
    }
}

struct FixedStatus;

impl admin::StatusSource for FixedStatus {
    fn status(&self) -> serde_json::Value {
        serde_json::json!({"version": env!("CARGO_PKG_VERSION")})
    }

    fn last_failure(&self) -> admin::LastFailure {
        admin::LastFailure::default()
    }
}

impl Drop for InProcessDaemon {
    fn drop(&mut self) {
        if self.serving.is_some() {
            self.drain(Duration::ZERO);
        }
    }
}
