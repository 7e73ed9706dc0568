//! Polls a registry in a database. A read sees one state of the database, so that it needs no debounce.

use switchboard_database::{Database, FollowedDatabase};
use switchboard_pipeline::{Fetched, SourceError};
use switchboard_registry::ReadLimits;

use super::poller::{Poll, Polled};
use super::reload_event::{ReloadEvent, ReloadSignal, Reporter, WatchMode};

/// Reads a database when it has changed.
pub(super) struct DatabasePoller {
    followed: FollowedDatabase,
    limits: ReadLimits,
    reporter: Reporter,
    /// Digest of the files of the last read. `None` if the last read failed or must be repeated.
    last_digest: Option<u128>,
    /// Whether a poll came in the pause after a long read, and must be repeated.
    is_owed: bool,
    /// Whether notifications are asked for.
    listens: bool,
    /// What was reported about notifications: nothing, or whether they arrive, or why they do not.
    reported: Option<Result<(), String>>,
}

impl DatabasePoller {
    pub(super) fn new(database: Database, reporter: Reporter) -> DatabasePoller {
        DatabasePoller {
            followed: FollowedDatabase::new(database, None),
            limits: ReadLimits::default(),
            reporter,
            last_digest: None,
            is_owed: false,
            listens: false,
            reported: None,
        }
    }

    /// Reports whether notifications arrive, if that has changed. Without a connection, the fault of the read says more.
    fn report_watch(&mut self) {
        let Some(listening) = self.followed.listening() else { return };
        let listening = listening.map_err(str::to_owned);
        if !self.listens || self.reported.as_ref() == Some(&listening) {
            return;
        }
        let down = listening.as_ref().err().map(String::as_str);
        self.reporter.last.lock().watch_mode =
            if down.is_some() { WatchMode::Poll } else { WatchMode::Events };
        self.reporter.report(&ReloadEvent::Watching { down });
        self.reported = Some(listening);
    }
}

impl Poll for DatabasePoller {
    fn poll(&mut self) -> Polled {
        self.is_owed = self.followed.is_pausing();
        if self.is_owed {
            return Polled::Settling;
        }
        let read = self.followed.poll(self.limits);
        self.report_watch();
        match read {
            Ok(None) => Polled::Unchanged,
            Ok(Some(contents)) => {
                let digest = contents.files.digest();
                match self.last_digest.replace(digest) == Some(digest) {
                    true => Polled::Unchanged,
                    false => Polled::Fetched(Ok(Fetched::Database(contents))),
                }
            }
            Err(error) => {
                self.last_digest = None;
                let database = self.followed.database().to_string();
                Polled::Fetched(Err(SourceError::Database { database, error }))
            }
        }
    }

    fn forget_last_read(&mut self) {
        self.followed.forget();
        self.last_digest = None;
    }

    fn set_limits(&mut self, limits: ReadLimits) {
        self.limits = limits;
    }

    fn watch(&mut self, signal: ReloadSignal) {
        let database = self.followed.database().clone();
        self.followed = FollowedDatabase::new(database, Some(Box::new(move || signal.fs_event())));
        self.listens = true;
    }

    fn is_due_soon(&self) -> bool {
        self.is_owed
    }

    fn is_watch_down(&self) -> bool {
        self.listens && self.followed.listening() != Some(Ok(()))
    }
}
