//! Folders, and text files that are written from top to bottom.

use crate::error::{Error, Result};
use std::{
    fmt::Arguments,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Creates `dir`, or accepts an existing folder that is empty.
pub(crate) fn empty_dir(dir: &Path) -> Result<()> {
    make_dir(dir)?;
    match fs::read_dir(dir).map_err(Error::io("list", dir))?.next() {
        None => Ok(()),
        Some(_) => Err(Error::Usage(format!(
            "{} is not empty: name a folder that is empty, or that does not exist yet",
            dir.display()
        ))),
    }
}

pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io("create the folder", dir))
}

/// A file being written. Its errors name its path.
pub(crate) struct TextFile {
    path: PathBuf,
    inner: BufWriter<File>,
}

impl TextFile {
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(Self { path, inner: BufWriter::with_capacity(1 << 16, file) })
    }

    pub(crate) fn line(&mut self, text: Arguments<'_>) -> Result<()> {
        let wrote = self.inner.write_fmt(text).and_then(|()| self.inner.write_all(b"\n"));
        wrote.map_err(|source| self.failed(source))
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        self.inner.write_all(text.as_bytes()).map_err(|source| self.failed(source))
    }

    /// Flushes. A drop would ignore the error.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.inner.flush().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io { doing: "write", path: self.path.clone(), source }
    }
}

/// Writes to standard output: styled on a terminal, plain in a pipe.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has gone, as in `| head`, is no failure.
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "standard output")(source))
        }
        _ => Ok(()),
    }
}
