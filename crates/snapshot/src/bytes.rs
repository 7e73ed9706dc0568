//! The memory of a snapshot.

use std::io::{self, Read};
use std::ops::Deref;

use memmap2::{Advice, MmapMut};
use rkyv::util::AlignedVec;

/// The bytes of a snapshot, aligned, and never written to once they are complete.
pub struct Bytes(Memory);

enum Memory {
    /// The bytes of a build.
    Heap(AlignedVec),
    /// Anonymous pages, and the number of bytes that are filled.
    Pages(MmapMut, usize),
}

impl Bytes {
    /// Reads `len` bytes: first those of `first`, then those of the source; fewer if the source ends early.
    ///
    /// Uses huge pages if the system has them, because a selection reads from a dozen places far apart, and with pages of
    /// 4 KiB each read costs a walk through the page tables, too. Pages that nothing is read into take no memory.
    ///
    /// # Errors
    /// There is not enough memory, or the source cannot be read.
    pub fn read(first: &[u8], mut source: impl Read, len: usize) -> io::Result<Bytes> {
        let mut pages = MmapMut::map_anon(len)?;
        // A system without huge pages uses those of the usual size.
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
