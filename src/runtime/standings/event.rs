//! What the threads of the standings report.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::journal::JournalContents;
use super::standing::{AccountKey, Standing};

/// Something that happened to the standings.
#[derive(Debug)]
pub enum StandingsEvent<'a> {
    /// A standing was set.
    Set {
        /// The account.
        key: &'a AccountKey,
        /// The new standing.
        standing: &'a Standing,
    },
    /// A standing was removed.
    Removed {
        /// The account.
        key: &'a AccountKey,
        /// Whether the standing ended by itself.
        expired: bool,
    },
    /// The journal was opened for writing.
    Opened {
        /// What it holds.
        contents: &'a JournalContents,
        /// Where a damaged journal was copied to.
        damaged_copy: Option<&'a Path>,
    },
    /// Another process holds the journal. Its changes are followed, and none are made here.
    Following,
    /// The journal cannot be read or written.
    Failed {
        /// Why.
        error: &'a io::Error,
    },
}

/// Receives every event, on the thread that it happens on.
pub type StandingsObserver = Arc<dyn Fn(&StandingsEvent<'_>) + Send + Sync>;
