//! From untrusted bytes to a [`Snapshot`]: checks header, length, checksum, archive, then every record.
//! rkyv checks the shape of the records; `verify` checks that account 7 exists.

use rkyv::rancor;

use super::Bytes;
use super::format::ArchivedTables;
use super::header::{self, Header};
use super::rejection::{Rejection, RejectionStage};
use super::verify::verify;
use super::view::{Snapshot, SnapshotTest, test_lines};

impl Snapshot {
    /// Checks a snapshot's bytes, and takes ownership of them.
    ///
    /// # Errors
    /// The stage that rejects the bytes, and why.
    pub fn open(bytes: impl Into<Bytes>) -> Result<Snapshot, Rejection> {
        let bytes = bytes.into();
        let header = Header::read(&bytes)?;
        let body = bytes.get(header::LEN..).unwrap_or_default();
        if bytes.len() as u128 != header.file_len() {
            let reason = if header.is_possible() {
                format!(
                    "the header announces {} bytes in all, and there are others: it is still being written, or was \
                     cut short",
                    header.file_len()
                )
            } else {
                format!("the header announces {} bytes in all, more than any snapshot has", header.file_len())
            };
            return Err(RejectionStage::Length.rejection(reason));
        }
        if header::checksum(&bytes, body) != header.checksum {
            let reason = "the checksum does not match: the file was damaged; copy or compile it again";
            return Err(RejectionStage::Checksum.rejection(reason));
        }
        let (archive, tests) = body.split_at(header.contents_len as usize);
        let contents = rkyv::access::<ArchivedTables, rancor::Error>(archive).map_err(|error| {
            RejectionStage::Archive.rejection(format!("not an archive of the records: {error}"))
        })?;
        verify(contents)?;
        check_tests(tests)?;
        Ok(Snapshot::verified(bytes, header))
    }
}

/// Checks that every test can be read. Tests are not kept, because short ones would take more memory than the file.
fn check_tests(lines: &[u8]) -> Result<(), Rejection> {
    for line in test_lines(lines) {
        if line.len() > MAX_TEST_BYTES {
            let reason = format!("a test of the snapshot is longer than {MAX_TEST_BYTES} bytes");
            return Err(RejectionStage::Archive.rejection(reason));
        }
        serde_json::from_slice::<SnapshotTest>(line).map_err(|error| {
            RejectionStage::Archive.rejection(format!("a test of the snapshot is none: {error}"))
        })?;
    }
    Ok(())
}

/// The most bytes of a test: many times the largest query, which a test holds with every quote escaped.
const MAX_TEST_BYTES: usize = 1 << 20;
