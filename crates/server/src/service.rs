//! The traits that a user of the server implements: a service that answers requests, and an observer of
//! connections.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use hyper::Request;
use hyper::body::Incoming;

use super::{ClientCertificate, HandshakeOutcome, Peer, ProblemKind, Response};

/// The connection that a request arrived on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The other end of the connection.
    pub peer: Peer,
    /// The verified certificate of the client, if it showed one. It may have expired after the connection
    /// began.
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

/// Answers the requests of one worker's connections, on the worker's thread. The crate's documentation has an
/// example.
pub trait Service {
    /// Answers the request at the start of `bytes` without hyper, and appends the complete response to `out`.
    /// Returns `None`, and appends nothing, for a request that hyper must read. The default returns `None`
    /// for all requests.
    ///
    /// The head is not checked beforehand. The service must answer only requests that the checks and hyper
    /// would accept, with the bytes that hyper would write.
    #[inline]
    fn fast_path(&self, connection: &ConnectionInfo, bytes: &[u8], out: &mut Vec<u8>) -> Option<FastAnswer> {
        let _ = (connection, bytes, out);
        None
    }

    /// Answers a request that hyper has read.
    fn handle(
        &self,
        connection: &ConnectionInfo,
        request: Request<Incoming>,
    ) -> impl Future<Output = (Response, BodyState)>;

    /// Called when a request is refused with this problem before it reaches the service. Called before the
    /// refusal of `len` bytes is written, so that a peer that has read the refusal finds it counted.
    fn request_refused(&self, connection: &ConnectionInfo, kind: &ProblemKind, len: usize) {
        let _ = (connection, kind, len);
    }

    /// Called once a second on the worker's thread.
    fn tick(&self) {}
}

/// The result of a request that the fast path answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastAnswer {
    /// Length of the request in bytes, including its body.
    pub len: usize,
    /// The time when the request was answered.
    pub at: Instant,
}

/// Whether the service read the whole body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    /// The whole body was read, or the request has none.
    Read,
    /// The body was not read completely. The connection is closed after the answer.
    Unread,
}

/// Observes the connections of a server. All threads of the server call it.
pub trait ConnectionObserver: Send + Sync {
    /// Called when a connection was accepted and is open.
    fn connection_opened(&self);
    /// Called when a connection that was open is closed.
    fn connection_closed(&self);
    /// Called when a connection is rejected because a limit is reached.
    fn connection_rejected(&self);
    /// Called when accept(2) fails, for lack of file descriptors or memory.
    fn accept_failed(&self);
    /// Called when a connection ends because a deadline passed.
    fn connection_timed_out(&self);
    /// Called when a connection ends because it broke, or because its bytes were not HTTP.
    fn connection_failed(&self);
    /// Called for each connection that is still open when the server is force-closed.
    fn connection_force_closed(&self);
    /// Called when a panic was caught.
    fn panic_caught(&self);
    /// Called when a TLS handshake ends.
    fn tls_handshake(&self, outcome: HandshakeOutcome) {
        let _ = outcome;
    }
}
