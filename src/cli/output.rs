//! Writes to standard output and standard error. Styles are removed where the output is no terminal.

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
/// The style of parts that had no effect on the result.
pub(super) const DIMMED: Style = Style::new().dimmed();

/// The name of an output file that means standard output.
pub(super) const STANDARD_OUTPUT: &str = "-";
const BUFFER_BYTES: usize = 1 << 16;
/// Time in milliseconds before a build shows its progress.
const PROGRESS_DELAY_MS: u64 = 1_000;
const PROGRESS_INTERVAL_MS: u64 = 100;

/// Writes a text to standard output, with its styles only on a terminal. Ignores that the reader closed the
/// pipe, as in `| head`.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout().lock();
    ignore_closed_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes the output of `fill` to standard output, unchanged and in pieces. The errors are those of
/// [`print()`].
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
    written.map_err(|error| CommandError::io(format!("cannot write {}: {error}", path.display())))
}

fn ignore_closed_pipe(result: io::Result<()>) -> Result<(), CommandError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::io(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a text to standard error, with its styles only on a terminal.
pub(super) fn print_error(text: &str) {
    // An error of standard error itself cannot be reported.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Writes `error: …` to standard error.
pub(super) fn print_failure(message: &str) {
    print_error(&failure(message));
}

/// Returns the line `error: …`, with colors if standard error has them.
pub(super) fn failure(message: &str) -> String {
    let styled = format!("{ERROR}error{ERROR:#}: {message}\n");
    match anstream::AutoStream::choice(&io::stderr()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(&styled).to_string(),
        _ => styled,
    }
}

/// Returns the width of the terminal in columns, or `None` if standard output is no terminal.
pub(super) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Replaces control and formatting characters, which a text from elsewhere may have.
pub(super) fn printable(text: &str) -> String {
    let is_hidden = |letter: char| letter.is_control() || ('\u{200b}'..='\u{206f}').contains(&letter);
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Returns a number with its noun: `1 company`, `2 companies`.
pub(super) fn count(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// Returns `1 OU up` or `2 OUs up`.
pub(super) fn ous_up(ous: u32) -> String {
    format!("{} up", count(ous as usize, "OU", "OUs"))
}

/// A line on standard error with the progress of a build that takes longer than a second. The line is shown
/// only on a terminal, and erased when it is dropped.
pub(super) struct ProgressLine {
    terminal: bool,
    started: Instant,
    /// Time of the next change of the line, in milliseconds after the start.
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

    /// Replaces the line. Does not use `anstream`, which would remove the erasing where colors are off.
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
