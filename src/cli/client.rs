//! A client of a running daemon: one request a connection, with time limits.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use serde_json::Value;
use switchboard_client::{Address, ClientError, Place, trust};
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
    address: Address,
    /// The URL without a path, for messages.
    url: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The header with the token, if there is one.
    authorization: Option<HeaderValue>,
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
        let address = Address::from_url(url).map_err(|error| of_option("--url", error))?;
        let tls = match &address.place {
            Place::Tcp { tls_name: Some(name), .. } => {
                let name = ServerName::try_from(name.clone()).map_err(|_| {
                    CommandError::usage(
                        "--url: the host is no name of a certificate: name the host as the certificate does",
                    )
                })?;
                let config = trust(ca).map_err(|error| of_option("--ca", error))?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
            Place::Tcp { tls_name: None, .. } | Place::Unix(_) => None,
        };
        Ok(Client { url: output::printable(&address.url), address, tls, authorization: None })
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
        let stream = match timeout(CONNECT_TIMEOUT, self.connect()).await {
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
            *request.uri_mut() = format!("{}{path}", self.address.prefix).parse()?;
            request.headers_mut().insert(HOST, self.address.host.parse()?);
            if let Some(authorization) = &self.authorization {
                request.headers_mut().insert(AUTHORIZATION, authorization.clone());
            }
            if body.is_some() {
                request.headers_mut().insert(CONTENT_TYPE, "application/json".parse()?);
            }
            let response = sender.send_request(request).await.map_err(|error| -> Box<dyn Error + Send + Sync> {
                if error.is_canceled() {
                    // A daemon over its limit answers and closes before it reads.
                    "it closed the connection before the request was sent; it may have reached max_connections, so try \
                    again"
                        .into()
                } else {
                    error.into()
                }
            })?;
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
            Ok(reply) => reply.map_err(|error: Box<dyn Error + Send + Sync>| failed(&error)),
            Err(_) => Err(failed(&format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn DaemonStream>> {
        Ok(match &self.address.place {
            Place::Tcp { authority, .. } => {
                let stream = TcpStream::connect(authority).await?;
                match &self.tls {
                    Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                    None => Box::new(stream),
                }
            }
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }

    fn unreachable(&self, error: &io::Error) -> CommandError {
        let url = &self.url;
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(fault)) = of_tls {
            use CertificateError::{
                Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
                NotValidYetContext,
            };
            let remedy = match fault {
                Expired | ExpiredContext { .. } => "renew the certificate of the daemon, or set the clock",
                NotValidYet | NotValidYetContext { .. } => {
                    "set the clock, or wait until the certificate is valid"
                }
                NotValidForName | NotValidForNameContext { .. } => {
                    "name the host in --url as the certificate does"
                }
                _ => "name the authority of its certificate with --ca",
            };
            return CommandError::io(format!("cannot trust {url}: {error}; {remedy}"));
        }
        if matches!(of_tls, Some(rustls::Error::InvalidMessage(_))) {
            return CommandError::io(format!(
                "cannot connect to {url}: the port does not answer with TLS; write http:// in --url, or check the port"
            ));
        }
        CommandError::io(format!(
            "cannot connect to {url}: {error}; start the daemon with `switchboard`, or name its address with --url"
        ))
    }
}

/// Returns an error of the option that a fault of a client belongs to.
fn of_option(option: &str, error: ClientError) -> CommandError {
    match error {
        ClientError::Usage(reason) => CommandError::usage(format!("{option}: {reason}")),
        ClientError::Io(reason) => CommandError::io(format!("{option}: {reason}")),
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
    /// daemon has failed or does not let this caller in.
    pub(super) fn exit_of_problem(&self) -> Exit {
        if self.status >= 500 || matches!(self.status, 401 | 403) { Exit::Io } else { Exit::Failed }
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
        if code == "unauthorized" {
            output::print_error(
                "  the token of this command is in the file of --token-file, or in SWITCHBOARD_TOKEN\n",
            );
        }
    }
}
