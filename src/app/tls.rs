//! The files of TLS: read at the start, and read again after each change. A faulty file leaves the configuration
//! in force. (`docs/decisions/0055-tls-under-the-connections.md`)

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};
use switchboard_model::{UnixMillis, UnixSeconds};
use switchboard_server::{Expiry, Tls, TlsConfig, TlsFile, Validity};

use crate::access::audit::{AuditEvent, AuditLog, AuditRecord};
use crate::config::Settings;
use crate::telemetry::{AccessFile, Telemetry};

/// Maximum size of a file. A chain has a few KiB; a bundle of all public authorities has 250 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Longest time between two looks at the files. They are read when they did not change between two looks,
/// because a certificate and its key are written one after the other.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// The paths of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// The reason why TLS cannot be used as it is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// One of the settings needs another.
    #[error("{given} needs {missing}: set {missing} too, or remove {given}")]
    Incomplete {
        /// The option that is set.
        given: &'static str,
        /// The option that is not set.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("{option}: cannot read {path}: {error}; check that it is a file, and its permissions", path = .path.display())]
    Unreadable {
        /// The option that names the file.
        option: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        error: String,
    },
    /// The content of a file cannot be used.
    #[error("{option}: {path}: {reason}", path = .path.display())]
    Invalid {
        /// The option that names the file.
        option: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The fault and its remedy.
        reason: String,
    },
}

impl TlsFiles {
    /// Returns the files of the settings, or `None` if TLS is not set.
    ///
    /// # Errors
    /// Returns a setting that lacks another.
    pub fn from_settings(settings: &Settings) -> Result<Option<TlsFiles>, TlsError> {
        let Settings { tls_cert, tls_key, tls_client_ca, .. } = settings;
        let incomplete = |given, missing| Err(TlsError::Incomplete { given, missing });
        match (tls_cert, tls_key, tls_client_ca) {
            (Some(certificate), Some(key), client_ca) => Ok(Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                client_ca: client_ca.clone(),
            })),
            (Some(_), None, _) => incomplete("--tls-cert", "--tls-key"),
            (None, Some(_), _) => incomplete("--tls-key", "--tls-cert"),
            (None, None, Some(_)) => incomplete("--tls-client-ca", "--tls-cert"),
            (None, None, None) => Ok(None),
        }
    }

    /// Returns every fault of the settings and of the files, for a report. Checks each file that is named, also
    /// where another one is missing.
    pub fn faults(settings: &Settings) -> Vec<TlsError> {
        let files = match TlsFiles::from_settings(settings) {
            Ok(None) => return Vec::new(),
            Ok(Some(files)) => Ok(files),
            Err(incomplete) => Err(incomplete),
        };
        let Settings { tls_cert, tls_key, tls_client_ca, .. } = settings;
        let named =
            [(TlsFile::Certificate, tls_cert), (TlsFile::Key, tls_key), (TlsFile::ClientCa, tls_client_ca)];
        let named = named.into_iter().filter_map(|(file, path)| Some((file, path.as_deref()?)));
        let mut faults: Vec<TlsError> =
            named.filter_map(|(file, path)| check_file(file, path).err()).collect();
        match files {
            Err(incomplete) => faults.insert(0, incomplete),
            // A fault of the files together, such as the key of another certificate.
            Ok(files) if faults.is_empty() => {
                faults.extend(files.read().and_then(|contents| contents.parse(&files)).err());
            }
            Ok(_) => {}
        }
        faults
    }

    /// Checks that the server's certificate is valid now.
    fn check_validity(&self, expiry: Expiry) -> Result<(), TlsError> {
        check_validity(&self.certificate, expiry.server)
    }

    fn read(&self) -> Result<Contents, TlsError> {
        let client_ca = self.client_ca.as_deref();
        Ok(Contents {
            certificate: read_file(TlsFile::Certificate, &self.certificate)?,
            key: read_file(TlsFile::Key, &self.key)?,
            client_ca: client_ca.map(|path| read_file(TlsFile::ClientCa, path)).transpose()?,
        })
    }

    fn invalid(&self, file: TlsFile, reason: String) -> TlsError {
        let path = match file {
            TlsFile::Certificate => &self.certificate,
            TlsFile::Key => &self.key,
            TlsFile::ClientCa => self.client_ca.as_ref().unwrap_or(&self.certificate),
        };
        invalid(file, path, reason)
    }

    /// Returns what shows that a file was replaced or written. Follows symbolic links.
    fn stamps(&self) -> Vec<Option<TlsStamp>> {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        let stamp = |path: &PathBuf| {
            fs::metadata(path).ok().map(|found| TlsStamp {
                inode: (found.dev(), found.ino()),
                len: found.len(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            })
        };
        files.into_iter().flatten().map(stamp).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TlsStamp {
    inode: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The contents of the files. Never printed, because one of them is a key.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// Returns the hash of the certificate with its key, and that of the client CA.
    fn hashes(&self, hasher: &RandomState) -> [u64; 2] {
        [hasher.hash_one((&self.certificate, &self.key)), hasher.hash_one(&self.client_ca)]
    }

    fn parse(&self, files: &TlsFiles) -> Result<TlsConfig, TlsError> {
        TlsConfig::from_pem(&self.certificate, &self.key, self.client_ca.as_deref())
            .map_err(|fault| files.invalid(fault.file, fault.reason))
    }
}

fn option(file: TlsFile) -> &'static str {
    match file {
        TlsFile::Certificate => "--tls-cert",
        TlsFile::Key => "--tls-key",
        TlsFile::ClientCa => "--tls-client-ca",
    }
}

fn invalid(file: TlsFile, path: &Path, reason: String) -> TlsError {
    TlsError::Invalid { option: option(file), path: path.to_owned(), reason }
}

fn read_file(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    read_bounded(path).map_err(|error| TlsError::Unreadable {
        option: option(file),
        path: path.to_owned(),
        error: error.to_string(),
    })
}

/// Checks a file alone.
fn check_file(file: TlsFile, path: &Path) -> Result<(), TlsError> {
    let validity = file.check(&read_file(file, path)?).map_err(|fault| invalid(file, path, fault.reason))?;
    validity.map_or(Ok(()), |validity| check_validity(path, validity))
}

/// Checks that the certificate of a file is valid now.
fn check_validity(path: &Path, Validity { from, until }: Validity) -> Result<(), TlsError> {
    let now = UnixMillis::from(SystemTime::now()).to_seconds();
    let reason = if until <= now {
        format!("the certificate expired at {}; renew it", time(until).unwrap_or_default())
    } else if from > now {
        let from = time(from).unwrap_or_default();
        format!(
            "the certificate is not valid before {from}; check the clock, or keep the earlier one until then"
        )
    } else {
        return Ok(());
    };
    Err(invalid(TlsFile::Certificate, path, reason))
}

/// Reads a whole file. A pipe or a device in its place is an error, because it could block.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("the file has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(content)
}

/// The TLS configuration of the daemon, with the thread that watches its files.
pub(super) struct WatchedTls {
    tls: Arc<Tls>,
    status: Arc<TlsStatus>,
    /// Ends the thread when it is dropped.
    _alive: Sender<()>,
}

/// The part of `/status` about TLS.
pub(super) struct TlsStatus {
    files: TlsFiles,
    tls: Arc<Tls>,
    /// The reason why the newest files are not in force.
    error: Mutex<Option<String>>,
}

impl WatchedTls {
    /// Reads the files, and starts to watch them.
    ///
    /// # Errors
    /// Returns the file that cannot be used, or the error of the system if it refuses the thread.
    pub(super) fn start<E: From<TlsError> + From<io::Error>>(
        files: TlsFiles,
        interval: Duration,
        telemetry: Arc<Telemetry>,
        audit: Option<AuditLog>,
    ) -> Result<WatchedTls, E> {
        let stamps = files.stamps();
        let contents = files.read()?;
        let config = contents.parse(&files)?;
        if let Err(error) = files.check_validity(config.expiry()) {
            tracing::warn!(
                error = error.to_string(),
                "the certificate is served all the same, but clients will refuse it"
            );
        }
        telemetry.set_certificate_expiry(config.expiry());
        let tls = Tls::new(config);
        let status =
            Arc::new(TlsStatus { files: files.clone(), tls: Arc::clone(&tls), error: Mutex::default() });
        let (alive, ended) = channel();
        let hasher = RandomState::new();
        let watch = Watch {
            files,
            tls: Arc::clone(&tls),
            status: Arc::clone(&status),
            telemetry,
            audit,
            judged: stamps.clone(),
            seen: stamps,
            in_force: contents.hashes(&hasher),
            valid_from: None,
            hasher,
        };
        drop(contents);
        let interval = interval.min(MAX_INTERVAL);
        thread::Builder::new().name("tls".into()).spawn(move || watch.run(interval, &ended))?;
        Ok(WatchedTls { tls, status, _alive: alive })
    }

    pub(super) fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    pub(super) fn status(&self) -> Arc<TlsStatus> {
        Arc::clone(&self.status)
    }
}

impl TlsStatus {
    pub(super) fn to_json(&self) -> Value {
        let Expiry { server, client_ca } = self.tls.expiry();
        let mut status = json!({
            "certificate": {"path": self.files.certificate, "expires": time(server.until)},
            "error": *self.error.lock(),
        });
        if let (Some(path), Some(members)) = (&self.files.client_ca, status.as_object_mut()) {
            let expires = client_ca.and_then(time);
            members.insert("client_ca".to_owned(), json!({"path": path, "expires": expires}));
        }
        status
    }
}

/// The state of the thread that watches the files.
struct Watch {
    files: TlsFiles,
    tls: Arc<Tls>,
    status: Arc<TlsStatus>,
    telemetry: Arc<Telemetry>,
    audit: Option<AuditLog>,
    /// The files that were read last.
    judged: Vec<Option<TlsStamp>>,
    /// The files at the last look.
    seen: Vec<Option<TlsStamp>>,
    hasher: RandomState,
    /// Hashes of the contents in force.
    in_force: [u64; 2],
    /// The time at which a refused certificate becomes valid. Then it is judged again.
    valid_from: Option<UnixSeconds>,
}

impl Watch {
    fn run(mut self, interval: Duration, ended: &Receiver<()>) {
        while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            let now = self.files.stamps();
            let is_quiet = std::mem::replace(&mut self.seen, now.clone()) == now;
            let is_valid_now =
                self.valid_from.is_some_and(|from| from <= UnixMillis::from(SystemTime::now()).to_seconds());
            if is_quiet && (now != self.judged || is_valid_now) {
                self.judged = now;
                self.replace();
            }
        }
    }

    /// Reads the files, and puts them in force if they are valid.
    fn replace(&mut self) {
        self.valid_from = None;
        let read = self.files.read().and_then(|contents| {
            let hash = contents.hashes(&self.hasher);
            // A file was touched, or a refused one was put back.
            if hash == self.in_force {
                return Ok(None);
            }
            let config = contents.parse(&self.files)?;
            let Validity { from, .. } = config.expiry().server;
            self.valid_from = (from > UnixMillis::from(SystemTime::now()).to_seconds()).then_some(from);
            self.files.check_validity(config.expiry())?;
            let [pair, client_ca] = [0, 1].map(|at| hash.get(at) != self.in_force.get(at));
            let record = |content: &[u8]| AuditRecord::of_file(AuditEvent::CertificateReplaced, content);
            let of_pair = pair.then(|| record(&contents.certificate));
            let of_ca = contents.client_ca.as_deref().filter(|_| client_ca);
            let of_ca = of_ca.map(|content| record(content).with_reason("client CA".to_owned()));
            Ok(Some((hash, config, of_pair.into_iter().chain(of_ca))))
        });
        match read {
            Ok(None) => {
                if self.status.error.lock().take().is_some() {
                    tracing::info!("certificate valid again; its files have the content in force");
                }
                self.telemetry.set_file_in_force(AccessFile::Tls, true);
            }
            Ok(Some((hash, config, mut records))) => {
                let Expiry { server, client_ca } = config.expiry();
                self.telemetry.set_certificate_expiry(config.expiry());
                self.tls.replace(config);
                self.in_force = hash;
                *self.status.error.lock() = None;
                self.telemetry.count_tls_reload(true);
                self.telemetry.set_file_in_force(AccessFile::Tls, true);
                if let Some(audit) = &self.audit {
                    records.by_ref().for_each(|record| audit.push(record));
                }
                let (expires, client_ca) = (time(server.until), client_ca.and_then(time));
                tracing::info!(expires, client_ca, "certificate replaced");
            }
            Err(error) => {
                let error = error.to_string();
                *self.status.error.lock() = Some(error.clone());
                self.telemetry.count_tls_reload(false);
                self.telemetry.set_file_in_force(AccessFile::Tls, false);
                tracing::error!(error, "certificate refused; the one in force stays");
            }
        }
    }
}

/// Formats a time in RFC 3339. Returns `None` for a time out of range.
fn time(at: UnixSeconds) -> Option<String> {
    jiff::Timestamp::from_second(at.0).ok().map(|at| at.to_string())
}
