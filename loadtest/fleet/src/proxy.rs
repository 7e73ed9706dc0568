//! A TCP proxy on 127.0.0.1 that cuts, holds, delays and throttles what passes through it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as BlockingListener};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

const BUFFER_LEN: usize = 64 << 10;
/// The number of buffers on their way in one direction. More stay in the sockets, as on a slow network.
const MAX_BUFFERS: usize = 64;

/// What a proxy does with its connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// Closes the connections, also new ones. Bytes on their way are lost.
    pub cut: bool,
    /// Keeps the bytes to the server until this ends. The connections stay open.
    pub hold_to_server: bool,
    /// Keeps the bytes to the client until this ends. The connections stay open.
    pub hold_to_client: bool,
    /// The delay of each byte, in each direction.
    pub delay: Duration,
    /// The maximum number of bytes a second on each connection, in each direction.
    pub rate: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    disturbance: Disturbance,
    /// Counts the cuts, so that a short one is not missed.
    cuts: u64,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

/// A running proxy. It ends, and closes its connections, when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
}

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1, on a thread of its own.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses the socket or the thread.
    pub fn start(server_port: u16) -> io::Result<Proxy> {
        let listener = BlockingListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (state, seen) = watch::channel(State::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server_port));
        thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            // Tasks of connections end with the runtime.
            runtime.block_on(accept(listener, server, seen))
        })?;
        Ok(Proxy { port, state })
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Replaces what the proxy does with its connections.
    pub fn set(&self, disturbance: Disturbance) {
        self.state.send_modify(|state| {
            state.disturbance = disturbance;
            state.cuts += u64::from(disturbance.cut);
        });
    }

    /// Lets everything pass, first of all what was held.
    pub fn heal(&self) {
        self.set(Disturbance::default());
    }

    /// Closes the present connections. New ones pass.
    pub fn cut_once(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

async fn accept(listener: BlockingListener, server: SocketAddr, mut state: watch::Receiver<State>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let seen = *state.borrow();
                if let Ok((client, _)) = accepted && !seen.disturbance.cut {
                    tokio::spawn(connection(client, server, state.clone(), seen.cuts));
                }
            }
            // The proxy was dropped.
            closed = closed(&mut state) => return closed,
        }
    }
}

/// Waits until the proxy is dropped.
async fn closed(state: &mut watch::Receiver<State>) {
    while state.changed().await.is_ok() {}
}

async fn connection(client: TcpStream, server: SocketAddr, state: watch::Receiver<State>, cuts: u64) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    // The delays of the proxy are the only ones.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut cut = state.clone();
    tokio::select! {
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
        _ = async {
            tokio::join!(
                pump(from_client, to_server, state.clone(), Direction::ToServer),
                pump(from_server, to_client, state.clone(), Direction::ToClient),
            )
        } => {}
    }
}

/// Passes the bytes of one direction on, until either end closes.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    direction: Direction,
) {
    let (sender, mut buffers) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_BUFFERS);
    let delays = state.clone();
    let read = async move {
        loop {
            let mut buffer = Vec::with_capacity(BUFFER_LEN);
            if !matches!(from.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
            let at = Instant::now() + delays.borrow().disturbance.delay;
            if sender.send((at, buffer)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, buffer)) = buffers.recv().await {
            sleep_until(at).await;
            let is_open = |state: &State| match direction {
                Direction::ToServer => !state.disturbance.hold_to_server,
                Direction::ToClient => !state.disturbance.hold_to_client,
            };
            let Ok(rate) = state.wait_for(is_open).await.map(|state| state.disturbance.rate) else { return };
            if let Some(rate) = rate {
                sleep(Duration::from_secs(1).mul_f64(buffer.len() as f64 / f64::from(rate.max(1)))).await;
            }
            if to.write_all(&buffer).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{Disturbance, Proxy};

    const WAIT: Duration = Duration::from_millis(300);

    /// Returns both ends of a connection through a proxy.
    fn connected() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap().port()).unwrap();
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let server = listener.accept().unwrap().0;
        (proxy, client, server)
    }

    fn receive(mut stream: &TcpStream, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn bytes_are_held_in_one_direction_and_lost_by_a_cut() {
        let (proxy, mut client, mut server) = connected();
        client.write_all(b"a").unwrap();
        assert_eq!(receive(&server, 1), b"a");
        proxy.set(Disturbance { hold_to_server: true, ..Disturbance::default() });
        client.write_all(b"b").unwrap();
        server.write_all(b"answer").unwrap();
        assert_eq!(receive(&client, 6), b"answer");
        server.set_read_timeout(Some(WAIT)).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        proxy.heal();
        server.set_read_timeout(None).unwrap();
        assert_eq!(receive(&server, 1), b"b");

        proxy.set(Disturbance { hold_to_server: true, ..Disturbance::default() });
        client.write_all(b"lost").unwrap();
        proxy.set(Disturbance { cut: true, ..Disturbance::default() });
        proxy.heal();
        assert!(matches!(server.read(&mut [0]), Ok(0) | Err(_)), "the bytes were delivered");
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "the connection is open");
    }

    #[test]
    fn bytes_are_delayed_and_throttled() {
        let (proxy, mut client, server) = connected();
        proxy.set(Disturbance { delay: WAIT, ..Disturbance::default() });
        let sent = Instant::now();
        client.write_all(b"a").unwrap();
        receive(&server, 1);
        assert!(sent.elapsed() >= WAIT, "{:?}", sent.elapsed());

        proxy.set(Disturbance { rate: Some(1 << 20), ..Disturbance::default() });
        let sent = Instant::now();
        let writer = thread::spawn(move || client.write_all(&[7; 512 << 10]).map(|()| client));
        receive(&server, 512 << 10);
        assert!(sent.elapsed() >= Duration::from_millis(450), "{:?}", sent.elapsed());
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn a_proxy_that_is_dropped_closes_its_connections() {
        let (proxy, mut client, _server) = connected();
        drop(proxy);
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }
}
