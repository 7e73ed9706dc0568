//! The two digests of a snapshot. The digest of the file identifies one file. The digest of the content is
//! equal for equal registries, because it leaves out the generation.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::header;

/// Number of bytes that both digests read in turn, so that the second reads them from the cache.
const CHUNK_BYTES: usize = 1 << 16;

/// A SHA-256 digest, displayed as 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest([u8; 32]);

/// The SHA-256 digests of a snapshot.
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
        let (head, body) = bytes.split_at_checked(header::LEN).unwrap_or((bytes, &[]));
        let (mut file, mut content) = (Sha256::new(), Sha256::new());
        file.update(head);
        content.update(head.get(header::SCHEMA_AT..header::SCHEMA_AT + 8).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha256_of_the_file_and_of_schema_digest_and_body() {
        let mut bytes: Vec<u8> = (0..200_000).map(|at: u32| (at % 251) as u8).collect();
        let sha = |bytes: &[u8]| {
            let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            hex
        };
        let digests = Digests::of(&bytes);
        assert_eq!(digests.file.to_string(), sha(&bytes));
        let content = [&bytes[16..24], &bytes[header::LEN..]].concat();
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
