//! Opens untrusted bytes as a [`Snapshot`]. Checks the header, the length, the checksum, the archive, every
//! record, the definitions, and the tests. rkyv checks that the archive has the shape of the records, and `verify` checks what
//! the records refer to.

use rkyv::rancor;

use super::Bytes;
use super::decompile::check_definitions;
use super::format::ArchivedTables;
use super::header::{self, Header, Rejection, RejectionStage};
use super::verify::verify;
use super::view::{Snapshot, SnapshotTest, lines};

impl Snapshot {
    /// Verifies the bytes of a snapshot, and takes ownership of them. The bytes may come from a faulty or
    /// hostile writer.
    ///
    /// Takes time in proportion to the length: 125 ms for a million accounts. Does not run the tests that the
    /// snapshot carries.
    ///
    /// # Errors
    /// Returns the stage that rejects the bytes, and the reason.
    ///
    /// ```
    /// use rkyv::util::AlignedVec;
    /// use switchboard_snapshot::{RejectionStage, Snapshot};
    ///
    /// let mut bytes = AlignedVec::new();
    /// bytes.extend_from_slice(&[0; 100]);
    /// let rejection = Snapshot::open(bytes).unwrap_err();
    /// assert_eq!(rejection.stage, RejectionStage::Header);
    /// assert_eq!(rejection.reason, "not a snapshot: the file does not begin with the magic bytes");
    /// ```
    pub fn open(bytes: impl Into<Bytes>) -> Result<Snapshot, Rejection> {
        let bytes = bytes.into();
        let header = Header::read(&bytes)?;
        let body = bytes.get(header::LEN..).unwrap_or_default();
        if bytes.len() as u128 != header.file_len() {
            let reason = if header.is_possible() {
                // The file's length is not known here: of such a file, only the header is read.
                format!(
                    "the header announces {} bytes in total, but the file has another length: wait until the \
                     copy is complete, or copy the file again",
                    header.file_len()
                )
            } else {
                format!(
                    "the header announces {} bytes in total, which is more than a snapshot can have",
                    header.file_len()
                )
            };
            return Err(RejectionStage::Length.rejection(reason));
        }
        if header::checksum(&bytes, body) != header.checksum {
            let reason = "the checksum does not match, so the file is damaged: copy it again, or compile the registry \
                          again";
            return Err(RejectionStage::Checksum.rejection(reason));
        }
        let (archive, rest) = body.split_at(header.contents_len as usize);
        let (_, tests) = rest.split_at(header.definitions_len as usize);
        let contents = rkyv::access::<ArchivedTables, rancor::Error>(archive).map_err(|error| {
            RejectionStage::Archive
                .rejection(format!("the archive of the records is malformed: {error}: {COMPILE_AGAIN}"))
        })?;
        verify(contents)?;
        check_tests(tests)?;
        let snapshot = Snapshot::verified(bytes, header);
        check_definitions(&snapshot)?;
        Ok(snapshot)
    }
}

/// Checks that every test can be parsed. The parsed tests are not kept, because they can take more memory
/// than the file.
fn check_tests(tests: &[u8]) -> Result<(), Rejection> {
    for line in lines(tests) {
        if line.len() > MAX_TEST_BYTES {
            let reason =
                format!("a test of the snapshot is longer than {MAX_TEST_BYTES} bytes: {COMPILE_AGAIN}");
            return Err(RejectionStage::Archive.rejection(reason));
        }
        serde_json::from_slice::<SnapshotTest>(line).map_err(|error| {
            RejectionStage::Archive
                .rejection(format!("a test of the snapshot is malformed: {error}: {COMPILE_AGAIN}"))
        })?;
    }
    Ok(())
}

/// The maximum length of a test in bytes: 16 times `MAX_QUERY_BYTES`. A test contains its query as an escaped
/// JSON string.
const MAX_TEST_BYTES: usize = 1 << 20;

/// The remedy for a file with a valid checksum whose contents are malformed.
const COMPILE_AGAIN: &str = "compile the registry again; if the error returns, report a bug";
