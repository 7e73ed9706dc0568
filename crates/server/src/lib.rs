//! An HTTP/1.1 server that does not know the API, its metrics or the snapshot. It accepts connections, limits
//! their number, checks request heads, drives hyper, keeps deadlines, and drains.
//!
//! One thread accepts connections and hands each to the worker with the fewest. A worker is a thread with its
//! own runtime and its own [`Service`], so workers share nothing while they answer.
//!
//! A program implements [`Service`] and [`ConnectionObserver`], binds a [`Listener`], and calls
//! [`Listener::serve`]:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use hyper::{Request, body::Incoming};
//! use switchboard_server::{
//!     BodyState, ConnectionInfo, ConnectionObserver, Listener, Response, ServerSettings, Service, respond,
//! };
//! use tokio::sync::watch;
//!
//! struct Hello;
//!
//! impl Service for Hello {
//!     async fn handle(&self, _: &ConnectionInfo, _: Request<Incoming>) -> (Response, BodyState) {
//!         (respond(200, "text/plain", "hello\n".into()), BodyState::Unread)
//!     }
//! }
//!
//! struct Ignore;
//!
//! impl ConnectionObserver for Ignore {
//!     fn connection_opened(&self) {}
//!     fn connection_closed(&self) {}
//!     fn connection_rejected(&self) {}
//!     fn accept_failed(&self) {}
//!     fn connection_timed_out(&self) {}
//!     fn connection_failed(&self) {}
//!     fn connection_force_closed(&self) {}
//!     fn panic_caught(&self) {}
//! }
//!
//! let settings = ServerSettings { listen: vec!["127.0.0.1:0".parse()?], ..ServerSettings::default() };
//! let listener = Listener::bind(&settings)?;
//! println!("listening on {:?}", listener.local_addrs()?);
//! let drain = watch::Sender::new(false);
//! let threads = listener.serve(|| Hello, Arc::new(Ignore), drain.subscribe())?;
//! drain.send_replace(true);
//! assert_eq!(threads.drain(Duration::from_secs(1)), 0, "no connection was force-closed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Begin to read with [`limits`] and [`service`]. Then [`listen`], [`socket`], [`tls`], [`acceptor`] and [`worker`]
//! have the threads and sockets; [`connection`], `connection_state`, `guarded_stream`, `framing` and `request_head` have
//! one connection; and `simple_request`, [`response`] and [`failpoint`] have what services use.

pub mod acceptor;
pub mod connection;
mod connection_state;
pub mod failpoint;
mod framing;
mod guarded_stream;
pub mod limits;
pub mod listen;
mod request_head;
pub mod response;
pub mod service;
mod simple_request;
pub mod socket;
pub mod tls;
pub mod worker;

pub use acceptor::{AcceptSet, Listener};
pub use connection::serve_connection;
pub use limits::{MemoryBudget, RequestClass, Reservation, ServerSettings, Timeouts};
pub use listen::{InvalidAddress, ListenAddress, addresses_conflict};
pub use response::{Clock, Problem, ProblemKind, Response, respond};
pub use service::{BodyState, ConnectionInfo, ConnectionObserver, FastAnswer, Service};
pub use simple_request::SimpleRequest;
pub use socket::{BindError, BoundAddress, HangUp, ListenSocket, Peer, Stream, Takeover, UnixBindFault};
pub use tls::{
    ClientCertificate, Established, Expiry, HandshakeOutcome, Handshakes, NameKind, SubjectName, Tls,
    TlsConfig, TlsFault, TlsFile, Validity, establish,
};
pub use worker::{ForceClose, ServerThreads, catch_panic, catch_panic_async};
