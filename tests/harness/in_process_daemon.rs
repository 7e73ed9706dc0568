use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use switchboard::api::admin::CompareLimits;
use switchboard::app::{App, RunningApp};
use switchboard::config::Settings;
use switchboard::runtime::{Store, WatchMode};
use switchboard::telemetry::Telemetry;

use super::{HttpClient, HttpResponse, small_registry};

/// The daemon within this process, on ports that the system chooses. The file that it serves does not exist:
/// a test puts snapshots into the store.
pub(crate) struct InProcessDaemon {
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) store: Store,
    pub(crate) telemetry: Arc<Telemetry>,
    running: Option<RunningApp>,
}

/// Settings with one worker, which handles requests in a known order.
pub(crate) fn one_worker() -> Settings {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        listen: vec![any_port.into()],
        admin_listen: vec![any_port.into()],
        snapshot: Some("/no/such/snapshot".into()),
        // The source is read once, at the start.
        watch: WatchMode::Poll,
        poll_interval: Duration::from_secs(3600),
        workers: 1,
        ..Settings::default()
    }
}

impl InProcessDaemon {
    /// Serves generation 7 of one company.
    pub(crate) fn start() -> InProcessDaemon {
        InProcessDaemon::with(one_worker())
    }

    /// Serves generation 7 of one company with these settings.
    pub(crate) fn with(settings: Settings) -> InProcessDaemon {
        let daemon = InProcessDaemon::empty(settings);
        daemon.store.swap(small_registry::snapshot(7, &["acme"]));
        daemon
    }

    /// Serves no snapshot with these settings and these limits of a comparison.
    pub(crate) fn with_compare_limits(settings: Settings, limits: CompareLimits) -> InProcessDaemon {
        InProcessDaemon::run(App::bind_with_compare_limits(settings, limits).unwrap())
    }

    /// Serves no snapshot with these settings.
    pub(crate) fn empty(settings: Settings) -> InProcessDaemon {
        InProcessDaemon::run(App::bind(settings).unwrap())
    }

    /// Serves with send buffers of 16 KiB; the default ones of loopback take 2.6 MB of answers.
    pub(crate) fn with_small_send_buffers(settings: Settings) -> InProcessDaemon {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(8).unwrap();
        let socket = TcpListener::from(socket);
        let daemon = InProcessDaemon::run(App::bind(settings).unwrap().with_data_socket(socket.into()));
        daemon.store.swap(small_registry::snapshot(7, &["acme"]));
        daemon
    }

    fn run(app: App) -> InProcessDaemon {
        let running = app.start().unwrap();
        InProcessDaemon {
            data: running.data_addresses()[0].as_tcp().unwrap(),
            admin: running.admin_addresses()[0].as_tcp().unwrap(),
            store: running.store().clone(),
            telemetry: Arc::clone(running.telemetry()),
            running: Some(running),
        }
    }

    /// Returns the running daemon. Panics after [`drain`](Self::drain).
    pub(crate) fn running(&self) -> &RunningApp {
        self.running.as_ref().expect("the daemon has not drained")
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

    /// Returns the answer to one request on a new connection.
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
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        client.answer()
    }

    /// Returns the value of a series, which is named as in `/metrics`. Works after the drain too.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.telemetry.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }

    /// Drains, and returns how many connections were force-closed.
    pub(crate) fn drain(&mut self, timeout: Duration) -> usize {
        self.running.take().expect("the daemon has not drained").drain(timeout)
    }
}

impl Drop for InProcessDaemon {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.drain(Duration::ZERO);
        }
    }
}
