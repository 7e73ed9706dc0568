//! The 80 bytes before the archive: what a file is, whether this program can read it, whether it is whole.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic: `SWBOARD\n` |
//! | 8 | 4 | format version |
//! | 12 | 4 | zero |
//! | 16 | 8 | schema digest |
//! | 24 | 8 | generation |
//! | 32 | 8 | bytes of the archive |
//! | 40 | 8 | bytes of the tests |
//! | 48 | 16 | zero |
//! | 64 | 16 | XXH3-128 of the first 64 bytes and of everything behind the header |
//!
//! Integers are little-endian.

use std::sync::LazyLock;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::format::SCHEMA;
use switchboard_model::Region;

/// The first bytes of every snapshot.
pub const MAGIC: [u8; 8] = *b"SWBOARD\n";
/// The format version: it grows when the meaning of the stored records changes. Their shape is in the schema digest.
pub const VERSION: u32 = 1;
/// The bytes of the header; the archive behind it starts aligned to 16.
pub const LEN: usize = 80;
/// The offset of the checksum.
pub const CHECKSUM_AT: usize = 64;
/// The most bytes of an archive: its relative offsets are 32 bits with a sign.
const MAX_ARCHIVE_BYTES: u64 = 1 << 31;
/// Generations from here on are Unix times in milliseconds, the default, and say when the snapshot was built. No build
/// reads the clock, because the same registry and generation give the same bytes.
const MIN_TIME_GENERATION: u64 = 1_000_000_000_000;

/// The header of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The number of the published snapshot, strictly growing.
    pub generation: u64,
    /// The bytes of the archive that follows the header.
    pub contents_len: u64,
    /// The bytes of the tests that follow the archive.
    pub tests_len: u64,
    /// XXH3-128 of the header before this field and of everything behind the header.
    pub checksum: u128,
}

/// Why a header is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The file is shorter than a header.
    #[error("{0} bytes are too few for a snapshot, whose header alone has {LEN}")]
    Short(usize),
    /// The file is no snapshot.
    #[error("not a snapshot: it does not begin with the magic bytes")]
    Magic,
    /// The file has another format version.
    #[error(
        "format version {0}, but this program reads version {VERSION}: compile the registry again with it"
    )]
    Version(u32),
    /// The file has another schema.
    #[error("another schema than this program's: compile the registry again with it")]
    Schema,
}

impl Header {
    /// Reads the header of a file; `bytes` may be longer.
    ///
    /// # Errors
    /// The bytes are no header of this program's format.
    pub fn read(bytes: &[u8]) -> Result<Header, BadHeader> {
        let header = bytes.first_chunk::<LEN>().ok_or(BadHeader::Short(bytes.len()))?;
        if !header.starts_with(&MAGIC) {
            return Err(BadHeader::Magic);
        }
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        if u64_at(header, 16) != schema_digest() {
            return Err(BadHeader::Schema);
        }
        Ok(Header {
            generation: u64_at(header, 24),
            contents_len: u64_at(header, 32),
            tests_len: u64_at(header, 40),
            checksum: u128::from(u64_at(header, CHECKSUM_AT)) | u128::from(u64_at(header, 72)) << 64,
        })
    }

    /// Returns the bytes of the header. The checksum is computed from them and `body`, not taken from `self`.
    pub fn seal(self, body: &[u8]) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let fields = [
            u64::from_le_bytes(MAGIC),
            u64::from(VERSION),
            schema_digest(),
            self.generation,
            self.contents_len,
            self.tests_len,
            0,
            0,
        ];
        for (to, field) in bytes.chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&field.to_le_bytes());
        }
        let checksum = checksum(&bytes, body);
        for (to, from) in bytes.iter_mut().skip(CHECKSUM_AT).zip(checksum.to_le_bytes()) {
            *to = from;
        }
        bytes
    }

    /// Returns the bytes of the whole file.
    pub fn file_len(&self) -> u128 {
        LEN as u128 + u128::from(self.contents_len) + u128::from(self.tests_len)
    }

    /// Returns whether a snapshot can have these lengths. The limit of the archive holds for the tests, too.
    pub fn is_possible(&self) -> bool {
        self.contents_len <= MAX_ARCHIVE_BYTES && self.tests_len <= MAX_ARCHIVE_BYTES
    }

    /// Returns when the snapshot was built, in Unix milliseconds, if the generation is a time.
    pub fn built_at_ms(&self) -> Option<u64> {
        (self.generation >= MIN_TIME_GENERATION).then_some(self.generation)
    }
}

/// Returns XXH3-128 of the header's first 64 bytes and of the body.
pub fn checksum(header: &[u8], body: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(header.get(..CHECKSUM_AT).unwrap_or(header));
    hash.update(body);
    hash.digest128()
}

/// Returns the digest of the records' names, fields and types, and of the countries, which are stored by index.
fn schema_digest() -> u64 {
    static DIGEST: LazyLock<u64> = LazyLock::new(|| {
        let mut schema = SCHEMA.to_owned();
        schema.extend(Region::all().map(Region::alpha2));
        xxh3_64(schema.as_bytes())
    });
    *DIGEST
}

fn u32_at(header: &[u8; LEN], at: usize) -> u32 {
    u32::from_le_bytes(array_at(header, at))
}

fn u64_at(header: &[u8; LEN], at: usize) -> u64 {
    u64::from_le_bytes(array_at(header, at))
}

#[allow(clippy::expect_used, reason = "offsets are constants within the header")]
fn array_at<const N: usize>(header: &[u8; LEN], at: usize) -> [u8; N] {
    let bytes = header.get(at..).and_then(|bytes| bytes.first_chunk());
    *bytes.expect("cannot fail: the field is within the header")
}
