//! An HTTP/1.1 server that knows nothing of the API, its metrics or the snapshot: it accepts connections, limits them,
//! checks request heads, drives hyper, keeps deadlines, and drains.
//!
//! One thread accepts and hands each connection to the worker that has the fewest. A worker is a thread with a runtime
//! and a [`Service`] of its own, so that workers share nothing while they answer.
//!
//! Reading order: [`settings`], [`service`]; [`acceptor`], `peer_limit`, [`threads`], `worker`, [`reuseport`] (threads
//! and sockets); [`connection`], `guarded_stream`, `framing`, `request_head`, `connection_state` (one connection);
//! `simple_request`, [`response`], [`problem`], [`memory_budget`], [`clock`], [`panics`], [`failpoint`] (what services use).

pub mod acceptor;
pub mod clock;
pub mod connection;
mod connection_state;
pub mod failpoint;
mod framing;
mod guarded_stream;
pub mod memory_budget;
pub mod panics;
mod peer_limit;
pub mod problem;
mod request_head;
pub mod response;
pub mod reuseport;
pub mod service;
pub mod settings;
mod simple_request;
pub mod threads;
mod worker;

pub use acceptor::{Listener, accept, bind};
pub use clock::Clock;
pub use connection::serve_connection;
pub use memory_budget::{MemoryBudget, RequestClass, Reservation};
pub use panics::{catch_panic, catch_panic_async};
pub use problem::{Problem, ProblemKind};
pub use response::{Response, respond};
pub use service::{BodyState, ConnectionObserver, FastAnswer, Service};
pub use settings::{ServerSettings, Timeouts};
pub use simple_request::SimpleRequest;
pub use threads::{ForceClose, ServerThreads};
