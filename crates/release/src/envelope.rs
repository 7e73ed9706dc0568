//! Envelopes: a payload with its signatures, in the JSON of DSSE (Dead Simple Signing Envelope, version 1).

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::{PublicKey, SigningKey, TrustedKeys};
use super::{FORMAT, Manifest};

/// The maximum length of an envelope in bytes.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;
/// The type of the payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.switchboard.release+json";
/// The maximum number of signatures. Each takes some 50 µs for each trusted key.
const MAX_SIGNATURES: usize = 64;

/// Readers of base64. DSSE allows both alphabets, and does not ask for padding.
const READERS: [GeneralPurpose; 2] = [
    GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
    ),
    GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent),
    ),
];

/// A manifest as it was signed, with its signatures. The manifest is not parsed before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    /// A hint for people. It is not signed, so that it decides nothing.
    key_id: String,
    bytes: Vec<u8>,
}

/// A manifest whose signatures are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The manifest.
    pub manifest: Manifest,
    /// The names of the trusted keys that signed the manifest.
    pub keys: Vec<String>,
}

/// The reason why an envelope is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The envelope is too long.
    #[error("it has {0} bytes, but at most {MAX_ENVELOPE_BYTES} are read; remove signatures")]
    Length(usize),
    /// The envelope is not the JSON of DSSE. The text says what is wrong.
    #[error("it is not a signed manifest ({0}); make one with `switchboard sign`")]
    Malformed(String),
    /// Too few trusted keys signed the payload.
    #[error(
        "it has valid signatures of {valid} different trusted keys, and {threshold} are required; sign the snapshot with \
         more keys of --trusted-keys"
    )]
    Signatures {
        /// The number of different trusted keys with a valid signature.
        valid: usize,
        /// The number of keys that are required.
        threshold: usize,
    },
    /// The payload is not a manifest that this program reads.
    #[error("this program cannot read its manifest: {0}")]
    Manifest(String),
}

/// The JSON of an envelope. Members with other names are allowed.
#[derive(Serialize, Deserialize)]
struct EnvelopeJson {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
struct SignatureJson {
    keyid: Option<String>,
    sig: String,
}

/// The member of every format of a manifest.
#[derive(Deserialize)]
struct FormatJson {
    format: u64,
}

impl Envelope {
    /// Creates an envelope without signatures.
    pub fn new(manifest: &Manifest) -> Envelope {
        // Cannot fail, because a manifest has only texts and numbers.
        Envelope::from_payload(serde_json::to_vec(manifest).unwrap_or_default())
    }

    /// Creates an envelope without signatures around any bytes.
    pub fn from_payload(payload: Vec<u8>) -> Envelope {
        Envelope { payload, signatures: Vec::new() }
    }

    /// Reads an envelope. Verifies nothing.
    ///
    /// # Errors
    /// Returns an error if the envelope is too long or not the JSON of DSSE.
    pub fn from_json(json: &[u8]) -> Result<Envelope, EnvelopeError> {
        let malformed = |what: &str| EnvelopeError::Malformed(what.to_owned());
        if json.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::Length(json.len()));
        }
        let read: EnvelopeJson = serde_json::from_slice(json).map_err(|error| {
            EnvelopeError::Malformed(format!("fault in line {}, column {}", error.line(), error.column()))
        })?;
        if read.payload_type != PAYLOAD_TYPE {
            return Err(malformed("its payloadType is not that of a release"));
        }
        if read.signatures.len() > MAX_SIGNATURES {
            return Err(malformed("too many signatures"));
        }
        let payload = decode(&read.payload).ok_or_else(|| malformed("its payload is not base64"))?;
        let signatures = read.signatures.into_iter().map(|signature| {
            let bytes = decode(&signature.sig).ok_or_else(|| malformed("a signature is not base64"))?;
            Ok(Signature { key_id: signature.keyid.unwrap_or_default(), bytes })
        });
        Ok(Envelope { payload, signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// Returns the envelope as JSON, with a line feed at its end.
    pub fn to_json(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|signature| SignatureJson {
            keyid: Some(signature.key_id.clone()),
            sig: STANDARD.encode(&signature.bytes),
        });
        let whole = EnvelopeJson {
            payload: STANDARD.encode(&self.payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: signatures.collect(),
        };
        let mut json = serde_json::to_vec(&whole).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Adds the signature of a key, or replaces it.
    pub fn sign(&mut self, key: &SigningKey) {
        let encoded = pre_authentication_encoding(&self.payload);
        let (public, key_id) = (key.public(), key.public().id());
        self.signatures.retain(|signature| !public.verifies(&encoded, &signature.bytes));
        self.signatures.push(Signature { key_id, bytes: key.sign(&encoded) });
    }

    /// Returns the number of signatures, valid or not.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Returns the ids of the keys that the signatures name. They are hints: whether a key signed is not verified.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|signature| &*signature.key_id)
    }

    /// Returns the manifest without verifying a signature, for a program that adds one.
    ///
    /// # Errors
    /// Returns an error if the payload is not a manifest that this program reads.
    pub fn unverified(&self) -> Result<Manifest, EnvelopeError> {
        let read = |error: serde_json::Error| EnvelopeError::Manifest(error.to_string());
        // The format comes first, because a later format may have other members.
        let FormatJson { format } = serde_json::from_slice(&self.payload).map_err(read)?;
        if format != FORMAT {
            return Err(EnvelopeError::Manifest(format!(
                "it has format {format}, and this program reads format {FORMAT}; use a newer version of Switchboard"
            )));
        }
        serde_json::from_slice(&self.payload).map_err(read)
    }

    /// Returns whether every member of the payload is one that a [`Manifest`] has.
    pub fn has_only_known_members(&self, manifest: &Manifest) -> bool {
        let payload = serde_json::from_slice(&self.payload);
        let known = serde_json::to_value(manifest);
        payload.is_ok_and(|payload| known.is_ok_and(|known| are_members_of(&payload, &known)))
    }

    /// Verifies the signatures, and then parses the manifest.
    ///
    /// # Errors
    /// Returns an error if fewer different keys than required signed the payload, or if the payload is not a
    /// manifest.
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<Verified, EnvelopeError> {
        let encoded = pre_authentication_encoding(&self.payload);
        let has_signed = |key: &PublicKey| {
            self.signatures.iter().any(|signature| key.verifies(&encoded, &signature.bytes))
        };
        let keys = trusted.keys().iter().filter(|trusted| has_signed(&trusted.key));
        let keys: Vec<String> = keys.map(|trusted| trusted.name.clone()).collect();
        if keys.len() < trusted.threshold() {
            return Err(EnvelopeError::Signatures { valid: keys.len(), threshold: trusted.threshold() });
        }
        Ok(Verified { manifest: self.unverified()?, keys })
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    READERS.iter().find_map(|reader| reader.decode(text).ok())
}

/// Returns the bytes that are signed: DSSE's encoding of the type and the payload, PAE.
fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// Returns whether each member of a value is a member of another one, at every depth.
fn are_members_of(value: &Value, known: &Value) -> bool {
    match (value, known) {
        (Value::Object(members), Value::Object(known)) => members
            .iter()
            .all(|(name, value)| known.get(name).is_some_and(|known| are_members_of(value, known))),
        (Value::Array(values), Value::Array(known)) => {
            values.len() == known.len()
                && values.iter().zip(known).all(|(value, known)| are_members_of(value, known))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let mut manifest = Manifest::new(7, "2026-11-28T12:00:00Z".parse().unwrap());
        manifest.variants.push(crate::Variant {
            schema: "0123".to_owned(),
            size: 9,
            digest: "ab".repeat(32),
            content: "cd".repeat(32),
        });
        manifest
    }

    fn trusted(threshold: usize, keys: &[&SigningKey]) -> TrustedKeys {
        let keys = keys.iter().enumerate().map(|(at, key)| key.public().to_toml(&format!("key-{at}")));
        let text = format!("threshold = {threshold}\n{}", keys.collect::<String>());
        TrustedKeys::parse("keys", text.as_bytes()).unwrap()
    }

    #[test]
    fn encoding_is_that_of_the_specification() {
        let encoded = pre_authentication_encoding(b"{}");
        assert_eq!(encoded, b"DSSEv1 40 application/vnd.switchboard.release+json 2 {}");
    }

    #[test]
    fn threshold_counts_different_trusted_keys() {
        let [a, b, c] = [(); 3].map(|()| SigningKey::generate().unwrap());
        let mut envelope = Envelope::new(&manifest());
        let failed = |envelope: &Envelope, trusted: &TrustedKeys| envelope.verify(trusted).unwrap_err();
        let none = EnvelopeError::Signatures { valid: 0, threshold: 1 };
        assert_eq!(failed(&envelope, &trusted(1, &[&a])), none);
        envelope.sign(&a);
        envelope.sign(&a);
        envelope.sign(&c);
        assert_eq!(envelope.signatures(), 2);
        assert_eq!(envelope.verify(&trusted(1, &[&b, &a])).unwrap().keys, ["key-1"]);
        assert_eq!(failed(&envelope, &trusted(1, &[&b])), none);
        let one = EnvelopeError::Signatures { valid: 1, threshold: 2 };
        assert_eq!(failed(&envelope, &trusted(2, &[&a, &b])), one);
        // A signature that is repeated counts once.
        let mut repeated = envelope.clone();
        repeated.signatures.extend(envelope.signatures.clone());
        assert_eq!(failed(&repeated, &trusted(2, &[&a, &b])), one);
        envelope.sign(&b);
        let verified = envelope.verify(&trusted(2, &[&a, &b])).unwrap();
        assert_eq!((verified.manifest, verified.keys.len()), (manifest(), 2));
    }

    #[test]
    fn hint_of_a_signature_decides_nothing() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let mut envelope = Envelope::new(&manifest());
        envelope.sign(&key);
        envelope.signatures[0].key_id = other.public().id();
        assert!(envelope.verify(&trusted(1, &[&key])).is_ok());
        assert!(envelope.verify(&trusted(1, &[&other])).is_err());
    }

    #[test]
    fn one_flipped_byte_is_rejected() {
        let key = SigningKey::generate().unwrap();
        let trusted = trusted(1, &[&key]);
        let mut envelope = Envelope::new(&manifest());
        envelope.sign(&key);
        for at in 0..envelope.payload.len() {
            let mut changed = envelope.clone();
            changed.payload[at] ^= 1;
            assert!(changed.verify(&trusted).is_err(), "payload, byte {at}");
        }
        for at in 0..64 {
            let mut changed = envelope.clone();
            changed.signatures[0].bytes[at] ^= 1;
            assert!(changed.verify(&trusted).is_err(), "signature, byte {at}");
        }
    }

    #[test]
    fn malformed_envelopes_are_rejected_without_a_panic() {
        let key = SigningKey::generate().unwrap();
        let mut envelope = Envelope::new(&manifest());
        envelope.sign(&key);
        let json = envelope.to_json();
        assert_eq!(Envelope::from_json(&json), Ok(envelope));
        for end in 0..json.len() - 2 {
            assert!(Envelope::from_json(&json[..end]).is_err(), "{end}");
        }
        let text = String::from_utf8(json.clone()).unwrap();
        for (from, to) in [
            ("vnd.switchboard", "vnd.in-toto"),
            ("\"payload\":\"", "\"payload\":\"!"),
            ("\"sig\":\"", "\"sig\":\"!"),
            ("\"signatures\":[", "\"signatures\":[{},"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(
                matches!(Envelope::from_json(changed.as_bytes()), Err(EnvelopeError::Malformed(_))),
                "{changed}"
            );
        }
        let long = vec![b' '; MAX_ENVELOPE_BYTES + 1];
        assert_eq!(Envelope::from_json(&long), Err(EnvelopeError::Length(long.len())));
        let many = text.replacen(
            "\"signatures\":[",
            &format!("\"signatures\":[{}", "{\"sig\":\"\"},".repeat(64)),
            1,
        );
        assert!(Envelope::from_json(many.as_bytes()).is_err());
        // Every byte may be wrong.
        for at in 0..json.len() {
            let mut changed = json.clone();
            changed[at] = changed[at].wrapping_add(1);
            if let Ok(changed) = Envelope::from_json(&changed) {
                let _ = changed.verify(&trusted(1, &[&key]));
            }
        }
    }

    #[test]
    fn signed_payload_that_is_no_manifest_is_rejected() {
        let key = SigningKey::generate().unwrap();
        for payload in [
            "",
            "{}",
            "[]",
            "{\"format\":2,\"generation\":1,\"created\":\"2026-01-01T00:00:00Z\",\"variants\":[]}",
            "{\"format\":2,\"new\":1}",
            "{\"format\":1,\"format\":1,\"generation\":1,\"created\":\"2026-01-01T00:00:00Z\",\"variants\":[]}",
            "{\"format\":1,\"generation\":1,\"created\":\"yesterday\",\"variants\":[]}",
            "{\"format\":1,\"generation\":-1,\"created\":\"2026-01-01T00:00:00Z\",\"variants\":[]}",
        ] {
            let mut envelope = Envelope { payload: payload.into(), signatures: Vec::new() };
            envelope.sign(&key);
            let error = envelope.verify(&trusted(1, &[&key])).unwrap_err();
            assert!(matches!(error, EnvelopeError::Manifest(_)), "{payload}");
        }
    }

    #[test]
    fn members_that_this_version_does_not_know_are_allowed() {
        let key = SigningKey::generate().unwrap();
        let payload = "{\"format\":1,\"new\":{\"a\":[1]},\"generation\":1,\"created\":\"2026-01-01T00:00:00Z\",\
                       \"counts\":{\"companies\":2,\"groups\":3},\"variants\":[]}";
        let mut envelope = Envelope { payload: payload.into(), signatures: Vec::new() };
        envelope.sign(&key);
        let text = String::from_utf8(envelope.to_json()).unwrap().replacen('{', "{\"new\":1,", 1);
        let verified = Envelope::from_json(text.as_bytes()).unwrap().verify(&trusted(1, &[&key])).unwrap();
        assert_eq!((verified.manifest.counts.companies, verified.manifest.expires), (2, None));
        assert!(!envelope.has_only_known_members(&verified.manifest));
        let known = Envelope::new(&verified.manifest);
        assert!(known.has_only_known_members(&verified.manifest));
    }

    #[test]
    fn both_alphabets_of_base64_are_read_with_padding_and_without() {
        let key = SigningKey::generate().unwrap();
        let mut envelope = Envelope::new(&manifest());
        envelope.sign(&key);
        // Bytes that need the characters in which the alphabets differ.
        let bytes = [0xfb, 0xff, 0xbf, 0xfe];
        envelope.signatures.push(Signature { key_id: String::new(), bytes: bytes.to_vec() });
        let text = String::from_utf8(envelope.to_json()).unwrap();
        assert!(text.contains("+/+//g=="), "{text}");
        for (standard, url) in [("+/+//g==", "-_-__g=="), ("+/+//g==", "-_-__g"), ("+/+//g==", "+/+//g")] {
            let read = Envelope::from_json(text.replace(standard, url).as_bytes()).unwrap();
            assert_eq!(read, envelope);
        }
        for wrong in ["+/-__g==", "+/+//h==", "+/+//g== ", "+/+//g==="] {
            let read = Envelope::from_json(text.replace("+/+//g==", wrong).as_bytes());
            assert!(read.is_err(), "{wrong}");
        }
        for (from, to) in [("\"keyid\":\"\",", ""), ("\"keyid\":\"\"", "\"keyid\":null")] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert_eq!(Envelope::from_json(changed.as_bytes()), Ok(envelope.clone()));
        }
    }
}
