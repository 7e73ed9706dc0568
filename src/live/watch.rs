//! Notices that a source may have changed. notify says no more than "maybe": queues overflow, network
//! file systems are silent, watches are lost with the folder they stood on. So the reload thread also
//! looks by itself every so often, and the source's look and digest decide.

use std::sync::mpsc::SyncSender;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::source::Source;

/// Wakes that may wait. One is enough for events; the others are for whoever asks.
pub const QUEUE: usize = 16;

/// What wakes the reload thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed.
    Maybe,
    /// Somebody asked for a reload.
    Asked,
    /// The process ends.
    Stop,
}

/// Watches for as long as it lives.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

/// Wakes `waker` whenever something happens in the source's folders.
///
/// # Errors
/// What could not be watched and why; then only the reload thread's own looking is left.
pub fn watch(source: &Source, waker: SyncSender<Wake>) -> Result<Option<Watch>, notify::Error> {
    let folders = source.watched();
    if folders.is_empty() {
        return Ok(None);
    }
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a folder is an event as well: heeding it would wake the thread by its own looking.
        let own_reading = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(kind)
            if kind != AccessKind::Close(AccessMode::Write)));
        if !own_reading {
            // Where the queue is full, a look is due already: a thousand events are one "maybe".
            let _ = waker.try_send(Wake::Maybe);
        }
    })?;
    // A registry has folders in it; beside a snapshot there may be anything.
    let mode = match source {
        Source::Registry(_) => RecursiveMode::Recursive,
        Source::Embedded(_) | Source::Snapshot(_) => RecursiveMode::NonRecursive,
    };
    for folder in folders {
        watcher.watch(&folder, mode)?;
    }
    Ok(Some(Watch { _watcher: watcher }))
}
