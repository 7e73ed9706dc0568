//! The signed manifest of a snapshot, its *release*.
//!
//! A [`Manifest`] names a snapshot by its digest. An [`Envelope`] holds the manifest with its signatures, in the
//! form of DSSE, and is the file `FILE.swb.release` beside a snapshot. [`TrustedKeys`] decides which signatures
//! count. This crate reads and writes bytes only: it opens no file and no snapshot.
//!
//! ```
//! use switchboard_release::{Envelope, Manifest, SigningKey, TrustedKeys};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate()?;
//! let manifest = Manifest::new(7, "2026-11-28T12:00:00Z".parse()?);
//! let mut envelope = Envelope::new(&manifest);
//! envelope.sign(&key);
//! let file = key.public().to_toml("release");
//! let trusted = TrustedKeys::parse("keys.toml", file.as_bytes())?;
//! let release = Envelope::from_json(&envelope.to_json())?.verify(&trusted)?;
//! assert_eq!((release.manifest, release.keys), (manifest, vec!["release".to_owned()]));
//! # Ok(())
//! # }
//! ```

mod envelope;
mod keys;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use envelope::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, PAYLOAD_TYPE, Verified};
pub use keys::{
    InvalidKey, KeyFileFaults, MAX_KEY_FILE_BYTES, PublicKey, SigningKey, TrustedKey, TrustedKeys,
    is_key_name,
};

/// The version of the manifest's format.
pub const FORMAT: u64 = 1;

/// The manifest of a release: the snapshots that have the same content, one for each version of the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format, [`FORMAT`].
    pub format: u64,
    /// The generation of the snapshots.
    pub generation: u64,
    /// The time of the first signature.
    #[serde(with = "time")]
    pub created: Timestamp,
    /// The time after which the release is stale. A stale release raises an alarm, and is served all the same.
    #[serde(default, with = "optional_time")]
    pub expires: Option<Timestamp>,
    /// The name of the publisher, for people.
    #[serde(default)]
    pub publisher: Option<String>,
    /// A text for people.
    #[serde(default)]
    pub comment: Option<String>,
    /// The numbers of records, for people.
    #[serde(default)]
    pub counts: Counts,
    /// The snapshots.
    pub variants: Vec<Variant>,
}

/// The numbers of records of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// The number of companies.
    pub companies: u64,
    /// The number of organizational units.
    pub ous: u64,
    /// The number of pools.
    pub pools: u64,
    /// The number of accounts.
    pub accounts: u64,
}

/// A snapshot of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// The digest of the record types, in hexadecimal. A program reads the snapshots of one such digest.
    pub schema: String,
    /// The length of the file in bytes.
    pub size: u64,
    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub digest: String,
    /// The SHA-256 of the content, in lower-case hexadecimal.
    pub content: String,
}

/// Returns the path of the signed manifest beside a snapshot file: `FILE.release`.
pub fn release_path(snapshot: &Path) -> PathBuf {
    let mut path = snapshot.as_os_str().to_owned();
    path.push(".release");
    path.into()
}

impl Manifest {
    /// Creates a manifest without snapshots.
    pub fn new(generation: u64, created: Timestamp) -> Manifest {
        Manifest {
            format: FORMAT,
            generation,
            created,
            expires: None,
            publisher: None,
            comment: None,
            counts: Counts::default(),
            variants: Vec::new(),
        }
    }

    /// Returns whether the manifest names the snapshot file with this SHA-256, in lower-case hexadecimal.
    pub fn names(&self, digest: &str) -> bool {
        self.variants.iter().any(|variant| variant.digest == digest)
    }
}

/// Times of a manifest in RFC 3339. The feature serde of jiff would rebuild every crate that uses jiff.
mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("expected a time in RFC 3339"))
    }
}

/// A time that may be null.
mod optional_time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let time = text.map(|text| text.parse()).transpose();
        time.map_err(|_| de::Error::custom("expected a time in RFC 3339"))
    }
}
