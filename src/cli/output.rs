//! Standard output and standard error: styles on a terminal alone, a closed pipe is no error, and the progress of a
//! long build.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use switchboard_snapshot::{BuildStage, Progress, file};

use super::CommandError;

pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const SUCCESS: Style = AnsiColor::Green.on_default().bold();
/// The style of file positions, names and headings.
pub(super) const HEADING: Style = Style::new().bold();
pub(super) const HELP: Style = AnsiColor::Cyan.on_default();
/// The style of what had no part in the result.
pub(super) const DIMMED: Style = Style::new().dimmed();

const BUFFER_BYTES: usize = 1 << 16;
/// Builds shorter than this show no progress.
const PROGRESS_DELAY_MS: u64 = 1_000;
const PROGRESS_INTERVAL_MS: u64 = 100;

/// Writes a text to standard output, with its styles on a terminal alone. A reader that has closed the pipe, as in
/// `| head`, is no error.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout().lock();
    ignore_closed_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes the output of `fill` to standard output, unchanged and piece by piece. Errors are those of [`print()`].
pub(super) fn stream(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CommandError> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    ignore_closed_pipe(fill(&mut out).and_then(|()| out.flush()))
}

/// Replaces a file atomically by the output of `fill`.
pub(super) fn to_file(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    let written = file::write_with(path, |file| {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        fill(&mut out).and_then(|()| out.flush())
    });
    written.map_err(|error| CommandError::io(format!("{}: {error}", path.display())))
}

fn ignore_closed_pipe(result: io::Result<()>) -> Result<(), CommandError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::io(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a text to standard error, with its styles on a terminal alone.
pub(super) fn print_error(text: &str) {
    // An error on standard error can be reported nowhere.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Writes `error: …` to standard error.
pub(super) fn print_failure(message: &str) {
    print_error(&format!("{ERROR}error{ERROR:#}: {message}\n"));
}

/// Returns the columns of the terminal, if standard output is one.
pub(super) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Returns a number with its noun: `1 company`, `2 companies`.
pub(super) fn count(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// A line on standard error with the progress of a build that takes longer than a second. Shown on a terminal alone, and
/// erased when dropped.
pub(super) struct ProgressLine {
    terminal: bool,
    started: Instant,
    /// The time of the next change, in milliseconds from the start.
    next_ms: AtomicU64,
}

impl ProgressLine {
    pub(super) fn new() -> ProgressLine {
        ProgressLine {
            terminal: io::stderr().is_terminal(),
            started: Instant::now(),
            next_ms: AtomicU64::new(PROGRESS_DELAY_MS),
        }
    }

    fn is_shown(&self) -> bool {
        self.next_ms.load(Ordering::Relaxed) > PROGRESS_DELAY_MS
    }

    /// Replaces the line. Not through `anstream`, which removes the erasure where colours are turned off.
    fn draw(&self, line: &str) {
        let _ = write!(io::stderr(), "\r\x1b[K{line}");
    }
}

impl Progress for ProgressLine {
    fn report(&self, stage: BuildStage, done: usize, total: usize) {
        let elapsed_ms = self.started.elapsed().as_millis() as u64;
        let due = elapsed_ms >= self.next_ms.load(Ordering::Relaxed);
        if !self.terminal || !(due || self.is_shown() && total == 0) {
            return;
        }
        self.next_ms.store(elapsed_ms + PROGRESS_INTERVAL_MS, Ordering::Relaxed);
        let stage = match stage {
            BuildStage::Reading => "reading",
            BuildStage::Checking => "checking",
            BuildStage::Compiling => "compiling",
            BuildStage::Verifying => "verifying",
        };
        let counted = if total > 0 { format!(" {done} of {total} accounts") } else { String::new() };
        self.draw(&format!("{stage}{counted}"));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_shown() {
            self.draw("");
        }
    }
}
