//! The header of a snapshot file: 80 bytes that identify the format, the generation and the lengths, with a
//! checksum. Also the stages at which a file is rejected, of which the header is the first, and the digests
//! that identify a file and its content.
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
//! | 48 | 8 | bytes of the definitions |
//! | 56 | 8 | zero |
//! | 64 | 16 | XXH3-128 of the first 64 bytes and of everything after the header |
//!
//! All integers are little-endian. The archive of the records follows the header. The definitions of the
//! companies follow the archive, and the tests follow the definitions.

use std::fmt;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::format::SCHEMA;
use switchboard_model::Region;

/// The magic bytes with which every snapshot begins.
pub const MAGIC: [u8; 8] = *b"SWBOARD\n";
/// The format version. Increase it if the meaning of stored records changes. Changes of their fields and
/// types change the schema digest.
pub const VERSION: u32 = 2;
/// The length of the header in bytes. A multiple of 16, so that the archive after it is aligned.
pub const LEN: usize = 80;
/// The offset of the schema digest in the header, in bytes.
pub const SCHEMA_AT: usize = 16;
/// The offset of the generation in the header, in bytes.
const GENERATION_AT: usize = 24;
/// The offset of the checksum in the header, in bytes.
pub const CHECKSUM_AT: usize = 64;
/// The maximum length of an archive in bytes. Its relative offsets are signed and have 32 bits.
const MAX_ARCHIVE_BYTES: u64 = 1 << 31;
/// The smallest generation that is read as a time. The default generation is the Unix time of the build in
/// milliseconds. The header has no other time, because equal registries and generations must give equal
/// bytes.
const MIN_TIME_GENERATION: u64 = 1_000_000_000_000;
/// The number of bytes that both digests read in turn, so that the second reads them from the cache.
const CHUNK_BYTES: usize = 1 << 16;

/// The header of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The generation, which is the number of the snapshot. A newer snapshot has a greater one.
    pub generation: u64,
    /// The length in bytes of the archive that follows the header.
    pub contents_len: u64,
    /// The length in bytes of the definitions that follow the archive.
    pub definitions_len: u64,
    /// The length in bytes of the tests that follow the definitions.
    pub tests_len: u64,
    /// XXH3-128 of the header before this field and of everything after the header.
    pub checksum: u128,
}

/// The reason why a header is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The file is shorter than a header.
    #[error("the file has {0} bytes, but the header of a snapshot alone has {LEN}")]
    Short(usize),
    /// The file does not begin with [`MAGIC`].
    #[error("not a snapshot: the file does not begin with the magic bytes")]
    Magic,
    /// The file has another format version than [`VERSION`].
    #[error(
        "the snapshot has format version {0}, but this program reads version {VERSION}: compile the registry \
         again with this program"
    )]
    Version(u32),
    /// The file has another schema digest than this program.
    #[error(
        "the snapshot has other records than this program reads: compile the registry again with this program"
    )]
    Schema,
}

switchboard_model::text_enum! {
    /// The stage at which a snapshot is rejected. The checks of a file come first, in their order. The metric
    /// that counts rejections has the stage as its label.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum RejectionStage {
        /// The file has no manifest that enough trusted keys signed, or that names the file.
        Signature => "signature",
        /// The header has other magic bytes, another format version or another schema digest.
        Header => "header",
        /// The file has fewer or more bytes than its header announces.
        Length => "length",
        /// The checksum does not match, so some bytes have changed.
        Checksum => "checksum",
        /// The bytes are not an archive of the records, or a test cannot be parsed.
        Archive => "archive",
        /// A record refers to a missing record, is in the wrong order, or contradicts another record.
        Index => "index",
        /// The snapshot fails the tests that it carries.
        Tests => "tests",
        /// The generation is older than the one in service or than the floor of the state directory, or the
        /// same with other content.
        Generation => "generation",
        /// The registry has errors, so there is no snapshot.
        Registry => "registry",
        /// A company, or more than half of its accounts, disappeared from the registry.
        Guard => "guard",
    }
}

/// The rejection of a snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// The stage at which the snapshot is rejected.
    pub stage: RejectionStage,
    /// The reason, with a remedy if there is one.
    pub reason: String,
}

impl RejectionStage {
    /// Creates a rejection at this stage.
    pub fn rejection(self, reason: impl Into<String>) -> Rejection {
        Rejection { stage: self, reason: reason.into() }
    }
}

impl From<BadHeader> for Rejection {
    fn from(bad: BadHeader) -> Rejection {
        let stage =
            if matches!(bad, BadHeader::Short(_)) { RejectionStage::Length } else { RejectionStage::Header };
        stage.rejection(bad.to_string())
    }
}

impl Header {
    /// Reads the header at the front of `bytes`. Checks everything except the lengths and the checksum.
    ///
    /// # Errors
    /// Returns an error if the bytes do not begin with a header that this program can read.
    pub fn read(bytes: &[u8]) -> Result<Header, BadHeader> {
        let header = bytes.first_chunk::<LEN>().ok_or(BadHeader::Short(bytes.len()))?;
        if !header.starts_with(&MAGIC) {
            return Err(BadHeader::Magic);
        }
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        if u64_at(header, SCHEMA_AT) != schema_digest() {
            return Err(BadHeader::Schema);
        }
        Ok(Header {
            generation: u64_at(header, GENERATION_AT),
            contents_len: u64_at(header, 32),
            tests_len: u64_at(header, 40),
            definitions_len: u64_at(header, 48),
            checksum: u128::from(u64_at(header, CHECKSUM_AT)) | u128::from(u64_at(header, 72)) << 64,
        })
    }

    /// Returns the header as bytes. Computes the checksum from these bytes and `body`, and ignores
    /// `self.checksum`.
    pub fn seal(self, body: &[u8]) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let fields = [
            u64::from_le_bytes(MAGIC),
            u64::from(VERSION),
            schema_digest(),
            self.generation,
            self.contents_len,
            self.tests_len,
            self.definitions_len,
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

    /// Returns the length of the whole file in bytes, which these fields announce.
    pub fn file_len(&self) -> u128 {
        [self.contents_len, self.definitions_len, self.tests_len].map(u128::from).iter().sum::<u128>()
            + LEN as u128
    }

    /// Returns whether a snapshot can have these lengths. Each has the limit of the archive, 2 GiB.
    pub fn is_possible(&self) -> bool {
        [self.contents_len, self.definitions_len, self.tests_len].iter().all(|&len| len <= MAX_ARCHIVE_BYTES)
    }

    /// Returns the time of the build in Unix milliseconds. Returns `None` if the generation is not a time.
    pub fn built_at_ms(&self) -> Option<u64> {
        (self.generation >= MIN_TIME_GENERATION).then_some(self.generation)
    }
}

/// A SHA-256 digest, displayed as 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest([u8; 32]);

/// The SHA-256 digests of a snapshot. The digest of the content is equal for equal registries, because it
/// leaves out the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Digest of the whole file.
    pub file: Sha256Digest,
    /// Digest of the schema digest, as it stands in the header, and of all bytes behind the header.
    pub content: Sha256Digest,
}

impl Digests {
    /// Computes both digests of the bytes of a snapshot file.
    pub fn of(bytes: &[u8]) -> Digests {
        let (head, body) = bytes.split_at_checked(LEN).unwrap_or((bytes, &[]));
        let (mut file, mut content) = (Sha256::new(), Sha256::new());
        file.update(head);
        content.update(head.get(SCHEMA_AT..SCHEMA_AT + 8).unwrap_or_default());
        for chunk in body.chunks(CHUNK_BYTES) {
            file.update(chunk);
            content.update(chunk);
        }
        Digests {
            file: Sha256Digest(file.finalize().into()),
            content: Sha256Digest(content.finalize().into()),
        }
    }
}

impl Sha256Digest {
    /// Returns the first 48 bits as a number. A float of a metric holds such a number exactly.
    pub fn first_48_bits(&self) -> u64 {
        self.0.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Returns the generation of a header of any format version. Returns `None` for other bytes.
pub fn generation(bytes: &[u8]) -> Option<u64> {
    let header = bytes.first_chunk::<LEN>().filter(|header| header.starts_with(&MAGIC))?;
    Some(u64_at(header, GENERATION_AT))
}

/// Gives the bytes of a snapshot file another generation. Nothing else changes but the checksum. Also works on a
/// snapshot of another schema or format version that has the header of this one. Returns whether the bytes are such
/// a file and intact; otherwise, they stay as they are.
#[must_use]
pub fn restamp(bytes: &mut [u8], generation: u64) -> bool {
    let Some((head, body)) = bytes.split_first_chunk_mut::<LEN>() else { return false };
    let stored = u128::from(u64_at(head, CHECKSUM_AT)) | u128::from(u64_at(head, 72)) << 64;
    if !head.starts_with(&MAGIC) || stored != checksum(head, body) {
        return false;
    }
    let mut put = |at: usize, value: &[u8]| {
        head.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
        checksum(head, body).to_le_bytes()
    };
    let checksum = put(GENERATION_AT, &generation.to_le_bytes());
    put(CHECKSUM_AT, &checksum);
    true
}

/// Returns XXH3-128 of the first 64 bytes of the header and of the body.
pub fn checksum(header: &[u8], body: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(header.get(..CHECKSUM_AT).unwrap_or(header));
    hash.update(body);
    hash.digest128()
}

/// Returns the digest of the names, fields and types of all records, and of all regions, because records
/// store the index of a region.
pub fn schema_digest() -> u64 {
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

#[allow(clippy::expect_used, reason = "all offsets are constants inside the header")]
fn array_at<const N: usize>(header: &[u8; LEN], at: usize) -> [u8; N] {
    let bytes = header.get(at..).and_then(|bytes| bytes.first_chunk());
    *bytes.expect("cannot fail: the field is inside the header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restamped_header_is_that_of_the_other_generation() {
        let header = |generation| Header {
            generation,
            contents_len: 3,
            definitions_len: 2,
            tests_len: 1,
            checksum: 0,
        };
        let file = |generation| [&header(generation).seal(b"abcdef")[..], b"abcdef"].concat();
        let mut bytes = file(7);
        assert!(restamp(&mut bytes, 8));
        assert_eq!(bytes, file(8));
        // Another schema and format version.
        bytes[SCHEMA_AT] ^= 1;
        bytes[8] ^= 1;
        assert!(!restamp(&mut bytes, 9), "the checksum does not match");
        let sum = checksum(&bytes[..LEN], b"abcdef").to_le_bytes();
        bytes[CHECKSUM_AT..LEN].copy_from_slice(&sum);
        let before = bytes.clone();
        assert!(restamp(&mut bytes, 9));
        assert_eq!(
            (&bytes[..24], generation(&bytes), &bytes[LEN..]),
            (&before[..24], Some(9), &b"abcdef"[..])
        );
        for broken in [&mut file(7)[..LEN - 1], &mut b"SWBOARX\n".repeat(20)[..], &mut []] {
            assert!(!restamp(broken, 8));
        }
    }

    #[test]
    fn digests_are_sha256_of_the_file_and_of_schema_digest_and_body() {
        let mut bytes: Vec<u8> = (0..200_000).map(|at: u32| (at % 251) as u8).collect();
        let sha = |bytes: &[u8]| {
            let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            hex
        };
        let digests = Digests::of(&bytes);
        assert_eq!(digests.file.to_string(), sha(&bytes));
        let content = [&bytes[16..24], &bytes[LEN..]].concat();
        assert_eq!(digests.content.to_string(), sha(&content));
        let bits = u64::from_str_radix(&sha(&content)[..12], 16).unwrap();
        assert_eq!(digests.content.first_48_bits(), bits);
        // The generation is in the header alone.
        bytes[24] ^= 1;
        let other = Digests::of(&bytes);
        assert_eq!(other.content, digests.content);
        assert_ne!(other.file, digests.file);
        // The example of FIPS 180-2.
        assert_eq!(
            Digests::of(b"abc").file.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
