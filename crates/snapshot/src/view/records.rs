//! Records by index. Every index and range that is stored was checked when the file was opened.

use crate::format::ArchivedRange;

/// Records by verified index.
pub trait Records<T> {
    /// The record at an index that `open` proved to be in range.
    fn at(&self, index: u32) -> &T;
    /// The records of a range that `open` proved to be in range.
    fn range(&self, range: &ArchivedRange) -> &[T];
}

impl<T> Records<T> for [T] {
    #[allow(clippy::indexing_slicing, reason = "every stored index was checked when the file was opened")]
    fn at(&self, index: u32) -> &T {
        &self[index as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "every stored range was checked when the file was opened")]
    fn range(&self, range: &ArchivedRange) -> &[T] {
        let start = range.start.to_native() as usize;
        &self[start..start + range.len.to_native() as usize]
    }
}
