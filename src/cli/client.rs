//! A client of a running daemon: one request a connection, with time limits.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::output::{self, ERROR};
use super::{CommandError, Exit};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit of the time from a request to the end of its answer. Changes of standings wait for a disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Limit of an answer. The explanation of a chain of 20,000 levels is shorter.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;
const PROBLEM: &str = "application/problem+json";

/// The address of a listener of a daemon.
pub(super) struct Client {
    /// The URL without a path, for messages.
    url: String,
    endpoint: DaemonAddress,
    /// The value of the header `Host`.
    host: String,
    /// The path that precedes every route, for a daemon behind a proxy. Does not end with a slash.
    prefix: String,
    /// The header with the token, if there is one.
    authorization: Option<HeaderValue>,
}

/// The place that a client connects to.
enum DaemonAddress {
    /// A host and a port, with or without TLS.
    Tcp { authority: String, tls: Option<(TlsConnector, ServerName<'static>)> },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A connection of any kind.
trait DaemonStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> DaemonStream for T {}

/// An answer of a daemon.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// Whether the answer is a problem by RFC 9457.
    is_problem: bool,
}

/// A problem in an answer.
pub(super) struct RemoteProblem {
    pub(super) code: String,
    pub(super) title: String,
    pub(super) detail: String,
}

impl Client {
    /// Reads a URL such as `http://127.0.0.1:7400`, or `unix:` and the path of a Unix socket. No message repeats the
    /// URL, which may contain a password.
    /// `ca` is a file of the certificate authorities that are trusted, by default those of the system.
    pub(super) fn from_url(url: &str, ca: Option<&Path>) -> Result<Client, CommandError> {
        let expected = "expected a URL such as http://127.0.0.1:7400, https://localhost:7400 or unix:PATH";
        let fault = |fault: &str| CommandError::usage(format!("--url: {fault}: {expected}"));
        if let Some(path) = url.strip_prefix("unix:") {
            if path.is_empty() || path.ends_with('/') {
                return Err(fault("the path of the Unix socket is missing"));
            }
            let endpoint = DaemonAddress::Unix(path.into());
            let url = output::printable(url);
            return Ok(Client {
                url,
                endpoint,
                host: "localhost".to_owned(),
                prefix: String::new(),
                authorization: None,
            });
        }
        let uri: Uri = url.parse().map_err(|_| fault("this is not a URL"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority), Some(host)) =
            (uri.scheme_str(), uri.authority(), uri.host())
        else {
            return Err(fault("this is not a URL that begins with http:// or https://"));
        };
        if authority.as_str().contains('@') {
            return Err(fault("a URL cannot have a user or a password"));
        }
        if uri.query().is_some() || host.is_empty() {
            return Err(fault("the URL of a daemon has a host and no query"));
        }
        // The parser accepts a port that is no number of 16 bits, and then has none.
        if authority.as_str() != host && uri.port_u16().is_none() {
            return Err(fault("the port of a URL is a number up to 65535"));
        }
        let has_tls = scheme == "https";
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 }));
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let tls = if has_tls {
            let name = host.trim_matches(['[', ']']).to_owned();
            let name =
                ServerName::try_from(name).map_err(|_| fault("the host is no name of a certificate"))?;
            Some((TlsConnector::from(Arc::new(trust(ca)?)), name))
        } else {
            None
        };
        let url = format!("{scheme}://{authority}");
        let endpoint = DaemonAddress::Tcp { authority: authority.clone(), tls };
        Ok(Client { url, endpoint, host: authority, prefix, authorization: None })
    }

    /// Makes every request send this header `Authorization`.
    pub(super) fn with_authorization(self, authorization: Option<HeaderValue>) -> Client {
        Client { authorization, ..self }
    }

    /// Sends a request and returns the whole answer. `path` begins with a slash.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::io(format!("cannot start the client: {error}")))?;
        let reply = runtime.block_on(self.exchange(method, path, body));
        // A name server that does not answer would delay the end of the runtime.
        runtime.shutdown_background();
        reply
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, CommandError> {
        let url = &self.url;
        let stream = match timeout(CONNECT_TIMEOUT, self.endpoint.connect()).await {
            Ok(connected) => connected.map_err(|error| self.unreachable(&error))?,
            Err(_) => {
                let reason = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
                return Err(self.unreachable(&io::Error::other(reason)));
            }
        };
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let content = body.map(Value::to_string).unwrap_or_default();
            let mut request = Request::new(Full::new(Bytes::from(content)));
            *request.method_mut() = method;
            *request.uri_mut() = format!("{}{path}", self.prefix).parse()?;
            request.headers_mut().insert(HOST, self.host.parse()?);
            if let Some(authorization) = &self.authorization {
                request.headers_mut().insert(AUTHORIZATION, authorization.clone());
            }
            if body.is_some() {
                request.headers_mut().insert(CONTENT_TYPE, "application/json".parse()?);
            }
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok(Reply { status, body, is_problem })
        };
        let failed = |error: &dyn std::fmt::Display| {
            CommandError::io(format!(
                "{url} does not answer as a daemon: {error}; check --url, and the log of the daemon"
            ))
        };
        match timeout(ANSWER_TIMEOUT, exchange).await {
            Ok(reply) => reply.map_err(|error: Box<dyn std::error::Error + Send + Sync>| failed(&error)),
            Err(_) => Err(failed(&format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    fn unreachable(&self, error: &io::Error) -> CommandError {
        let url = &self.url;
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if matches!(of_tls, Some(rustls::Error::InvalidCertificate(_))) {
            return CommandError::io(format!(
                "cannot trust {url}: {error}; name the authority of its certificate with --ca, and the host as the \
                certificate does"
            ));
        }
        CommandError::io(format!(
            "cannot connect to {url}: {error}; start the daemon with `switchboard`, or name its address with --url"
        ))
    }
}

impl DaemonAddress {
    async fn connect(&self) -> io::Result<Box<dyn DaemonStream>> {
        Ok(match self {
            DaemonAddress::Tcp { authority, tls } => {
                let stream = TcpStream::connect(authority).await?;
                match tls {
                    Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                    None => Box::new(stream),
                }
            }
            DaemonAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// Returns a configuration that trusts the authorities in a file, or those of the system.
fn trust(ca: Option<&Path>) -> Result<ClientConfig, CommandError> {
    let (mut roots, mut named) = (RootCertStore::empty(), Vec::new());
    match ca {
        Some(path) => {
            let fault = |exit: fn(String) -> CommandError, reason: String| {
                exit(format!("--ca: {}: {reason}", path.display()))
            };
            let pem = std::fs::read(path).map_err(|error| {
                fault(CommandError::io, format!("{error}; check that the file exists, and its permissions"))
            })?;
            let invalid = |reason: &str| {
                fault(CommandError::usage, format!("{reason}; name a file with certificates in PEM"))
            };
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| invalid("the file is no PEM"))?;
                let added = roots.add(certificate.clone());
                added.map_err(|_| invalid("a certificate is no certificate authority"))?;
                named.push(certificate);
            }
            if roots.is_empty() {
                return Err(invalid("there is no certificate"));
            }
        }
        None => {
            // Certificates that cannot be read are left out. Without any, the handshake fails with its reason.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let failed = |error: &dyn std::fmt::Display| CommandError::io(format!("cannot start TLS: {error}"));
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
    let mut config = if named.is_empty() {
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let inner = verifier.map_err(|error| failed(&error))?;
        let verifier = Arc::new(NamedVerifier { inner, named });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Verifies the certificate of a daemon by the authorities of `--ca`. Also accepts a certificate that is itself in
/// the file, with its own name and within its time: a certificate that `openssl req -x509` makes is one of an
/// authority, and the inner verifier refuses those for a server.
#[derive(Debug)]
struct NamedVerifier {
    inner: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for NamedVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.inner.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The time is checked before the kind of the certificate.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl Reply {
    /// Returns the body as JSON.
    pub(super) fn json(&self) -> Result<Value, CommandError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            CommandError::io(format!(
                "the answer with status {} is not JSON, so it is not from a daemon: check --url",
                self.status
            ))
        })
    }

    /// Returns the problem of an answer that is one. Another answer without success is an error.
    pub(super) fn problem(&self) -> Result<Option<RemoteProblem>, CommandError> {
        if (200..300).contains(&self.status) {
            return Ok(None);
        }
        if !self.is_problem {
            return Err(CommandError::io(format!(
                "the answer with status {} is not from a daemon: check --url",
                self.status
            )));
        }
        let problem = self.json()?;
        let text =
            |name: &str| output::printable(problem.get(name).and_then(Value::as_str).unwrap_or_default());
        Ok(Some(RemoteProblem { code: text("code"), title: text("title"), detail: text("detail") }))
    }

    /// Returns the exit code of a problem: that of a failed check, or of an input or output error where the
    /// daemon itself has failed.
    pub(super) fn exit_of_problem(&self) -> Exit {
        if self.status >= 500 { Exit::Io } else { Exit::Failed }
    }

    /// Prints the body as it was received, and ends its line.
    pub(super) fn print(&self) -> Result<(), CommandError> {
        let text = String::from_utf8_lossy(&self.body);
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        output::print(&format!("{text}{end}"))
    }
}

impl RemoteProblem {
    /// Prints the problem to standard error.
    pub(super) fn print(&self) {
        let RemoteProblem { code, title, detail } = self;
        output::print_error(&format!("{ERROR}error[{code}]{ERROR:#}: {title}: {detail}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_a_host_a_port_and_a_prefix() {
        for (url, expected, prefix, has_tls) in [
            ("http://127.0.0.1:7400", "127.0.0.1:7400", "", false),
            ("http://[::1]:7400/", "[::1]:7400", "", false),
            ("http://gateway.example/switchboard/", "gateway.example:80", "/switchboard", false),
            ("https://gateway.example", "gateway.example:443", "", true),
            ("https://[::1]:7400", "[::1]:7400", "", true),
        ] {
            let client = Client::from_url(url, None).unwrap();
            let DaemonAddress::Tcp { authority, tls } = client.endpoint else { panic!("{url}") };
            assert_eq!((&*authority, tls.is_some()), (expected, has_tls), "{url}");
            assert_eq!((&*client.host, &*client.prefix), (expected, prefix), "{url}");
        }
        let client = Client::from_url("unix:/run/a:b.sock", None).unwrap();
        assert!(matches!(client.endpoint, DaemonAddress::Unix(path) if path == Path::new("/run/a:b.sock")));
    }

    #[test]
    fn other_urls_are_wrong_usage_and_are_not_repeated() {
        for (url, words) in [
            ("https://:7400", "expected a URL"),
            ("unix:", "Unix socket is missing"),
            ("unix:/secret/", "Unix socket is missing"),
            ("http://user:secret@host:7400", "password"),
            ("127.0.0.1:7400/secret", "http://"),
            ("localhost:7400", "http://"),
            ("", "http://"),
            ("http://host:7400/?secret", "no query"),
            ("http://host:99999999", "http://"),
        ] {
            let error = Client::from_url(url, None).err().unwrap_or_else(|| panic!("{url}"));
            assert_eq!(error.exit, Exit::Usage);
            assert!(error.message.contains(words) && !error.message.contains("secret"), "{}", error.message);
        }
    }
}
