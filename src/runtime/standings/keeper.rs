//! The thread through which every change of a standing goes: first to the disk, then to the workers,
//! then to whoever asked. It also follows or takes over another process's journal.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::journal::{Contents, Journal};
use super::lifter::Lifter;
use super::record::Change;
use super::standing::{Key, Refused, Standing};
use crate::runtime::source::now_ms;
use crate::runtime::store::Store;
use switchboard_registry::Stamp;

/// How often to look for another process's changes, which are promised within a second.
const TICK: Duration = Duration::from_millis(200);
/// Most changes that share one write to the disk.
const MOST_AT_ONCE: usize = 256;

/// Something happened to the standings.
#[derive(Debug)]
pub enum Event<'a> {
    /// An account got a standing.
    Set {
        /// Whose.
        key: &'a Key,
        /// Which.
        standing: &'a Standing,
    },
    /// An account's standing was lifted.
    Lifted {
        /// Whose.
        key: &'a Key,
        /// By itself, at its end.
        ended: bool,
    },
    /// The journal was read.
    Read {
        /// What it holds.
        contents: &'a Contents,
        /// Where a damaged one was copied to.
        kept: Option<&'a Path>,
    },
    /// Another process holds the journal: its changes are followed, and no own ones made.
    Following,
    /// The journal cannot be read or written.
    Failed {
        /// Why.
        error: &'a io::Error,
    },
}

/// Sees every event, on the thread that it happens on.
pub type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// Where the standings are kept, for `/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// In memory: they last as long as the process.
    Memory,
    /// In the journal, by this process.
    Journal,
    /// In the journal, by another process.
    Following,
    /// Nowhere at the moment: the journal cannot be read or written, and why.
    Failed(String),
}

/// What is asked of the keeper.
enum Ask {
    Change(Change, Reply),
    HandOver,
}

type Reply = Box<dyn FnOnce(Result<(), Refused>) + Send>;

/// The standings, for those who list and change them.
#[derive(Clone)]
pub struct Standings {
    store: Store,
    to: Sender<Ask>,
    path: Option<Arc<Path>>,
    keeping: Arc<Mutex<Keeping>>,
}

/// The thread, before it runs.
pub struct Keeper {
    store: Store,
    asked: Receiver<Ask>,
    path: Option<Arc<Path>>,
    journal: Option<Journal>,
    /// What another process's journal looked like when it was last read.
    seen: Option<Stamp>,
    /// Another process takes over: the journal is its own from now on.
    handed_over: bool,
    keeping: Arc<Mutex<Keeping>>,
    observer: Observer,
    looked: Instant,
    /// Ends the lifter with this.
    _goes_on: Sender<Infallible>,
}

impl Standings {
    /// With what the journal holds; without one, with nothing.
    ///
    /// # Errors
    /// A journal that cannot be read, or taken, or is none: going on without it would put suspended
    /// accounts back in service.
    pub fn open(
        store: Store,
        path: Option<PathBuf>,
        observer: Observer,
    ) -> io::Result<(Standings, Keeper, Lifter)> {
        let (to, asked) = channel();
        let (goes_on, over) = channel();
        let lifter = Lifter { store: store.clone(), observer: Arc::clone(&observer), over };
        let path: Option<Arc<Path>> = path.map(Into::into);
        let keeping = Arc::new(Mutex::new(Keeping::Memory));
        let standings =
            Standings { store: store.clone(), to, path: path.clone(), keeping: Arc::clone(&keeping) };
        let mut keeper = Keeper {
            store,
            asked,
            path,
            journal: None,
            seen: None,
            handed_over: false,
            keeping,
            observer,
            looked: Instant::now(),
            _goes_on: goes_on,
        };
        keeper.look()?;
        Ok((standings, keeper, lifter))
    }

    /// Where they are shown to selection.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The journal's path and its state.
    pub fn keeping(&self) -> (Option<&Path>, Keeping) {
        let keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.path.as_deref(), keeping)
    }

    /// Gives an account a standing, or lifts the one it has. `reply` comes once every worker sees it and
    /// no power failure undoes it; it is dropped unused where the keeper's thread is gone.
    pub fn change(
        &self,
        key: Key,
        standing: Option<Standing>,
        reply: impl FnOnce(Result<(), Refused>) + Send + 'static,
    ) {
        // Where nobody listens any more, the reply is dropped with the question.
        let _ = self.to.send(Ask::Change(Change { key, standing }, Box::new(reply)));
    }

    /// Lets go of the journal: the process drains, and another may be waiting for it.
    pub fn hand_over(&self) {
        let _ = self.to.send(Ask::HandOver);
    }
}

impl Keeper {
    /// Serves until nobody is left to ask.
    pub fn run(mut self) {
        loop {
            match self.asked.recv_timeout(TICK) {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(first) => self.serve(first),
            }
            if self.looked.elapsed() >= TICK {
                if let Err(error) = self.look() {
                    self.failed(&error);
                }
                self.looked = Instant::now();
            }
        }
    }

    /// Answers what has been asked by now, with one write to the disk for all of it.
    fn serve(&mut self, first: Ask) {
        let mut changes = Vec::new();
        let mut replies = Vec::new();
        let more: Vec<Ask> = self.asked.try_iter().take(MOST_AT_ONCE).collect();
        let mut hand_over = false;
        for ask in std::iter::once(first).chain(more) {
            match ask {
                Ask::HandOver => hand_over = true,
                Ask::Change(change, reply) => match self.may(&change) {
                    Err(refused) => reply(Err(refused)),
                    Ok(()) => {
                        changes.push(change);
                        replies.push(reply);
                    }
                },
            }
        }
        let kept = self.keep(&changes);
        if kept.is_ok() {
            for Change { key, standing } in changes {
                self.store.stand(key.clone(), standing.clone());
                (self.observer)(&match &standing {
                    Some(standing) => Event::Set { key: &key, standing },
                    None => Event::Lifted { key: &key, ended: false },
                });
            }
        }
        for reply in replies {
            reply(kept.clone());
        }
        if hand_over {
            (self.journal, self.handed_over) = (None, true);
            self.note(Keeping::Following);
        }
    }

    /// Whether the account is known, and the change is one that this process may make.
    fn may(&self, Change { key, standing }: &Change) -> Result<(), Refused> {
        self.store.known(key)?;
        if standing.as_ref().is_some_and(|standing| standing.has_ended(now_ms())) {
            return Err(Refused::Ended);
        }
        if self.path.is_some() && self.journal.is_none() {
            return Err(Refused::Following);
        }
        Ok(())
    }

    /// Puts changes on the disk.
    fn keep(&mut self, changes: &[Change]) -> Result<(), Refused> {
        let Some(journal) = self.journal.as_mut().filter(|_| !changes.is_empty()) else { return Ok(()) };
        let kept = if journal.wants_rewrite(self.store.held()) {
            let standings = self.store.standings();
            journal.rewrite(standings.iter().map(|(key, standing)| (key, standing)))
        } else {
            Ok(())
        };
        match kept.and_then(|()| journal.append(changes)) {
            Ok(()) => {
                self.note(Keeping::Journal);
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(Refused::Journal(error.to_string()))
            }
        }
    }

    /// Tries to take the journal; where another process holds it, reads what that one has changed.
    fn look(&mut self) -> io::Result<()> {
        let Some(path) = self.path.clone().filter(|_| self.journal.is_none()) else { return Ok(()) };
        let taken = if self.handed_over { None } else { Journal::take(&path)? };
        match taken {
            Some((journal, contents, kept)) => {
                self.journal = Some(journal);
                self.note(Keeping::Journal);
                (self.observer)(&Event::Read { contents: &contents, kept: kept.as_deref() });
                self.take_over(contents);
            }
            None => {
                if self.note(Keeping::Following) {
                    (self.observer)(&Event::Following);
                }
                // While it is not there, it says nothing new.
                let stamp = Stamp::of_file(&path).ok().filter(|stamp| self.seen.as_ref() != Some(stamp));
                if stamp.is_some() {
                    self.take_over(Contents::read(&path)?);
                    self.seen = stamp;
                }
            }
        }
        Ok(())
    }

    fn take_over(&self, contents: Contents) {
        let mut standings = contents.standings;
        let now = now_ms();
        standings.retain(|_, standing| !standing.has_ended(now));
        self.store.replace_standings(standings);
    }

    /// Whether that is news.
    fn note(&self, keeping: Keeping) -> bool {
        let mut noted = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *noted != keeping;
        *noted = keeping;
        news
    }

    fn failed(&self, error: &io::Error) {
        if self.note(Keeping::Failed(error.to_string())) {
            (self.observer)(&Event::Failed { error });
        }
    }
}
