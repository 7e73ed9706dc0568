//! Writes to standard output and standard error. Styles are removed where the output is no terminal.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use switchboard_snapshot::{BuildStage, Progress, file};

use super::CommandError;
use crate::telemetry::LogQueue;

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
/// Width of the lines of a tree if standard output is no terminal.
const DEFAULT_WIDTH: usize = 80;
const MIN_WIDTH: usize = 40;
const MAX_WIDTH: usize = 100;
/// The beginning of a branch, and of the further lines of a branch that is wrapped.
pub(super) const BRANCH: &str = "├─ ";
pub(super) const BRANCH_REST: &str = "│     ";
/// The beginning of the last branch, and of the further lines of a last branch that is wrapped.
pub(super) const CORNER: &str = "└─ ";
pub(super) const CORNER_REST: &str = "      ";
const BUFFER_BYTES: usize = 1 << 16;
/// Time to write what is queued for standard error when the program ends.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
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

/// Writes `warning: …` to standard error.
pub(super) fn print_warning(message: &str) {
    print_error(&format!("{WARNING}warning{WARNING:#}: {message}\n"));
}

/// Writes texts to standard error before the program ends without having started anything. Waits at most
/// [`FLUSH_TIMEOUT`] for a reader that has stalled, because a service manager waits for the end.
pub(super) fn print_at_start(texts: impl IntoIterator<Item = String>) {
    let texts = texts.into_iter().map(|styled| for_stderr(&styled));
    match LogQueue::to_stderr() {
        Ok(queue) => {
            texts.for_each(|text| queue.push(text.into_bytes()));
            queue.flush(FLUSH_TIMEOUT);
        }
        Err(_) => texts.for_each(|text| print_error(&text)),
    }
}

/// Returns the line `error: …`, with colors if standard error has them. Hides the credentials of URLs.
pub(super) fn failure(message: &str) -> String {
    for_stderr(&format!("{ERROR}error{ERROR:#}: {}\n", without_credentials(message)))
}

/// Replaces URLs that have a user or a password by `…`. Such a URL may be in the place of a file or of another argument,
/// which a message repeats.
pub(super) fn without_credentials(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("://").map(|at| at + "://".len()) {
        let (scheme, after) = rest.split_at(start);
        let is_end = |letter: char| letter.is_whitespace() || "'\"`\u{1b}".contains(letter);
        let (url, next) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        // Some messages have an example.
        let has_credentials = url.contains('@') && !url.starts_with("USER@") || url.contains("password=");
        shown.push_str(scheme);
        shown.push_str(if has_credentials { "…" } else { url });
        rest = next;
    }
    shown + rest
}

/// Returns a text without its styles, if standard error has no colors.
fn for_stderr(styled: &str) -> String {
    match anstream::AutoStream::choice(&io::stderr()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(styled).to_string(),
        _ => styled.to_owned(),
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

/// The lines of an explanation: branches of a tree, wrapped at the width of the terminal.
pub(super) struct Tree {
    text: String,
    width: usize,
}

impl Tree {
    pub(super) fn new() -> Tree {
        let width = terminal_width().unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH);
        Tree { text: String::new(), width }
    }

    /// Adds a line that begins with `first`. Wraps a line that is too long at spaces and after hyphens;
    /// further lines begin with `rest`. A word longer than the width stays whole.
    pub(super) fn line(&mut self, first: &str, rest: &str, words: &str) {
        let mut line = first.to_owned();
        let mut columns = columns_of(first);
        let mut is_empty = true;
        for part in parts(words) {
            let word = part.trim_end_matches(' ');
            if columns + columns_of(word) > self.width && !is_empty {
                self.push(&line);
                rest.clone_into(&mut line);
                columns = columns_of(rest);
            }
            line.push_str(part);
            columns += columns_of(part);
            is_empty = false;
        }
        self.push(&line);
    }

    pub(super) fn empty_line(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// Splits a text where a line may be broken: after spaces, and after a hyphen between letters or digits.
fn parts(words: &str) -> impl Iterator<Item = &str> {
    let mut rest = words;
    std::iter::from_fn(move || {
        let mut before = [None, None];
        let end = rest.char_indices().find(|&(_, letter)| {
            let is_break = match before {
                [_, Some(' ')] => letter != ' ',
                [Some(first), Some('-')] => char::is_alphanumeric(first) && letter.is_alphanumeric(),
                _ => false,
            };
            before = [before[1], Some(letter)];
            is_break
        });
        let (part, next) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = next;
        (!part.is_empty()).then_some(part)
    })
}

/// Counts the columns of a text: its characters without the escape sequences of styles.
fn columns_of(text: &str) -> usize {
    let mut in_escape = false;
    let visible = text.chars().filter(|&letter| {
        let was_in_escape = in_escape;
        in_escape = letter == '\x1b' || in_escape && letter != 'm';
        !was_in_escape && !in_escape
    });
    visible.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, words: &str) -> String {
        let mut tree = Tree { text: String::new(), width };
        tree.line("* ", "    ", words);
        tree.into_text()
    }

    #[test]
    fn long_line_is_broken_at_spaces_and_inner_hyphens() {
        assert_eq!(wrapped(12, "a pool-of-emea x"), "* a pool-of-\n    emea x\n");
        assert_eq!(wrapped(12, "abc def  ghi"), "* abc def\n    ghi\n");
        assert_eq!(wrapped(12, "abcdefgh --flag"), "* abcdefgh\n    --flag\n");
    }

    #[test]
    fn word_longer_than_a_line_stays_whole() {
        assert_eq!(wrapped(8, "abcdefghijkl m"), "* abcdefghijkl\n    m\n");
    }

    #[test]
    fn credentials_of_urls_are_hidden() {
        for (text, shown) in [
            ("cannot write postgres://u:secret@db/r: No such file", "cannot write postgres://… No such file"),
            ("`postgres://u@db/r` and 'https://a/b'", "`postgres://…` and 'https://a/b'"),
            ("\u{1b}[33mpostgres:///r?password=a\u{1b}[0m x", "\u{1b}[33mpostgres://…\u{1b}[0m x"),
            ("expected postgres://USER@HOST:PORT/DATABASE", "expected postgres://USER@HOST:PORT/DATABASE"),
            ("postgres://db:5432/r: no answer", "postgres://db:5432/r: no answer"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn styles_take_no_column() {
        let words = "\x1b[1m\x1b[32mabcd\x1b[0m efgh";
        assert_eq!(wrapped(11, words), format!("* {words}\n"));
        assert_eq!(wrapped(10, words), "* \x1b[1m\x1b[32mabcd\x1b[0m\n    efgh\n");
    }
}
