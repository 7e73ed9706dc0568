//! The audit log: who changed what, and which requests were denied. One JSON object a line.
//!
//! [`AuditLog`] passes records to [`AuditWriter`], which has a thread of its own, because no snapshot and no worker
//! waits for a disk. A change of a standing waits until its record is on the disk.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use switchboard_model::UnixMillis;
use switchboard_snapshot::Snapshot;

pub use super::audit_chain::{AuditSettings, ChainEnd, ChainFault, FILE, VerifiedChain, VerifyError, verify};
use super::audit_chain::{Chain, sha256};
use super::principals::Permission;
use crate::runtime::standings::{AccountKey, ChangeLog, ChangeLogError, LoggedChange, Standing};

/// Interval at which a failed write is repeated.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Interval at which denied requests are recorded.
const DENIAL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of records that wait for a disk or for the lock of the folder. The oldest are dropped first.
const MAX_WAITING: usize = 1_000;
/// Maximum number of bytes of a reason. Rejections have reasons of any length.
const MAX_REASON_BYTES: usize = 2_048;

switchboard_model::text_enum! {
    /// The event of a record.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AuditEvent {
        /// The process began to write the log.
        Start => "start",
        /// The process drains, and writes no further record.
        Stop => "stop",
        /// A snapshot went into service.
        SnapshotPublished => "snapshot_published",
        /// A snapshot or a registry was rejected.
        SnapshotRejected => "snapshot_rejected",
        /// A request sets a standing.
        StandingSet => "standing_set",
        /// A request clears a standing.
        StandingCleared => "standing_cleared",
        /// A change of a standing was not made, because the journal or this log could not be written.
        StandingFailed => "standing_failed",
        /// A standing lost against a more restrictive one of another replica.
        Overruled => "overruled",
        /// New content of the principals file is in force.
        PrincipalsReplaced => "principals_replaced",
        /// New content of the file of trusted keys is in force.
        KeysReplaced => "keys_replaced",
        /// A new certificate or client CA is in force.
        CertificateReplaced => "certificate_replaced",
        /// Requests were denied with 401 or 403.
        RequestDenied => "request_denied",
    }
}

switchboard_model::text_enum! {
    /// The reason why a request is denied.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum DenialReason {
        /// The caller shows no credential, and there is no principal for such callers.
        NoCredential => "no_credential",
        /// The credential is not that of exactly one principal.
        UnknownCredential => "unknown_credential",
        /// The credential has expired.
        ExpiredCredential => "expired_credential",
        /// The principal does not have the permission.
        NoPermission => "no_permission",
        /// The header `Origin` names another host than the header `Host`.
        OtherOrigin => "other_origin",
        /// The header `Host` names a host that the listener does not have.
        UnknownHost => "unknown_host",
        /// A daemon without principals accepts this change only from its own machine.
        NotLocal => "not_local",
    }
}

/// A record without its number and hashes. Members without a value are left out.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Box<str>>,
    /// The standing before the change. `null` if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// The standing after the change. `null` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The permission that denied requests needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'static str>,
    /// The number of denied requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl AuditRecord {
    /// Creates a record of an event that happens now.
    pub fn new(event: AuditEvent) -> AuditRecord {
        let time = UnixMillis::from(SystemTime::now());
        AuditRecord {
            // Always three digits of milliseconds, so that the texts sort by time.
            time: jiff::Timestamp::from_millisecond(time.0)
                .map(|time| format!("{time:.3}"))
                .unwrap_or_default(),
            event: event.as_str(),
            principal: None,
            peer: None,
            company: None,
            account: None,
            before: None,
            after: None,
            reason: None,
            generation: None,
            digest: None,
            permission: None,
            count: None,
        }
    }

    /// Creates a record of an event that concerns a snapshot.
    pub fn of_snapshot(event: AuditEvent, snapshot: &Snapshot) -> AuditRecord {
        let (generation, digest) = (Some(snapshot.generation()), Some(snapshot.digest().to_string()));
        AuditRecord { generation, digest, ..AuditRecord::new(event) }
    }

    /// Creates a record of a file that was replaced. The record has the SHA-256 of its new content as `digest`.
    pub fn of_file(event: AuditEvent, content: &[u8]) -> AuditRecord {
        AuditRecord { digest: Some(sha256(content)), ..AuditRecord::new(event) }
    }

    /// Adds a reason, which is cut after 2,048 bytes.
    #[must_use]
    pub fn with_reason(self, mut reason: String) -> AuditRecord {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        AuditRecord { reason: Some(reason), ..self }
    }

    fn of_change(change: &LoggedChange<'_>) -> AuditRecord {
        let LoggedChange { key, author, before, after, generation } = change;
        let event = if after.is_some() { AuditEvent::StandingSet } else { AuditEvent::StandingCleared };
        let value = |standing: &Option<Standing>| standing.as_ref().map(|it| it.fields().into());
        AuditRecord {
            principal: author.principal.clone(),
            peer: author.peer.clone(),
            company: Some(key.company.clone()),
            account: Some(key.account.clone()),
            before: Some(value(before).unwrap_or(Value::Null)),
            after: Some(value(after).unwrap_or(Value::Null)),
            reason: after.as_ref().map(|standing| standing.reason.to_string()),
            generation: *generation,
            ..AuditRecord::new(event)
        }
    }

    /// Returns the record of a change that was recorded or should have been, and was not made.
    fn into_failed(self, error: &str) -> AuditRecord {
        AuditRecord { event: AuditEvent::StandingFailed.as_str(), ..self }.with_reason(error.to_owned())
    }
}

/// The state of the log, for `/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditStatus {
    /// The newest record. `None` before this process has written one.
    pub newest: Option<ChainEnd>,
    /// Why the last write failed. `None` if it succeeded, or if there was none.
    pub error: Option<String>,
}

/// An event of the audit log.
#[derive(Debug)]
pub enum AuditLogEvent<'a> {
    /// The log was opened. The number is that of its last record.
    Opened(u64),
    /// This number of records is on the disk.
    Written(usize),
    /// The log cannot be written. The text is the path and the error of the system.
    Unwritable(&'a str),
    /// A write succeeded after one that failed. The number is that of the records that were dropped meanwhile.
    Writable(usize),
    /// The log was closed while it could not be written. This number of records is lost.
    Lost(usize),
    /// The files of the log have a fault.
    Fault(&'a ChainFault),
}

/// Receives every event of the audit log.
pub type AuditObserver = Arc<dyn Fn(&AuditLogEvent<'_>) + Send + Sync>;

/// The requests that were denied since the last record of them, by principal, permission and reason.
type Denials = HashMap<(Option<Box<str>>, Option<Permission>, DenialReason), DeniedRequests>;

/// Denied requests that share a record.
struct DeniedRequests {
    /// Time of the first.
    since: UnixMillis,
    /// Client of the first.
    peer: Box<str>,
    count: u64,
}

enum Request {
    /// This process may write the folder from now on.
    Open(AuditRecord),
    /// The folder can be used again, or cannot because of this error.
    Unusable(Option<String>),
    Record(AuditRecord),
    /// Requests were denied.
    Denials,
    Change(Vec<AuditRecord>, ChangeReply),
    /// This process writes nothing after this record.
    Close(AuditRecord, Sender<()>),
}

type ChangeReply = Sender<Result<(), ChangeLogError>>;

/// A handle of the audit log. Clones share the log.
#[derive(Clone)]
pub struct AuditLog {
    requests: Sender<Request>,
    path: Arc<Path>,
    status: Arc<Mutex<AuditStatus>>,
    denials: Arc<Mutex<Denials>>,
}

/// The state of the writer's thread. [`run`](Self::run) is the thread's function.
pub struct AuditWriter {
    settings: AuditSettings,
    requests: Receiver<Request>,
    status: Arc<Mutex<AuditStatus>>,
    denials: Arc<Mutex<Denials>>,
    observer: AuditObserver,
    /// Whether this process may write the folder.
    is_open: bool,
    /// Whether this process never writes the folder again.
    is_closed: bool,
    chain: Option<Chain>,
    waiting: VecDeque<AuditRecord>,
    dropped: usize,
    failed_at: Option<Instant>,
    /// Time of the last record of denied requests.
    denials_at: Option<Instant>,
}

impl AuditLog {
    /// Creates the log. Nothing is written before [`open`](Self::open).
    pub fn new(settings: AuditSettings, observer: AuditObserver) -> (AuditLog, AuditWriter) {
        let (sender, requests) = channel();
        let log = AuditLog {
            requests: sender,
            path: settings.folder.join(FILE).into(),
            status: Arc::default(),
            denials: Arc::default(),
        };
        let writer = AuditWriter {
            settings,
            requests,
            status: Arc::clone(&log.status),
            denials: Arc::clone(&log.denials),
            observer,
            is_open: false,
            is_closed: false,
            chain: None,
            waiting: VecDeque::new(),
            dropped: 0,
            failed_at: None,
            denials_at: None,
        };
        (log, writer)
    }

    /// Returns the path of the file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the state of the log.
    pub fn status(&self) -> AuditStatus {
        self.status.lock().clone()
    }

    /// Opens the log, because this process holds the lock of the folder, and writes this record first.
    pub fn open(&self, first: AuditRecord) {
        let _ = self.requests.send(Request::Open(first));
    }

    /// Refuses changes with this error, because this process cannot get the lock of the folder. `None` is that the
    /// folder can be used, and another process may have the lock. No effect after [`open`](Self::open).
    pub fn set_unusable(&self, error: Option<&str>) {
        let _ = self.requests.send(Request::Unusable(error.map(str::to_owned)));
    }

    /// Writes a record on the writer's thread. Returns at once.
    pub fn push(&self, record: AuditRecord) {
        let _ = self.requests.send(Request::Record(record));
    }

    /// Records a denied request. Returns at once. Requests of one principal, permission and reason share a record
    /// with their count, at most one a second.
    pub fn deny(
        &self,
        principal: Option<&str>,
        permission: Option<Permission>,
        reason: DenialReason,
        peer: impl fmt::Display,
    ) {
        let mut denials = self.denials.lock();
        let is_first = denials.is_empty();
        let denied = denials.entry((principal.map(Into::into), permission, reason));
        let new =
            || DeniedRequests { since: SystemTime::now().into(), peer: peer.to_string().into(), count: 0 };
        denied.or_insert_with(new).count += 1;
        drop(denials);
        if is_first {
            let _ = self.requests.send(Request::Denials);
        }
    }

    /// Writes the last record and closes the file. Returns when both are done.
    pub fn close(&self, last: AuditRecord) {
        let (reply, closed) = channel();
        if self.requests.send(Request::Close(last, reply)).is_ok() {
            let _ = closed.recv();
        }
    }
}

impl ChangeLog for AuditLog {
    fn record(&self, changes: &[LoggedChange<'_>]) -> Result<(), ChangeLogError> {
        let records = changes.iter().map(AuditRecord::of_change).collect();
        let (reply, written) = channel();
        let _ = self.requests.send(Request::Change(records, reply));
        written.recv().unwrap_or(Err(ChangeLogError::Closed))
    }

    fn failed(&self, changes: &[LoggedChange<'_>], error: &str) {
        for change in changes {
            self.push(AuditRecord::of_change(change).into_failed(error));
        }
    }

    fn overruled(&self, key: &AccountKey, lost: Option<&Standing>, won: Option<&Standing>) {
        let value = |standing: Option<&Standing>| Some(standing.map_or(Value::Null, |it| it.fields().into()));
        self.push(AuditRecord {
            principal: lost.and_then(|lost| lost.by.clone()),
            company: Some(key.company.clone()),
            account: Some(key.account.clone()),
            before: value(lost),
            after: value(won),
            ..AuditRecord::new(AuditEvent::Overruled)
        });
    }
}

impl AuditWriter {
    /// Writes records. Returns when every [`AuditLog`] is dropped.
    pub fn run(mut self) {
        loop {
            let first = match self.next_wake() {
                None => self.requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.requests.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let first = match first {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // All that waits shares one write to the disk.
            let more: Vec<Request> = self.requests.try_iter().take(MAX_WAITING).collect();
            let (mut changes, mut closing) = (Vec::new(), None);
            for request in first.into_iter().chain(more) {
                match request {
                    Request::Open(first) => {
                        self.is_open = true;
                        self.waiting.push_front(first);
                    }
                    Request::Unusable(error) if !self.is_open && !self.is_closed => match error {
                        Some(error) => self.report_failure(error),
                        None => self.report_success(),
                    },
                    Request::Unusable(_) | Request::Denials => {}
                    Request::Record(record) => self.wait_for_disk(record),
                    Request::Change(records, reply) => changes.push((records, reply)),
                    Request::Close(last, reply) => closing = Some((last, reply)),
                }
            }
            self.take_denials(closing.is_some());
            self.write(changes);
            if let Some((last, reply)) = closing {
                self.wait_for_disk(last);
                self.write(Vec::new());
                let is_open = self.is_open;
                (self.is_open, self.is_closed, self.chain) = (false, true, None);
                let lost = std::mem::take(&mut self.waiting).len() + std::mem::take(&mut self.dropped);
                if is_open && lost > 0 {
                    (self.observer)(&AuditLogEvent::Lost(lost));
                }
                let _ = reply.send(());
            }
        }
    }

    /// Returns the time of the next work without a request.
    fn next_wake(&self) -> Option<Instant> {
        if !self.is_open {
            return None;
        }
        let retry = self.failed_at.map(|at| at + RETRY_INTERVAL);
        let denials = self.denials_at.map(|at| at + DENIAL_INTERVAL);
        let denials = denials.filter(|_| self.failed_at.is_none() && !self.denials.lock().is_empty());
        retry.into_iter().chain(denials).min()
    }

    fn wait_for_disk(&mut self, record: AuditRecord) {
        if self.is_closed {
            return;
        }
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(record);
    }

    /// Moves the denied requests to the records that wait, if the interval has passed.
    fn take_denials(&mut self, is_last: bool) {
        let is_due = self.denials_at.is_none_or(|at| at.elapsed() >= DENIAL_INTERVAL) || is_last;
        // While the log cannot be written, they are counted, and do not push out the records of changes.
        let is_failing = self.failed_at.is_some() && !is_last;
        if !self.is_open || !is_due || is_failing {
            return;
        }
        let mut denials: Vec<_> = std::mem::take(&mut *self.denials.lock()).into_iter().collect();
        denials.sort_by_key(|(_, denied)| denied.since);
        if !denials.is_empty() {
            self.denials_at = Some(Instant::now());
        }
        for ((principal, permission, reason), DeniedRequests { peer, count, .. }) in denials {
            self.wait_for_disk(AuditRecord {
                principal,
                peer: Some(peer),
                reason: Some(reason.as_str().to_owned()),
                permission: permission.map(Permission::as_str),
                count: Some(count),
                ..AuditRecord::new(AuditEvent::RequestDenied)
            });
        }
    }

    /// Writes the records that wait and these changes to the disk, if this process may, and replies.
    fn write(&mut self, changes: Vec<(Vec<AuditRecord>, ChangeReply)>) {
        if !self.is_open {
            let error = self.status.lock().error.clone();
            let refusal = error.map_or(ChangeLogError::Closed, ChangeLogError::Failed);
            for (_, reply) in changes {
                let _ = reply.send(Err(refusal.clone()));
            }
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let records: Vec<&AuditRecord> =
            waiting.iter().chain(changes.iter().flat_map(|(records, _)| records)).collect();
        let written = if records.is_empty() { Ok(()) } else { self.append(&records) };
        if let Err(error) = &written {
            self.report_failure(error.clone());
            self.waiting = waiting;
        }
        for (records, reply) in changes {
            if let Err(error) = &written {
                records.into_iter().for_each(|record| self.wait_for_disk(record.into_failed(error)));
            }
            let _ = reply.send(written.clone().map_err(ChangeLogError::Failed));
        }
    }

    fn append(&mut self, records: &[&AuditRecord]) -> Result<(), String> {
        let failed = |error| format!("{}: {error}", self.settings.folder.join(FILE).display());
        let is_opened = self.chain.is_none();
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => Chain::open(self.settings.clone()).map_err(failed)?,
        };
        let chain = self.chain.insert(chain);
        if is_opened {
            (self.observer)(&AuditLogEvent::Opened(chain.end().seq));
        }
        let appended = chain.append(records).map_err(failed);
        for fault in chain.take_faults() {
            (self.observer)(&AuditLogEvent::Fault(&fault));
        }
        appended?;
        self.status.lock().newest = Some(chain.end().clone());
        self.report_success();
        (self.observer)(&AuditLogEvent::Written(records.len()));
        Ok(())
    }

    fn report_success(&mut self) {
        self.failed_at = None;
        if self.status.lock().error.take().is_some() {
            let dropped = std::mem::take(&mut self.dropped);
            (self.observer)(&AuditLogEvent::Writable(dropped));
        }
    }

    fn report_failure(&mut self, error: String) {
        self.failed_at = Some(Instant::now());
        let mut status = self.status.lock();
        if status.error.as_ref() != Some(&error) {
            status.error = Some(error.clone());
            drop(status);
            (self.observer)(&AuditLogEvent::Unwritable(&error));
        }
    }
}
