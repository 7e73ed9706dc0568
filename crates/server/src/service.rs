//! What the user of the server provides: a service that answers requests, and an observer of connections.

use std::future::Future;
use std::time::Instant;

use hyper::Request;
use hyper::body::Incoming;

use super::Response;

/// Answers requests on one thread.
pub trait Service {
    /// Answers the request that `bytes` begin with, without hyper, by appending the whole response to `out`. Returns
    /// `None`, with nothing appended, for a request that hyper is to read; that is all of them by default.
    ///
    /// The head has not been checked. A service answers only a request that the checks and hyper would accept, and
    /// with the bytes that hyper would write.
    #[inline]
    fn fast_path(&self, bytes: &[u8], out: &mut Vec<u8>) -> Option<FastAnswer> {
        let _ = (bytes, out);
        None
    }

    /// Answers a request that hyper has read.
    fn handle(&self, request: Request<Incoming>) -> impl Future<Output = (Response, BodyState)>;

    /// Observes that a request was refused with this status before it reached the service. Called before the refusal is
    /// written, so that a peer that has read it finds it counted.
    fn request_refused(&self, status: u16) {
        let _ = status;
    }

    /// Called once a second on a worker's thread.
    fn tick(&self) {}
}

/// A request that was answered by the fast path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastAnswer {
    /// The request's length in bytes, its body included.
    pub len: usize,
    /// When the request was answered.
    pub at: Instant,
}

/// How much of a request's body was read when it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    /// All of it, or the request had none.
    Read,
    /// Not all of it: the connection is closed after the answer.
    Unread,
}

/// Observes the connections of a server, from all of its threads.
pub trait ConnectionObserver: Send + Sync {
    /// A connection was accepted and is open.
    fn connection_opened(&self);
    /// A connection that was opened is closed.
    fn connection_closed(&self);
    /// A connection was rejected because there are too many.
    fn connection_rejected(&self);
    /// The system could not hand over a connection, for lack of file descriptors or memory.
    fn accept_failed(&self);
    /// A connection ends because a deadline passed.
    fn connection_timed_out(&self);
    /// A connection ends because it broke, or because its bytes were not HTTP.
    fn connection_failed(&self);
    /// A connection was still open when the server was forced to close.
    fn connection_force_closed(&self);
    /// A panic was caught.
    fn panic_caught(&self);
}
