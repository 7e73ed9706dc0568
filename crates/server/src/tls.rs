//! TLS: the certificate in force and its replacement, and handshakes with their limits. Above this module, a
//! TLS stream is a stream like any other. (`docs/decisions/0055-tls-under-the-connections.md`)

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, version};
use switchboard_model::UnixSeconds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use super::response::{LINGER, plain_http_response};
use super::socket::Stream;

/// Maximum number of handshakes that a worker has under way. A handshake is under way from the client's whole
/// first message on. Earlier it costs nothing but its connection.
const MAX_HANDSHAKES: usize = 32;
/// Age from which a handshake makes room for others that wait. A client needs one round trip.
const FAIR_SHARE: Duration = Duration::from_millis(250);
/// Interval at which a waiting handshake asks an old one to make room.
const ASK_INTERVAL: Duration = Duration::from_millis(25);

/// A certificate with its key, and the authorities of client certificates, ready for connections.
pub struct TlsConfig {
    server: Arc<ServerConfig>,
    expiry: Expiry,
}

/// The first and the last second in which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: UnixSeconds,
    /// The last second.
    pub until: UnixSeconds,
}

/// The times at which certificates expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Validity of the server's certificate.
    pub server: Validity,
    /// Earliest expiry of a certificate authority of clients, if there are any.
    pub client_ca: Option<UnixSeconds>,
}

/// A file of the TLS settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate chain of the server.
    Certificate,
    /// The private key of the server.
    Key,
    /// The certificate authorities of clients.
    ClientCa,
}

/// The reason why files are no valid TLS configuration. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// The file that has the fault.
    pub file: TlsFile,
    /// The fault and its remedy.
    pub reason: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for TlsFault {}

impl TlsConfig {
    /// Reads a certificate chain, its private key and the authorities of client certificates, all in PEM.
    ///
    /// # Errors
    /// Returns the file that cannot be used, and the reason.
    pub fn from_pem(certificate: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<TlsConfig, TlsFault> {
        let chain = read_certificates(TlsFile::Certificate, certificate)?;
        let validity = chain.iter().map(|certificate| certificate.1).next();
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(|(der, _)| der).collect();
        let key = read_key(key)?;
        let provider = Arc::new(ring::default_provider());
        let (roots, client_expiry) =
            client_ca.map_or_else(|| Ok((RootCertStore::empty(), None)), read_authorities)?;
        let fault = |file, reason: String| TlsFault { file, reason };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| fault(TlsFile::Certificate, error.to_string()))?;
        let builder = if client_ca.is_some() {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                // A caller with a token needs no certificate.
                .allow_unauthenticated()
                .build()
                .map_err(|error| fault(TlsFile::ClientCa, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let others: Vec<_> = chain.iter().skip(1).cloned().collect();
        let mut server = builder.with_single_cert(chain, key.clone_key()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => wrong_key(&others, &key),
            rustls::Error::InvalidCertificate(_) => {
                fault(TlsFile::Certificate, format!("the first certificate cannot be used: {error}"))
            }
            error => {
                fault(TlsFile::Key, format!("{error}; write an ECDSA (P-256, P-384), Ed25519 or RSA key"))
            }
        })?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A new configuration has a new key for tickets, and a new memory of sessions. So the tickets of
        // earlier certificates and authorities are discarded with them.
        server.ticketer = ring::Ticketer::new()
            .map_err(|error| fault(TlsFile::Key, format!("no random numbers: {error}")))?;
        let server_validity = validity.unwrap_or(Validity { from: UnixSeconds(0), until: UnixSeconds(0) });
        let expiry = Expiry { server: server_validity, client_ca: client_expiry };
        Ok(TlsConfig { server: Arc::new(server), expiry })
    }

    /// Returns the times of expiry.
    pub fn expiry(&self) -> Expiry {
        self.expiry
    }
}

impl TlsFile {
    /// Checks the content of this file alone. Returns the validity of the server's certificate.
    ///
    /// # Errors
    /// Returns the reason why the file cannot be used.
    pub fn check(self, pem: &[u8]) -> Result<Option<Validity>, TlsFault> {
        match self {
            TlsFile::Certificate => {
                let chain = read_certificates(self, pem)?;
                Ok(chain.first().map(|(_, validity)| *validity))
            }
            TlsFile::Key => read_key(pem).map(|_| None),
            TlsFile::ClientCa => read_authorities(pem).map(|_| None),
        }
    }
}

/// Reads the authorities of client certificates. Returns the earliest expiry of one, too.
fn read_authorities(pem: &[u8]) -> Result<(RootCertStore, Option<UnixSeconds>), TlsFault> {
    let (mut roots, mut earliest) = (RootCertStore::empty(), None::<UnixSeconds>);
    for (authority, Validity { until: expiry, .. }) in read_certificates(TlsFile::ClientCa, pem)? {
        roots.add(authority).map_err(|error| TlsFault {
            file: TlsFile::ClientCa,
            reason: format!(
                "a certificate is no certificate authority: {error}; write the CA's own certificate"
            ),
        })?;
        earliest = Some(earliest.map_or(expiry, |earliest| earliest.min(expiry)));
    }
    Ok((roots, earliest))
}

/// Returns the fault of a key that does not belong to the first certificate of the chain.
fn wrong_key(others: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> TlsFault {
    let provider = ring::default_provider();
    let belongs_to = |certificate: &CertificateDer<'static>| {
        CertifiedKey::from_der(vec![certificate.clone()], key.clone_key(), &provider).is_ok()
    };
    match others.iter().position(belongs_to) {
        Some(at) => TlsFault {
            file: TlsFile::Certificate,
            reason: format!(
                "the key belongs to certificate {} of the file; write this certificate first, then those of its \
                issuers",
                at + 2
            ),
        },
        None => TlsFault {
            file: TlsFile::Key,
            reason:
                "the key does not belong to the certificate; write the key with which the certificate was \
                requested"
                    .to_owned(),
        },
    }
}

fn read_certificates(
    file: TlsFile,
    pem: &[u8],
) -> Result<Vec<(CertificateDer<'static>, Validity)>, TlsFault> {
    let fault = |reason| TlsFault { file, reason };
    let mut certificates = Vec::new();
    for (at, read) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let der = read.map_err(|error| fault(pem_fault(&error)))?;
        let parsed = Certificate::from_der(&der)
            .map_err(|_| fault(format!("certificate {} of the file is damaged; copy it again", at + 1)))?;
        certificates.push((der, validity(&parsed)));
    }
    if certificates.is_empty() {
        return Err(fault(
            "there is no certificate; write one in PEM, which begins with a line BEGIN CERTIFICATE".into(),
        ));
    }
    Ok(certificates)
}

fn validity(certificate: &Certificate) -> Validity {
    let validity = certificate.tbs_certificate.validity;
    Validity { from: seconds(validity.not_before), until: seconds(validity.not_after) }
}

fn seconds(time: Time) -> UnixSeconds {
    UnixSeconds(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        // In the name of the section, or in the header of the traditional form.
        let is_encrypted = memchr::memmem::find(pem, b"ENCRYPTED").is_some();
        let reason = match error {
            pem::Error::NoItemsFound | pem::Error::Base64Decode(_) if is_encrypted => {
                "the private key is encrypted; write it without a password, as openssl pkey does".to_owned()
            }
            pem::Error::NoItemsFound => {
                "there is no private key; write one in PEM, which begins with a line BEGIN PRIVATE KEY"
                    .to_owned()
            }
            error => pem_fault(&error),
        };
        TlsFault { file: TlsFile::Key, reason }
    })
}

/// Returns a fault of PEM in words. The text has nothing of the file, which may be a key.
fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the file ends within a section; copy it again".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a line BEGIN is damaged; copy the file again".to_owned(),
        pem::Error::Base64Decode(_) => "a section is no base64; copy the file again".to_owned(),
        _ => "the file is no PEM; copy it again".to_owned(),
    }
}

/// The TLS configuration in force. Connections that begin later use a new configuration.
pub struct Tls {
    current: ArcSwap<TlsConfig>,
}

switchboard_model::text_enum! {
    /// The result of a handshake.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum HandshakeOutcome {
        /// The client and the server agreed on new keys.
        Completed => "completed",
        /// The client resumed an earlier session.
        Resumed => "resumed",
        /// The client closed the connection, or sent what cannot be used.
        Failed => "failed",
        /// The handshake took longer than the header timeout.
        TimedOut => "timed_out",
        /// The handshake was slow, and made room for others that waited.
        Evicted => "evicted",
    }
}

impl Tls {
    /// Puts a configuration in force.
    pub fn new(config: TlsConfig) -> Arc<Tls> {
        Arc::new(Tls { current: ArcSwap::from_pointee(config) })
    }

    /// Replaces the configuration in force. Connections that are open keep the earlier one.
    pub fn replace(&self, config: TlsConfig) {
        self.current.store(Arc::new(config));
    }

    /// Returns the times of expiry of the configuration in force.
    pub fn expiry(&self) -> Expiry {
        self.current.load().expiry
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").field("expiry", &self.expiry()).finish()
    }
}

/// The handshakes of one thread.
pub struct Handshakes {
    tls: Arc<Tls>,
    header_timeout: Duration,
    slots: Rc<Slots>,
    /// Wakes the handshake that has been under way for longest.
    asked: Notify,
}

/// A connection that is ready for its first request.
pub struct Established {
    /// The stream, with TLS or plain.
    pub stream: Stream,
    /// The outcome of the handshake, `Completed` or `Resumed`. `None` for a plain stream.
    pub handshake: Option<HandshakeOutcome>,
    /// The verified certificate of the client, if it showed one.
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

/// The part of a verified client certificate that identifies a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject alternative names that are URIs, DNS names or e-mail addresses, as the certificate has them.
    pub names: Vec<SubjectName>,
    /// The first second in which the certificate is valid.
    pub not_before: UnixSeconds,
    /// The last second in which the certificate is valid.
    pub not_after: UnixSeconds,
}

/// A subject alternative name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectName {
    /// The kind of the name. Equal texts of different kinds are different names.
    pub kind: NameKind,
    /// The name as the certificate has it.
    pub text: Box<str>,
}

/// A kind of subject alternative names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A URI.
    Uri,
    /// The name of a host.
    Dns,
    /// An e-mail address.
    Email,
}

impl ClientCertificate {
    /// Reads a certificate in DER. A certificate that cannot be read has no name, and is never valid.
    fn read(der: &[u8]) -> ClientCertificate {
        let Ok(Certificate { tbs_certificate, .. }) = Certificate::from_der(der) else {
            let (not_before, not_after) = (UnixSeconds(i64::MAX), UnixSeconds(i64::MIN));
            return ClientCertificate { names: Vec::new(), not_before, not_after };
        };
        let (_, SubjectAltName(names)) =
            tbs_certificate.get().ok().flatten().unwrap_or((false, SubjectAltName(Vec::new())));
        let names = names.iter().filter_map(|name| {
            let (kind, text) = match name {
                GeneralName::UniformResourceIdentifier(name) => (NameKind::Uri, name.to_string()),
                GeneralName::DnsName(name) => (NameKind::Dns, name.to_string()),
                GeneralName::Rfc822Name(name) => (NameKind::Email, name.to_string()),
                _ => return None,
            };
            Some(SubjectName { kind, text: text.into() })
        });
        let validity = tbs_certificate.validity;
        ClientCertificate {
            names: names.collect(),
            not_before: seconds(validity.not_before),
            not_after: seconds(validity.not_after),
        }
    }
}

/// Makes a connection ready for its first request. With `handshakes`, performs the handshake and passes its outcome
/// to `count`. Without them, leaves the connection plain.
///
/// # Errors
/// Returns the outcome of a handshake that was not completed, or `None` if the peer closed without a byte.
pub async fn establish(
    handshakes: Option<&Handshakes>,
    stream: Stream,
    count: impl FnOnce(HandshakeOutcome),
) -> Result<Established, Option<HandshakeOutcome>> {
    let established = match handshakes {
        Some(handshakes) => handshakes.perform(stream).await,
        None => Ok(Established::plain(stream)),
    };
    let outcome = established.as_ref().map_or_else(|outcome| *outcome, |established| established.handshake);
    if let Some(outcome) = outcome {
        count(outcome);
    }
    established
}

impl Established {
    /// Takes a plain stream.
    fn plain(stream: Stream) -> Established {
        Established { stream, handshake: None, client_certificate: None }
    }
}

impl Handshakes {
    /// Creates the handshakes of a thread, each of which has the header timeout.
    pub fn new(tls: Arc<Tls>, header_timeout: Duration) -> Handshakes {
        Handshakes { tls, header_timeout, slots: Slots::new(MAX_HANDSHAKES), asked: Notify::new() }
    }

    /// Performs the handshake of a new TCP connection. Leaves a Unix socket plain.
    ///
    /// # Errors
    /// Returns the outcome of a handshake that was not completed, or `None` if the peer closed without a byte.
    pub(crate) async fn perform(&self, stream: Stream) -> Result<Established, Option<HandshakeOutcome>> {
        let Stream::Tcp(stream) = stream else { return Ok(Established::plain(stream)) };
        let attempted = timeout(self.header_timeout, self.attempt(stream)).await;
        let stream = attempted.unwrap_or(Err(Some(HandshakeOutcome::TimedOut)))?;
        let (_, session) = stream.get_ref();
        let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let outcome = if is_resumed { HandshakeOutcome::Resumed } else { HandshakeOutcome::Completed };
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let client_certificate =
            certificate.map(|certificate| Arc::new(ClientCertificate::read(certificate)));
        Ok(Established {
            stream: Stream::Tls(Box::new(stream)),
            handshake: Some(outcome),
            client_certificate,
        })
    }

    /// Returns the encrypted stream, or the outcome if there was a handshake.
    async fn attempt(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Option<HandshakeOutcome>> {
        const FAILED: HandshakeOutcome = HandshakeOutcome::Failed;
        let mut first = [0];
        match stream.peek(&mut first).await {
            // A probe connects and closes. This is no handshake.
            Ok(0) => return Err(None),
            Ok(_) if first.iter().all(u8::is_ascii_uppercase) => {
                let _ = refuse_plain_http(stream).await;
                return Err(Some(FAILED));
            }
            Ok(_) => {}
            Err(_) => return Err(Some(FAILED)),
        }
        let accepted =
            LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(|_| Some(FAILED))?;
        let slot = self.slot().await;
        // Loaded as late as possible, so that a replaced certificate is not used any more.
        let config = Arc::clone(&self.tls.current.load().server);
        let stream = tokio::select! {
            biased;
            stream = accepted.into_stream(config) => stream.map_err(|_| Some(FAILED))?,
            () = self.make_room() => return Err(Some(HandshakeOutcome::Evicted)),
        };
        drop(slot);
        Ok(stream)
    }

    /// Waits for a slot. Asks old handshakes to make room meanwhile, because clients that stall would otherwise
    /// keep every slot until their timeout.
    async fn slot(&self) -> Slot {
        let mut freed = match self.slots.take() {
            Ok(slot) => return slot,
            Err(freed) => freed,
        };
        loop {
            self.asked.notify_one();
            match timeout(ASK_INTERVAL, &mut freed).await {
                Ok(Ok(slot)) => return slot,
                // Cannot happen, because the sender exists until it sends. The header timeout ends this handshake.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => {}
            }
        }
    }

    /// Returns when a handshake that began with this call must make room for another.
    async fn make_room(&self) {
        sleep(FAIR_SHARE).await;
        loop {
            self.asked.notified().await;
            // The request may be of a handshake that has a slot by now.
            if self.slots.is_awaited() {
                return;
            }
        }
    }
}

/// The handshakes that a thread may have under way. A free slot goes to the handshake that has waited for the
/// shortest time: many clients that stall fill the queue, and would let an honest client wait behind them.
struct Slots {
    free: Cell<usize>,
    waiting: RefCell<Vec<oneshot::Sender<Slot>>>,
}

/// The right to have a handshake under way, until it is dropped.
struct Slot(Rc<Slots>);

impl Slots {
    fn new(free: usize) -> Rc<Slots> {
        Rc::new(Slots { free: Cell::new(free), waiting: RefCell::default() })
    }

    /// Returns a slot, or the receiver of one that becomes free.
    fn take(self: &Rc<Slots>) -> Result<Slot, oneshot::Receiver<Slot>> {
        if let Some(left) = self.free.get().checked_sub(1) {
            self.free.set(left);
            return Ok(Slot(Rc::clone(self)));
        }
        let (sender, freed) = oneshot::channel();
        let mut waiting = self.waiting.borrow_mut();
        // Those that were closed or timed out.
        if waiting.len() == waiting.capacity() {
            waiting.retain(|sender| !sender.is_closed());
        }
        waiting.push(sender);
        Err(freed)
    }

    /// Returns whether a handshake waits for a slot.
    fn is_awaited(&self) -> bool {
        self.waiting.borrow().iter().any(|sender| !sender.is_closed())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let newest = {
            let mut waiting = self.0.waiting.borrow_mut();
            std::iter::from_fn(|| waiting.pop()).find(|sender| !sender.is_closed())
        };
        match newest {
            // It is not closed, and this is its thread, so it arrives.
            Some(newest) => drop(newest.send(Slot(Rc::clone(&self.0)))),
            None => self.0.free.set(self.0.free.get() + 1),
        }
    }
}

/// Answers a request without TLS, whose client would otherwise report bytes that are no HTTP.
async fn refuse_plain_http(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&plain_http_response()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection, and the answer could be lost.
    let mut discarded = [0; 1024];
    let read_rest = async {
        while stream.read(&mut discarded).await? > 0 {}
        Ok(())
    };
    timeout(LINGER, read_rest).await.unwrap_or(Ok(()))
}
