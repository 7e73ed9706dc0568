//! Floor 5. The data listener: HTTP/1.1 in, selections and problems out.
//!
//! One thread accepts and hands each connection to the worker that has the fewest; a worker is a thread
//! with a runtime of its own, its own way to the snapshot in service, its own buffers and counters, so that workers
//! share nothing on the way of an answer.
//!
//! Reading order: [`settings`], [`listener`], `peers`, `serving`, `worker`, `desk` (threads), `leave` (their
//! end); `connection`, `stream`, `framing`, `head`, `pulse` (one connection); `direct`, `selecting`, `url`, `clock`
//! (one selection); `route`, `handle`, `body`, `batch`, `explaining`, `answers`, `problems`, `budget`, `panics` (one
//! request through hyper).

pub mod batch;
mod body;
mod budget;
mod clock;
mod desk;
mod explaining;
mod framing;
mod handle;
mod head;
pub(crate) mod leave;
pub mod listener;
mod peers;
mod route;
mod selecting;
mod serving;
pub mod settings;
pub mod url;
mod worker;

pub(crate) mod answers;
pub(crate) mod connection;
pub(crate) mod direct;
pub(crate) mod panics;
pub(crate) mod problems;
pub(crate) mod pulse;
mod stream;

pub use listener::Listener;
pub use route::PATHS;
pub use serving::{Cutter, Serving};
pub use settings::Settings;

/// What the listeners answer with: a body that is there whole.
pub(crate) type Response = hyper::Response<http_body_util::Full<bytes::Bytes>>;
