//! Standard output and standard error: colour on a terminal, plain in a pipe, and no panic where the
//! reader has gone.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::Failure;
use switchboard_snapshot::file;

/// Of errors.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Of warnings.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Of what went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Of places.
pub const PLACE: Style = Style::new().bold();
/// Of remedies.
pub const HELP: Style = AnsiColor::Cyan.on_default();
/// Of what does not matter here.
pub const ASIDE: Style = Style::new().dimmed();

/// Bytes to gather before they are written.
const BUFFER: usize = 1 << 16;

/// Writes to standard output, styles kept only on a terminal.
///
/// # Errors
/// Where it cannot be written. A reader that has gone, as in `| head`, is none.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes what `fill` writes to standard output as it is, however much that is.
///
/// # Errors
/// As [`print()`].
pub fn stream(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    written(fill(&mut out).and_then(|()| out.flush()))
}

/// Writes what `fill` writes to a file, which is replaced atomically.
///
/// # Errors
/// Where it cannot be written.
pub fn to_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let filled = file::write_with(path, |file| {
        let mut out = BufWriter::with_capacity(BUFFER, file);
        fill(&mut out).and_then(|()| out.flush())
    });
    filled.map_err(|error| Failure::io(format!("{}: {error}", path.display())))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes to standard error, styles kept only on a terminal.
pub fn print_error(text: &str) {
    // Where standard error is closed there is nobody left to tell.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Says on standard error why a command could not be carried out.
pub fn error(message: &str) {
    print_error(&format!("{ERROR}error{ERROR:#}: {message}\n"));
}

/// How many characters a line of the terminal has; `None` where standard output is none.
pub fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0))
}

/// `1 error`, `2 errors`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
