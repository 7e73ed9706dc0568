//! The queue between the threads that log and standard error. A thread of its own writes the lines, so that a
//! reader of standard error that stalls holds up no other thread.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Maximum number of lines that wait to be written. Further lines are dropped.
const MAX_LINES: usize = 4_096;
/// Pause before the next line while lines are frequent. They are then written together,
/// because waking the thread for each of them would take more processor time than writing them.
const LINE_PAUSE: Duration = Duration::from_millis(2);
/// Lines that follow each other within this time are frequent.
const FREQUENT: Duration = Duration::from_millis(10);
/// Pause before another attempt if standard error is non-blocking and full.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// Interval at which a flush looks whether the queue is empty.
const FLUSH_INTERVAL: Duration = Duration::from_millis(1);

/// Number of lines that this process dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Returns the number of log lines that this process dropped because the queue was full.
pub(super) fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The queue of log lines. Clones share one queue. [`push`](Self::push) never waits.
#[derive(Debug, Clone)]
pub struct LogQueue {
    sender: SyncSender<Box<[u8]>>,
    /// Number of lines that are queued or being written.
    pending: Arc<AtomicUsize>,
    /// Whether events of the level info are discarded.
    is_quiet: Arc<AtomicBool>,
}

impl LogQueue {
    /// Starts the thread that writes to standard error.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses the thread or the descriptor.
    pub fn to_stderr() -> io::Result<LogQueue> {
        // A descriptor of its own, because a blocked write would otherwise hold the lock of `io::stderr`.
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let (queue, lines) = LogQueue::new();
        let pending = Arc::clone(&queue.pending);
        thread::Builder::new().name("logs".into()).spawn(move || write_lines(&lines, &pending, stderr))?;
        Ok(queue)
    }

    fn new() -> (LogQueue, Receiver<Box<[u8]>>) {
        let (sender, lines) = sync_channel(MAX_LINES);
        (LogQueue { sender, pending: Arc::default(), is_quiet: Arc::default() }, lines)
    }

    /// Adds a line with its line feed. Drops and counts the line if the queue is full.
    pub fn push(&self, line: impl Into<Box<[u8]>>) {
        // Counted before the line is sent, so that the writer never counts below zero.
        self.pending.fetch_add(1, Ordering::SeqCst);
        if self.sender.try_send(line.into()).is_err() {
            self.pending.fetch_sub(1, Ordering::SeqCst);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all lines are written, at most for `timeout`.
    pub fn flush(&self, timeout: Duration) {
        let started = Instant::now();
        while self.pending.load(Ordering::SeqCst) > 0 && started.elapsed() < timeout {
            thread::sleep(FLUSH_INTERVAL);
        }
    }

    /// Sets whether events of the level info are discarded. Lines that are pushed are not.
    pub fn set_quiet(&self, is_quiet: bool) {
        self.is_quiet.store(is_quiet, Ordering::Relaxed);
    }
}

/// Writes the lines of the queue until all senders are gone.
fn write_lines(lines: &Receiver<Box<[u8]>>, pending: &AtomicUsize, mut output: impl Write) {
    let mut reported = dropped_lines();
    let mut last: Option<Instant> = None;
    while let Ok(first) = lines.recv() {
        let is_frequent = last.is_some_and(|last| last.elapsed() < FREQUENT);
        for line in iter::once(first).chain(lines.try_iter()) {
            write_line(&mut output, &line);
            let is_last = pending.fetch_sub(1, Ordering::SeqCst) == 1;
            let dropped = dropped_lines();
            if is_last && dropped > reported {
                let lines = dropped - reported;
                reported = dropped;
                tracing::warn!(lines, "dropped log lines, because standard error was not read fast enough");
            }
        }
        if is_frequent {
            thread::sleep(LINE_PAUSE);
        }
        last = Some(Instant::now());
    }
}

/// Writes a line. The line is lost if standard error has no reader, because the daemon outlives its log
/// collector.
fn write_line(output: &mut impl Write, mut line: &[u8]) {
    while !line.is_empty() {
        match output.write(line) {
            Ok(0) => return,
            Ok(written) => line = line.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            Err(_) => return,
        }
    }
}

/// Writes one event to the queue, or discards it.
pub struct EventWriter<'q>(Option<&'q LogQueue>);

impl Write for EventWriter<'_> {
    /// Takes the whole line. Never fails, because tracing would report the error on standard error.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(queue) = self.0 {
            queue.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'q> MakeWriter<'q> for LogQueue {
    type Writer = EventWriter<'q>;

    fn make_writer(&'q self) -> EventWriter<'q> {
        EventWriter(Some(self))
    }

    fn make_writer_for(&'q self, event: &Metadata<'_>) -> EventWriter<'q> {
        let is_discarded = *event.level() == Level::INFO && self.is_quiet.load(Ordering::Relaxed);
        EventWriter((!is_discarded).then_some(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that fails as a non-blocking pipe does, and takes one byte at a time.
    #[derive(Default)]
    struct Reluctant {
        calls: usize,
        bytes: Vec<u8>,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => Err(ErrorKind::Interrupted.into()),
                1 => Err(ErrorKind::WouldBlock.into()),
                _ => {
                    self.bytes.extend(bytes.first());
                    Ok(1)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn line_is_written_whole_to_an_output_that_takes_parts() {
        let mut output = Reluctant::default();
        write_line(&mut output, b"abc\n");
        assert_eq!(output.bytes, b"abc\n");
    }

    #[test]
    fn queue_takes_its_maximum_and_counts_what_it_drops() {
        let (queue, lines) = LogQueue::new();
        let before = dropped_lines();
        for number in 0..MAX_LINES + 3 {
            queue.push(format!("{number}\n").into_bytes());
        }
        assert_eq!(dropped_lines() - before, 3);
        let started = Instant::now();
        queue.flush(Duration::from_millis(20));
        assert!(started.elapsed() >= Duration::from_millis(20));

        let pending = Arc::clone(&queue.pending);
        drop(queue);
        let mut written = Vec::new();
        write_lines(&lines, &pending, &mut written);
        assert_eq!(String::from_utf8(written).unwrap().lines().count(), MAX_LINES);
        assert_eq!(pending.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn flush_returns_as_soon_as_all_lines_are_written() {
        let (queue, lines) = LogQueue::new();
        queue.push(*b"a line\n");
        let pending = Arc::clone(&queue.pending);
        let writer = thread::spawn(move || write_lines(&lines, &pending, io::sink()));
        queue.flush(Duration::from_secs(60));
        assert_eq!(queue.pending.load(Ordering::SeqCst), 0);
        drop(queue);
        writer.join().unwrap();
    }
}
