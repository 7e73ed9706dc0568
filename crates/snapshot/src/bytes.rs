//! The memory that a snapshot lies in.

use std::io::{self, Read};
use std::ops::Deref;

use memmap2::{Advice, MmapMut};
use rkyv::util::AlignedVec;

/// A snapshot's bytes, aligned, and never written to once they are whole.
pub struct Bytes(Memory);

enum Memory {
    /// As a compile leaves them.
    Heap(AlignedVec),
    /// Pages of our own; the first so many bytes are filled.
    Pages(MmapMut, usize),
}

impl Bytes {
    /// So many bytes: first these, then what the source has, or less where it ends early.
    ///
    /// In huge pages where the system has them: a selection goes to a dozen places far apart, and with pages of
    /// 4 KiB each of them costs the processor a walk through its page tables besides. Pages that nothing is read
    /// into take no memory.
    ///
    /// # Errors
    /// There is no room for them, or the source cannot be read.
    pub fn read(first: &[u8], mut source: impl Read, len: usize) -> io::Result<Bytes> {
        let mut pages = MmapMut::map_anon(len)?;
        // A system without them takes pages of the usual size.
        let _ = pages.advise(Advice::HugePage);
        let mut first = first;
        let mut filled = first.read(&mut pages)?;
        while let Some(rest) = pages.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match source.read(rest) {
                Ok(0) => break,
                Ok(some) => filled += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes(Memory::Pages(pages, filled)))
    }
}

impl From<AlignedVec> for Bytes {
    fn from(bytes: AlignedVec) -> Bytes {
        Bytes(Memory::Heap(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Heap(bytes) => bytes,
            Memory::Pages(pages, filled) => pages.get(..*filled).unwrap_or_default(),
        }
    }
}
