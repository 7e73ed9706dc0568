//! Folders and files that are written from top to bottom, through one small buffer each.

use crate::error::{Error, Result};
use std::{
    fmt::Arguments,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Makes `dir`, or accepts it as it is when it is empty: nobody's files are mixed with ours.
pub(crate) fn empty_dir(dir: &Path) -> Result<()> {
    make_dir(dir)?;
    let failed = |source| Error::Io { doing: "list", path: dir.to_owned(), source };
    match fs::read_dir(dir).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::Usage(format!(
            "{} is not empty: name a folder that is empty, or that does not exist yet",
            dir.display()
        ))),
    }
}

pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|source| Error::Io {
        doing: "create the folder",
        path: dir.to_owned(),
        source,
    })
}

/// A file being written. A failure names its path.
pub(crate) struct Sheet {
    path: PathBuf,
    inner: BufWriter<File>,
}

impl Sheet {
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, inner: BufWriter::with_capacity(1 << 16, file) }),
            Err(source) => Err(Error::Io { doing: "create", path, source }),
        }
    }

    /// A line, its end included.
    pub(crate) fn line(&mut self, text: Arguments<'_>) -> Result<()> {
        let wrote = self.inner.write_fmt(text).and_then(|()| self.inner.write_all(b"\n"));
        wrote.map_err(|source| self.failed(source))
    }

    /// Text as it stands.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        self.inner.write_all(text.as_bytes()).map_err(|source| self.failed(source))
    }

    /// Without this the last lines could be lost in silence.
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
            Err(Error::Io { doing: "write to", path: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}
