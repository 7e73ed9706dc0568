//! Fetches the snapshot of a release: by HTTP, or from the object store of the broker.
//!
//! Nothing of a source is trusted. The transfer ends at the size of the source, the decoded file at the size of the
//! manifest, and the SHA-256 of the manifest decides. A transfer without a byte for 5 s starts again. The snapshot is
//! rejected only if every place gave other bytes: a place that failed may have the right ones later.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST, HeaderName,
    IF_RANGE, LOCATION, RANGE, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use switchboard_release::Variant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::backoff::jittered;
use crate::bus::{Bus, BusError, BusSettings};
use crate::release::{Current, Encoding, Reason, Source};

/// The time without a byte after which a transfer starts again.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of times that each place is tried.
const MAX_TRIES: u32 = 3;
/// The number of pauses that a place gets. They do not count as tries.
const MAX_PAUSES: u32 = 20;
/// The number of times that one place is resumed, each time with progress, before the next place is tried.
const MAX_RESUMPTIONS: u32 = 1000;
const MAX_REDIRECTS: usize = 5;
/// A server that asks for a longer pause is tried after this time.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(10);
const COPY_BYTES: usize = 256 * 1024;
/// The largest window of a frame, 128 MiB: what a decoder may have to keep in memory.
const MAX_WINDOW_LOG: u32 = 27;

/// Fetches snapshots into a folder.
#[derive(Clone)]
pub struct Fetcher {
    settings: Arc<BusSettings>,
    /// Made anew at each fetch, because certificates are replaced. The last one stays if a file cannot be used.
    tls: Arc<Mutex<TlsConnector>>,
    bus: Option<Bus>,
    stall: Duration,
    /// The number of files that were begun. Each has its own name, because an earlier one that was cancelled may still
    /// be written.
    files: Arc<AtomicU64>,
    /// Receives the number of bytes that arrived.
    count: Arc<dyn Fn(u64) + Send + Sync>,
    /// Receives why an attempt failed, after which the fetch goes on.
    report: Arc<dyn Fn(&str) + Send + Sync>,
}

/// A snapshot that was fetched, with the digest of the manifest. The file is removed with this value, unless it was
/// renamed.
#[derive(Debug)]
pub struct Fetched {
    path: PathBuf,
}

/// The reason why no source gave the snapshot.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No source is reachable and complete. The text is about the last one that was tried.
    #[error("no source gave the snapshot: {0}")]
    Failed(String),
    /// Every source gave other bytes than the manifest says.
    #[error("no source has the bytes of the release: {0}")]
    Digest(String),
    /// The folder cannot be written.
    #[error("{}: the snapshot cannot be written: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

/// Why a place did not give the file.
#[derive(Debug)]
enum PlaceError {
    /// The place does not have the file now. Try the next place.
    Unusable(String),
    /// The transfer broke off. Try again at once.
    Broken(String),
    /// The server asks for a pause.
    Busy(Duration, String),
    /// The bytes are wrong, so that the place is not tried again.
    Wrong(String),
    Disk(io::Error),
}

impl FetchError {
    /// Returns the reason in the status of the replica.
    pub fn reason(&self) -> Reason {
        match self {
            FetchError::Failed(_) => Reason::FetchFailed,
            FetchError::Digest(_) => Reason::Digest,
            FetchError::Disk { .. } => Reason::Disk,
        }
    }
}

impl PlaceError {
    /// Puts the name of the place in front of the text.
    fn of(self, place: &str) -> PlaceError {
        let named = |text: String| format!("{place} {text}");
        match self {
            PlaceError::Unusable(text) => PlaceError::Unusable(named(text)),
            PlaceError::Broken(text) => PlaceError::Broken(named(text)),
            PlaceError::Busy(pause, text) => PlaceError::Busy(pause, named(text)),
            PlaceError::Wrong(text) => PlaceError::Wrong(named(text)),
            PlaceError::Disk(error) => PlaceError::Disk(error),
        }
    }
}

impl Fetched {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file, which replaces one of the same name.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn rename(self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Fetcher {
    /// Creates a fetcher. `bus` is needed for the object store. Servers are verified with the authorities of the
    /// system and that of the settings, and get the client certificate of the settings. The files are read again at
    /// each fetch.
    ///
    /// # Errors
    /// Returns [`BusError::Settings`] for a file that cannot be used.
    pub fn new(settings: &BusSettings, bus: Option<Bus>) -> Result<Fetcher, BusError> {
        let tls = Arc::new(Mutex::new(connector(settings)?));
        let settings = Arc::new(settings.clone());
        Ok(Fetcher {
            settings,
            tls,
            bus,
            stall: STALL_TIMEOUT,
            files: Arc::default(),
            count: Arc::new(|_| {}),
            report: Arc::new(|_| {}),
        })
    }

    /// Sets a function that receives the number of bytes that arrived, for a metric.
    #[must_use]
    pub fn with_counter(self, count: impl Fn(u64) + Send + Sync + 'static) -> Fetcher {
        Fetcher { count: Arc::new(count), ..self }
    }

    /// Sets a function that receives why an attempt failed, whenever the fetch goes on after that.
    #[must_use]
    pub fn with_report(self, report: impl Fn(&str) + Send + Sync + 'static) -> Fetcher {
        Fetcher { report: Arc::new(report), ..self }
    }

    /// Sets the time without a byte after which a transfer starts again.
    #[must_use]
    pub fn with_stall_timeout(self, stall: Duration) -> Fetcher {
        Fetcher { stall, ..self }
    }

    /// Fetches a variant into a new file `fetch-….swb` of a folder, after a random delay up to `spread`. The file is on
    /// the disk and only its owner can read it. May be cancelled, which removes the file. One process at a time fetches
    /// into a folder, and may remove the files `fetch-*` of an earlier one at its start.
    ///
    /// # Errors
    /// Returns an error after each place was tried three times, and at once if the folder cannot be written.
    pub async fn fetch(
        &self,
        current: &Current,
        variant: &Variant,
        folder: &Path,
        spread: Duration,
    ) -> Result<Fetched, FetchError> {
        sleep(spread.mul_f64(fastrand::f64())).await;
        self.read_certificates().await;
        let now = Instant::now();
        let mut places: Vec<Place<'_>> = current
            .sources_of(variant)
            .flat_map(|source| {
                source.urls.iter().map(move |url| Place { source, url, tries: 0, pauses: 0, due: now })
            })
            .collect();
        let (mut failed, mut wrong) = (None, None);
        while let Some(at) = (0..places.len()).min_by_key(|at| places.get(*at).map(|place| place.due)) {
            let mut place = places.remove(at);
            sleep_until(place.due).await;
            let number = self.files.fetch_add(1, Ordering::Relaxed);
            let file = |extension: &str| Fetched { path: folder.join(format!("fetch-{number}.{extension}")) };
            let (part, whole) = (file("part"), file("swb"));
            let result = match self.transfer(place.source, place.url, part.path()).await {
                Ok(is_joined) => {
                    let unpacked = unpack(place.source.encoding, part, whole, variant).await;
                    match unpacked.map_err(|error| error.of(&place_name(place.url))) {
                        // The parts may be those of several files. A file of one answer decides.
                        Err(PlaceError::Wrong(text)) if is_joined => Err(PlaceError::Broken(text)),
                        unpacked => unpacked,
                    }
                }
                Err(error) => Err(error),
            };
            let text = match result {
                Ok(whole) => return Ok(whole),
                Err(PlaceError::Disk(error)) => {
                    return Err(FetchError::Disk { path: folder.to_owned(), error });
                }
                Err(PlaceError::Wrong(text)) => {
                    wrong = Some(text);
                    continue;
                }
                Err(PlaceError::Unusable(text) | PlaceError::Broken(text)) => {
                    place.tries += 1;
                    place.due = Instant::now() + jittered(FIRST_RETRY, LAST_RETRY, place.tries);
                    text
                }
                Err(PlaceError::Busy(pause, text)) => {
                    place.pauses += 1;
                    // Not all replicas at the same moment.
                    place.due = Instant::now() + pause.mul_f64(1.0 + fastrand::f64() / 10.0);
                    text
                }
            };
            (self.report)(&text);
            if place.tries < MAX_TRIES && place.pauses < MAX_PAUSES {
                places.push(place);
            } else {
                failed = Some(text);
            }
        }
        Err(match (failed, wrong) {
            (None, Some(wrong)) => FetchError::Digest(wrong),
            (Some(failed), Some(wrong)) => FetchError::Failed(format!("{failed}; {wrong}")),
            (Some(failed), None) => FetchError::Failed(failed),
            (None, None) => {
                FetchError::Failed("the release names no usable source for this variant".to_owned())
            }
        })
    }

    /// Reads the files of the settings and the authorities of the system.
    async fn read_certificates(&self) {
        let settings = Arc::clone(&self.settings);
        // Reads a hundred files.
        match tokio::task::spawn_blocking(move || connector(&settings)).await {
            Ok(Ok(tls)) => *self.tls.lock() = tls,
            Ok(Err(error)) => tracing::warn!(
                %error,
                "the certificates for web servers of the fleet cannot be read; the last ones stay in force"
            ),
            // The runtime ends.
            Err(_) => {}
        }
    }

    /// Transfers a file. Resumes where a transfer broke off, for as long as there is progress. Returns whether the file
    /// was joined from the parts of several answers.
    async fn transfer(&self, source: &Source, url: &str, part: &Path) -> Result<bool, PlaceError> {
        let mut file = tokio::fs::File::from_std(create(part).map_err(PlaceError::Disk)?);
        let mut transfer = Transfer { size: source.size, done: 0, validator: None, is_joined: false };
        for _ in 0..MAX_RESUMPTIONS {
            let before = transfer.done;
            let result = match url.strip_prefix("nats:") {
                Some(object) => {
                    let read = self.read_object(object, &mut transfer, &mut file).await;
                    read.map_err(|error| error.of(&place_name(url)))
                }
                None => self.get(url, &mut transfer, &mut file).await,
            };
            match result {
                Ok(()) => {
                    file.flush().await.map_err(PlaceError::Disk)?;
                    return Ok(transfer.is_joined);
                }
                Err(PlaceError::Broken(text)) if transfer.done > before => (self.report)(&text),
                Err(PlaceError::Wrong(text)) if transfer.is_joined => return Err(PlaceError::Broken(text)),
                Err(error) => return Err(error),
            }
        }
        Err(unusable("broke off the transfer too often").of(&place_name(url)))
    }

    /// Reads an object of the broker. The library neither notices that an object is replaced or damaged meanwhile,
    /// nor resumes.
    async fn read_object(
        &self,
        object: &str,
        transfer: &mut Transfer,
        file: &mut tokio::fs::File,
    ) -> Result<(), PlaceError> {
        let bus =
            self.bus.as_ref().ok_or_else(|| unusable("is not known, although a source is its object"))?;
        let failed =
            |error: &dyn std::fmt::Display| PlaceError::Unusable(format!("gave no snapshot: {error}"));
        let store = bus.snapshots().await.map_err(|error| failed(&error))?;
        let stalled = || PlaceError::Unusable(self.stalled());
        let opened = timeout(self.stall, store.get(object)).await.map_err(|_| stalled())?;
        let mut object = opened.map_err(|error| failed(&error))?;
        if u64::try_from(object.info.size) != Ok(transfer.size) {
            return Err(wrong("has an object of another size than the release says"));
        }
        transfer.restart(file).await?;
        let mut buffer = vec![0; COPY_BYTES];
        while transfer.done < transfer.size {
            // Does not begin again from the offset, so that a stall ends this attempt.
            let read = timeout(self.stall, object.read(&mut buffer)).await.map_err(|_| stalled())?;
            match read.map_err(|error| failed(&error))? {
                0 => return Err(unusable("has an object that is shorter than its size")),
                bytes => self.keep(buffer.get(..bytes).unwrap_or_default(), transfer, file).await?,
            }
        }
        Ok(())
    }

    /// Gets a file, or the rest of it, by HTTP.
    async fn get(
        &self,
        url: &str,
        transfer: &mut Transfer,
        file: &mut tokio::fs::File,
    ) -> Result<(), PlaceError> {
        let mut url = Url::parse(url).map_err(|_| unusable("a URL of the release is malformed"))?;
        for _ in 0..=MAX_REDIRECTS {
            let answered = self.get_once(&url, transfer, file).await;
            match answered.map_err(|error| error.of(&server_name(&url)))? {
                None => return Ok(()),
                Some(to) => url = to,
            }
        }
        Err(unusable("redirects too often").of(&server_name(&url)))
    }

    /// Gets a file, or the rest of it. Returns a URL if the server redirects.
    async fn get_once(
        &self,
        url: &Url,
        transfer: &mut Transfer,
        file: &mut tokio::fs::File,
    ) -> Result<Option<Url>, PlaceError> {
        let asked = timeout(self.stall, self.ask(url, transfer)).await;
        let (response, _connection) = asked
            .map_err(|_| PlaceError::Broken(format!("did not answer within {}", self.stall_text())))??;
        let status = response.status();
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return redirected(url, &response).map(Some);
        }
        let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
        let answered = || format!("answered {}", status.as_u16());
        match status {
            StatusCode::OK => transfer.restart(file).await?,
            StatusCode::PARTIAL_CONTENT => {
                let etag = header(ETAG);
                let is_rest = header(CONTENT_RANGE).is_some_and(|range| transfer.is_continued_by(range))
                    && etag.is_none_or(|etag| transfer.validator.as_deref() == Some(etag));
                if !is_rest {
                    transfer.restart(file).await?;
                    return Err(broken("sent a part of another file"));
                }
                transfer.is_joined = true;
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let Some(pause) = header(RETRY_AFTER).and_then(retry_after) else {
                    return Err(PlaceError::Unusable(answered()));
                };
                let pause = pause.min(MAX_RETRY_AFTER);
                let text = format!("{}, and asks for a pause of {} s", answered(), pause.as_secs());
                return Err(PlaceError::Busy(pause, text));
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                transfer.restart(file).await?;
                return Err(unusable("has changed the file"));
            }
            _ => return Err(PlaceError::Unusable(answered())),
        }
        if header(CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(unusable("encoded the file once more"));
        }
        // Such as the login page of a proxy. The server may have the file all the same.
        if header(CONTENT_TYPE).is_some_and(is_page) {
            return Err(unusable("sent a page instead of the file"));
        }
        let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if status == StatusCode::OK && announced.is_some_and(|length| length != transfer.size) {
            return Err(wrong("has a file of another size than the release says"));
        }
        if status == StatusCode::OK {
            // A weak validator does not promise the same bytes.
            transfer.validator = header(ETAG).filter(|etag| etag.starts_with('"')).map(str::to_owned);
        }
        let mut body = response.into_body();
        while transfer.done < transfer.size {
            let frame =
                timeout(self.stall, body.frame()).await.map_err(|_| PlaceError::Broken(self.stalled()))?;
            match frame {
                None => return Err(broken("ended the transfer early")),
                Some(Err(error)) => {
                    return Err(PlaceError::Broken(format!("broke off the transfer: {error}")));
                }
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.keep(&bytes, transfer, file).await?;
                    }
                }
            }
        }
        Ok(None)
    }

    fn stalled(&self) -> String {
        format!("sent no byte for {}", self.stall_text())
    }

    fn stall_text(&self) -> String {
        format!("{} s", self.stall.as_secs_f64())
    }

    /// Sends a request. Returns the response, and the connection, which ends when it is dropped.
    async fn ask(
        &self,
        url: &Url,
        transfer: &Transfer,
    ) -> Result<(Response<Incoming>, Connection), PlaceError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unusable("has a user or a password in its URL, which every replica could read"));
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        let is_tls = url.scheme() == "https";
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            PlaceError::Broken(format!("cannot be reached ({what}): {error}"))
        };
        let stream =
            TcpStream::connect((host.as_str(), port)).await.map_err(|error| failed("connect", &error))?;
        let stream: Box<dyn Stream> = if is_tls {
            let name = ServerName::try_from(host).map_err(|_| unusable("is no valid name of a server"))?;
            let tls = self.tls.lock().clone();
            Box::new(tls.connect(name, stream).await.map_err(|error| failed("TLS", &error))?)
        } else {
            Box::new(stream)
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed("HTTP", &error))?;
        let connection = Connection(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let mut request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, authority)
            .header(USER_AGENT, concat!("switchboard/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity");
        // Without a validator, the rest may be that of another file.
        if let Some(validator) = transfer.validator.as_ref().filter(|_| transfer.done > 0) {
            request = request.header(RANGE, format!("bytes={}-", transfer.done)).header(IF_RANGE, validator);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed("request", &error))?;
        let response = sender.send_request(request).await.map_err(|error| failed("HTTP", &error))?;
        Ok((response, connection))
    }

    /// Writes bytes that arrived, but never more than the source has.
    async fn keep(
        &self,
        bytes: &[u8],
        transfer: &mut Transfer,
        file: &mut tokio::fs::File,
    ) -> Result<(), PlaceError> {
        let length = bytes.len() as u64;
        (self.count)(length);
        if length > transfer.size - transfer.done {
            return Err(wrong("has a file that is longer than the release says"));
        }
        file.write_all(bytes).await.map_err(PlaceError::Disk)?;
        transfer.done += length;
        Ok(())
    }
}

/// A place from which a source can be fetched.
struct Place<'a> {
    source: &'a Source,
    url: &'a str,
    /// The number of failures.
    tries: u32,
    /// The number of pauses that the server asked for.
    pauses: u32,
    /// The time before which the place is not tried.
    due: Instant,
}

/// The progress of a transfer.
struct Transfer {
    size: u64,
    done: u64,
    /// The strong ETag of the server, with which the rest can be requested.
    validator: Option<String>,
    /// Whether the bytes are those of several answers.
    is_joined: bool,
}

impl Transfer {
    /// Returns whether an answer with this `Content-Range` is the rest, or a part of the rest that begins there.
    fn is_continued_by(&self, range: &str) -> bool {
        let range = range.strip_prefix("bytes ").and_then(|range| range.split_once('/'));
        range.is_some_and(|(range, whole)| {
            let begin = range.split_once('-').and_then(|(begin, _)| begin.parse().ok());
            self.done > 0 && begin == Some(self.done) && (whole == "*" || whole.parse() == Ok(self.size))
        })
    }

    async fn restart(&mut self, file: &mut tokio::fs::File) -> Result<(), PlaceError> {
        use tokio::io::AsyncSeekExt;
        if self.done > 0 {
            file.flush().await.map_err(PlaceError::Disk)?;
            file.set_len(0).await.map_err(PlaceError::Disk)?;
            file.rewind().await.map_err(PlaceError::Disk)?;
        }
        (self.done, self.validator, self.is_joined) = (0, None, false);
        Ok(())
    }
}

/// A task that drives a connection.
struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

fn unusable(text: &str) -> PlaceError {
    PlaceError::Unusable(text.to_owned())
}

fn broken(text: &str) -> PlaceError {
    PlaceError::Broken(text.to_owned())
}

fn wrong(text: &str) -> PlaceError {
    PlaceError::Wrong(text.to_owned())
}

/// Returns the name of a place for people. It has no path, because the path is all that a reader of the snapshot needs.
fn place_name(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.scheme() != "nats" => server_name(&url),
        _ => "the broker".to_owned(),
    }
}

/// Returns the host and the port of a URL.
fn server_name(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// Returns whether a media type is that of a page for people.
fn is_page(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| essence.eq_ignore_ascii_case(page))
}

/// Returns the URL of a redirection, which may be relative. Never leaves TLS.
fn redirected(from: &Url, response: &Response<Incoming>) -> Result<Url, PlaceError> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let location = location.ok_or_else(|| unusable("redirects without a location"))?;
    let to = from.join(location).map_err(|_| unusable("redirects to a malformed URL"))?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(to),
        _ => Err(unusable("redirects to a URL that is not https")),
    }
}

/// Reads `Retry-After`: seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Decodes a file that was transferred, up to the size of the manifest, and compares the digest. The files belong to
/// the work, which goes on for a moment if it is cancelled.
async fn unpack(
    encoding: Encoding,
    part: Fetched,
    whole: Fetched,
    variant: &Variant,
) -> Result<Fetched, PlaceError> {
    let (size, digest) = (variant.size, variant.digest.clone());
    let work = move || {
        let file = File::open(part.path()).map_err(PlaceError::Disk)?;
        match encoding {
            Encoding::Identity => copy(file, whole.path(), size, &digest)?,
            Encoding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(file).map_err(PlaceError::Disk)?;
                decoder.window_log_max(MAX_WINDOW_LOG).map_err(PlaceError::Disk)?;
                copy(decoder, whole.path(), size, &digest)?;
            }
        }
        Ok(whole)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(PlaceError::Disk(io::Error::other(error))))
}

/// Creates a file that only the owner can read.
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Copies a snapshot to a new file, and syncs it.
fn copy(mut from: impl Read, to: &Path, size: u64, digest: &str) -> Result<(), PlaceError> {
    let mut file = create(to).map_err(PlaceError::Disk)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut left = size;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(PlaceError::Wrong(format!("gave a file that cannot be decoded: {error}")));
            }
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        let Some(rest) = left.checked_sub(read as u64) else {
            return Err(wrong("gave a snapshot that is longer than the manifest says"));
        };
        left = rest;
        hash.update(bytes);
        file.write_all(bytes).map_err(PlaceError::Disk)?;
    }
    if left > 0 {
        return Err(wrong("gave a snapshot that is shorter than the manifest says"));
    }
    if crate::digest::hex(hash) != digest {
        return Err(wrong("gave a snapshot with another SHA-256 than the manifest says"));
    }
    file.sync_all().map_err(PlaceError::Disk)
}

fn connector(settings: &BusSettings) -> Result<TlsConnector, BusError> {
    Ok(TlsConnector::from(Arc::new(client_config(settings)?)))
}

/// Returns the TLS of requests to web servers.
fn client_config(settings: &BusSettings) -> Result<ClientConfig, BusError> {
    let unusable =
        |file: &Path, what: &str| BusError::Settings(format!("{}: expected {what} in PEM", file.display()));
    let certificates = |file: &Path| {
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| unusable(file, "certificates"))
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = &settings.ca {
        roots.add_parsable_certificates(certificates(ca)?);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BusError::Settings(error.to_string()))?
        .with_root_certificates(roots);
    match &settings.certificate {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|_| unusable(key, "a private key"))?;
            let pair = builder.with_client_auth_cert(certificates(certificate)?, secret);
            pair.map_err(|_| unusable(key, "the private key of the certificate"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_seconds_or_dates() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let future = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let pause = retry_after(&future).unwrap();
        assert!((95..=100).contains(&pause.as_secs()), "{pause:?}");
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(text), None, "{text}");
        }
    }
}
