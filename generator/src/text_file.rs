//! Empty folders, and text files that are written from top to bottom.

use crate::error::{Error, FileError, Result};
use std::{
    fmt::Arguments,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Creates a folder and the folders above it. Accepts a folder that exists.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    Ok(fs::create_dir_all(dir).map_err(FileError::at("create the folder", dir))?)
}

/// Creates a folder, or accepts an existing folder that is empty.
pub(crate) fn make_empty_dir(dir: &Path) -> Result<()> {
    make_dir(dir)?;
    match fs::read_dir(dir).map_err(FileError::at("list", dir))?.next() {
        None => Ok(()),
        Some(_) => Err(Error::Usage(format!(
            "{} is not empty: name a folder that is empty or does not exist",
            dir.display()
        ))),
    }
}

/// A file that is written line by line. Its errors name its path.
pub(crate) struct TextFile {
    path: PathBuf,
    inner: BufWriter<File>,
}

impl TextFile {
    pub(crate) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(FileError::at("create", &path))?;
        Ok(Self { path, inner: BufWriter::with_capacity(1 << 16, file) })
    }

    /// Writes the text and a line feed.
    pub(crate) fn line(&mut self, text: Arguments<'_>) -> Result<()> {
        let written = self.inner.write_fmt(text).and_then(|()| self.inner.write_all(b"\n"));
        self.written(written)
    }

    /// Writes the text without a line feed.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        let written = self.inner.write_all(text.as_bytes());
        self.written(written)
    }

    /// Flushes the file. Without this call, an error of the last write is lost.
    pub(crate) fn finish(mut self) -> Result<()> {
        let written = self.inner.flush();
        self.written(written)
    }

    fn written(&self, result: io::Result<()>) -> Result<()> {
        Ok(result.map_err(FileError::at("write", &self.path))?)
    }
}
