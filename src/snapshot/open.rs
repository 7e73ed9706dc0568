//! From untrusted bytes to a [`Snapshot`]: header, length, checksum, archive, then every record.
//! rkyv proves the shape of the records; that account 7 exists, `verify` does.

use rkyv::rancor;

use super::Bytes;
use super::format::ArchivedContents;
use super::header::{self, BadHeader, Header};
use super::verify::verify;
use super::view::{Snapshot, SnapshotTest, test_lines};

/// Where in opening a snapshot was refused: the label of the rejections that SREs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Magic, version, schema.
    Header,
    /// Fewer or more bytes than the header says.
    Length,
    /// The bytes are not those that were written.
    Checksum,
    /// Not an archive of the records.
    Archive,
    /// A record that points where nothing is, out of order, or at odds with another.
    Index,
    /// Its own expected selections are not what it selects.
    Tests,
    /// A generation that is not newer than the one in service.
    Generation,
    /// The registry has findings.
    Registry,
}

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// Where.
    pub stage: Stage,
    /// What, with the remedy where there is one.
    pub reason: String,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 8] = [
        Stage::Header,
        Stage::Length,
        Stage::Checksum,
        Stage::Archive,
        Stage::Index,
        Stage::Tests,
        Stage::Generation,
        Stage::Registry,
    ];

    /// As a metric's label.
    pub const fn text(self) -> &'static str {
        match self {
            Stage::Header => "header",
            Stage::Length => "length",
            Stage::Checksum => "checksum",
            Stage::Archive => "archive",
            Stage::Index => "index",
            Stage::Tests => "tests",
            Stage::Generation => "generation",
            Stage::Registry => "registry",
        }
    }

    /// A rejection at this stage.
    pub fn rejection(self, reason: impl Into<String>) -> Rejection {
        Rejection { stage: self, reason: reason.into() }
    }
}

impl From<BadHeader> for Rejection {
    fn from(bad: BadHeader) -> Rejection {
        let stage = if matches!(bad, BadHeader::Short(_)) { Stage::Length } else { Stage::Header };
        stage.rejection(bad.to_string())
    }
}

impl Snapshot {
    /// Proves the bytes sound, and takes them over.
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
            return Err(Stage::Length.rejection(reason));
        }
        if header::checksum(&bytes, body) != header.checksum {
            let reason = "the checksum does not match: the file was damaged; copy or compile it again";
            return Err(Stage::Checksum.rejection(reason));
        }
        let (archive, tests) = body.split_at(header.contents_len as usize);
        let contents = rkyv::access::<ArchivedContents, rancor::Error>(archive)
            .map_err(|error| Stage::Archive.rejection(format!("not an archive of the records: {error}")))?;
        verify(contents)?;
        check_tests(tests)?;
        Ok(Snapshot::verified(bytes, header))
    }
}

/// Every test can be read. They are read again when they are asked: kept as values, short ones would take
/// more room than the file.
fn check_tests(lines: &[u8]) -> Result<(), Rejection> {
    for line in test_lines(lines) {
        if line.len() > LONGEST_TEST {
            let reason = format!("a test of the snapshot is longer than {LONGEST_TEST} bytes");
            return Err(Stage::Archive.rejection(reason));
        }
        serde_json::from_slice::<SnapshotTest>(line)
            .map_err(|error| Stage::Archive.rejection(format!("a test of the snapshot is none: {error}")))?;
    }
    Ok(())
}

/// In bytes: many times the largest query, which a test holds with every quote escaped.
const LONGEST_TEST: usize = 1 << 20;
