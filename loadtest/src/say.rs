//! What a run says on standard error while it goes.

use std::io::Write;

/// A line; colours are kept on a terminal alone.
pub(crate) fn line(text: &str) {
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
