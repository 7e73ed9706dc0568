//! Folders, and what people read on standard output.

use crate::error::{Error, Result};
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Creates a folder and the folders above it. Accepts a folder that exists.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io("create the folder", dir))
}

/// Writes to standard output: styled on a terminal, plain in a pipe.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has closed the pipe, as `head` does, is no failure.
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "standard output")(source))
        }
        _ => Ok(()),
    }
}
