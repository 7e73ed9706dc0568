//! The traits that a user of the server implements: a service that answers requests, and an observer of
//! connections.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// The credential that the service looked up last on this connection.
    pub credential: CredentialMemory,
}

impl ConnectionInfo {
    /// Creates the facts about a new connection, without a certificate.
    pub fn new(peer: Peer) -> ConnectionInfo {
        ConnectionInfo { peer, client_certificate: None, credential: CredentialMemory::default() }
    }
}

/// Maximum length of a remembered credential. `Bearer` and a token have 54 bytes.
const MAX_REMEMBERED_BYTES: usize = 64;

/// The memory of a connection for one header `Authorization`, with the result of its look-up in one version of the
/// service's credentials. The `Debug` form does not show the header.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CredentialMemory(RefCell<Remembered>);

#[derive(Clone, PartialEq, Eq)]
struct Remembered {
    header: [u8; MAX_REMEMBERED_BYTES],
    len: usize,
    version: u64,
    found: (usize, usize),
}

impl Default for Remembered {
    fn default() -> Remembered {
        Remembered { header: [0; MAX_REMEMBERED_BYTES], len: 0, version: 0, found: (0, 0) }
    }
}

impl CredentialMemory {
    /// Returns the result for the same header in the same version. The comparison takes the same time for all
    /// headers of a length, because a proxy may send the requests of several callers over one connection.
    #[inline]
    pub fn recall(&self, header: &[u8], version: u64) -> Option<(usize, usize)> {
        let known = self.0.borrow();
        if known.len != header.len() || known.len == 0 || known.version != version {
            return None;
        }
        let differing = known.header.iter().zip(header).fold(0, |all, (a, b)| all | (a ^ b));
        (std::hint::black_box(differing) == 0).then_some(known.found)
    }

    /// Remembers the result for a header. Ignores a header that is longer than a usual token.
    pub fn remember(&self, header: &[u8], version: u64, found: (usize, usize)) {
        let mut known = self.0.borrow_mut();
        if let Some(place) = known.header.get_mut(..header.len()) {
            place.copy_from_slice(header);
            (known.len, known.version, known.found) = (header.len(), version, found);
        }
    }
}

impl fmt::Debug for CredentialMemory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CredentialMemory(…)")
    }
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

    /// Returns the longest time from the end of a request's head to its answer, for a request whose time is not
    /// [`Timeouts::body`](super::Timeouts::body). The default returns `None`.
    fn request_timeout(&self, request: &Request<Incoming>) -> Option<Duration> {
        let _ = request;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_is_recalled_for_the_same_header_and_version() {
        let memory = CredentialMemory::default();
        assert_eq!(memory.recall(b"", 0), None);
        memory.remember(b"Bearer abc", 7, (1, 2));
        assert_eq!(memory.recall(b"Bearer abc", 7), Some((1, 2)));
        for (header, version) in
            [("Bearer abc", 8), ("Bearer abd", 7), ("Bearer ab", 7), ("Bearer abcd", 7), ("", 7)]
        {
            assert_eq!(memory.recall(header.as_bytes(), version), None, "{header} {version}");
        }
        memory.remember(b"Bearer x", 8, (0, 0));
        assert_eq!(memory.recall(b"Bearer x", 8), Some((0, 0)));
        assert_eq!(memory.recall(b"Bearer abc", 7), None);
        // A header that does not fit leaves the memory as it was.
        memory.remember(&[b'x'; MAX_REMEMBERED_BYTES + 1], 8, (5, 5));
        assert_eq!(memory.recall(&[b'x'; MAX_REMEMBERED_BYTES + 1], 8), None);
        assert_eq!(memory.recall(b"Bearer x", 8), Some((0, 0)));
        assert!(!format!("{memory:?}").contains("Bearer"));
    }
}
