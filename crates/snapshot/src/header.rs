//! The 80 bytes before the archive: what a file is, whether this program can read it, whether it is whole.

use std::sync::LazyLock;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::format::SCHEMA;
use switchboard_model::Region;

/// The first bytes of every snapshot.
pub const MAGIC: [u8; 8] = *b"SWBOARD\n";
/// Raised when the meaning of the stored records changes; their shape is in the schema digest.
pub const VERSION: u32 = 1;
/// Bytes of the header; the archive behind it starts aligned to 16.
pub const LEN: usize = 80;
/// Where in the header the checksum stands: behind everything that it covers.
pub const CHECKSUM_AT: usize = 64;
/// Offsets in the archive are 32 bits with a sign: more bytes of it cannot be reached, nor were ever written.
const MOST: u64 = 1 << 31;
/// Generations from here on are Unix times in milliseconds (the default), and say when they were built:
/// the same registry and generation give the same bytes, so the clock cannot be asked.
const FIRST_TIME: u64 = 1_000_000_000_000;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The number of the published snapshot, strictly growing.
    pub generation: u64,
    /// Bytes of the archive that follows the header.
    pub contents_len: u64,
    /// Bytes of the tests that follow the archive.
    pub tests_len: u64,
    /// XXH3-128 of the header before this field and of everything behind the header.
    pub checksum: u128,
}

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Too short to hold one.
    #[error("{0} bytes are too few for a snapshot, whose header alone has {LEN}")]
    Short(usize),
    /// Not a snapshot at all.
    #[error("not a snapshot: it does not begin with the magic bytes")]
    Magic,
    /// Of another format version.
    #[error(
        "format version {0}, but this program reads version {VERSION}: compile the registry again with it"
    )]
    Version(u32),
    /// Of another schema.
    #[error("another schema than this program's: compile the registry again with it")]
    Schema,
}

impl Header {
    /// Reads one. `bytes` may be longer.
    pub fn read(bytes: &[u8]) -> Result<Header, BadHeader> {
        let header = bytes.first_chunk::<LEN>().ok_or(BadHeader::Short(bytes.len()))?;
        if !header.starts_with(&MAGIC) {
            return Err(BadHeader::Magic);
        }
        let version = u64_at(header, 8) as u32;
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

    /// The bytes of one; `checksum` is computed over them and `body`, not taken from `self`.
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

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u128 {
        LEN as u128 + u128::from(self.contents_len) + u128::from(self.tests_len)
    }

    /// Whether a snapshot can be so long. The limit of the archive serves for its tests as well.
    pub fn is_possible(&self) -> bool {
        self.contents_len <= MOST && self.tests_len <= MOST
    }

    /// When it was built, in Unix milliseconds, where the generation says so.
    pub fn built_at_ms(&self) -> Option<u64> {
        (self.generation >= FIRST_TIME).then_some(self.generation)
    }
}

/// XXH3-128 of the header's first 64 bytes and the body.
pub fn checksum(header: &[u8], body: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(header.get(..CHECKSUM_AT).unwrap_or(header));
    hash.update(body);
    hash.digest128()
}

/// Of the records' names, fields and types, and of the countries, which are stored by their number.
fn schema_digest() -> u64 {
    static DIGEST: LazyLock<u64> = LazyLock::new(|| {
        let mut schema = SCHEMA.to_owned();
        schema.extend(Region::all().map(Region::alpha2));
        xxh3_64(schema.as_bytes())
    });
    *DIGEST
}

fn u64_at(header: &[u8; LEN], at: usize) -> u64 {
    let bytes = header.get(at..at + 8).and_then(|bytes| bytes.first_chunk()).copied();
    u64::from_le_bytes(bytes.unwrap_or_default())
}
