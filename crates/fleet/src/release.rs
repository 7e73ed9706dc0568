//! The release: the values `current` and `rollout`, the waves, and the decision of a replica about a manifest.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchboard_model::UnixMillis;
use switchboard_release::{Envelope, EnvelopeError, Manifest, TrustedKeys, Variant};
use switchboard_snapshot::rendezvous::Seed;

/// The key of the release in its bucket.
pub const CURRENT_KEY: &str = "current";
/// The key of the wave in the same bucket.
pub const ROLLOUT_KEY: &str = "rollout";
/// The maximum length of `current` in bytes: an envelope of 64 KiB, and its sources.
pub const MAX_CURRENT_BYTES: usize = 192 * 1024;
/// The maximum length of `rollout` in bytes.
pub const MAX_ROLLOUT_BYTES: usize = 1024;
/// The number of rollouts that are remembered, as in the bucket's history.
const MAX_ROLLOUTS: usize = 16;
/// The maximum number of sources. A release has a few variants, each in one or two encodings.
pub const MAX_SOURCES: usize = 32;
/// The maximum number of URLs of a source.
pub const MAX_URLS: usize = 16;
/// The maximum length of a URL in bytes.
pub const MAX_URL_BYTES: usize = 2048;
/// The maximum length of a replica id in bytes.
pub const MAX_REPLICA_ID_BYTES: usize = 128;
/// The time by which a generation may be ahead of this machine's clock. Generations are Unix milliseconds by
/// default, and one in the far future would lock the fleet for ever.
const MAX_AHEAD_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// The value `current`: a signed manifest, and where its snapshots are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// The envelope, as it was written. Its text is kept, because a signature covers bytes.
    pub manifest: Box<RawValue>,
    /// The files from which the snapshots can be fetched. They are not signed, because size and digest of the
    /// snapshot are.
    pub sources: Vec<Source>,
}

/// A file with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The SHA-256 of the snapshot, in lower-case hexadecimal. It names the variant.
    pub digest: String,
    /// The encoding of the file.
    pub encoding: Encoding,
    /// The length of the file in bytes, as it is transferred.
    pub size: u64,
    /// The places of the file: `http` and `https` URLs, and `nats:` with the name of an object in the object
    /// store of the fleet.
    pub urls: Vec<String>,
}

/// The encoding of a file with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The file is a frame of zstd.
    Zstd,
    /// The file is the snapshot.
    Identity,
}

/// The value `rollout`: the share of the replicas that take a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// The generation. [`Rollouts`] decides about a rollout of another generation.
    pub generation: u64,
    /// The share, from 0 to 100.
    pub percent: u8,
}

/// The values of the key `rollout` that the bucket keeps, in the order in which they were written.
///
/// A publisher writes the rollout of its release before the release. Therefore a rollout of a generation above that of
/// the release does not count yet, and does not end the rollout of the release. Otherwise the newest rollout counts:
/// without one, or if the newest one is of a generation below, every replica takes the release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollouts(VecDeque<Rollout>);

/// A fault of a value in the bucket of the release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {key} of the release cannot be used: {reason}: publish the release again")]
pub struct InvalidValue {
    key: &'static str,
    reason: String,
}

/// The reason why a replica does not serve a release, as its status has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Too few trusted keys signed the manifest, or its envelope cannot be read.
    Signature,
    /// The generation is older than the floor, or is in service with other bytes.
    GenerationOld,
    /// The generation is more than 24 h ahead of the clock.
    GenerationAhead,
    /// No variant can be read by this program.
    Schema,
    /// No source gave the whole snapshot.
    FetchFailed,
    /// The bytes of a source have another digest.
    Digest,
    /// `current` or its manifest cannot be read, or the snapshot failed a check of the daemon.
    Invalid,
    /// The state directory cannot be written, or is full.
    Disk,
}

/// What a replica knows when it judges a manifest.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The id of the replica.
    pub replica_id: &'a str,
    /// Whether the replica takes every release at once.
    pub canary: bool,
    /// The digest of the record types that this program reads, in hexadecimal.
    pub schema: &'a str,
    /// The generation and the digest in service.
    pub serving: Option<(u64, &'a str)>,
    /// The highest generation that was ever in service here.
    pub floor: u64,
    /// The manifest that was rejected last, as [`Current::identity`] has it, and the reason.
    pub rejected: Option<(&'a str, Reason)>,
}

/// The decision about a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement<'m> {
    /// The release is in service here.
    Serving,
    /// Fetch this variant.
    Fetch(&'m Variant),
    /// The replica is not in the wave yet.
    WaitForWave,
    /// The release has no variant for this program.
    Behind,
    /// The manifest is not accepted.
    Reject(Reason),
}

impl Reason {
    /// Every reason, in the order of the checks.
    pub const ALL: [Reason; 8] = [
        Reason::Signature,
        Reason::GenerationOld,
        Reason::GenerationAhead,
        Reason::Schema,
        Reason::FetchFailed,
        Reason::Digest,
        Reason::Invalid,
        Reason::Disk,
    ];

    /// Returns the reason of an envelope that is rejected.
    pub fn of(error: &EnvelopeError) -> Reason {
        match error {
            EnvelopeError::Length(_) | EnvelopeError::Malformed(_) | EnvelopeError::Signatures { .. } => {
                Reason::Signature
            }
            EnvelopeError::Manifest(_) => Reason::Invalid,
        }
    }

    /// Returns the text in the status and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Signature => "signature",
            Reason::GenerationOld => "generation_old",
            Reason::GenerationAhead => "generation_ahead",
            Reason::Schema => "schema",
            Reason::FetchFailed => "fetch_failed",
            Reason::Digest => "digest",
            Reason::Invalid => "invalid",
            Reason::Disk => "disk",
        }
    }
}

impl Current {
    /// Reads the value of the key `current`. Verifies no signature.
    ///
    /// # Errors
    /// Returns the fault, without any content of the value.
    pub fn parse(value: &[u8]) -> Result<Current, InvalidValue> {
        let invalid = |reason: &str| InvalidValue { key: CURRENT_KEY, reason: reason.to_owned() };
        if value.len() > MAX_CURRENT_BYTES {
            return Err(invalid(&format!("it has more than {MAX_CURRENT_BYTES} bytes")));
        }
        let current: Current =
            serde_json::from_slice(value).map_err(|error| json_fault(CURRENT_KEY, &error))?;
        if current.sources.len() > MAX_SOURCES {
            return Err(invalid(&format!("it has more than {MAX_SOURCES} sources")));
        }
        for source in &current.sources {
            if !is_digest(&source.digest) {
                return Err(invalid("the digest of a source is not 64 lower-case hexadecimal digits"));
            }
            if source.urls.is_empty() || source.urls.len() > MAX_URLS {
                return Err(invalid(&format!("a source has no URL, or more than {MAX_URLS}")));
            }
            if !source.urls.iter().all(|url| is_source_url(url)) {
                return Err(invalid(
                    "a URL of a source is not http://, https:// or nats: with an object name",
                ));
            }
        }
        Ok(current)
    }

    /// Returns the JSON of the key.
    pub fn to_json(&self) -> Vec<u8> {
        // Texts and numbers alone, so that the JSON cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns the manifest. With trusted keys, verifies the signatures before the manifest is parsed.
    ///
    /// # Errors
    /// Returns the reason why the envelope is rejected. [`Reason::of`] is the one of the status.
    pub fn manifest(&self, trusted: Option<&TrustedKeys>) -> Result<Manifest, EnvelopeError> {
        let envelope = Envelope::from_json(self.manifest.get().as_bytes())?;
        match trusted {
            Some(trusted) => Ok(envelope.verify(trusted)?.manifest),
            None => envelope.unverified(),
        }
    }

    /// Returns a digest of the signed manifest. Another manifest, also one with a further signature, has another.
    pub fn identity(&self) -> String {
        crate::digest::sha256_hex(self.manifest.get().as_bytes())
    }

    /// Returns the sources of a variant whose sizes are possible. The size of a source is not signed, so that it is
    /// compared with the signed one: compression adds a little at most.
    pub fn sources_of(&self, variant: &Variant) -> impl Iterator<Item = &Source> {
        let (digest, size) = (variant.digest.clone(), variant.size);
        self.sources.iter().filter(move |source| {
            source.digest == digest
                && match source.encoding {
                    Encoding::Identity => source.size == size,
                    Encoding::Zstd => source.size <= size.saturating_add(size / 128).saturating_add(1024),
                }
        })
    }
}

impl Rollout {
    /// Reads the value of the key `rollout`.
    ///
    /// # Errors
    /// Returns the fault, without any content of the value.
    pub fn parse(value: &[u8]) -> Result<Rollout, InvalidValue> {
        let invalid = |reason: &str| InvalidValue { key: ROLLOUT_KEY, reason: reason.to_owned() };
        if value.len() > MAX_ROLLOUT_BYTES {
            return Err(invalid(&format!("it has more than {MAX_ROLLOUT_BYTES} bytes")));
        }
        let rollout: Rollout =
            serde_json::from_slice(value).map_err(|error| json_fault(ROLLOUT_KEY, &error))?;
        if rollout.percent > 100 {
            return Err(invalid("percent is more than 100"));
        }
        Ok(rollout)
    }

    /// Returns the JSON of the key.
    pub fn to_json(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_default()
    }

    /// Returns the share that counts for a generation: 100 without a rollout, or with one of another generation.
    pub fn percent_of(rollout: Option<Rollout>, generation: u64) -> u8 {
        rollout.filter(|rollout| rollout.generation == generation).map_or(100, |rollout| rollout.percent)
    }
}

impl Rollouts {
    /// Takes a value of the key, or its deletion, after which no earlier value counts.
    ///
    /// # Errors
    /// Returns the fault of a value that cannot be read. The values before it still count.
    pub fn receive(&mut self, value: Option<&[u8]>) -> Result<(), InvalidValue> {
        let Some(value) = value else {
            self.0.clear();
            return Ok(());
        };
        self.0.push_back(Rollout::parse(value)?);
        if self.0.len() > MAX_ROLLOUTS {
            self.0.pop_front();
        }
        Ok(())
    }

    /// Returns the rollout that counts for a release of this generation. `None` means every replica.
    pub fn of(&self, generation: u64) -> Option<Rollout> {
        let newest = self.0.iter().rev().find(|rollout| rollout.generation <= generation);
        newest.filter(|rollout| rollout.generation == generation).copied()
    }
}

/// Returns the place of a replica in the waves of a generation, from 0 to 99. The replica is in a wave of a greater
/// percentage. The order of the replicas differs in each generation.
pub fn wave_position(replica_id: &str, generation: u64) -> u8 {
    let mut key = replica_id.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(generation.to_string().as_bytes());
    // Less than 100.
    (Seed::from_key(&key).0 % 100) as u8
}

/// Decides about a manifest whose signatures are verified.
///
/// `identity` is that of [`Current::identity`], and `now` is this machine's clock.
pub fn judge<'m>(
    manifest: &'m Manifest,
    identity: &str,
    rollout: Option<Rollout>,
    candidate: &Candidate<'_>,
    now: UnixMillis,
) -> Judgement<'m> {
    let generation = manifest.generation;
    let serving = candidate.serving.filter(|(serving, _)| *serving == generation);
    if serving.is_some_and(|(_, digest)| manifest.names(digest)) {
        return Judgement::Serving;
    }
    let highest = candidate.serving.map_or(0, |(serving, _)| serving).max(candidate.floor);
    if generation < highest || serving.is_some() {
        return Judgement::Reject(Reason::GenerationOld);
    }
    if is_ahead(generation, now) {
        return Judgement::Reject(Reason::GenerationAhead);
    }
    let Some(variant) = manifest.variants.iter().find(|variant| variant.schema == candidate.schema) else {
        return Judgement::Behind;
    };
    if let Some((_, reason)) = candidate.rejected.filter(|(rejected, _)| *rejected == identity) {
        return Judgement::Reject(reason);
    }
    let is_in_wave =
        wave_position(candidate.replica_id, generation) < Rollout::percent_of(rollout, generation);
    if is_in_wave || candidate.canary || candidate.serving.is_none() {
        Judgement::Fetch(variant)
    } else {
        Judgement::WaitForWave
    }
}

/// Returns whether replicas reject a generation because it is more than 24 h ahead of the clock.
pub fn is_ahead(generation: u64, now: UnixMillis) -> bool {
    generation > now.as_u64().saturating_add(MAX_AHEAD_MILLIS)
}

/// Returns whether the text is a SHA-256 in lower-case hexadecimal.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether the text can be a replica id: 1 to 128 printable ASCII characters without spaces.
pub fn is_replica_id(text: &str) -> bool {
    (1..=MAX_REPLICA_ID_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_source_url(url: &str) -> bool {
    if url.len() > MAX_URL_BYTES || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    match url.split_once(':') {
        Some(("http" | "https", rest)) => {
            let host = rest.strip_prefix("//").unwrap_or_default();
            !host.is_empty() && !host.starts_with(['/', ':', '?', '#'])
        }
        Some(("nats", object)) => !object.is_empty() && !object.starts_with('/'),
        _ => false,
    }
}

/// The error of serde may quote the value, so that only its place is kept.
fn json_fault(key: &'static str, error: &serde_json::Error) -> InvalidValue {
    let reason = format!(
        "line {}, column {} is not the expected JSON, which has the members {}",
        error.line(),
        error.column(),
        if key == CURRENT_KEY { "manifest and sources" } else { "generation and percent" }
    );
    InvalidValue { key, reason }
}

#[cfg(test)]
mod tests {
    use switchboard_release::SigningKey;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn variant(schema: &str, digest: char) -> Variant {
        Variant {
            schema: schema.to_owned(),
            size: 1000,
            digest: digest.to_string().repeat(64),
            content: "0".repeat(64),
        }
    }

    fn manifest(generation: u64) -> Manifest {
        let mut manifest = Manifest::new(generation, "2026-11-28T12:00:00Z".parse().unwrap());
        manifest.variants = vec![variant("old", 'a'), variant("new", 'b')];
        manifest
    }

    fn candidate<'a>(serving: Option<(u64, &'a str)>, floor: u64) -> Candidate<'a> {
        Candidate { replica_id: "r", canary: false, schema: "new", serving, floor, rejected: None }
    }

    #[test]
    fn manifests_are_accepted_or_rejected_by_rule() {
        let b = "b".repeat(64);
        let c = "c".repeat(64);
        let now = NOW.as_u64();
        let (old, ahead) =
            (Judgement::Reject(Reason::GenerationOld), Judgement::Reject(Reason::GenerationAhead));
        for (generation, candidate, expected) in [
            (7, candidate(None, 0), None),
            (7, candidate(Some((6, &b)), 6), None),
            (7, candidate(Some((7, &b)), 7), Some(Judgement::Serving)),
            // The bytes of a generation never change.
            (7, candidate(Some((7, &c)), 7), Some(old)),
            (7, candidate(Some((8, &b)), 0), Some(old)),
            (7, candidate(None, 8), Some(old)),
            // The state directory has lost the snapshot that set the floor.
            (7, candidate(None, 7), None),
            (7, candidate(Some((6, &b)), 7), None),
            (now + 86_400_000, candidate(None, 0), None),
            (now + 86_400_001, candidate(None, 0), Some(ahead)),
            (u64::MAX, candidate(None, 0), Some(ahead)),
            (7, Candidate { schema: "newest", ..candidate(None, 0) }, Some(Judgement::Behind)),
            (7, Candidate { schema: "newest", ..candidate(None, 8) }, Some(old)),
            (
                7,
                Candidate { rejected: Some(("this", Reason::Digest)), ..candidate(None, 0) },
                Some(Judgement::Reject(Reason::Digest)),
            ),
            (7, Candidate { rejected: Some(("other", Reason::Digest)), ..candidate(None, 0) }, None),
        ] {
            let manifest = manifest(generation);
            let fetch = Judgement::Fetch(&manifest.variants[1]);
            let judgement = judge(&manifest, "this", None, &candidate, NOW);
            assert_eq!(judgement, expected.unwrap_or(fetch), "{generation}, {candidate:?}");
        }
    }

    #[test]
    fn waves_hold_back_only_replicas_that_serve() {
        let b = "b".repeat(64);
        let manifest = manifest(7);
        let (fetch, wait) = (Judgement::Fetch(&manifest.variants[1]), Judgement::WaitForWave);
        let position = wave_position("r", 7);
        let judge_at = |percent, generation, candidate: &Candidate<'_>| {
            judge(&manifest, "this", Some(Rollout { generation, percent }), candidate, NOW)
        };
        let serving = candidate(Some((6, &b)), 6);
        assert_eq!(judge_at(position, 7, &serving), wait);
        assert_eq!(judge_at(position + 1, 7, &serving), fetch);
        assert_eq!(judge_at(0, 7, &serving), wait);
        assert_eq!(judge_at(100, 7, &serving), fetch);
        // A rollout of another generation, and no rollout, mean everyone.
        assert_eq!(judge_at(0, 6, &serving), fetch);
        assert_eq!(judge(&manifest, "this", None, &serving, NOW), fetch);
        assert_eq!(judge_at(0, 7, &Candidate { canary: true, ..serving }), fetch);
        assert_eq!(judge_at(0, 7, &candidate(None, 6)), fetch);
    }

    #[test]
    fn waves_are_even_nested_and_differ_by_generation() {
        // The published hash, XXH3-64, over the id, NUL and the digits of the generation.
        assert_eq!(u64::from(wave_position("r", 7)), xxhash_of(b"r\x007") % 100);
        let ids: Vec<String> = (0..10_000).map(|number| format!("replica-{number}")).collect();
        for percent in [1, 10, 50] {
            let inside = ids.iter().filter(|id| wave_position(id, 7) < percent).count();
            let expected = 100 * usize::from(percent);
            assert!(inside.abs_diff(expected) < expected / 2, "{percent}: {inside}");
        }
        let same = ids.iter().filter(|id| wave_position(id, 7) == wave_position(id, 8)).count();
        assert!(same < 300, "{same}");
    }

    fn xxhash_of(bytes: &[u8]) -> u64 {
        switchboard_snapshot::rendezvous::id_hash(bytes)
    }

    fn current(source: &str) -> Vec<u8> {
        format!(r#"{{"manifest":{{"payload":"e30=","signatures":[]}},"sources":[{source}]}}"#).into_bytes()
    }

    #[test]
    fn current_keeps_the_bytes_of_the_manifest() {
        let a = "a".repeat(64);
        let source = format!(r#"{{"digest":"{a}","encoding":"zstd","size":9,"urls":["nats:{a}.zst"]}}"#);
        let read = Current::parse(&current(&source)).unwrap();
        assert_eq!(read.manifest.get(), r#"{"payload":"e30=","signatures":[]}"#);
        assert_eq!(read.to_json(), current(&source));
        assert_eq!(Current::parse(&current("")).unwrap().sources, []);
    }

    #[test]
    fn manifests_count_with_enough_signatures() {
        let [a, b] = [(); 2].map(|()| SigningKey::generate().unwrap());
        let trusted = TrustedKeys::parse("keys", a.public().to_toml("a").as_bytes()).unwrap();
        let read = |envelope: &Envelope, trusted: Option<&TrustedKeys>| {
            let manifest = String::from_utf8(envelope.to_json()).unwrap();
            let manifest = RawValue::from_string(manifest.trim_end().to_owned()).unwrap();
            let current = Current { manifest, sources: Vec::new() };
            let current = Current::parse(&current.to_json()).unwrap();
            current.manifest(trusted).map_err(|error| Reason::of(&error))
        };
        let mut envelope = Envelope::new(&manifest(7));
        envelope.sign(&b);
        assert_eq!(read(&envelope, None), Ok(manifest(7)));
        assert_eq!(read(&envelope, Some(&trusted)), Err(Reason::Signature));
        envelope.sign(&a);
        assert_eq!(read(&envelope, Some(&trusted)), Ok(manifest(7)));
        let mut other = Envelope::from_payload(br#"{"format":2}"#.to_vec());
        assert_eq!(read(&other, None), Err(Reason::Invalid));
        assert_eq!(read(&other, Some(&trusted)), Err(Reason::Signature));
        other.sign(&a);
        assert_eq!(read(&other, Some(&trusted)), Err(Reason::Invalid));
    }

    #[test]
    fn other_values_are_rejected_without_their_content() {
        let a = "a".repeat(64);
        let source = |digest: &str, encoding: &str, size: &str, urls: &str| {
            current(&format!(
                r#"{{"digest":"{digest}","encoding":"{encoding}","size":{size},"urls":[{urls}]}}"#
            ))
        };
        let url = r#""https://secret/x""#;
        assert!(Current::parse(&source(&a, "identity", "9", url)).is_ok());
        let long = format!(r#""https://{}""#, "x".repeat(MAX_URL_BYTES));
        for value in [
            Vec::new(),
            b"null".to_vec(),
            b"{}".to_vec(),
            br#"{"manifest":{}}"#.to_vec(),
            br#"{"manifest":{},"sources":[],"secret":1}"#.to_vec(),
            source("secret", "zstd", "9", url),
            source(&a.to_uppercase(), "zstd", "9", url),
            source(&a, "secret", "9", url),
            source(&a, "zstd", "-9", url),
            source(&a, "zstd", "\"9\"", url),
            source(&a, "zstd", "9", ""),
            source(&a, "zstd", "9", &[url; MAX_URLS + 1].join(",")),
            source(&a, "zstd", "9", r#""ftp://secret/x""#),
            source(&a, "zstd", "9", r#""file:///secret""#),
            source(&a, "zstd", "9", r#""http:///secret""#),
            source(&a, "zstd", "9", r#""nats:""#),
            source(&a, "zstd", "9", r#""nats://secret/x""#),
            source(&a, "zstd", "9", r#""https://secret/a b""#),
            source(&a, "zstd", "9", &long),
            current(
                &vec![r#"{"digest":"","encoding":"zstd","size":9,"urls":[]}"#; MAX_SOURCES + 1].join(","),
            ),
            vec![b' '; MAX_CURRENT_BYTES + 1],
        ] {
            let error = Current::parse(&value).unwrap_err().to_string();
            assert!(error.starts_with("the key current of the release cannot be used"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn sizes_of_sources_are_bounded_by_the_signed_one() {
        let variant = variant("new", 'b');
        let source = |digest: char, encoding, size| Source {
            digest: digest.to_string().repeat(64),
            encoding,
            size,
            urls: vec!["nats:x".to_owned()],
        };
        let sources = vec![
            source('b', Encoding::Identity, 1000),
            source('b', Encoding::Identity, 999),
            source('b', Encoding::Zstd, 2031),
            source('b', Encoding::Zstd, 2032),
            source('c', Encoding::Zstd, 10),
        ];
        let current = Current { manifest: RawValue::from_string("{}".to_owned()).unwrap(), sources };
        let usable: Vec<u64> = current.sources_of(&variant).map(|source| source.size).collect();
        assert_eq!(usable, [1000, 2031]);
    }

    #[test]
    fn rollout_is_a_share_of_a_generation() {
        let rollout = Rollout { generation: 7, percent: 10 };
        assert_eq!(rollout.to_json(), br#"{"generation":7,"percent":10}"#);
        assert_eq!(Rollout::parse(&rollout.to_json()), Ok(rollout));
        for value in [
            "",
            "{}",
            r#"{"generation":7}"#,
            r#"{"generation":7,"percent":101}"#,
            r#"{"generation":7,"percent":-1}"#,
            r#"{"generation":7,"percent":1.5}"#,
            r#"{"generation":7,"percent":10,"hold":1}"#,
        ] {
            let error = Rollout::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("the key rollout of the release cannot be used"), "{error}");
        }
        let long =
            format!("{}{}", String::from_utf8(rollout.to_json()).unwrap(), " ".repeat(MAX_ROLLOUT_BYTES));
        assert!(Rollout::parse(long.as_bytes()).is_err());
    }

    #[test]
    fn rollout_of_the_next_release_does_not_end_that_of_the_present_one() {
        let rollout = |generation, percent| Rollout { generation, percent };
        let of = |written: &[Option<Rollout>], generation| {
            let mut rollouts = Rollouts::default();
            for value in written {
                rollouts.receive(value.map(Rollout::to_json).as_deref()).unwrap();
            }
            rollouts.of(generation).map(|rollout| rollout.percent)
        };
        let (seven, eight) = (Some(rollout(7, 10)), Some(rollout(8, 1)));
        assert_eq!(of(&[], 7), None);
        assert_eq!(of(&[seven], 7), Some(10));
        // The publisher of 8 ends before it sets its release, and the waves of 7 go on.
        assert_eq!(of(&[seven, eight], 7), Some(10));
        assert_eq!(of(&[seven, eight, Some(rollout(7, 50))], 7), Some(50));
        // The next release has a generation between the two.
        assert_eq!(of(&[Some(rollout(5, 10)), eight, seven], 7), Some(10));
        // Otherwise a rollout of another generation means every replica, as none does.
        assert_eq!(of(&[seven, eight], 8), Some(1));
        assert_eq!(of(&[seven, Some(rollout(6, 0))], 7), None);
        assert_eq!(of(&[eight], 7), None);
        assert_eq!(of(&[seven, None], 7), None);
        assert_eq!(of(&[seven, None, eight], 7), None);
        // What cannot be read changes nothing.
        let mut rollouts = Rollouts::default();
        rollouts.receive(Some(&rollout(7, 10).to_json())).unwrap();
        rollouts.receive(Some(b"{}")).unwrap_err();
        assert_eq!(rollouts.of(7), Some(rollout(7, 10)));
    }

    #[test]
    fn reasons_are_those_of_the_status() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn replica_ids_are_printable() {
        for id in ["r", "host.example-1a2b", &"x".repeat(128)] {
            assert!(is_replica_id(id), "{id}");
        }
        for id in ["", "a b", "ü", "a\n", &"x".repeat(129)] {
            assert!(!is_replica_id(id), "{id}");
        }
    }
}
