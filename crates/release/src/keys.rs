//! Keys: the private key of a publisher, and the file of the public keys that a daemon trusts.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use switchboard_model::is_id;
use switchboard_registry::{did_you_mean, quoted};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The maximum size of a file of trusted keys in bytes.
pub const MAX_KEY_FILE_BYTES: usize = 64 * 1024;
/// The maximum number of trusted keys. A verification takes some 50 µs for each pair of key and signature.
const MAX_KEYS: usize = 64;
/// The maximum number of faults that are listed one by one.
const MAX_FAULTS: usize = 20;
/// The length of a public key and of the seed of a private key, in bytes.
const KEY_BYTES: usize = 32;
/// What precedes the seed in the DER of a PKCS#8 private key (RFC 8410, without the public key), as OpenSSL writes.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// The number of bytes of the hint to a key.
const ID_BYTES: usize = 8;
/// A private Ed25519 key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; KEY_BYTES],
}

/// A public Ed25519 key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_BYTES]);

/// The error for a text that is not a key, or for a key that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(&'static str);

/// The keys that a daemon trusts, and the number of them that must have signed a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKeys {
    threshold: usize,
    keys: Vec<TrustedKey>,
}

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The name, for people.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

/// The faults of a file of trusted keys: at most 20, each with file, line and remedy, and the number of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFileFaults {
    faults: Vec<String>,
    more: usize,
}

impl KeyFileFaults {
    /// Returns the faults, each with file, line and remedy.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(String::as_str)
    }
}

impl fmt::Display for KeyFileFaults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.faults.join("\n"))?;
        if self.more > 0 { write!(out, "\n(and {} more faults)", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for KeyFileFaults {}

/// Returns whether a text can be the name of a key.
pub fn is_key_name(text: &str) -> bool {
    is_id(text)
}

impl SigningKey {
    /// Makes a key of random bytes of the system.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub fn generate() -> Result<SigningKey, InvalidKey> {
        let mut seed = [0; KEY_BYTES];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| InvalidKey("the system has no random bytes; try again"))?;
        SigningKey::from_seed(seed)
    }

    /// Reads a key in PKCS#8, as PEM. Reads both versions, with the public key and without.
    ///
    /// # Errors
    /// Returns an error that does not repeat the text.
    pub fn from_pem(text: &str) -> Result<SigningKey, InvalidKey> {
        let wrong = InvalidKey(
            "this is not an Ed25519 private key in PKCS#8 PEM; make one with `switchboard keygen`, or with `openssl \
             genpkey -algorithm ed25519`",
        );
        if text.contains("ENCRYPTED PRIVATE KEY") {
            return Err(InvalidKey(
                "the private key is encrypted; decrypt it first, such as with `openssl pkey -in FILE -out NEW`",
            ));
        }
        if text.contains("[[key]]") {
            return Err(InvalidKey(
                "this is the public key; name the private key, which is the .key file of `switchboard keygen`",
            ));
        }
        let body = text.split_once(PEM_BEGIN).and_then(|(_, rest)| rest.split_once(PEM_END));
        let (body, _) = body.ok_or(wrong.clone())?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| wrong.clone())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| wrong.clone())?;
        // The seed follows the same algorithm in both versions of PKCS#8.
        let at = PKCS8.len();
        let seed = der.get(at..at + KEY_BYTES).and_then(|seed| seed.try_into().ok()).ok_or(wrong.clone())?;
        let key = SigningKey::from_seed(seed)?;
        if key.pair.public_key().as_ref() == pair.public_key().as_ref() { Ok(key) } else { Err(wrong) }
    }

    fn from_seed(seed: [u8; KEY_BYTES]) -> Result<SigningKey, InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| InvalidKey("this is not a key"))?;
        Ok(SigningKey { pair, seed })
    }

    /// Returns the key in PKCS#8, as PEM.
    pub fn to_pem(&self) -> String {
        let der = [PKCS8.as_slice(), &self.seed].concat();
        format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(der))
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        for (to, from) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    /// Shows the public key alone.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

impl PublicKey {
    /// Returns the hint to this key in envelopes: the first 16 hexadecimal digits of the key.
    pub fn id(&self) -> String {
        self.0.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the section of this key in a file of trusted keys.
    pub fn to_toml(&self, name: &str) -> String {
        // A name has no quote, so that only a backslash is escaped.
        format!(
            "[[key]]\nname = \"{}\"\ned25519 = \"{}\"\n",
            name.replace('\\', "\\\\"),
            STANDARD.encode(self.0)
        )
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    /// Returns what is wrong with a key. ring finds it at the first signature, or not at all.
    fn fault(&self) -> Option<&'static str> {
        match CompressedEdwardsY(self.0).decompress() {
            None => Some("`ed25519` is not an Ed25519 key; copy the line from the .pub file again"),
            Some(point) if point.is_small_order() => Some(
                "`ed25519` is a weak key, for which signatures can be forged; make a key with `switchboard keygen`",
            ),
            Some(_) => None,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.id())
    }
}

impl TrustedKeys {
    /// Reads a file of trusted keys: `threshold`, which is 1 by default, and `[[key]]` sections. `path` is the
    /// name of the file in messages.
    ///
    /// # Errors
    /// Returns the faults. The file is used as a whole or not at all.
    pub fn parse(path: &str, content: &[u8]) -> Result<TrustedKeys, KeyFileFaults> {
        let mut reader = FileReader { path, text: "", faults: KeyFileFaults::default() };
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        if content.len() > MAX_KEY_FILE_BYTES {
            reader.fault(0, format!("the file has more than {MAX_KEY_FILE_BYTES} bytes; remove keys"));
            return Err(reader.faults);
        }
        match str::from_utf8(content) {
            Ok(text) => reader.text = text,
            Err(error) => {
                let before = content.get(..error.valid_up_to()).unwrap_or_default();
                reader.text = str::from_utf8(before).unwrap_or_default();
                reader.fault(before.len(), "the line is not UTF-8 text; save the file as UTF-8");
                return Err(reader.faults);
            }
        }
        let read = reader.read();
        if reader.faults == KeyFileFaults::default() { Ok(read) } else { Err(reader.faults) }
    }

    /// Returns the number of different keys that must have signed a manifest.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Returns the keys, in the order of the file.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }
}

/// The state of reading one file.
struct FileReader<'t> {
    path: &'t str,
    text: &'t str,
    faults: KeyFileFaults,
}

impl FileReader<'_> {
    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    fn fault(&mut self, at: usize, message: impl AsRef<str>) {
        if self.faults.faults.len() < MAX_FAULTS {
            let fault = format!("{}:{}: {}", self.path, self.line(at), message.as_ref());
            self.faults.faults.push(fault);
        } else {
            self.faults.more += 1;
        }
    }

    /// Reads the file. The result is used only if there is no fault.
    fn read(&mut self) -> TrustedKeys {
        let mut read = TrustedKeys { threshold: 1, keys: Vec::new() };
        let (root, errors) = DeTable::parse_recoverable(self.text);
        // After its first fault, a TOML parser reports following lines too.
        if let Some(error) = errors.iter().min_by_key(|error| error.span().unwrap_or_default().start) {
            let message = error.message().replace('\n', " ");
            let at = error.span().unwrap_or_default().start;
            self.fault(at, format!("the file is not valid TOML: {message}; correct the line"));
            return read;
        }
        let root = root.into_inner();
        let mut threshold_at = 0;
        for (name, value) in in_order(&root) {
            match &**name.get_ref() {
                "threshold" => {
                    threshold_at = value.span().start;
                    read.threshold = self.threshold(value);
                }
                "key" => read.keys = self.keys(value),
                other => {
                    let help = did_you_mean(other, ["threshold", "key"].into_iter(), || {
                        "write `threshold`, and each key under its own `[[key]]`".to_owned()
                    });
                    self.fault(name.span().start, format!("key {} is unknown; {help}", quoted(other)));
                }
            }
        }
        let (threshold, keys) = (read.threshold, read.keys.len());
        if self.faults != KeyFileFaults::default() {
            return read;
        }
        if keys == 0 {
            self.fault(
                0,
                "the file has no key; add the `[[key]]` section of a .pub file of `switchboard keygen`",
            );
        } else if keys > MAX_KEYS {
            self.fault(
                0,
                format!("the file has {keys} keys, but at most {MAX_KEYS} are allowed; remove keys"),
            );
        } else if threshold > keys {
            let keys = if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") };
            let message = format!(
                "`threshold` is {threshold}, but the file has {keys}, so no snapshot could be put in service; lower \
                 `threshold`, or add keys"
            );
            self.fault(threshold_at, message);
        }
        read
    }

    fn threshold(&mut self, value: &Spanned<DeValue<'_>>) -> usize {
        let number = match value.get_ref() {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.filter(|number| *number > 0).unwrap_or_else(|| {
            let message =
                "`threshold` is not a number of keys; write a whole number of at least 1, without quotes";
            self.fault(value.span().start, message);
            1
        })
    }

    fn keys(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<TrustedKey> {
        let DeValue::Array(sections) = value.get_ref() else {
            self.fault(
                value.span().start,
                "`key` is no list of sections; write each key under `[[key]]`, in two brackets",
            );
            return Vec::new();
        };
        let mut found = Vec::<(TrustedKey, usize)>::new();
        for section in sections {
            let DeValue::Table(members) = section.get_ref() else {
                self.fault(
                    section.span().start,
                    "an item of `key` is no section; write each key under its own `[[key]]`",
                );
                continue;
            };
            let at = section.span().start;
            let Some(read) = self.key(members, at) else { continue };
            let same = |is_same: fn(&TrustedKey, &TrustedKey) -> bool| {
                found.iter().find(|(earlier, _)| is_same(earlier, &read)).map(|(_, at)| *at)
            };
            let (name, key) = (same(|a, b| a.name == b.name), same(|a, b| a.key == b.key));
            if let Some(earlier) = name {
                let message = format!(
                    "the name {} is also that of the key on line {}; give each key its own name",
                    quoted(&read.name),
                    self.line(earlier)
                );
                self.fault(at, message);
            }
            if let Some(earlier) = key {
                let message = format!(
                    "this key is also on line {}, and one key counts once; remove one of the two sections",
                    self.line(earlier)
                );
                self.fault(at, message);
            }
            found.push((read, at));
        }
        found.into_iter().map(|(key, _)| key).collect()
    }

    /// Reads one section. Returns `None` if a part is missing or faulty.
    fn key(&mut self, members: &DeTable<'_>, at: usize) -> Option<TrustedKey> {
        for (member, _) in in_order(members) {
            let name = &**member.get_ref();
            if !["name", "ed25519"].contains(&name) {
                let help = match name {
                    "threshold" => "write it above the first [[key]]".to_owned(),
                    _ => did_you_mean(name, ["name", "ed25519"].into_iter(), || {
                        "the keys are `name` and `ed25519`".to_owned()
                    }),
                };
                self.fault(
                    member.span().start,
                    format!("the section has the unknown key {}; {help}", quoted(name)),
                );
            }
        }
        let name = match members.get("name") {
            None => {
                self.fault(at, "the key has no `name`; add one, such as name = \"release-2026\"");
                None
            }
            Some(value) => match value.get_ref() {
                DeValue::String(text) if is_key_name(text) => Some(text.to_string()),
                _ => {
                    let message = "`name` is not a name; write 1 to 128 letters, digits and signs between quotes, \
                                   without blank, comma, slash and quote";
                    self.fault(value.span().start, message);
                    None
                }
            },
        };
        let key = match members.get("ed25519") {
            None => {
                self.fault(
                    at,
                    "the key has no `ed25519`; copy the line from the .pub file of `switchboard keygen`",
                );
                None
            }
            Some(value) => {
                let read = match value.get_ref() {
                    DeValue::String(text) => public_key(text),
                    _ => Err("`ed25519` is not a text".to_owned()),
                };
                let copy =
                    "copy the line from the .pub file of `switchboard keygen`, 44 characters of base64";
                read.map_err(|what| self.fault(value.span().start, format!("{what}; {copy}"))).ok()
            }
        };
        Some(TrustedKey { name: name?, key: key? })
    }
}

/// Reads a public key in base64. Returns what is wrong with it.
fn public_key(text: &str) -> Result<PublicKey, String> {
    let bytes = STANDARD.decode(text).map_err(|_| "`ed25519` is not base64".to_owned())?;
    let length = bytes.len();
    let bytes = <[u8; KEY_BYTES]>::try_from(bytes);
    let key =
        bytes.map_err(|_| format!("`ed25519` has {length} bytes, but an Ed25519 key has {KEY_BYTES}"))?;
    let key = PublicKey(key);
    key.fault().map_or(Ok(key), |fault| Err(fault.to_owned()))
}

/// Returns the entries of a table in the order of the file.
fn in_order<'t, 'd>(
    table: &'t DeTable<'d>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'d, str>>, &'t Spanned<DeValue<'d>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encodings of the points of small order, without the sign in the highest bit. One signature of such a key is
    /// valid for many messages, and ring accepts it.
    const WEAK: [[u8; KEY_BYTES]; 7] = [
        number(0x00, 0x00, 0x00),
        number(0x01, 0x00, 0x00),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        number(0xec, 0xff, 0x7f),
        number(0xed, 0xff, 0x7f),
        number(0xee, 0xff, 0x7f),
    ];

    /// Returns a number of this lowest byte, these bytes between, and this highest byte.
    const fn number(low: u8, between: u8, high: u8) -> [u8; KEY_BYTES] {
        let mut bytes = [between; KEY_BYTES];
        let [first, .., last] = &mut bytes;
        (*first, *last) = (low, high);
        bytes
    }

    /// Made by OpenSSL: `openssl genpkey -algorithm ed25519`, and its public key.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIMDY84xxkFbVzAfZNkUyCoairB/W6kh7fvWuNKYidaiY\n-----END PRIVATE KEY-----\n";
    const OPENSSL_PUBLIC: &str = "DIYWqzcmj9cmxYpG5ZRs1Ix69uuneebaKJsRSC2bbPY=";

    fn parse(text: &str) -> Result<TrustedKeys, Vec<String>> {
        TrustedKeys::parse("k.toml", text.as_bytes())
            .map_err(|faults| faults.iter().map(str::to_owned).collect())
    }

    #[test]
    fn key_is_read_as_it_was_written() {
        let key = SigningKey::generate().unwrap();
        let read = SigningKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(read.public(), key.public());
        assert!(!format!("{key:?}").contains(&STANDARD.encode(key.seed)));
    }

    #[test]
    fn key_of_openssl_is_read_and_written() {
        let key = SigningKey::from_pem(OPENSSL).unwrap();
        assert_eq!(STANDARD.encode(key.public().0), OPENSSL_PUBLIC);
        assert_eq!(key.to_pem(), OPENSSL);
        let carriage_returns = OPENSSL.replace('\n', "\r\n");
        assert_eq!(SigningKey::from_pem(&carriage_returns).unwrap().public(), key.public());
    }

    /// Version 2 of PKCS#8 (RFC 5958) has the public key behind the seed.
    #[test]
    fn key_with_its_public_key_is_read_and_the_public_key_is_checked() {
        let key = SigningKey::from_pem(OPENSSL).unwrap();
        let version_2 = |public: PublicKey| {
            let mut der = [PKCS8.as_slice(), &key.seed, &[0x81, 0x21, 0], &public.0].concat();
            (der[1], der[4]) = (0x51, 1);
            format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(der))
        };
        assert_eq!(SigningKey::from_pem(&version_2(key.public())).unwrap().public(), key.public());
        let other = SigningKey::generate().unwrap().public();
        assert!(SigningKey::from_pem(&version_2(other)).is_err());
    }

    #[test]
    fn other_texts_are_no_keys_and_are_not_repeated() {
        let rsa = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        for text in ["", "secret", rsa, &OPENSSL.replace("BEGIN", "BEGUN"), &OPENSSL.replace("MC4", "MC5")] {
            let error = SigningKey::from_pem(text).unwrap_err().to_string();
            assert!(error.contains("switchboard keygen") && !error.contains("ecret"), "{error}");
        }
        let encrypted = OPENSSL.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert!(SigningKey::from_pem(&encrypted).unwrap_err().to_string().contains("is encrypted"));
        let public = SigningKey::generate().unwrap().public().to_toml("a");
        assert!(SigningKey::from_pem(&public).unwrap_err().to_string().contains("is the public key"));
    }

    #[test]
    fn every_fault_of_a_key_file_has_its_line_and_its_remedy() {
        let [a, b] = [(); 2].map(|()| SigningKey::generate().unwrap().public());
        let one = a.to_toml("a");
        let two = format!("{one}{}", b.to_toml("b"));
        let read = parse(&format!("threshold = 2\n{two}")).unwrap();
        assert_eq!((read.threshold(), read.keys().len()), (2, 2));
        assert_eq!(parse(&one).unwrap().threshold(), 1);
        assert!(parse(&format!("\u{feff}# keys\r\n{}", two.replace('\n', "\r\n"))).is_ok());
        let with_key = |text: &str| format!("[[key]]\nname = \"a\"\ned25519 = \"{text}\"\n");
        for (text, line, words) in [
            (String::new(), 1, "has no key"),
            ("threshold = 1\n".to_owned(), 1, "has no key"),
            ("key = []\n".to_owned(), 1, "has no key"),
            (format!("\nthreshold = 2\n{one}"), 2, "`threshold` is 2, but the file has 1 key"),
            (format!("threshold = 3\n{two}"), 1, "`threshold` is 3, but the file has 2 keys"),
            (format!("threshold = 0\n{one}"), 1, "at least 1"),
            (format!("threshold = -1\n{one}"), 1, "at least 1"),
            (format!("threshold = 1.0\n{one}"), 1, "at least 1"),
            (format!("threshold = 99999999999999999999\n{one}"), 1, ""),
            (format!("threshold = \"1\"\n{one}"), 1, "without quotes"),
            (format!("{one}{}", a.to_toml("b")), 4, "this key is also on line 1"),
            (format!("{one}{}", b.to_toml("a")), 4, "the name `a` is also that of the key on line 1"),
            (format!("{one}comment = 1\n"), 4, "unknown key `comment`"),
            (format!("{one}threshold = 1\n"), 4, "write it above the first [[key]]"),
            (format!("{one}nam = 1\n"), 4, "did you mean `name`?"),
            (format!("tresholt = 1\n{one}"), 1, "did you mean `threshold`?"),
            ("\n[key]\nname = \"a\"\n".to_owned(), 2, "in two brackets"),
            ("key = 1\n".to_owned(), 1, "in two brackets"),
            ("key = [1]\n".to_owned(), 1, "under its own"),
            ("[[key]]\nname = \"a\"\n".to_owned(), 1, "has no `ed25519`"),
            (one.replace("name = \"a\"\n", ""), 1, "has no `name`"),
            (one.replace("name = \"a\"", "name = \"\""), 2, "is not a name"),
            (one.replace("name = \"a\"", "name = \"a b\""), 2, "is not a name"),
            (one.replace("name = \"a\"", "name = 7"), 2, "is not a name"),
            (with_key("AA=="), 3, "has 1 bytes, but an Ed25519 key has 32"),
            (with_key(&STANDARD.encode([7; 33])), 3, "has 33 bytes"),
            (with_key(""), 3, "has 0 bytes"),
            (with_key("!"), 3, "is not base64"),
            (with_key(STANDARD.encode([7; 32]).trim_end_matches('=')), 3, "is not base64"),
            (with_key(&format!(" {}", STANDARD.encode([7; 32]))), 3, "is not base64"),
            (with_key(&STANDARD.encode([[2].as_slice(), &[0; 31]].concat())), 3, "is not an Ed25519 key"),
            (with_key("").replace("\"\"", "7"), 3, "is not a text"),
            ("[[key]\n".to_owned(), 1, "not valid TOML"),
            (format!("{one}name = \"b\"\n"), 4, "not valid TOML"),
        ] {
            let faults = parse(&text).unwrap_err();
            assert_eq!(faults.len(), 1, "{text}\n{faults:?}");
            assert!(faults[0].starts_with(&format!("k.toml:{line}: ")), "{text}\n{faults:?}");
            assert!(faults[0].contains(words) && faults[0].contains("; "), "{text}\n{faults:?}");
        }
        let several = parse("threshold = 0\nx = 1\n[[key]]\n").unwrap_err();
        assert_eq!(several.len(), 4, "{several:?}");
        let faults = TrustedKeys::parse("k.toml", b"a\n\xff").unwrap_err().to_string();
        assert!(faults.starts_with("k.toml:2: the line is not UTF-8"), "{faults}");
        assert!(TrustedKeys::parse("k.toml", &vec![b'\n'; MAX_KEY_FILE_BYTES + 1]).is_err());
        let many = (0..=MAX_KEYS).map(|at| SigningKey::generate().unwrap().public().to_toml(&at.to_string()));
        assert!(parse(&many.collect::<String>()).unwrap_err()[0].contains("at most 64"));
        let faults = TrustedKeys::parse("k.toml", "[[key]]\n".repeat(50).as_bytes()).unwrap_err();
        assert!(faults.iter().count() == MAX_FAULTS && faults.to_string().ends_with(" more faults)"));
    }

    /// For each key that is refused as weak and that ring can read, one signature without a private key is valid
    /// for some of a few messages.
    #[test]
    fn weak_keys_are_refused_because_signatures_for_them_can_be_forged() {
        let mut forged = 0;
        for weak in WEAK {
            for sign in [0, 0x80] {
                let mut bytes = weak;
                bytes[31] |= sign;
                let key = PublicKey(bytes);
                let text = key.to_toml("a");
                assert!(
                    parse(&text).unwrap_err()[0].starts_with("k.toml:3: `ed25519` is a weak key"),
                    "{text}"
                );
                let forgery = |point: [u8; 32], message: u8| {
                    let signature = [point, [0; 32]].concat();
                    key.verifies(&[message], &signature)
                };
                let points = || {
                    WEAK.iter().flat_map(|point| {
                        [0, 0x80].map(|sign| {
                            let mut point = *point;
                            point[31] |= sign;
                            point
                        })
                    })
                };
                forged += usize::from(points().any(|point| (0..64).any(|message| forgery(point, message))));
            }
        }
        assert!(forged >= 8, "{forged}");
    }

    #[test]
    fn name_of_a_key_may_have_a_backslash() {
        let key = SigningKey::generate().unwrap().public();
        let name = "a\\nb";
        assert!(is_key_name(name));
        assert_eq!(parse(&key.to_toml(name)).unwrap().keys()[0].name, name);
    }
}
