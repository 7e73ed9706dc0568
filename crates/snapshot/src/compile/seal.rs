//! The last step of a compile: records to an archive, a header before it, tests behind it.

use rkyv::rancor;
use rkyv::util::AlignedVec;

use super::super::format::Contents;
use super::super::header::{self, Header};
use super::super::view::SnapshotTest;

/// A compiled registry whose tests have not been asked yet.
pub struct Draft {
    generation: u64,
    /// Room for the header, then the archive.
    bytes: AlignedVec,
}

impl Draft {
    pub(super) fn new(contents: &Contents, generation: u64) -> Draft {
        let mut bytes = AlignedVec::new();
        bytes.resize(header::LEN, 0);
        // Serializing plain records into memory has nothing that could fail; an empty archive would be
        // refused by `open`, which everything sealed goes through.
        let bytes = rkyv::api::high::to_bytes_in::<_, rancor::Error>(contents, bytes).unwrap_or_default();
        Draft { generation, bytes }
    }

    /// The bytes of the snapshot, carrying these tests.
    pub fn seal(mut self, tests: &[SnapshotTest]) -> AlignedVec {
        let contents_len = self.bytes.len().saturating_sub(header::LEN) as u64;
        for test in tests {
            // Four strings: the serializer has nothing to refuse.
            self.bytes.extend_from_slice(&serde_json::to_vec(test).unwrap_or_default());
            self.bytes.push(b'\n');
        }
        let tests_len = (self.bytes.len() as u64).saturating_sub(header::LEN as u64 + contents_len);
        let header = Header { generation: self.generation, contents_len, tests_len, checksum: 0 };
        let body = self.bytes.get(header::LEN..).unwrap_or_default();
        let sealed = header.seal(body);
        for (to, from) in self.bytes.iter_mut().zip(sealed) {
            *to = from;
        }
        self.bytes
    }

    /// A copy to ask the tests of, before they are sealed in.
    pub fn preview(&self) -> AlignedVec {
        Draft { generation: self.generation, bytes: self.bytes.clone() }.seal(&[])
    }
}
